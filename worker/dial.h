/* dial.h - the worker's connection: one DEALER socket for each epoch.
 *
 * libzmq would reconnect by itself and keep what was queued; so a socket whose
 * connection has ended is closed, and a new one starts with HELLO again. The
 * lane goes on over all of them.
 */
#ifndef MST_DIAL_H
#define MST_DIAL_H

#include <stdbool.h>

#include "base/poll.h"
#include "bulk/lane.h"
#include "link/cookie.h"

typedef enum mst_dial_state {
    MST_DIAL_OFF,    /* no socket                                 */
    MST_DIAL_HELLO,  /* said HELLO, no answer yet                 */
    MST_DIAL_ON,     /* WELCOME came                              */
    MST_DIAL_CUT,    /* the connection ended: call next or give up */
    MST_DIAL_REFUSED /* the manager does not know our key         */
} mst_dial_state;

typedef struct mst_dial {
    mst_pool *pool; /* of what comes; borrowed, set before init */
    void *zmq, *dealer, *monitor;
    mst_poll *poll;
    mst_watch watches[2];
    const mst_cookie *cookie;
    mst_lane lane;
    mst_dial_state state;
    uint64_t instance;
    uint32_t turn;    /* which address */
    bool side;        /* the monitor may have something */
    bool quiet;       /* the socket was empty and not used since: mst_hub */
    bool known;       /* was welcome: the lane is to be resumed */
    bool missed;      /* a message that did not come ended the last one */
    int64_t began_ms; /* this attempt */
    void (*record)(void *arg, const mst_record *record);
    /* There is something better to do now than to read on. */
    bool (*enough)(void *arg);
    void *arg;
} mst_dial;

muster_err mst_dial_init(mst_dial *dial, mst_poll *poll,
                         const mst_cookie *cookie, muster_error *err);

/* A new epoch: the next address, a new socket, HELLO. */
muster_err mst_dial_next(mst_dial *dial, muster_error *err);

/* Read and send; records go to dial->record. True: there was something. */
bool mst_dial_work(mst_dial *dial);

/* Close the socket; what libzmq has is sent for at most linger_ms. */
void mst_dial_close(mst_dial *dial, int linger_ms);

/* WELCOME came; the manager has got so many messages. False: that cannot be. */
bool mst_dial_on(mst_dial *dial, uint64_t got);

/* Nothing is to be resumed: the next HELLO is that of a new one. */
void mst_dial_forget(mst_dial *dial);

/* Close, and end libzmq. */
void mst_dial_fini(mst_dial *dial, int linger_ms);

#endif
