/* handler.h - a running handler: its context and its result. */
#ifndef MST_HANDLER_H
#define MST_HANDLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/worker.h>

struct muster_ctx {
    uint32_t rank, incarnation, size, index, count;
    const char *session;
    int64_t until_ms; /* absolute, MST_NEVER without a deadline */
    atomic_bool canceled;
    bool failed; /* muster_fail was called */
    char text[MUSTER_ERROR_TEXT];
};

struct muster_out {
    unsigned char *data;
    size_t len, room;
    bool broken; /* no memory: the call ends MUSTER_ENOMEM */
};

void mst_out_fini(muster_out *out);

#endif
