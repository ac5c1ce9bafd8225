/* many.h - muster under many at once: items, blobs, threads. */
#ifndef BENCH_MANY_H
#define BENCH_MANY_H

#include <stddef.h>
#include <stdint.h>

/* Map `count` empty items over workers, one a call and then in automatic
 * batches; tells per_s and batch_per_s. */
void many_items(size_t count, uint32_t nworkers);

/* Put and drop blobs, `names` of them present at a time, on two workers.
 * Tells per_s of all `to` of them, and the memory of the manager and of a
 * worker after `from` and after `to` blobs. */
void many_blobs(size_t from, size_t to, size_t names);

/* Blocking calls to four workers, `count` in all, of one thread and then of
 * `nthreads` at once; tells us_many and us_one, the wall time for each call,
 * and their ratio. */
void many_threads(size_t nthreads, size_t count);

#endif
