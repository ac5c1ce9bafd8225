/* standins.h - many workers in one process, for a manager to be measured.
 *
 * Each speaks the protocol as muster-worker does: its own CURVE key out of its
 * own join file, its own libzmq socket and connection, HELLO, heartbeats,
 * RESULT for CALL, BYE for STOP. It runs no handler: the answer to any call is
 * the request.
 */
#ifndef BENCH_STANDINS_H
#define BENCH_STANDINS_H

#include <stdint.h>

/* Take every join file in `dir` whose rank is `part` modulo `parts`, those
 * that are there and those that come, until standard input ends. */
int standins_serve(const char *dir, uint32_t part, uint32_t parts);

/* The same sockets without the protocol: `n` of them connect to `endpoint`,
 * send a byte and stay until standard input ends. */
int standins_bare(const char *endpoint, const char *key, uint32_t n);

#endif
