/* A worker program that brings a handler of its own. */
#include <muster/worker.h>

static int own(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_printf(out, "from the worker program itself");
}
MUSTER_HANDLER(own);

int main(int argc, char **argv)
{
    return muster_worker_main(argc, argv);
}
