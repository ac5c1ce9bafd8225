/* known.h - the Pods that a watch has told of, so that each list becomes the
 * changes since. Pure.
 */
#ifndef MST_KUBE_KNOWN_H
#define MST_KUBE_KNOWN_H

#include "launch/kube/events.h"

typedef struct mst_known_pod {
    cJSON *pod; /* metadata without its long parts, and status */
    const char *name, *uid, *version; /* in it */
    bool seen;                        /* in the list that is being read */
} mst_known_pod;

/* ADDED, MODIFIED or DELETED; the Pod is borrowed. */
typedef void (*mst_known_fn)(void *arg, mst_kube_event event, const cJSON *pod);

typedef struct mst_known {
    mst_known_pod *pods;
    size_t n, room;
} mst_known;

typedef enum mst_known_rc {
    MST_KNOWN_OK,
    MST_KNOWN_STRANGE, /* no Pod: it has no name or no version */
    MST_KNOWN_NOMEM
} mst_known_rc;

/* An event: a Pod that was told of is MODIFIED, another one ADDED; what has
 * changed nothing, and the end of one that is not known, is not told. One that
 * has the name of another that was known comes after its DELETED. */
mst_known_rc mst_known_event(mst_known *known, mst_kube_event event,
                             const cJSON *pod, mst_known_fn fn, void *arg);

/* A whole list: the same for each, then DELETED for what is not in it. When it
 * fails, nothing is DELETED. */
mst_known_rc mst_known_list(mst_known *known, const cJSON *items,
                            mst_known_fn fn, void *arg);

void mst_known_fini(mst_known *known);

#endif
