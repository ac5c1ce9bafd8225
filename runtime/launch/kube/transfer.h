/* transfer.h - one request on its way: a libcurl handle with what it shows and
 * what it gets. Used by http.c only. */
#ifndef MST_KUBE_TRANSFER_H
#define MST_KUBE_TRANSFER_H

#include <curl/curl.h>

#include "base/log.h"
#include "launch/kube/http.h"

typedef struct mst_transfer {
    CURL *curl;
    mst_kube_request *request;
    mst_log *log;
    mst_kube_auth auth;
    struct curl_slist *headers, *connect_to;
    char *url;
    char *body; /* what came; terminated */
    size_t used, room, most;
    bool too_big, no_memory, truncated;
    bool running, over;
    bool renewed;  /* its credentials, after a 401 */
    int64_t at_ms; /* when it is to be tried */
    char why[CURL_ERROR_SIZE];
    /* of a stream */
    bool (*take)(void *arg, const char *data, size_t len);
    void *arg;
    bool enough; /* take said so */
    int64_t heard_ms;
} mst_transfer;

/* Fill the handle for the next try. Errors: those of mst_kube_auth_get,
 * MUSTER_ENOMEM. */
muster_err mst_transfer_prepare(mst_transfer *t, mst_kube_access *access,
                                muster_error *err);

/* Forget what the last try showed and got. */
void mst_transfer_clear(mst_transfer *t);

#endif
