/* http.h - the one place that knows libcurl: requests to the API server.
 *
 * A client is a set of connections that are kept alive. Requests are made in
 * batches that run beside each other; a single one is a batch of one. Each is
 * tried again by itself, with jittered backoff, where that is harmless and of
 * use: connection lost or refused, 429 and 503 (with Retry-After), 500, 502
 * and 504, a 409 Conflict of a POST (a quota that changed meanwhile), as long
 * as there is time; a 401 once, with renewed credentials; an answer that makes
 * no sense twice. A certificate that is wrong stays wrong: that ends at once.
 *
 * A POST that was tried again after a try with an unknown end (no answer, or a
 * 5xx) and is answered by 409 AlreadyExists has made what is there: that is
 * MUSTER_OK with status 409, and the answer is a Status, not the object.
 *
 * Certificates are verified unless the access says that they are not. Only
 * HTTPS and HTTP are spoken, redirects are not followed, answers are limited
 * in size, and our own User-Agent is sent (`pretty` answers cost the server
 * much). Each HTTP `Warning:` header is a log line, each text once. Nothing of
 * what we show the server is written to a file.
 *
 * SIGPIPE is blocked in the calling thread while a request runs, and one that
 * came of it is taken away; no other signal is touched.
 *
 * Thread: a client belongs to one thread at a time; stop may come from any.
 */
#ifndef MST_KUBE_HTTP_H
#define MST_KUBE_HTTP_H

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#include "base/log.h"
#include "launch/kube/access.h"

#define MST_KUBE_BODY_BYTES (64u << 20) /* of an answer; more is refused */
#define MST_KUBE_WIDTH 16               /* requests beside each other */
#define MST_KUBE_CONNECT_MS 10000       /* for TCP and TLS */
#define MST_KUBE_QUIET_MS 30000         /* a webhook may take that long */

typedef struct mst_kube_http mst_kube_http;

/* What the words of an error need: "create pods in namespace n". */
typedef struct mst_kube_what {
    const char *verb;     /* as RBAC has it: create, delete, get, list, watch */
    const char *resource; /* "pods", "secrets", "pods/log"                    */
    const char *ns;
    const char *name; /* of the object, or NULL */
} mst_kube_what;

typedef struct mst_kube_request {
    mst_kube_what what;
    const char *method; /* "POST"                                           */
    const char *path;   /* "/api/v1/namespaces/n/pods?limit=1", escaped     */
    const char *body;   /* JSON, or NULL; borrowed                          */
    int64_t until_ms;   /* for all of its tries                             */
    int64_t quiet_ms;   /* a try in which nothing comes for so long is given
                           up; 0: MST_KUBE_QUIET_MS, or half of the time that
                           is left, so that there is another one            */
    bool once;          /* it is not tried again, but after a 401           */
    bool ours;          /* POST: nobody else makes what has this name, so that
                           409 AlreadyExists says that a try of it did       */
    bool text;          /* the answer is no JSON (pods/log)                 */
    size_t most_bytes;  /* of the answer; 0: MST_KUBE_BODY_BYTES. Of a text
                           the rest is left out; JSON is refused            */
    /* the outcome */
    muster_err rc;
    muster_error err;
    long status;  /* the last one, or 0 */
    int tries;    /* how often it was tried */
    bool unclear; /* it failed, was sent, and no answer or a 5xx came: it may
                     have been done */
    int64_t retry_after_ms; /* what the last answer asked for, or 0 */
    cJSON *answer;          /* the caller's; NULL: text, or no answer */
    char *said;             /* the text, terminated; the caller's, mst_free */
    size_t said_len;
} mst_kube_request;

muster_err mst_kube_http_create(mst_kube_access *access, mst_log *log,
                                mst_kube_http **http, muster_error *err);
void mst_kube_http_destroy(mst_kube_http **http);

/* Run all of them, at most MST_KUBE_WIDTH at a time; each has its own outcome.
 * True: all are MUSTER_OK.
 *
 * Errors, of each: MUSTER_ENOSERVER  not reached, or no whole answer, until
 *                                    its time was over; the text has the
 *                                    server's address and the last reason
 *                  MUSTER_EDENIED    the server said no; err.http has the
 *                                    status and the text what is to be done
 *                  MUSTER_EKUBE      no credentials, see mst_kube_auth_get
 *                  MUSTER_ECANCELED  mst_kube_http_stop
 *                  MUSTER_ENOMEM
 */
bool mst_kube_http_run(mst_kube_http *http, mst_kube_request *requests,
                       size_t n);
void mst_kube_request_fini(mst_kube_request *request);

/* Any thread: what runs, and what is run later, ends at once. */
void mst_kube_http_stop(mst_kube_http *http);

/* A stream (a watch): `take` gets the bytes of a 200 as they come, and first
 * of all, when its headers are there, none. What it returns false for ends the
 * stream. The answer of another status is in request->answer.
 *
 *   quiet_ms   nothing came for so long: it ends
 *
 * Success: the server ended it, or `take` did.
 * Errors:  as above, and MUSTER_ETIMEOUT: it was quiet, or its time was over,
 *          after it had begun
 */
muster_err mst_kube_http_stream(
    mst_kube_http *http, mst_kube_request *request, int64_t quiet_ms,
    bool (*take)(void *arg, const char *data, size_t len), void *arg);

/* Escape one part of a path or query (RFC 3986). NULL: no memory; mst_free. */
char *mst_kube_escape(const char *text);

#endif
