/* rss.h - how much memory a process has. */
#ifndef BENCH_RSS_H
#define BENCH_RSS_H

#include <stdint.h>

/* VmRSS of a process.
 *
 *   pid   0 = ourselves
 *
 * Success: KiB, > 0.
 * Errors:  -1: no such process, or it has ended
 */
long bench_rss_kib(int64_t pid);

/* The same for a worker that was just called: waits a moment first, so that it
 * is idle. Ends the program when there is no such process. */
double bench_idle_rss_kib(int64_t pid);

#endif
