/* liar.h - a worker that lies in every field of every record it may send, and
 * in some that it may not: random, but the same for the same seed. */
#ifndef LIAR_H
#define LIAR_H

#include <stdint.h>

/* Lie through this DEALER, which is welcome already and has been given the
 * call `id`; `said` messages were sent already. Each record is counted in
 * *told. Returns when there were `most`, or the manager said that we shall go.
 *
 *   canary   a path that the other side is asked to load as a module
 */
void liar_run(void *dealer, uint64_t seed, uint64_t id, uint64_t said,
              const char *canary, uint64_t most, volatile uint64_t *told);

#endif
