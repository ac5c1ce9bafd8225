/* handler.h - a running handler: its context and its result. */
#ifndef MST_HANDLER_H
#define MST_HANDLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/worker.h>

#include "base/pool.h"

struct muster_ctx {
    muster *m;
    uint32_t rank, incarnation, size, index, count, caller;
    unsigned depth; /* of calls within calls; at most MST_DEPTH_MAX */
    uint64_t call;  /* the job's id */
    const char *session;
    int64_t until_ms; /* absolute, MST_NEVER without a deadline */
    atomic_bool canceled;
    bool failed;             /* muster_fail was called */
    struct mst_blobs *blobs; /* of this process; may be NULL */
    struct mst_held *held;   /* those that were got */
    char text[MUSTER_ERROR_TEXT];
};

struct muster_out {
    unsigned char *data;
    size_t len, room;
    bool broken;                  /* no memory: the call ends MUSTER_ENOMEM */
    struct muster_future *passed; /* the result is that of this call */
    mst_pool *pool;               /* borrowed: of data; or NULL */
};

/* Empty again, with the same pool. */
void mst_out_fini(muster_out *out);

#endif
