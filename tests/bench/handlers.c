/* The module that is shipped to muster's workers. */
#include "bulk.h"

#include <string.h>

#include <muster/worker.h>

static int echo(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(echo);

static int read_all(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    const uint64_t sum = bench_read(in, len);

    (void)ctx;
    return muster_out_write(out, &sum, sizeof(sum));
}
MUSTER_HANDLER(read_all);

static int fill(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    uint64_t bytes;
    void *body;

    if (len != sizeof(bytes))
        return muster_fail(ctx, 1, "want 8 bytes");
    memcpy(&bytes, in, sizeof(bytes));
    body = muster_out_reserve(out, bytes);
    if (body == NULL)
        return muster_fail(ctx, 2, "no memory");
    memset(body, BENCH_FILL, bytes);
    return 0;
}
MUSTER_HANDLER(fill);
