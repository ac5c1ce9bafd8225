#include "work.h"

#include "sample.h"

#include <stdio.h>
#include <string.h>

#define SIZE(bytes, words)                                                     \
    {                                                                          \
        "s" #bytes "_us", words, words, "us", false, BENCH_NO_GOAL, 0          \
    }
#define SIZES(what)                                                            \
    {                                                                          \
        SIZE(64, what ", 64 B"), SIZE(256, what ", 256 B"),                    \
            SIZE(1024, what ", 1 KiB"), SIZE(4096, what ", 4 KiB"),            \
            SIZE(16384, what ", 16 KiB"), SIZE(65536, what ", 64 KiB"),        \
            SIZE(262144, what ", 256 KiB"), SIZE(1048576, what ", 1 MiB"),     \
            SIZE(4194304, what ", 4 MiB"), SIZE(16777216, what ", 16 MiB"),    \
            SIZE(67108864, what ", 64 MiB")                                    \
    }

/* .has: muster, bare libzmq, Open MPI over TCP, Open MPI in shared memory,
 * libzmq without CURVE, sockets, muster over TCP, muster in plaintext. */
static const bench_work works[] = {
    {.name = "launch4",
     .args = {"launch", "4"},
     .quick_args = {"launch", "2"},
     .has = {true, true, true, false},
     .limit_s = 60,
     .metrics = {{"wall_ms", "4 workers up, called, gone",
                  "2 workers up, called, gone", "ms", false, BENCH_RATIO_MAX,
                  1.4}}},
    {.name = "launch200",
     .args = {"launch", "200"},
     .quick_args = {"launch", "8"},
     .has = {true, true, true, false},
     .mpi_once = true,
     .limit_s = 240,
     .metrics = {{"wall_ms", "200 workers up, called, gone",
                  "8 workers up, called, gone", "ms", false, BENCH_RATIO_MAX,
                  1.4}}},
    {.name = "blocking",
     .args = {"pingpong", "10000", "1000"},
     .quick_args = {"pingpong", "200", "20"},
     .has = {true, true, true, true, true, true},
     .limit_s = 60,
     .metrics = {{"p50_us", "blocking call, 64 B, p50",
                  "blocking call, 64 B, p50", "us", false, BENCH_RATIO_MAX,
                  1.3},
                 {"p99_us", "blocking call, 64 B, p99",
                  "blocking call, 64 B, p99", "us", false, BENCH_RATIO_MAX,
                  1.5}}},
    {.name = "pipelined",
     .args = {"pipeline", "300000", "1000"},
     .quick_args = {"pipeline", "2000", "100"},
     .has = {true, true, true, true, true, true},
     .limit_s = 60,
     .metrics = {{"per_s", "pipelined calls, 64 B, 1,000 out",
                  "pipelined calls, 64 B, 100 out", "/s", true, BENCH_RATIO_MIN,
                  0.8}}},
    {.name = "worker-rss",
     .args = {"worker-rss"},
     .quick_args = {"worker-rss"},
     .has = {true, true, false, false},
     .limit_s = 60,
     .metrics = {{"rss_kib", "idle worker's RSS", "idle worker's RSS", "KiB",
                  false, BENCH_EXTRA_MAX, 2048}}},
    {.name = "manager-rss",
     .args = {"growth", "100000", "1000000", "1000"},
     .quick_args = {"growth", "500", "2000", "100"},
     .has = {true, true, false, false},
     .limit_s = 120,
     .metrics = {{"growth_kib", "manager's RSS, call 100 k to 1 M",
                  "manager's RSS, call 500 to 2,000", "KiB", false, BENCH_BELOW,
                  1024}}},
    {.name = "map",
     .args = {"map", "20000", "4"},
     .quick_args = {"map", "500", "2"},
     .has = {true, true, false, false},
     .peers_tell = 1,
     .limit_s = 60,
     .metrics = {{"per_s", "map, 20,000 empty, 1 a call",
                  "map, 500 empty, 1 a call", "/s", true, BENCH_AT_LEAST,
                  150000},
                 {"batch_per_s", "map, 20,000 empty, batches",
                  "map, 500 empty, batches", "/s", true, BENCH_AT_LEAST,
                  500000}}},
    {.name = "blobs",
     .args = {"blobs", "10000", "100000", "300"},
     .quick_args = {"blobs", "200", "1000", "100"},
     .has = {true, false, false, false},
     .once = true,
     .apart = true,
     .limit_s = 280,
     .metrics = {{"per_s", "blobs, 64 B, put and dropped",
                  "blobs, 64 B, put and dropped", "/s", true, BENCH_NO_GOAL, 0},
                 {"manager_from_kib", "manager's RSS, blob 10 k",
                  "manager's RSS, blob 200", "KiB", false, BENCH_NO_GOAL, 0},
                 {"manager_to_kib", "manager's RSS, blob 100 k",
                  "manager's RSS, blob 1,000", "KiB", false, BENCH_NO_GOAL, 0},
                 {"manager_kib", "its growth", "its growth", "KiB", false,
                  BENCH_BELOW, 512},
                 {"worker_from_kib", "a worker's RSS, blob 10 k",
                  "a worker's RSS, blob 200", "KiB", false, BENCH_NO_GOAL, 0},
                 {"worker_to_kib", "a worker's RSS, blob 100 k",
                  "a worker's RSS, blob 1,000", "KiB", false, BENCH_NO_GOAL, 0},
                 {"worker_kib", "its growth", "its growth", "KiB", false,
                  BENCH_BELOW, 512}}},
    {.name = "threads",
     .args = {"threads", "64", "20000"},
     .quick_args = {"threads", "8", "400"},
     .has = {true, false, false, false},
     .limit_s = 60,
     .metrics = {{"us_many", "a call, 64 threads at once, 64 B",
                  "a call, 8 threads at once, 64 B", "us", false, BENCH_NO_GOAL,
                  0},
                 {"us_one", "a call, 1 thread, 64 B", "a call, 1 thread, 64 B",
                  "us", false, BENCH_NO_GOAL, 0},
                 {"ratio", "64 threads / 1 thread", "8 threads / 1 thread", "x",
                  false, BENCH_AT_MOST, 1}}},
    {.name = "succeed",
     .args = {"succeed", "50"},
     .quick_args = {"succeed", "2"},
     .has = {true, false, false, false},
     .limit_s = 60,
     .metrics = {{"launch_ms", "one more worker is ready",
                  "one more worker is ready", "ms", false, BENCH_NO_GOAL, 0},
                 {"successor_ms", "killed: its successor is ready",
                  "killed: its successor is ready", "ms", false, BENCH_NO_GOAL,
                  0},
                 {"ratio", "successor / one more", "successor / one more", "x",
                  false, BENCH_AT_MOST, 1.5}}},
    {.name = "calls",
     .args = {"calls", "200"},
     .quick_args = {"calls", "3"},
     .has = {true, true, true, true, true, true, true, true},
     .limit_s = 60,
     .metrics = {{"p50_us", "call and answer, 1 MiB each",
                  "call and answer, 1 MiB each", "us", false, BENCH_RATIO_MAX,
                  0.333}}},
    {.name = "broadcast",
     .args = {"broadcast", "4", "67108864"},
     .quick_args = {"broadcast", "2", "4096"},
     .has = {true, true, true, true, true, true, true, true},
     .by_size = true,
     .limit_s = 120,
     .metrics = SIZES("broadcast to 4")},
    {.name = "gather",
     .args = {"gather", "4", "67108864"},
     .quick_args = {"gather", "2", "4096"},
     .has = {true, true, true, true, true, true, true, true},
     .by_size = true,
     .limit_s = 120,
     .metrics = SIZES("gather from 4")},
    {.name = "cipher",
     .args = {"cipher", "67108864"},
     .quick_args = {"cipher", "1048576"},
     .has = {true},
     .limit_s = 60,
     .metrics = {{"ms", "cipher: seal 64 MiB once, open 4 x",
                  "cipher: seal 1 MiB once, open 4 x", "ms", false,
                  BENCH_NO_GOAL, 0}}},
};

