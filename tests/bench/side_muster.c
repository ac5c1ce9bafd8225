/* bench_muster - the work done with muster, through its public interface. */
#include "bulk.h"
#include "bulk_muster.h"
#include "many.h"
#include "ours.h"
#include "rss.h"
#include "sample.h"
#include "succeed.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/muster.h>

/* A worker that is there after muster_close was not waited for. */
static void want_gone(int64_t pid)
{
    if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
        bench_die("process %" PRId64 " is left after the close", pid);
}

/* Start n workers, call each once, end all; wall time of everything. */
static void launch(uint32_t n)
{
    uint32_t *ranks = bench_alloc(n, sizeof(*ranks));
    int64_t *pids = bench_alloc(n, sizeof(*pids));
    muster_future **futures = bench_alloc(n, sizeof(muster_future *));
    const int64_t start = bench_now_ns();
    muster *m = ours_up(n);

    if (muster_ranks(m, ranks, n) != n)
        bench_die("there are not %" PRIu32 " workers", n);
    for (uint32_t i = 0; i < n; i++)
        ours_start_call(m, ranks[i], &futures[i]);
    for (uint32_t i = 0; i < n; i++)
        ours_finish_call(&futures[i]);
    for (uint32_t i = 0; i < n; i++)
        pids[i] = ours_pid(m, ranks[i]);
    muster_close(&m);
    bench_tell("wall_ms", (double)(bench_now_ns() - start) / 1e6);
    for (uint32_t i = 0; i < n; i++)
        want_gone(pids[i]);
    free(futures);
    free(pids);
    free(ranks);
}

static void pingpong(size_t count, size_t warmup)
{
    double *us = bench_alloc(count, sizeof(*us));
    muster *m = ours_up(1);
    const uint32_t rank = ours_only_rank(m);

    for (size_t i = 0; i < warmup; i++)
        ours_call(m, rank);
    for (size_t i = 0; i < count; i++) {
        const int64_t start = bench_now_ns();

        ours_call(m, rank);
        us[i] = (double)(bench_now_ns() - start) / 1e3;
    }
    bench_tell_latency(us, count);
    muster_close(&m);
    free(us);
}

/* `count` calls to one worker, at most `window` of them on the way. Waits for
 * half of what is out and then takes all of that, so that a wake-up pays for
 * many calls and the worker is never without work. */
static void stream(muster *m, uint32_t rank, size_t count, size_t window)
{
    muster_future **out = bench_alloc(window, sizeof(muster_future *));
    size_t sent = 0, done = 0;

    if (window == 0)
        bench_die("a window of 0 calls");

    while (done < count) {
        size_t until;

        for (; sent < count && sent - done < window; sent++)
            ours_start_call(m, rank, &out[sent % window]);
        until = done + (sent - done + 1) / 2;
        muster_future_wait(out[(until - 1) % window], MUSTER_FOREVER);
        for (; done < until; done++)
            ours_finish_call(&out[done % window]);
    }
    free(out);
}

static void pipeline(size_t count, size_t window)
{
    muster *m = ours_up(1);
    const uint32_t rank = ours_only_rank(m);
    int64_t start;

    stream(m, rank, count / 10, window);
    start = bench_now_ns();
    stream(m, rank, count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
    muster_close(&m);
}

static void worker_rss(void)
{
    muster *m = ours_up(1);
    const uint32_t rank = ours_only_rank(m);

    ours_call(m, rank);
    bench_tell("rss_kib", bench_idle_rss_kib(ours_pid(m, rank)));
    muster_close(&m);
}

static void growth(size_t from, size_t to, size_t window)
{
    muster *m = ours_up(1);
    const uint32_t rank = ours_only_rank(m);
    long before;

    if (to <= from)
        bench_die("%zu is not after %zu", to, from);
    stream(m, rank, from, window);
    before = bench_rss_kib(0);
    stream(m, rank, to - from, window);
    bench_tell("growth_kib", (double)(bench_rss_kib(0) - before));
    muster_close(&m);
}

static int usage(void)
{
    fputs("usage: bench_muster launch N\n"
          "       bench_muster pingpong COUNT WARMUP\n"
          "       bench_muster pipeline COUNT WINDOW\n"
          "       bench_muster worker-rss\n"
          "       bench_muster growth FROM TO WINDOW\n"
          "       bench_muster map COUNT NWORKERS\n"
          "       bench_muster blobs FROM TO NAMES\n"
          "       bench_muster threads NTHREADS COUNT\n"
          "       bench_muster broadcast|gather NWORKERS MAX\n"
          "       bench_muster calls COUNT\n"
          "       bench_muster cipher BYTES\n"
          "       bench_muster succeed COUNT\n"
          "`tcp` or `plain` before these: over TCP, in plaintext.\n"
          "MUSTER_WORKER may name another worker program.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    alarm(BENCH_ALARM_S);
    if (strcmp(mode, "tcp") == 0 || strcmp(mode, "plain") == 0) {
        ours_over_tcp(strcmp(mode, "plain") == 0);
        argc--;
        argv++;
        mode = argc > 1 ? argv[1] : "";
    }
    if (strcmp(mode, "launch") == 0 && argc == 3)
        launch((uint32_t)bench_count(argv[2], 65535));
    else if (strcmp(mode, "pingpong") == 0 && argc == 4)
        pingpong(bench_count(argv[2], 10000000),
                 bench_count(argv[3], 10000000));
    else if (strcmp(mode, "pipeline") == 0 && argc == 4)
        pipeline(bench_count(argv[2], 100000000),
                 bench_count(argv[3], 1000000));
    else if (strcmp(mode, "worker-rss") == 0 && argc == 2)
        worker_rss();
    else if (strcmp(mode, "growth") == 0 && argc == 5)
        growth(bench_count(argv[2], 100000000), bench_count(argv[3], 100000000),
               bench_count(argv[4], 1000000));
    else if (strcmp(mode, "map") == 0 && argc == 4)
        many_items(bench_count(argv[2], 10000000),
                   (uint32_t)bench_count(argv[3], 65535));
    else if (strcmp(mode, "blobs") == 0 && argc == 5)
        many_blobs(bench_count(argv[2], 10000000),
                   bench_count(argv[3], 10000000),
                   bench_count(argv[4], 100000));
    else if (strcmp(mode, "threads") == 0 && argc == 4)
        many_threads(bench_count(argv[2], 10000),
                     bench_count(argv[3], 10000000));
    else if (strcmp(mode, "broadcast") == 0 && argc == 4)
        bulk_broadcast((uint32_t)bench_count(argv[2], 1000),
                       bench_count(argv[3], BENCH_LARGEST));
    else if (strcmp(mode, "gather") == 0 && argc == 4)
        bulk_gather((uint32_t)bench_count(argv[2], 1000),
                    bench_count(argv[3], BENCH_LARGEST));
    else if (strcmp(mode, "calls") == 0 && argc == 3)
        bulk_calls(bench_count(argv[2], 10000));
    else if (strcmp(mode, "cipher") == 0 && argc == 3)
        bulk_cipher(bench_count(argv[2], BENCH_LARGEST));
    else if (strcmp(mode, "succeed") == 0 && argc == 3)
        succeed(bench_count(argv[2], 1000));
    else
        return usage();
    return EXIT_SUCCESS;
}
