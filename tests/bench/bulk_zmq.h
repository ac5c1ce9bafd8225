/* bulk_zmq.h - long payloads with libzmq and nothing else. A payload is given
 * to libzmq by reference, once for all receivers. */
#ifndef BENCH_BULK_ZMQ_H
#define BENCH_BULK_ZMQ_H

#include <stdbool.h>
#include <stddef.h>

void bulk_broadcast(size_t nchildren, size_t max);
void bulk_gather(size_t nchildren, size_t max);
void bulk_calls(size_t count);

/* Is it a mode of children of these? */
bool bulk_is_child(const char *mode);

/* Be one, until an empty message comes. */
void bulk_child(void *socket, const char *mode);

#endif
