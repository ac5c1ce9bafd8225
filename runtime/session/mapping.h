/* mapping.h - a map as the loop sees it: batches that wait, batches that are
 * on a worker, batches that are over. What is in them is map.c's business. */
#ifndef MST_MAPPING_H
#define MST_MAPPING_H

#include "session/session.h"

/* One call's worth of items. */
typedef struct mst_load {
    mst_cmd cmd; /* brings it to the loop */
    TAILQ_ENTRY(mst_load) link;
    mst_call call;
    struct mst_mapping *mapping;
    int64_t sent_ms, took_ms;
    size_t first, n; /* what map.c put in */
    size_t bytes;
    size_t *items; /* their indices */
} mst_load;

typedef TAILQ_HEAD(mst_loads, mst_load) mst_loads;

typedef struct mst_mapping {
    TAILQ_ENTRY(mst_mapping) link;
    muster *m;
    const muster_set *set;
    muster_token *token;
    uint32_t per_worker; /* 0: find out */
    atomic_uint depth;   /* what it is now; at least 1 */
    int64_t until_ms;
    mst_origin origin;
    mst_timer deadline;
    /* driver */
    mst_loads waiting;
    uint16_t *flying;   /* calls on each rank */
    uint32_t room;      /* of flying */
    bool full;          /* the last search found no worker with room */
    muster_err stopped; /* why nothing is sent any more, or MUSTER_OK */
    /* guarded by m->loop.lock */
    mst_loads over;
    mst_await news;
} mst_mapping;

/* Any thread but the driver's: begin and end; all loads must be back. */
muster_err mst_mapping_begin(mst_mapping *p, muster_error *err);
void mst_mapping_end(mst_mapping *p);

/* Any thread: hand over a load; it comes back in `over`, its call's outcome
 * set. */
void mst_mapping_add(mst_mapping *p, mst_load *load);

/* Wait until something is over, and take all of it. */
void mst_mapping_take(mst_mapping *p, mst_loads *taken);

/* End it early, from the program's thread; loads come back with `why`. */
void mst_mapping_stop(mst_mapping *p, muster_err why);

#endif
