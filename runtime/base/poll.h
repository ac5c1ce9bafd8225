/* poll.h - one epoll set with a callback for each descriptor.
 *
 * Used by one thread at a time. A callback may remove any watch, also one
 * whose event is waiting in the same round: it is then not called any more.
 */
#ifndef MST_POLL_H
#define MST_POLL_H

#include <stdint.h>
#include <sys/epoll.h>

#include <muster/error.h>

typedef struct mst_watch {
    void (*fn)(void *arg, uint32_t events);
    void *arg;
    int fd; /* -1: not watched */
} mst_watch;

#define MST_POLL_ROUND 64

typedef struct mst_poll {
    int epoll;
    int n, at; /* the round that is being delivered */
    struct epoll_event round[MST_POLL_ROUND];
} mst_poll;

muster_err mst_poll_init(mst_poll *poll, muster_error *err);
void mst_poll_fini(mst_poll *poll);

/* Watch `fd` for `events` (EPOLLIN...). The watch is borrowed until del. */
muster_err mst_poll_add(mst_poll *poll, mst_watch *watch, int fd,
                        uint32_t events, muster_error *err);
void mst_poll_mod(mst_poll *poll, mst_watch *watch, uint32_t events);
void mst_poll_del(mst_poll *poll, mst_watch *watch);

/* Wait for events, at most until the deadline, and deliver them. */
void mst_poll_wait(mst_poll *poll, int64_t until_ms);

#endif
