/* pipeline.c - stages that run at the same time, with channels between them.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o pipeline.so pipeline.c
 *     muster run -n 4 pipeline.so 1000000
 *
 * Below which number does Collatz' rule (n / 2 when n is even, else 3 n + 1)
 * need the most steps down to 1?
 *
 *     cut           "ranges"         walk          "longest"       muster_main
 *     one worker  --- channel --->  all workers  --- channel --->  the manager
 *
 * A channel holds a few items and then makes those that put wait, so a fast
 * stage does not run away from a slow one, and whoever is free takes the next
 * item. When the last handler of a stage has ended, the manager closes the
 * channel after it: then the next stage ends when it has taken what is left.
 *
 * To go through a channel takes as long as a call, so an item is a whole range.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum { CAPACITY = 16, RANGE = 4096, MAX_WORKERS = 1024, BAD_USAGE = 2 };

static const uint64_t max_limit = UINT64_C(10000000000);

/* --------------------------------------------------------------- workers -- */

typedef struct range { /* an item of "ranges" */
    uint64_t begin, end;
} range;

typedef struct record { /* an item of "longest" */
    uint64_t n, steps;
} record;

/* The first stage: in is a limit; ranges of the numbers below it. */
static int cut(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster *m = muster_ctx_muster(ctx);
    uint64_t limit;
    muster_error err;

    (void)out;
    if (len != sizeof(limit))
        return muster_fail(ctx, EPROTO, "want 8 bytes, got %zu", len);
    memcpy(&limit, in, len);
    for (range r = {1, 1}; r.end < limit; r.begin = r.end) {
        r.end = limit - r.begin < RANGE ? limit : r.begin + RANGE;
        if (muster_channel_put(m, "ranges", &r, sizeof(r), MUSTER_FOREVER,
                               &err) != MUSTER_OK)
            return muster_fail(ctx, (int)err.code, "%s", err.text);
    }
    return 0;
}
MUSTER_HANDLER(cut);

/* The second stage: of each range the number with the most steps. */
static int walk(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster *m = muster_ctx_muster(ctx);
    muster_reply *reply;
    muster_error err;
    muster_err rc;

    (void)in, (void)len, (void)out;
    for (;;) {
        record best = {0, 0};
        range r;

        rc = muster_channel_take(m, "ranges", MUSTER_FOREVER, &reply, &err);
        if (rc == MUSTER_EEND)
            return 0;
        if (rc != MUSTER_OK)
            return muster_fail(ctx, (int)err.code, "%s", err.text);
        memcpy(&r, reply->data, sizeof(r));
        muster_reply_destroy(&reply);
        for (uint64_t n = r.begin; n < r.end; n++) {
            uint64_t steps = 0;

            for (uint64_t k = n; k != 1; steps++)
                k = k % 2 == 0 ? k / 2 : 3 * k + 1;
            if (best.n == 0 || steps > best.steps)
                best = (record){n, steps};
        }
        if (muster_channel_put(m, "longest", &best, sizeof(best),
                               MUSTER_FOREVER, &err) != MUSTER_OK)
            return muster_fail(ctx, (int)err.code, "%s", err.text);
    }
}
MUSTER_HANDLER(walk);

/* --------------------------------------------------------------- manager -- */

/* One stage. Static, because its callbacks may come until the runtime has
 * closed, which is after muster_main. */
typedef struct stage {
    muster *m;
    const char *handler;
    size_t n, left;
    muster_future *futures[MAX_WORKERS];
} stage;

static stage cutting = {.handler = "cut"}, walking = {.handler = "walk"};

/* The first reason is the one that counts; the others follow from it. */
static int complain(const char *what, const char *why)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&said))
        fprintf(stderr, "pipeline: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* A muster_future_fn: one handler of a stage has ended. When it failed, an item
 * may be lost, so that all stages end. Closing a channel that is closed already
 * does no harm. */
static void one_ended(void *arg, muster_future *future)
{
    stage *s = arg;
    muster_error err;
    const bool good = muster_future_result(future, NULL, &err) == MUSTER_OK;

    if (!good)
        complain(s->handler, err.text);
    if (good && --s->left > 0)
        return;
    muster_channel_close(s->m, "ranges", NULL);
    if (!good || s == &walking)
        muster_channel_close(s->m, "longest", NULL);
}

static int start(stage *s, muster *m, const uint32_t *ranks, size_t n,
                 uint64_t limit)
{
    muster_error err;

    s->m = m;
    s->left = n;
    for (; s->n < n; s->n++)
        if (muster_call_start(m, ranks[s->n], s->handler, &limit, sizeof(limit),
                              MUSTER_FOREVER, &s->futures[s->n],
                              &err) != MUSTER_OK)
            return complain(s->handler, err.text);
    for (size_t i = 0; i < n; i++)
        if (muster_future_then(s->futures[i], one_ended, s) != MUSTER_OK)
            return complain(s->handler, "the runtime is closed");
    return 0;
}

/* Wait for a stage, or cancel it when something went wrong before. */
static int finish(stage *s, int rc)
{
    muster_error err;

    for (size_t i = 0; i < s->n; i++) {
        if (rc != 0)
            muster_future_cancel(s->futures[i]);
        else if (muster_future_result(s->futures[i], NULL, &err) != MUSTER_OK)
            rc = complain(s->handler, err.text);
        muster_future_destroy(&s->futures[i]);
    }
    return rc;
}

/* The last stage: the longest of all, the smallest of several. */
static int take_longest(muster *m, record *best)
{
    muster_reply *reply;
    muster_error err;
    muster_err rc;

    while ((rc = muster_channel_take(m, "longest", MUSTER_FOREVER, &reply,
                                     &err)) == MUSTER_OK) {
        record r;

        memcpy(&r, reply->data, sizeof(r));
        muster_reply_destroy(&reply);
        if (best->n == 0 || r.steps > best->steps ||
            (r.steps == best->steps && r.n < best->n))
            *best = r;
    }
    return rc == MUSTER_EEND ? 0 : complain("cannot go on", err.text);
}

static int run(muster *m, uint64_t limit, record *best)
{
    uint32_t ranks[MAX_WORKERS];
    size_t n = muster_ranks(m, ranks, MAX_WORKERS);
    muster_error err;
    int rc;

    if (n == 0)
        return complain("cannot begin", "no worker is ready");
    n = n < MAX_WORKERS ? n : MAX_WORKERS; /* the others stay idle */
    if (muster_channel_open(m, "ranges", CAPACITY, &err) != MUSTER_OK ||
        muster_channel_open(m, "longest", CAPACITY, &err) != MUSTER_OK)
        return complain("cannot begin", err.text);
    rc = start(&walking, m, ranks, n, limit);
    if (rc == 0)
        rc = start(&cutting, m, ranks, 1, limit);
    if (rc == 0)
        rc = take_longest(m, best);
    return finish(&cutting, finish(&walking, rc));
}

int muster_main(muster *m, int argc, char **argv)
{
    char *end = "";
    const uint64_t limit = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
    record best = {0, 0};

    if (limit < 2 || limit > max_limit || *end != '\0') {
        fputs("Usage: muster run -n N pipeline.so LIMIT\n"
              "The longest Collatz sequence that begins below LIMIT, 2 to "
              "10^10.\n",
              stderr);
        return BAD_USAGE;
    }
    if (run(m, limit, &best) != 0)
        return EXIT_FAILURE;
    printf("%" PRIu64 " takes %" PRIu64 " steps\n", best.n, best.steps);
    return fflush(stdout) == 0 ? 0 : complain("cannot write", strerror(errno));
}
