/* door.h - the manager's port for bulk streams.
 *
 * Whoever connects has 5 s to show that it has the key of a link (proof.h).
 * Until then it costs a descriptor and some hundred bytes, and no more than
 * MST_DOOR_GUESTS are here at a time: the one that came first has to leave.
 *
 * Loop thread only.
 */
#ifndef MST_DOOR_H
#define MST_DOOR_H

#include <sys/queue.h>

#include "base/log.h"
#include "base/poll.h"
#include "bulk/proof.h"

#define MST_DOOR_GUESTS 64u
#define MST_DOOR_MS 5000

typedef struct mst_door_calls {
    /* The key of that link. False: there is none. */
    bool (*key)(void *arg, mst_proof_name name,
                uint8_t key[MST_BULK_KEY_BYTES]);
    /* It has shown that it has it, and was told so. Takes fd. */
    void (*came)(void *arg, mst_proof_name name, int fd);
} mst_door_calls;

typedef struct mst_door {
    mst_poll *poll;
    mst_log *log;
    mst_log_gate gate;
    const mst_door_calls *calls;
    void *arg;
    mst_watch watch;
    int fd; /* -1: not open */
    uint16_t port;
    bool full; /* no descriptors: nothing is accepted until the next tick */
    unsigned nguests;
    TAILQ_HEAD(, mst_door_guest) guests; /* by age */
} mst_door;

/* Not open; close and tick do nothing. */
void mst_door_init(mst_door *door, mst_log *log, const mst_door_calls *calls,
                   void *arg);

/* Listen at a numerical address; port 0: any.
 *
 * Errors: MUSTER_EADDR, MUSTER_ESYS
 */
muster_err mst_door_open(mst_door *door, mst_poll *poll, const char *address,
                         uint16_t port, muster_error *err);
void mst_door_close(mst_door *door);
void mst_door_tick(mst_door *door, int64_t now_ms);

#endif
