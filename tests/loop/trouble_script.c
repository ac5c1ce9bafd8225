/* trouble_script.c - a script for `muster run` while something goes wrong.
 *
 *   hold MS     have each worker say "begun PID" and wait so long; then each is
 *               called again. Prints "result: N" with the sum of the ranks, or
 *               "lost: WHY" for each that is lost, and returns 3
 *   clock       calls with deadlines of 0.7 s while the wall clock jumps;
 * prints "jumped" when it has, and returns 4 when one was not in time
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

#define DEADLINE_MS 700

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_so_long(muster_ctx *ctx, const void *in, size_t len,
                        muster_out *out)
{
    const struct timespec ms = {0, 1000000};
    const int64_t began = now_ms();
    char text[32] = "";

    memcpy(text, in, len < 31 ? len : 31);
    printf("begun %d\n", (int)getpid());
    fflush(stdout);
    while (!muster_ctx_canceled(ctx) &&
           now_ms() - began < strtol(text, NULL, 10))
        nanosleep(&ms, NULL);
    return muster_out_printf(out, "%u", muster_ctx_rank(ctx));
}
MUSTER_HANDLER(wait_so_long);

/* The sum of what they say, or a line for each that is lost. */
static int on_all(muster *m, const char *ms, long *sum)
{
    muster_results *all = NULL;
    muster_error err;
    int nlost = 0;

    if (muster_broadcast(m, NULL, "wait_so_long", ms, strlen(ms),
                         MUSTER_FOREVER, &all, &err) != MUSTER_OK &&
        all == NULL) {
        printf("lost: %s\n", err.text);
        return 1;
    }
    *sum = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i].code == MUSTER_OK) {
            *sum += strtol((const char *)all->items[i].data, NULL, 10);
            continue;
        }
        printf("lost: %s\n", all->items[i].text);
        nlost++;
    }
    muster_results_destroy(&all);
    return nlost;
}

static int hold(muster *m, const char *ms)
{
    long sum;

    if (on_all(m, ms, &sum) != 0 || on_all(m, "0", &sum) != 0)
        return 3;
    printf("result: %ld\n", sum);
    return 0;
}

static int late(const char *what, int64_t began, int64_t slow)
{
    const int64_t took = now_ms() - began;

    if (took >= DEADLINE_MS - 10 && took < DEADLINE_MS + 800 * slow)
        return 0;
    printf("%s took %lld ms, not %d\n", what, (long long)took, DEADLINE_MS);
    return 4;
}

static int clock_jumps(muster *m, long slow)
{
    const int64_t apart = (int64_t)time(NULL) - now_ms() / 1000;
    bool jumped = false;
    int rc = 0;

    for (int i = 0; i < 3; i++) {
        const int64_t began = now_ms();
        int64_t waited;
        muster_future *f = NULL;
        muster_error err;

        muster_err code = muster_call(m, 1, "wait_so_long", "10000", 5,
                                      DEADLINE_MS, NULL, &err);

        /* the handler sees the deadline, too, and may be first */
        if (code != MUSTER_ETIMEOUT && code != MUSTER_OK)
            return 5;
        rc |= late("a call", began, slow);
        code = muster_call_start(m, 1, "wait_so_long", "10000", 5,
                                 MUSTER_FOREVER, &f, &err);
        if (code != MUSTER_OK)
            return 6;
        waited = now_ms();
        if (muster_future_wait(f, DEADLINE_MS))
            return 7;
        rc |= late("a wait", waited, slow);
        muster_future_cancel(f);
        muster_future_destroy(&f);
        jumped = jumped ||
                 llabs((int64_t)time(NULL) - now_ms() / 1000 - apart) > 3600;
    }
    if (jumped)
        printf("jumped\n");
    return rc != 0 ? rc : hold(m, "0");
}

MUSTER_API int muster_main(muster *m, int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "hold") == 0)
        return hold(m, argv[2]);
    if (argc > 2 && strcmp(argv[1], "clock") == 0)
        return clock_jumps(m, strtol(argv[2], NULL, 10));
    return 1;
}
