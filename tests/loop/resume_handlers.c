/* resume_handlers.c - handlers that know how often each item was run. */
#include "resume_handlers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <muster/muster.h>
#include <muster/worker.h>

static atomic_uchar runs[RESUME_ITEMS];

static int head_of(muster_ctx *ctx, const void *in, size_t len,
                   resume_head *head)
{
    if (len < sizeof(*head))
        return muster_fail(ctx, 1, "%zu bytes are no request", len);
    memcpy(head, in, sizeof(*head));
    if (head->item >= RESUME_ITEMS)
        return muster_fail(ctx, 1, "there is no item %u", head->item);
    return 0;
}

/* Counts its item, and answers with the item's pattern. */
static int tick(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const unsigned char *pattern =
        (const unsigned char *)in + sizeof(resume_head);
    resume_head head = {0};
    unsigned char *room;

    if (head_of(ctx, in, len, &head) != 0)
        return 1;
    len -= sizeof(head);
    atomic_fetch_add(&runs[head.item], 1);
    if (resume_check(pattern, head.item, len) != len)
        return muster_fail(ctx, 2, "item %u came wrong", head.item);
    if (head.bytes == 0)
        return 0;
    room = (unsigned char *)muster_out_reserve(out, head.bytes);
    if (room == NULL)
        return muster_fail(ctx, 3, "no memory");
    resume_fill(room, head.item, head.bytes);
    return 0;
}
MUSTER_HANDLER(tick);

/* Has another run it. */
static int via(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    resume_head head = {0};
    muster_reply *reply = NULL;
    muster_error err;
    int rc;

    if (head_of(ctx, in, len, &head) != 0)
        return 1;
    if (muster_call(muster_ctx_muster(ctx), head.target, "tick", in, len,
                    MUSTER_FOREVER, &reply, &err) != MUSTER_OK)
        return muster_fail(ctx, 4, "item %u: %s", head.item, err.text);
    rc = muster_out_write(out, reply->data, reply->len);
    muster_reply_destroy(&reply);
    return rc;
}
MUSTER_HANDLER(via);

/* How often each of the items first .. first + n - 1 was run here. */
static int tally(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    uint32_t range[2];

    if (len != sizeof(range))
        return muster_fail(ctx, 1, "%zu bytes are no range", len);
    memcpy(range, in, len);
    for (uint32_t i = 0; i < range[1]; i++) {
        const unsigned char n = atomic_load(&runs[range[0] + i]);

        if (muster_out_write(out, &n, 1) != 0)
            return 1;
    }
    return 0;
}
MUSTER_HANDLER(tally);

/* Prints so many lines. */
static int speak(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    resume_head head = {0};

    (void)out;
    if (head_of(ctx, in, len, &head) != 0)
        return 1;
    for (uint32_t i = 0; i < head.bytes; i++)
        printf("line %u of item %u\n", i, head.item);
    return 0;
}
MUSTER_HANDLER(speak);

/* Blob "blob I" is there, and has the pattern of item I. */
static int blob_is(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const unsigned char *data;
    uint32_t item;
    char name[32];
    size_t n = 0;

    (void)out;
    if (len != sizeof(item))
        return muster_fail(ctx, 1, "%zu bytes are no number", len);
    memcpy(&item, in, len);
    snprintf(name, sizeof(name), "blob %u", item);
    data = (const unsigned char *)muster_get(ctx, name, &n);
    if (data == NULL || resume_check(data, item, n) != n)
        return muster_fail(ctx, 2, "%s is not as it was put", name);
    return 0;
}
MUSTER_HANDLER(blob_is);

/* Until it is cancelled, or a minute is over. */
static int linger(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const struct timespec ms = {0, 1000000};

    (void)in;
    (void)len;
    (void)out;
    printf("lingers\n");
    fflush(stdout);
    for (int i = 0; i < 60000 && !muster_ctx_canceled(ctx); i++)
        nanosleep(&ms, NULL);
    printf(muster_ctx_canceled(ctx) ? "cancelled\n" : "not cancelled\n");
    return 0;
}
MUSTER_HANDLER(linger);