static const bench_aim aims[] = {
    {"broadcast 64 MiB to 4 over TCP, encrypted", "broadcast", "s67108864_us",
     BENCH_MUSTER_TCP, BENCH_MPI_TCP, 1.5, false},
    {"the same in plaintext", "broadcast", "s67108864_us", BENCH_MUSTER_PLAIN,
     BENCH_MPI_TCP, 0.6, false},
    {"broadcast 64 MiB to 4 local children", "broadcast", "s67108864_us",
     BENCH_MUSTER, BENCH_MPI_SHM, 0.7, false},
    {"1 MiB call and answer over TCP", "calls", "p50_us", BENCH_MUSTER_TCP,
     BENCH_ZMQ, 1.0 / 3, false},
    {"blocking call, 64 B, p50", "blocking", "p50_us", BENCH_MUSTER, BENCH_ZMQ,
     1.3, false},
    {"blocking call, 64 B, p99", "blocking", "p99_us", BENCH_MUSTER, BENCH_ZMQ,
     1.5, false},
    {"pipelined calls, 64 B", "pipelined", "per_s", BENCH_MUSTER, BENCH_ZMQ,
     0.8, true},
};

static const char *const names[BENCH_SIDES] = {
    [BENCH_MUSTER] = "muster",          [BENCH_ZMQ] = "bare libzmq",
    [BENCH_MPI_TCP] = "Open MPI, TCP",  [BENCH_MPI_SHM] = "Open MPI, memory",
    [BENCH_NULL] = "libzmq NULL",       [BENCH_TCP] = "raw TCP",
    [BENCH_MUSTER_TCP] = "muster, TCP", [BENCH_MUSTER_PLAIN] = "muster, plain",
};

