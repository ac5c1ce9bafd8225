/* module.c - the modules that the tests ship: small, and each different.
 *
 *   HANDLER     the name of its one handler
 *   ANSWER      what that answers
 *   ABI         it claims to be built for
 *   INIT        what its start function returns
 *   UNRESOLVED  it calls what nobody has
 *   MANAGER     it has the manager's half as well
 */
#include <stdio.h>

#include <muster/muster.h>
#include <muster/worker.h>

#ifdef ABI
#undef MUSTER_MODULE_ABI
#define MUSTER_MODULE_ABI ABI
#endif
#ifndef ANSWER
#define ANSWER "yes"
#endif

static int HANDLER(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_printf(out, "%s", ANSWER);
}
/* once more, for MUSTER_HANDLER pastes what it is given */
#define MAKE_CALLABLE(fn) MUSTER_HANDLER(fn)
MAKE_CALLABLE(HANDLER);

#ifdef INIT
static int start(muster_ctx *ctx)
{
    return muster_fail(ctx, INIT, "rank %u has no such device",
                       muster_ctx_rank(ctx));
}
MUSTER_MODULE_INIT(start);
#endif

#ifdef UNRESOLVED
int no_such_function_anywhere(void);

int call_it(void);
MUSTER_API int call_it(void)
{
    return no_such_function_anywhere();
}
#endif

#ifdef MANAGER
/* What the manager may do and a worker must not. */
static int as_manager(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    muster *m = NULL;
    muster_error err;
    const muster_err opened = muster_open(NULL, &m, &err);
    const muster_err called = muster_call(m, 1, "echo", in, len, 0, NULL, NULL);
    const muster_err launched = muster_launch(m, 1, 1, NULL, NULL);

    (void)ctx;
    muster_close(&m);
    return muster_out_printf(out, "%d %d %d %u %s", (int)opened, (int)called,
                             (int)launched, muster_size(m), err.text);
}
MUSTER_HANDLER(as_manager);

MUSTER_API int muster_main(muster *m, int argc, char **argv)
{
    muster_results *results = NULL;
    muster_error err;

    (void)argc;
    (void)argv;
    if (muster_broadcast(m, NULL, "as_manager", NULL, 0, 0, &results, &err) !=
        MUSTER_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    muster_results_destroy(&results);
    return muster_call(m, MUSTER_ANY, "as_manager", NULL, 0, 0, NULL, &err) !=
           MUSTER_OK;
}
#endif
