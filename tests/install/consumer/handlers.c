/* What the module runs on workers. */
#include <muster/worker.h>

static int starts;

static int start(muster_ctx *ctx)
{
    (void)ctx;
    starts++;
    return 0;
}
MUSTER_MODULE_INIT(start);

static int greet(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    if (len == 0)
        return muster_fail(ctx, 3, "whom shall I greet?");
    return muster_out_printf(out, "hello %.*s, started %d", (int)len,
                             (const char *)in, starts);
}
MUSTER_HANDLER(greet);

static int where(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    return muster_out_printf(out, "%u of %u", (unsigned)muster_ctx_index(ctx),
                             (unsigned)muster_ctx_count(ctx));
}
MUSTER_HANDLER(where);
