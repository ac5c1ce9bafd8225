/* matrix_handlers.c - handlers for it_matrix. Each says "begun" once it is
 * under way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <muster/muster.h>
#include <muster/worker.h>

static int last(muster_ctx *ctx, long ms, muster_out *out)
{
    const struct timespec one = {0, 1000000};

    printf("begun\n");
    fflush(stdout);
    for (; ms != 0 && !muster_ctx_canceled(ctx); ms--)
        nanosleep(&one, NULL);
    if (ms != 0)
        return muster_fail(ctx, 9, "I was told to give up");
    return muster_out_write(out, "done", 4);
}

static long ms_of(const void *in, size_t len)
{
    char text[32] = "";

    memcpy(text, in, len < sizeof(text) ? len : sizeof(text) - 1);
    return strtol(text, NULL, 10);
}

/* "100": lasts so many ms, -1 without end; 0: fails, once it has begun. */
static int step(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const long ms = ms_of(in, len);
    int rc;

    if (ms != 0)
        return last(ctx, ms, out);
    rc = last(ctx, 20, out);
    return rc != 0 ? rc : muster_fail(ctx, 41, "as I was told");
}
MUSTER_HANDLER(step);

/* The same on worker 1 for the first time; a moment otherwise. */
static int step_once(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    static int times;

    if (muster_ctx_rank(ctx) == 1 && times++ == 0)
        return step(ctx, in, len, out);
    return muster_out_write(out, "done", 4);
}
MUSTER_HANDLER(step_once);

static int ended(muster_ctx *ctx, muster_err rc, const muster_error *err)
{
    return rc == MUSTER_OK ? 0 : muster_fail(ctx, (int)rc, "%s", err->text);
}

/* Calls `step` with the same on the rank whose number comes first: "2 100". */
static int step_there(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const char *body = (const char *)in + 2;
    muster_error err;

    (void)out;
    return ended(ctx,
                 muster_call(muster_ctx_muster(ctx), (uint32_t)ms_of(in, 1),
                             "step", body, len - 2, 0, NULL, &err),
                 &err);
}
MUSTER_HANDLER(step_there);

/* Puts into channel "c", which is full. */
static int put_one(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_error err;

    (void)in;
    (void)len;
    (void)out;
    printf("begun\n");
    fflush(stdout);
    return ended(
        ctx,
        muster_channel_put(muster_ctx_muster(ctx), "c", "more", 4, 0, &err),
        &err);
}
MUSTER_HANDLER(put_one);

/* Takes from channel "c", which is empty. */
static int take_it(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_error err;

    (void)in;
    (void)len;
    (void)out;
    printf("begun\n");
    fflush(stdout);
    return ended(
        ctx, muster_channel_take(muster_ctx_muster(ctx), "c", 0, NULL, &err),
        &err);
}
MUSTER_HANDLER(take_it);
