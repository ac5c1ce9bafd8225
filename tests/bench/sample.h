/* sample.h - numbers that were measured, and what is said of them. */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Every message of the measurements has so many bytes. */
#define BENCH_BODY_BYTES 64u

/* The last net of every program here: it ends itself after so long. The
 * driver's own limits are shorter. */
#define BENCH_ALARM_S 300u

/* Now, in nanoseconds of the monotonic clock. */
int64_t bench_now_ns(void);

/* A quantile, interpolated between its neighbours.
 *
 *   values, n   sorted by this call; n > 0
 *   q           0 .. 1; 0.5 is the median
 */
double bench_quantile(double *values, size_t n, double q);

/* Print "NAME VALUE" on standard output, where the driver reads it. */
void bench_tell(const char *name, double value);

/* Sort round trips and tell their p50_us and p99_us.
 *
 *   us, n   microseconds each; n > 0
 */
void bench_tell_latency(double *us, size_t n);

/* A count from the command line, 1 .. max; ends the program when it is not. */
size_t bench_count(const char *text, size_t max);

/* Memory that the program cannot go on without. */
void *bench_alloc(size_t n, size_t size);

/* Say why on standard error and exit with 1. */
_Noreturn void bench_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