#ifdef BENCH_MPIEXEC
static const char *const mpirun[] = {BENCH_MPIEXEC,
                                     "--allow-run-as-root",
                                     "--oversubscribe",
                                     "--bind-to",
                                     "none",
                                     "--mca",
                                     "pml",
                                     "ob1",
                                     NULL};
static const char *const over_tcp[] = {
    "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo", NULL};
static const char *const over_shm[] = {"--mca", "btl", "vader,self", NULL};
#endif

const bench_work *bench_works(size_t *n)
{
    *n = sizeof(works) / sizeof(works[0]);
    return works;
}

const bench_work *bench_work_named(const char *name)
{
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        if (strcmp(works[i].name, name) == 0)
            return &works[i];
    return NULL;
}

const char *bench_side_name(bench_side side)
{
    return names[side];
}

bool bench_side_built(bench_side side)
{
#ifndef BENCH_MPIEXEC
    return side != BENCH_MPI_TCP && side != BENCH_MPI_SHM;
#else
    (void)side;
    return true;
#endif
}

bool bench_side_tells(const bench_work *work, bench_side side, size_t metric)
{
    if (work->metrics[metric].key == NULL || !work->has[side])
        return false;
    return side == BENCH_MUSTER || work->peers_tell == 0 ||
           metric < work->peers_tell;
}

/* Append words, at most `max` of them or up to a NULL; gives the new end. */
static const char **append(const char **end, const char *const *words,
                           size_t max)
{
    for (size_t i = 0; i < max && words[i] != NULL; i++)
        *end++ = words[i];
    return end;
}

#ifdef BENCH_MPIEXEC
/* mpirun ... -n N+1 bench_mpi; launches and long payloads name N. */
static const char **append_mpirun(const char **end, bench_side side,
                                  const char *const *args,
                                  bench_command *command)
{
    const bool many = strcmp(args[0], "launch") == 0 ||
                      strcmp(args[0], "broadcast") == 0 ||
                      strcmp(args[0], "gather") == 0;
    const size_t nworkers = many ? bench_count(args[1], 65535) : 1;

    snprintf(command->nranks, sizeof(command->nranks), "%zu", nworkers + 1);
    end = append(end, mpirun, BENCH_ARGV_MAX);
    end = append(end, side == BENCH_MPI_TCP ? over_tcp : over_shm,
                 BENCH_ARGV_MAX);
    *end++ = "-n";
    *end++ = command->nranks;
    *end++ = BENCH_MPI_SIDE;
    return end;
}
#endif

void bench_command_of(const bench_work *work, bench_side side, bool quick,
                      bench_command *command)
{
    const char *const *args = quick ? work->quick_args : work->args;
    const char **end = command->argv;

    if (side == BENCH_MUSTER)
        *end++ = BENCH_MUSTER_SIDE;
    else if (side == BENCH_ZMQ)
        *end++ = BENCH_ZMQ_SIDE;
    else if (side == BENCH_TCP)
        *end++ = BENCH_TCP_SIDE;
    else if (side == BENCH_NULL)
        end = append(end, (const char *[]){BENCH_ZMQ_SIDE, "null"}, 2);
    else if (side == BENCH_MUSTER_TCP)
        end = append(end, (const char *[]){BENCH_MUSTER_SIDE, "tcp"}, 2);
    else if (side == BENCH_MUSTER_PLAIN)
        end = append(end, (const char *[]){BENCH_MUSTER_SIDE, "plain"}, 2);
#ifdef BENCH_MPIEXEC
    else
        end = append_mpirun(end, side, args, command);
#endif
    end = append(end, args, BENCH_ARGS_MAX);
    *end = NULL;
}

