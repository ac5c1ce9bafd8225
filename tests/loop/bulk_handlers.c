/* bulk_handlers.c - handlers with large requests and results. */
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

/* Sends back what it got. */
static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror);

/* u32 rank, then bytes: has `mirror` on that rank look at them. */
static int mirror_on(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    uint32_t rank;
    muster_reply *reply = NULL;
    muster_error err;
    int rc;

    if (len < sizeof(rank))
        return muster_fail(ctx, 1, "no rank");
    memcpy(&rank, in, sizeof(rank));
    if (muster_call(muster_ctx_muster(ctx), rank, "mirror",
                    (const char *)in + sizeof(rank), len - sizeof(rank),
                    MUSTER_FOREVER, &reply, &err) != MUSTER_OK)
        return muster_fail(ctx, 2, "%s", err.text);
    rc = muster_out_write(out, reply->data, reply->len);
    muster_reply_destroy(&reply);
    return rc;
}
MUSTER_HANDLER(mirror_on);

/* The same, but gives the call up after some milliseconds: "late" or "done". */
static int give_up_on(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    uint32_t words[2];
    muster_future *future = NULL;
    muster_error err;
    bool done;

    if (len < sizeof(words))
        return muster_fail(ctx, 1, "no rank");
    memcpy(words, in, sizeof(words));
    if (muster_call_start(muster_ctx_muster(ctx), words[0], "mirror",
                          (const char *)in + sizeof(words), len - sizeof(words),
                          MUSTER_FOREVER, &future, &err) != MUSTER_OK)
        return muster_fail(ctx, 2, "%s", err.text);
    done = muster_future_wait(future, words[1]);
    if (!done)
        muster_future_cancel(future);
    if (muster_future_result(future, NULL, &err) != MUSTER_OK &&
        err.code != MUSTER_ECANCELED)
        return muster_fail(ctx, 3, "%s", err.text);
    muster_future_destroy(&future);
    return muster_out_printf(out, done ? "done" : "late");
}
MUSTER_HANDLER(give_up_on);

/* The first byte of each request, in the order in which they began. */
static char begun[4096];
static atomic_size_t nbegun;

static int first_byte(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const size_t at = atomic_fetch_add(&nbegun, 1);

    (void)out;
    if (len == 0 || at >= sizeof(begun))
        return muster_fail(ctx, 1, "no byte, or no room");
    begun[at] = *(const char *)in;
    return 0;
}
MUSTER_HANDLER(first_byte);

static int first_bytes(muster_ctx *ctx, const void *in, size_t len,
                       muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_write(out, begun, atomic_load(&nbegun));
}
MUSTER_HANDLER(first_bytes);

/* Until it is killed. */
static int stay(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    printf("staying\n");
    fflush(stdout);
    while (!muster_ctx_canceled(ctx))
        poll(NULL, 0, 10);
    return 0;
}
MUSTER_HANDLER(stay);

/* A number that is another when the bytes are. */
static int sum(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const unsigned char *bytes = (const unsigned char *)in;
    uint64_t h = len;

    (void)ctx;
    for (size_t i = 0; i < len; i += 61)
        h = h * UINT64_C(0x100000001b3) + bytes[i];
    return muster_out_printf(out, "%" PRIu64, h);
}
MUSTER_HANDLER(sum);

/* The same of the blob `name`. */
static int sum_of_blob(muster_ctx *ctx, const void *in, size_t len,
                       muster_out *out)
{
    char name[32] = "";
    const void *data;
    size_t bytes = 0;

    memcpy(name, in, len < sizeof(name) ? len : sizeof(name) - 1);
    data = muster_get(ctx, name, &bytes);
    if (data == NULL)
        return muster_fail(ctx, 1, "there is no blob %s", name);
    return sum(ctx, data, bytes, out);
}
MUSTER_HANDLER(sum_of_blob);
