/* bulk_muster.h - long payloads with muster, and what its cipher needs. */
#ifndef BENCH_BULK_MUSTER_H
#define BENCH_BULK_MUSTER_H

#include <stddef.h>
#include <stdint.h>

void bulk_broadcast(uint32_t nworkers, size_t max);
void bulk_gather(uint32_t nworkers, size_t max);
void bulk_calls(size_t count);

/* Seal `size` bytes once, in chunks of 1 MiB, and open them four times, on one
 * thread; tells ms. The floor of a broadcast to four, without any network. */
void bulk_cipher(size_t size);

#endif
