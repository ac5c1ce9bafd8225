/* clean.h - what is left of sessions that are over: Pods that have ended, and
 * Secrets, by their labels.
 *
 * A session is over when none of its Pods is Pending or Running, and nothing
 * of it is younger than MST_CLEAN_YOUNG_S: it may just be beginning.
 */
#ifndef MST_KUBE_CLEAN_H
#define MST_KUBE_CLEAN_H

#include <stdbool.h>

#include "base/log.h"
#include "launch/kube/access.h"

#define MST_CLEAN_YOUNG_S 300

typedef struct mst_clean {
    mst_kube_where where;
    const char *session; /* this one, over or not; NULL: those that are over */
    bool all;            /* every one, over or not                           */
    bool dry_run;
    /* "pod" or "secret", its name, and why it stays or NULL: it went (or
       would). */
    void (*told)(void *arg, const char *kind, const char *name,
                 const char *why);
    void *arg;
} mst_clean;

/* Blocks. Success: all that was to go went. Errors: those of the API server;
 * the first one, the others go on. */
muster_err mst_kube_clean(const mst_clean *clean, mst_log *log,
                          muster_error *err);

#endif
