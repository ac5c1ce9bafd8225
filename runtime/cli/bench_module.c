/* bench_module.c - what `muster bench` has workers do. */
#include <stdint.h>
#include <string.h>

#include <muster/worker.h>

#include "bench_sum.h"

static int bench_echo(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(bench_echo);

static int bench_nothing(muster_ctx *ctx, const void *in, size_t len,
                         muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    return 0;
}
MUSTER_HANDLER(bench_nothing);

/* Read every byte; the sum proves it. */
static int bench_read(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const uint64_t sum = mst_bench_sum(in, len);

    (void)ctx;
    return muster_out_write(out, &sum, sizeof(sum));
}
MUSTER_HANDLER(bench_read);

/* Answer with as many bytes as are asked for, each written anew. */
static int bench_fill(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    uint64_t bytes;
    void *body;

    if (len != sizeof(bytes))
        return muster_fail(ctx, 1, "want 8 bytes, got %zu", len);
    memcpy(&bytes, in, sizeof(bytes));
    body = muster_out_reserve(out, bytes);
    if (body == NULL)
        return muster_fail(ctx, 2, "no memory for an answer of %zu bytes",
                           (size_t)bytes);
    memset(body, MST_BENCH_FILL, bytes);
    return 0;
}
MUSTER_HANDLER(bench_fill);
