/* transfer.h - one try of one request on one handle of libcurl: what is set,
 * what comes in, and what became of it. Who tries again, and when, is http.c.
 */
#ifndef MST_KUBE_TRANSFER_H
#define MST_KUBE_TRANSFER_H

#include <curl/curl.h>

#include "launch/kube/http.h"
#include "launch/kube/origin.h"

typedef bool (*mst_take_fn)(void *arg, const char *data, size_t len);

typedef struct mst_transfer {
    CURL *easy;
    mst_origin *origin;
    mst_kube_request *request; /* NULL: idle */
    void *owner;               /* http.c's */
    mst_take_fn take;          /* of a stream, or NULL */
    void *take_arg;
    mst_kube_auth auth;
    char *authorization; /* the header */
    struct curl_slist headers[5], connect_to;
    char *url;
    char *data; /* what came, not terminated */
    size_t used, room, most;
    int sent;         /* how often it went out: libcurl repeats it by itself
                         when a connection that was kept is dead */
    int64_t heard_ms; /* when something came last */
    int64_t quiet_ms; /* http.c's: how long nothing may come */
    bool began;       /* a stream: take was called */
    bool cut;         /* a text: there was more than `most` */
    bool too_long;    /* the same, of JSON */
    bool no_memory;
    bool enough; /* take said so */
    char words[CURL_ERROR_SIZE];
} mst_transfer;

/* Set everything for one try; t->easy is then ready for the multi handle.
 *
 *   auth   moved in; wiped by mst_transfer_end
 */
muster_err mst_transfer_begin(mst_transfer *t, mst_kube_request *request,
                              mst_kube_auth *auth, muster_error *err);
/* What was set and came is dropped; the handle stays. */
void mst_transfer_end(mst_transfer *t);
void mst_transfer_fini(mst_transfer *t);

#endif
