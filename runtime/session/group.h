/* group.h - the same call on several workers, awaited together. */
#ifndef MST_GROUP_H
#define MST_GROUP_H

#include "session/session.h"

typedef struct mst_group {
    mst_cmd cmd;
    mst_await await;
    muster *m;
    const muster_set *set;
    const char *name;
    mst_pool *pool; /* of what the parts carry; a reference */
    mst_payload *payload;
    int64_t until_ms;
    mst_origin origin; /* set by run */
    struct mst_part *parts;
    size_t n, left;
    mst_shipment *ship; /* taken in on success; NULL: a plain broadcast */
    muster_err rc;
    muster_error error;
} mst_group;

typedef struct mst_part {
    mst_call call;
    mst_group *group;
} mst_part;

/* The command that resolves the set and sends. */
void mst_group_begin(mst_cmd *cmd, void *arg);

/* Post group->cmd and wait; afterwards the parts have their outcomes.
 * MUSTER_EPARTIAL with the first failure in group->error, or why nothing was
 * sent. */
muster_err mst_group_run(mst_group *group);
void mst_group_fini(mst_group *group);

#endif