static bool has_number(const bench_outcome *outcome, bench_side side,
                       size_t metric)
{
    return !outcome->failed[side] && outcome->of[side][metric].n > 0;
}

bool bench_ratio(const bench_outcome *outcome, bench_side side, size_t metric,
                 double *ratio)
{
    const double peer = outcome->of[side][metric].median;

    if (!has_number(outcome, BENCH_MUSTER, metric) ||
        !has_number(outcome, side, metric) || peer <= 0 ||
        outcome->work->metrics[metric].goal == BENCH_BELOW)
        return false;
    *ratio = outcome->of[BENCH_MUSTER][metric].median / peer;
    return true;
}

const bench_aim *bench_aims(size_t *n)
{
    *n = sizeof(aims) / sizeof(aims[0]);
    return aims;
}

bool bench_aim_ratio(const bench_aim *aim, const bench_outcome *outcomes,
                     size_t n, double *ratio)
{
    for (size_t i = 0; i < n; i++) {
        const bench_outcome *o = &outcomes[i];

        for (size_t k = 0; k < BENCH_METRICS_MAX; k++) {
            const char *key = o->work->metrics[k].key;

            if (strcmp(o->work->name, aim->work) != 0 || key == NULL ||
                strcmp(key, aim->key) != 0 || !has_number(o, aim->side, k) ||
                !has_number(o, aim->peer, k) ||
                !(o->of[aim->peer][k].median > 0))
                continue;
            *ratio = o->of[aim->side][k].median / o->of[aim->peer][k].median;
            return true;
        }
    }
    return false;
}

bool bench_goal_reached(const bench_outcome *outcome, size_t metric,
                        bool *reached)
{
    const bench_metric *what = &outcome->work->metrics[metric];
    const double ours = outcome->of[BENCH_MUSTER][metric].median;
    const double bare = outcome->of[BENCH_ZMQ][metric].median;

    if (what->goal == BENCH_NO_GOAL ||
        !has_number(outcome, BENCH_MUSTER, metric))
        return false;
    if (what->goal == BENCH_BELOW || what->goal == BENCH_AT_MOST ||
        what->goal == BENCH_AT_LEAST) {
        *reached = what->goal == BENCH_BELOW     ? ours < what->limit
                   : what->goal == BENCH_AT_MOST ? ours <= what->limit
                                                 : ours >= what->limit;
        return true;
    }
    if (!has_number(outcome, BENCH_ZMQ, metric))
        return false;
    if (what->goal == BENCH_RATIO_MAX)
        *reached = ours <= what->limit * bare;
    else if (what->goal == BENCH_RATIO_MIN)
        *reached = ours >= what->limit * bare;
    else
        *reached = ours <= bare + what->limit;
    return true;
}

void bench_goal_text(const bench_metric *metric, char *text, size_t size)
{
    const char *bare = names[BENCH_ZMQ];

    text[0] = '\0';
    switch (metric->goal) {
    case BENCH_NO_GOAL:
        break;
    case BENCH_RATIO_MAX:
        snprintf(text, size, "<= %.2f x %s", metric->limit, bare);
        break;
    case BENCH_RATIO_MIN:
        snprintf(text, size, ">= %.2f x %s", metric->limit, bare);
        break;
    case BENCH_EXTRA_MAX:
        snprintf(text, size, "<= %s + %.0f %s", bare, metric->limit,
                 metric->unit);
        break;
    case BENCH_BELOW:
        snprintf(text, size, "< %.0f %s", metric->limit, metric->unit);
        break;
    case BENCH_AT_MOST:
        snprintf(text, size, "<= %.2f %s", metric->limit, metric->unit);
        break;
    case BENCH_AT_LEAST:
        snprintf(text, size, ">= %.0f %s", metric->limit, metric->unit);
        break;
    }
}
