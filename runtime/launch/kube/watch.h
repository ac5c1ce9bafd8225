/* watch.h - one list+watch of Pods by label, on a thread of its own.
 *
 * It lists once, then watches from there; resumes by resourceVersion when the
 * stream ends (bookmarks keep that fresh); lists again after 410 in either
 * form (a status, or an ERROR event on a 200) and tells what went missing
 * meanwhile as DELETED, with what was known of it last: its metadata without
 * annotations, spec.nodeName and status. What changed nothing is not told.
 * While the server is away it tries again with jittered backoff for as long as
 * it takes. A server that refuses what it allowed before may just have started:
 * for 15 s that, too, is "away".
 */
#ifndef MST_KUBE_WATCH_H
#define MST_KUBE_WATCH_H

#include "launch/kube/events.h"
#include "launch/kube/http.h"

typedef struct mst_kube_watch mst_kube_watch;

typedef struct mst_kube_watch_calls {
    /* ADDED, MODIFIED or DELETED; the Pod is borrowed. */
    void (*pod)(void *arg, mst_kube_event event, const cJSON *pod);
    /* It cannot go on: refused (RBAC, no such namespace). Once, the last. */
    void (*failed)(void *arg, const muster_error *err);
    /* The server is away (true), or back (false). */
    void (*away)(void *arg, bool away, const muster_error *err);
} mst_kube_watch_calls;

/* Begin. All calls come on the watch's thread, one at a time.
 *
 *   selector   of labels, "muster/session=...", not escaped; copied
 *
 * Success: the thread runs; the list may not be there yet.
 */
muster_err mst_kube_watch_start(mst_kube_access *access, mst_log *log,
                                const char *selector,
                                const mst_kube_watch_calls *calls, void *arg,
                                mst_kube_watch **watch, muster_error *err);

/* End it and wait: no call comes after this. */
void mst_kube_watch_stop(mst_kube_watch **watch);

#endif
