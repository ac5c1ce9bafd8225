/* hub.h - the manager's sockets: ROUTER, ZAP and the monitor of ROUTER.
 *
 * libzmq gives each connection a routing id of its own; it is the epoch of
 * that connection and is never set by us. ZAP (https://rfc.zeromq.org/spec/27)
 * asks `allow` who may connect; what it answers comes back with each message
 * as the peer's user id.
 *
 * Driver of the loop only.
 */
#ifndef MST_HUB_H
#define MST_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include <muster/error.h>

#include "base/log.h"
#include "base/poll.h"
#include "link/guests.h"
#include "link/keys.h"

#define MST_ROUTE_BYTES 5
#define MST_USER_BYTES 24 /* "RANK.INCARNATION" */

/* A connection, as libzmq names it. */
typedef struct mst_route {
    uint8_t id[MST_ROUTE_BYTES];
} mst_route;

typedef struct mst_hub_calls {
    /* May this key connect? Then write its user id. */
    bool (*allow)(void *arg, const uint8_t key[MST_KEY_BYTES],
                  char user[MST_USER_BYTES]);
    /* A message. `fd` is the connection's descriptor, for disconnected. */
    void (*message)(void *arg, const mst_route *route, const char *user, int fd,
                    const void *data, size_t len);
    /* A connection ended; messages of it may still be unread. */
    void (*disconnected)(void *arg, int fd);
    /* Nobody waits for another message now: the rest can be read later. */
    bool (*enough)(void *arg);
    /* Is it a connection of somebody who said HELLO? */
    bool (*linked)(void *arg, int fd);
} mst_hub_calls;

typedef struct mst_hub {
    void *zmq, *router, *zap, *monitor;
    mst_watch watches[3];
    mst_hub_calls calls;
    void *arg;
    mst_log *log;
    mst_log_gate gate;
    mst_guests guests;
    char endpoint[128];
    int fd_limit;     /* from here on strangers have to leave */
    int64_t hello_ms; /* from a connection to HELLO */
    bool side;        /* ZAP or the monitor may have something */
    /* ROUTER was empty, and has not been used since: what comes makes its
     * descriptor readable: to ask again would be system calls for nothing. */
    bool quiet;
    unsigned left; /* how often, one after the other, it was not read */
} mst_hub;

/* Bind.
 *
 *   address      "127.0.0.1", "::1", "0.0.0.0", "::"
 *   port         0: any
 *   silence_ms   bounds unacknowledged data, 0: the system's; and how long a
 *                connection may be nobody's
 *
 * Errors:  MUSTER_EADDR, MUSTER_ESYS; without descriptors, too, where libzmq
 *          would abort
 */
muster_err mst_hub_open(mst_hub *hub, mst_poll *poll, const char *address,
                        uint16_t port, int64_t silence_ms, const mst_pair *self,
                        muster_error *err);
void mst_hub_close(mst_hub *hub, mst_poll *poll);

/* Send to one connection, taking the message; false: it is gone, and the
 * message stays yours. */
bool mst_hub_send(mst_hub *hub, const mst_route *route, zmq_msg_t *message);

/* This connection is nobody's: it has been told, or will not understand; soon
 * it is shut down. False: that was said of it already. */
bool mst_hub_dismiss(mst_hub *hub, int fd);
/* It is somebody's. */
void mst_hub_keep(mst_hub *hub, int fd);

/* Read what has come, a bounded part of it; false: there was nothing. */
bool mst_hub_work(mst_hub *hub);

/* Now and then: connections that are nobody's are shut down in time. */
void mst_hub_tick(mst_hub *hub);

/* How many more descriptors there can be before connections are turned away;
 * below 0: too many are open. */
int mst_hub_room(const mst_hub *hub);

#endif
