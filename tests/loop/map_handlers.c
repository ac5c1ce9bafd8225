/* map_handlers.c - what the items of it_map.c and it_map_failures.c run. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

static int64_t number(const void *in, size_t len)
{
    int64_t n = -1;

    if (len == sizeof(n))
        memcpy(&n, in, sizeof(n));
    return n;
}

static int twice(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const int64_t n = 2 * number(in, len);

    (void)ctx;
    return muster_out_write(out, &n, sizeof(n));
}
MUSTER_HANDLER(twice);

/* Every seventh item fails. */
static int seventh_fails(muster_ctx *ctx, const void *in, size_t len,
                         muster_out *out)
{
    const int64_t n = number(in, len);

    if (n % 7 == 3)
        return muster_fail(ctx, 40 + (int)(n % 10), "not %d", (int)n);
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(seventh_fails);

/* Fails without a word: the worker finds one. */
static int silent(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)out;
    return number(in, len) == 3 ? 43 : 0;
}
MUSTER_HANDLER(silent);

/* Fails an item the first two times it is seen by this worker. */
static int third_time(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    static unsigned char seen[1024];
    const int64_t n = number(in, len);

    if (n < 0 || n >= (int64_t)sizeof(seen))
        return muster_fail(ctx, 2, "no item %d", (int)n);
    if (seen[n]++ < 2)
        return muster_fail(ctx, 1, "not yet");
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(third_time);

/* Item 20 ends every worker but the first. */
static int deadly(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    if (number(in, len) == 20 && muster_ctx_rank(ctx) != 1)
        abort();
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(deadly);

static int always_deadly(muster_ctx *ctx, const void *in, size_t len,
                         muster_out *out)
{
    (void)ctx;
    if (number(in, len) == 20)
        abort();
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(always_deadly);

/* Waits until nobody wants it any more. */
static int stubborn(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    while (!muster_ctx_canceled(ctx))
        ;
    return 1;
}
MUSTER_HANDLER(stubborn);

static int who_am_i(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    const int64_t rank = muster_ctx_rank(ctx);

    (void)in;
    (void)len;
    return muster_out_write(out, &rank, sizeof(rank));
}
MUSTER_HANDLER(who_am_i);

/* A result as long as the item says. */
static int long_one(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    const int64_t n = number(in, len);
    void *at = muster_out_reserve(out, (size_t)n);

    (void)ctx;
    if (at == NULL)
        return MUSTER_ENOMEM;
    memset(at, (int)(n & 0xff), (size_t)n);
    return 0;
}
MUSTER_HANDLER(long_one);

/* After every item that fails comes one that finds nothing of it. */
static int passes_on(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    const int64_t n = number(in, len);
    muster_future *future = NULL;
    muster_error err;

    if (n % 7 == 4)
        return muster_out_write(out, in, len);
    if (muster_call_start(muster_ctx_muster(ctx), muster_ctx_rank(ctx), "twice",
                          in, len, 0, &future, &err) != MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    muster_out_future(out, &future);
    return n % 7 == 3 ? muster_fail(ctx, 40, "not %d", (int)n) : 0;
}
MUSTER_HANDLER(passes_on);

/* Every seventh item wants more memory than there is. */
static int no_room(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    if (number(in, len) % 7 == 3 && muster_out_reserve(out, SIZE_MAX) == NULL)
        return MUSTER_ENOMEM;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(no_room);

/* Item 7 ends its worker without a word, in the place of one that waits for the
 * manager, as all others do. */
static int wait_or_kill(muster_ctx *ctx, const void *in, size_t len,
                        muster_out *out)
{
    muster_error err;

    if (number(in, len) == 7)
        raise(SIGKILL);
    if (muster_call(muster_ctx_muster(ctx), 0, "nap_here", NULL, 0,
                    MUSTER_FOREVER, NULL, &err) != MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(wait_or_kill);
