/* guests.h - connections that are nobody's, by their descriptors: without a
 * HELLO yet, or told to go away. When their time is over they are
 * shut down; libzmq, which has no call for that, then closes them.
 *
 * Driver of the loop only.
 */
#ifndef MST_GUESTS_H
#define MST_GUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mst_guest {
    int64_t until_ms; /* 0: there is none */
    bool away;        /* it was told to go */
} mst_guest;

typedef struct mst_guests {
    mst_guest *at; /* by descriptor */
    int room, n;
    int64_t next_ms; /* none has to leave before */
    uint16_t port;   /* that they came to */
} mst_guests;

/* One more, or the same with another deadline. Without memory it may stay. */
void mst_guests_add(mst_guests *guests, int fd, int64_t until_ms, bool away);

/* It was told to go. */
bool mst_guests_away(const mst_guests *guests, int fd);

/* It is closed. */
void mst_guests_remove(mst_guests *guests, int fd);

/* Shut down those whose time is over, unless `keep` says that it is somebody's
 * now; returns how many. */
size_t mst_guests_expire(mst_guests *guests, int64_t now_ms,
                         bool (*keep)(void *arg, int fd), void *arg);

/* Shut down the one that has to leave first, to make room; false: there is
 * none but those that `keep` says are somebody's. */
bool mst_guests_evict(mst_guests *guests, bool (*keep)(void *arg, int fd),
                      void *arg);

void mst_guests_fini(mst_guests *guests);

#endif
