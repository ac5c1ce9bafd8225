/* socket.h - what every ZeroMQ socket here is set to, and how its monitor is
 * read. The options: http://api.zeromq.org/4-3:zmq-setsockopt */
#ifndef MST_SOCKET_H
#define MST_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include <muster/error.h>

#include "link/keys.h"

/* No lingering, no queue limits that drop (credits bound what is queued),
 * IPv6, no message over the wire format's size, and a deadline on every step
 * of a connection. silence_ms bounds unacknowledged TCP data; 0: the system's.
 */
muster_err mst_socket_tune(void *socket, int64_t silence_ms, muster_error *err);

/* CURVE, as the server or as a client that knows the server. */
muster_err mst_socket_serve(void *socket, const mst_pair *self,
                            muster_error *err);
muster_err mst_socket_trust(void *socket, const mst_pair *self,
                            const uint8_t server[MST_KEY_BYTES],
                            muster_error *err);

/* The descriptor to poll; -1: none. It says that there may be something. */
int mst_socket_fd(void *socket);

/* Watch a socket's connections: a PAIR socket to read events from. */
muster_err mst_socket_monitor(void *zmq, void *socket, const char *endpoint,
                              void **monitor, muster_error *err);

/* The next event of a monitor; false: none now. */
bool mst_socket_event(void *monitor, uint16_t *event, int32_t *value);

#endif
