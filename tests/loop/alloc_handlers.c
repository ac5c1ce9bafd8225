/* alloc_handlers.c - a worker that counts what it takes from the heap. */
#include <stdint.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

#include "alloc_watch.h"

static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror);

/* So many calls of mirror on that rank: two numbers. */
static int relay(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    static const char body[64] = "sixty-four bytes";
    uint32_t numbers[2];

    (void)out;
    if (len != sizeof(numbers))
        return 1;
    memcpy(numbers, in, sizeof(numbers));
    for (uint32_t i = 0; i < numbers[1]; i++) {
        muster_reply *reply = NULL;
        muster_error err;
        size_t got;

        if (muster_call(muster_ctx_muster(ctx), numbers[0], "mirror", body,
                        sizeof(body), MUSTER_DEFAULT_MS, &reply,
                        &err) != MUSTER_OK)
            return muster_fail(ctx, 1, "%s", err.text);
        got = reply->len;
        muster_reply_destroy(&reply);
        if (got != sizeof(body))
            return 1;
    }
    return 0;
}
MUSTER_HANDLER(relay);

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
