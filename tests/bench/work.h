/* work.h - what is measured, by whom, and what is aimed at. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_ROUNDS_MAX 100
#define BENCH_METRICS_MAX 11
#define BENCH_ARGS_MAX 4
#define BENCH_ARGV_MAX 32

/* Who does the work. Most goals compare muster with bare libzmq. */
typedef enum bench_side {
    BENCH_MUSTER,
    BENCH_ZMQ,
    BENCH_MPI_TCP,
    BENCH_MPI_SHM,
    BENCH_NULL,         /* bare libzmq without CURVE                       */
    BENCH_TCP,          /* sockets                                         */
    BENCH_MUSTER_TCP,   /* muster over TCP, sealed, as between Pods        */
    BENCH_MUSTER_PLAIN, /* the same in plaintext                          */
    BENCH_SIDES
} bench_side;

typedef enum bench_goal {
    BENCH_NO_GOAL,
    BENCH_RATIO_MAX, /* muster / bare libzmq <= limit    */
    BENCH_RATIO_MIN, /* muster / bare libzmq >= limit    */
    BENCH_EXTRA_MAX, /* muster - bare libzmq <= limit    */
    BENCH_BELOW,     /* muster < limit, whoever else ran */
    BENCH_AT_MOST,   /* muster <= limit, the same        */
    BENCH_AT_LEAST   /* muster >= limit, the same        */
} bench_goal;

/* One number of a work. */
typedef struct bench_metric {
    const char *key; /* what the side prints before the number; NULL: none */
    const char *title;
    const char *quick_title;
    const char *unit;
    bool higher; /* is better */
    bench_goal goal;
    double limit;
} bench_metric;

typedef struct bench_work {
    const char *name;
    const char *args[BENCH_ARGS_MAX];       /* of the sides' programs */
    const char *quick_args[BENCH_ARGS_MAX]; /* the same, tiny         */
    bool has[BENCH_SIDES];
    bool by_size;  /* metrics are sizes; a quick run has only the small ones */
    bool apart;    /* only when it is named: it takes long                   */
    bool once;     /* a round takes long: one is enough, for all      */
    bool mpi_once; /* mpirun takes long: one round is enough          */
    size_t peers_tell; /* only the first so many metrics; 0 = all         */
    int limit_s;       /* one run's, then it is killed                    */
    bench_metric metrics[BENCH_METRICS_MAX];
} bench_work;

/* What a side's rounds gave. */
typedef struct bench_series {
    double values[BENCH_ROUNDS_MAX];
    size_t n;
    double median; /* of values, when n > 0 */
} bench_series;

typedef struct bench_outcome {
    const bench_work *work;
    bool failed[BENCH_SIDES];
    bench_series of[BENCH_SIDES][BENCH_METRICS_MAX];
} bench_outcome;

/* What a goal of the project says of two sides of a work. */
typedef struct bench_aim {
    const char *title;
    const char *work, *key;
    bench_side side, peer;
    double limit;
    bool least; /* side / peer >= limit, else <= limit */
} bench_aim;

/* All of them; *n is how many. */
const bench_aim *bench_aims(size_t *n);

/* The medians' ratio, side / peer, of an aim.
 *
 * Success: true, *ratio is set. False: one of them was not measured.
 */
bool bench_aim_ratio(const bench_aim *aim, const bench_outcome *outcomes,
                     size_t n, double *ratio);

/* A command line, in storage of its own. */
typedef struct bench_command {
    const char *argv[BENCH_ARGV_MAX];
    char nranks[16];
} bench_command;

/* All works; *n is how many. */
const bench_work *bench_works(size_t *n);

/* The work of that name, or NULL. */
const bench_work *bench_work_named(const char *name);

/* "muster", "bare libzmq", ... */
const char *bench_side_name(bench_side side);

/* Is that side in this build? */
bool bench_side_built(bench_side side);

/* Does that side give this number of the work? */
bool bench_side_tells(const bench_work *work, bench_side side, size_t metric);

/* The command that has one side do the work once. */
void bench_command_of(const bench_work *work, bench_side side, bool quick,
                      bench_command *command);

/* The medians' ratio, muster / side.
 *
 * Success: true, *ratio is set. False: a side has failed or has no number, or
 *          the number is a growth, which may be 0 or less.
 */
bool bench_ratio(const bench_outcome *outcome, bench_side side, size_t metric,
                 double *ratio);

/* The medians' say on the goal.
 *
 * Success: true, *reached is set. False: no goal, or a side that it needs has
 *          failed or has no number.
 */
bool bench_goal_reached(const bench_outcome *outcome, size_t metric,
                        bool *reached);

/* The goal in words, or "" when there is none: "<= 1.40 x bare libzmq". */
void bench_goal_text(const bench_metric *metric, char *text, size_t size);

#endif
