/* bench_muster - the work done with muster, through its public interface. */
#include "rss.h"
#include "sample.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/muster.h>

static const char request[BENCH_BODY_BYTES] = "sixty-four bytes";

static void must(muster_err rc, const muster_error *err, const char *what)
{
    if (rc != MUSTER_OK)
        bench_die("%s: %s: %s", what, muster_strerror(rc), err->text);
}

static void log_line(void *arg, muster_level level, const char *id,
                     const char *text)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "bench_muster: %s %s\n", id, text);
}

/* Local workers that have loaded the handlers. */
static muster *up(uint32_t nworkers)
{
    muster_options options = MUSTER_OPTIONS_INIT;
    muster_error err = {0};
    muster *m = NULL;

    options.launcher = MUSTER_LAUNCHER_LOCAL;
    options.worker = getenv("MUSTER_WORKER");
    if (options.worker == NULL)
        options.worker = BENCH_WORKER;
    options.on_log = log_line;
    must(muster_open(&options, &m, &err), &err, "open");
    must(muster_launch(m, nworkers, nworkers, NULL, &err), &err, "launch");
    must(muster_module_ship(m, BENCH_HANDLERS, &err), &err, "ship");
    return m;
}

static uint32_t only_rank(muster *m)
{
    uint32_t rank = 0;

    if (muster_ranks(m, &rank, 1) != 1)
        bench_die("there is not one worker");
    return rank;
}

static int64_t pid_of(muster *m, uint32_t rank)
{
    muster_info info;
    muster_error err = {0};

    must(muster_worker_info(m, rank, &info, &err), &err, "worker info");
    if (info.pid <= 0)
        bench_die("worker %" PRIu32 " has no pid", rank);
    return info.pid;
}

static void want_echo(muster_reply **reply)
{
    if ((*reply)->len != sizeof(request) ||
        memcmp((*reply)->data, request, sizeof(request)) != 0)
        bench_die("the answer is not the request");
    muster_reply_destroy(reply);
}

static void call(muster *m, uint32_t rank)
{
    muster_reply *reply = NULL;
    muster_error err = {0};

    must(muster_call(m, rank, "echo", request, sizeof(request),
                     MUSTER_DEFAULT_MS, &reply, &err),
         &err, "call");
    want_echo(&reply);
}

static void start_call(muster *m, uint32_t rank, muster_future **future)
{
    muster_error err = {0};

    must(muster_call_start(m, rank, "echo", request, sizeof(request),
                           MUSTER_DEFAULT_MS, future, &err),
         &err, "start a call");
}

static void finish_call(muster_future **future)
{
    muster_reply *reply = NULL;
    muster_error err = {0};

    must(muster_future_result(*future, &reply, &err), &err, "result");
    want_echo(&reply);
    muster_future_destroy(future);
}

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
    muster *m = up(n);

    if (muster_ranks(m, ranks, n) != n)
        bench_die("there are not %" PRIu32 " workers", n);
    for (uint32_t i = 0; i < n; i++)
        start_call(m, ranks[i], &futures[i]);
    for (uint32_t i = 0; i < n; i++)
        finish_call(&futures[i]);
    for (uint32_t i = 0; i < n; i++)
        pids[i] = pid_of(m, ranks[i]);
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
    muster *m = up(1);
    const uint32_t rank = only_rank(m);

    for (size_t i = 0; i < warmup; i++)
        call(m, rank);
    for (size_t i = 0; i < count; i++) {
        const int64_t start = bench_now_ns();

        call(m, rank);
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
            start_call(m, rank, &out[sent % window]);
        until = done + (sent - done + 1) / 2;
        muster_future_wait(out[(until - 1) % window], MUSTER_FOREVER);
        for (; done < until; done++)
            finish_call(&out[done % window]);
    }
    free(out);
}

static void pipeline(size_t count, size_t window)
{
    muster *m = up(1);
    const uint32_t rank = only_rank(m);
    int64_t start;

    stream(m, rank, count / 10, window);
    start = bench_now_ns();
    stream(m, rank, count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
    muster_close(&m);
}

static void worker_rss(void)
{
    muster *m = up(1);
    const uint32_t rank = only_rank(m);

    call(m, rank);
    bench_tell("rss_kib", bench_idle_rss_kib(pid_of(m, rank)));
    muster_close(&m);
}

static void growth(size_t from, size_t to, size_t window)
{
    muster *m = up(1);
    const uint32_t rank = only_rank(m);
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
          "MUSTER_WORKER may name another worker program.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    alarm(BENCH_ALARM_S);
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
    else
        return usage();
    return EXIT_SUCCESS;
}
