/* ours.h - muster and its local workers, as the measurements want them.
 *
 * Each of these ends the program on failure.
 */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/muster.h>

/* What every call sends, and wants back. */
extern const char ours_request[BENCH_BODY_BYTES];

/* End the program unless rc is MUSTER_OK.
 *
 *   what   what was tried, for the message
 */
void ours_must(muster_err rc, const muster_error *err, const char *what);

/* Runtimes that are opened from here on use TCP for long payloads too, as
 * between Pods, in plaintext or not; without it, children of the local launcher
 * have something better. */
void ours_over_tcp(bool plaintext);

/* A runtime for local workers, none so far, with these options and some that
 * are the same in all measurements. */
muster *ours_open(muster_options *options);

/* A runtime whose local workers have loaded the handlers. End it with
 * muster_close. MUSTER_WORKER may name another worker program. */
muster *ours_up(uint32_t nworkers);

/* The rank of the one worker there is. */
uint32_t ours_only_rank(muster *m);

/* The process of a worker. */
int64_t ours_pid(muster *m, uint32_t rank);

/* Call a worker and wait for its answer. Thread: any. */
void ours_call(muster *m, uint32_t rank);

/* The same in two halves. `finish` waits, and destroys the future. */
void ours_start_call(muster *m, uint32_t rank, muster_future **future);
void ours_finish_call(muster_future **future);

#endif
