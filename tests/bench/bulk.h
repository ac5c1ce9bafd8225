/* bulk.h - payloads of all sizes, the same way for every side.
 *
 * The clock of a broadcast runs from before the first byte is sent until the
 * sender has the sums of every receiver, each of which has read every byte.
 * That of a gather runs from the request until the receiver has read every
 * byte of all answers, which are written anew each time. That of a call is
 * stopped when the answer is there.
 */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_LARGEST ((size_t)64 << 20)
#define BENCH_CALL_BYTES ((size_t)1 << 20) /* of a long call and its answer */
#define BENCH_FILL 0x5a                    /* what a gather's answers hold  */

/* Do the work once with `size` bytes; gives the nanoseconds it took. */
typedef int64_t (*bench_once_fn)(void *arg, size_t size);

/* Have `once` done for 64 B, 256 B and so on up to `max`, some times each,
 * and tell the median of each as s<SIZE>_us. */
void bench_each_size(size_t max, bench_once_fn once, void *arg);

/* Have it done for BENCH_CALL_BYTES and tell p50_us. */
void bench_long_calls(size_t count, bench_once_fn once, void *arg);

/* `size` bytes to send. Never freed. */
unsigned char *bench_payload(size_t size);

/* Read every byte. The sum of all words of 8 bytes; size is a multiple. */
uint64_t bench_read(const void *data, size_t size);

/* End the program unless each byte is BENCH_FILL; reads them all. */
void bench_want_filled(const void *data, size_t size);

#endif
