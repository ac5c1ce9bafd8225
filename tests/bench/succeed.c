#include "succeed.h"

#include "ours.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_S 30

static void on_event(void *arg, const muster_event *event)
{
    if (event->to == MUSTER_READY && event->incarnation > 1)
        sem_post((sem_t *)arg);
}

static muster *open_with_successors(size_t count, sem_t *ready)
{
    muster_options options = MUSTER_OPTIONS_INIT;
    muster_error err = {0};
    muster *m;

    options.log_level = MUSTER_LOG_ERROR; /* they are lost on purpose */
    options.replace = (uint32_t)count;
    options.on_event = on_event;
    options.arg = ready;
    m = ours_open(&options);
    ours_must(muster_module_ship(m, BENCH_HANDLERS, &err), &err, "ship");
    return m;
}

static void await(sem_t *ready)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(ready, &until) != 0)
        if (errno != EINTR)
            bench_die("no successor in %d s", PATIENCE_S);
}

static double since_ms(int64_t start)
{
    return (double)(bench_now_ns() - start) / 1e6;
}

void succeed(size_t count)
{
    double *plain = bench_alloc(count, sizeof(*plain));
    double *next = bench_alloc(count, sizeof(*next));
    double plain_ms, next_ms;
    sem_t ready;
    muster *m;

    sem_init(&ready, 0, 0);
    m = open_with_successors(count, &ready);
    for (size_t i = 0; i < count; i++) {
        muster_error err = {0};
        int64_t start = bench_now_ns();
        uint32_t rank;

        ours_must(muster_launch(m, 1, 1, NULL, &err), &err, "launch");
        plain[i] = since_ms(start);
        rank = ours_only_rank(m);
        start = bench_now_ns();
        if (kill((pid_t)ours_pid(m, rank), SIGKILL) != 0)
            bench_die("there is no worker to kill");
        await(&ready);
        next[i] = since_ms(start);
        ours_must(muster_remove(m, &rank, 1, MUSTER_FOREVER, &err), &err,
                  "remove");
    }
    muster_close(&m);
    sem_destroy(&ready);
    plain_ms = bench_quantile(plain, count, 0.5);
    next_ms = bench_quantile(next, count, 0.5);
    bench_tell("launch_ms", plain_ms);
    bench_tell("successor_ms", next_ms);
    bench_tell("ratio", next_ms / plain_ms);
    free(next);
    free(plain);
}
