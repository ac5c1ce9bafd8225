/* calls.h - the requests of the launcher, about ten in all. They block.
 *
 * Thread: that of the client they use.
 */
#ifndef MST_KUBE_CALLS_H
#define MST_KUBE_CALLS_H

#include "launch/kube/http.h"
#include "launch/kube/names.h"
#include "launch/kube/plan.h"

#define MST_CALLS_MS 60000     /* for one request, with all of its tries */
#define MST_CALLS_LAST_MS 5000 /* for all of them, at the end */

/* *unclear: it failed, and may be there all the same. */
muster_err mst_calls_create_secret(mst_plan *plan, const char *name,
                                   const mst_secret_item *items, size_t n,
                                   bool *unclear, muster_error *err);

typedef struct mst_call_pod {
    const char *name, *secret, *cookie;
    uint32_t rank, incarnation;
    /* the outcome */
    muster_err rc;
    bool unclear; /* it may have been created all the same */
    muster_error err;
} mst_call_pod;

/* At most MST_KUBE_WIDTH of them, beside each other. */
void mst_calls_create_pods(mst_plan *plan, mst_call_pod *pods, size_t n);

/* The last lines of a worker's container; NULL: none. *refused: we may not,
 * and it was said. The caller's, mst_free. */
char *mst_calls_log_tail(mst_plan *plan, mst_log *log, const char *name,
                         bool *refused);

typedef struct mst_call_drop {
    char name[MST_KUBE_LABEL];
    int grace_s;
    bool stays; /* mst_kube_http_stop came first, or it failed */
} mst_call_drop;

/* Those that are not there any more count as dropped; what else goes wrong is
 * logged, and counted in the plan. *refused: we may not, and it was said. */
void mst_calls_drop_pods(mst_plan *plan, mst_kube_http *http, mst_log *log,
                         mst_call_drop *drops, size_t n, int64_t until_ms,
                         bool *refused);
/* False: it was stopped, or failed and stays. */
bool mst_calls_drop_secret(mst_plan *plan, mst_kube_http *http, mst_log *log,
                           const char *name, int64_t until_ms);

/* All Pods of the session in one request, those that stayed so far, too. False:
 * not allowed, or it failed. */
bool mst_calls_drop_session(mst_plan *plan, mst_kube_http *http, mst_log *log,
                            int grace_s, int64_t until_ms);

/* The Pod of that name. */
muster_err mst_calls_get_pod(mst_kube_http *http, const char *ns,
                             const char *name, cJSON **pod, muster_error *err);

#endif
