/* bench.h - the parts of `muster bench`: measure, then say. */
#ifndef MST_CLI_BENCH_H
#define MST_CLI_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <muster/muster.h>

#include "cli/machine.h"

#define MST_BENCH_SIZES 11 /* 64 B, 256 B, ... 64 MiB */
#define MST_BENCH_CALL 64u /* bytes of a call, and of its answer */

/* One size, to all workers or from all. */
typedef struct mst_bench_bulk {
    size_t size;
    size_t runs;      /* 0: left out, there was no time */
    double median_us; /* of runs                        */
    double rate;      /* bytes a second, all workers'   */
} mst_bench_bulk;

typedef struct mst_bench {
    muster *m;
    uint32_t nworkers;
    uint32_t first_rank;
    bool quick, json;
    char launcher[16];
    mst_machine machine;

    int64_t begun_ns;       /* of the launch                              */
    atomic_llong first_ns;  /* the first worker was ready; 0: none yet    */
    atomic_uint lost;       /* rank of the first one that was lost, or 0  */
    atomic_bool measuring;  /* from the launch's end on                   */
    double first_s, all_s;  /* from the launch's begin until ready        */
    double p50_us, p99_us;  /* of a blocking call                         */
    size_t calls;           /* that these are of                          */
    double pipelined_per_s; /* to one worker                              */
    double map_per_s, map_batch_per_s;
    size_t map_items;
    mst_bench_bulk broadcast[MST_BENCH_SIZES], gather[MST_BENCH_SIZES];
} mst_bench;

int64_t mst_bench_now_ns(void);

/* Measure everything but the launch, with the module shipped.
 *
 * Success: MUSTER_OK. Errors: those of the call that failed; err->text says
 *          what was measured.
 */
muster_err mst_bench_measure(mst_bench *bench, muster_error *err);

/* Say what is done next, in place, when standard error is a terminal.
 * NULL: wipe the line. */
void mst_bench_say(const char *what);

void mst_bench_table(const mst_bench *bench, FILE *to);
void mst_bench_json(const mst_bench *bench, FILE *to);

/* False: `to` has an error. */
bool mst_bench_plot(const mst_bench *bench, FILE *to);

#endif
