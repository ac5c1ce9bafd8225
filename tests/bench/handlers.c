/* The module that is shipped to muster's workers. */
#include <muster/worker.h>

static int echo(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(echo);
