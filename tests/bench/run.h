/* run.h - one program, run once, with an end that is certain. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdbool.h>

#define BENCH_OUTPUT_MAX 4096

typedef struct bench_run {
    char output[BENCH_OUTPUT_MAX]; /* its standard output, the start of it */
    double wall_ms;                /* from fork to its end                 */
    char why[128];                 /* when it failed                       */
} bench_run;

/* Run a program, in a process group of its own.
 *
 *   argv      argv[0] is a path; NULL-terminated
 *   limit_s   after which the group is told to end, and then killed
 *
 * Success: true: it exited with 0.
 * Errors:  false: it did not; run->why says how. Nothing of its process group
 *          is left.
 */
bool bench_run_program(const char *const *argv, int limit_s, bench_run *run);

/* The number on the line "KEY NUMBER" of its output. */
bool bench_run_number(const bench_run *run, const char *key, double *value);

#endif
