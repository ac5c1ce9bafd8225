/* alloc_handlers.c - a worker that counts what it takes from the heap. */
#include <muster/worker.h>

#include "alloc_watch.h"

static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror);

static int watch(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    alloc_watch_begin();
    return 0;
}
MUSTER_HANDLER(watch);

static int watched(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    long got[ALLOC_WATCHED];

    (void)ctx;
    (void)in;
    (void)len;
    alloc_watch_end(got);
    return muster_out_write(out, got, sizeof(got));
}
MUSTER_HANDLER(watched);
