/* lane.h - one side of the connections to one peer: records out, payloads in
 * order.
 *
 * Control records go into the open message at once; payloads wait in a queue
 * for credit of their window (wire.h), cut into chunks. What only passes goes
 * first, then the deeper calls, and those of one window in the order they came:
 * a handler that waits for an answer, or for a call that is deeper, keeps the
 * credit of what is queued behind it. Records that are put in one turn of the
 * loop share messages; flush sends them.
 *
 * A lane outlives its connection. Each message that is sent is kept until the
 * peer has acknowledged it, and sent again on the next connection when it had
 * not come; what is put while there is none waits. Each carries its number, so
 * that one which was taken out on its way is missed by the next. The bytes are
 * shared with libzmq, not copied, and no more than the credit windows of
 * payloads.
 *
 * Loop thread only.
 */
#ifndef MST_LANE_H
#define MST_LANE_H

#include <stdbool.h>
#include <sys/queue.h>
#include <zmq.h>

#include "bulk/chunk.h"
#include "bulk/credit.h"
#include "bulk/payload.h"
#include "link/wire.h"

/* What a message that came is. */
typedef enum mst_heard {
    MST_HEARD_NEXT,
    MST_HEARD_AGAIN, /* it came before: pass it over                        */
    MST_HEARD_GAP    /* one before it did not come: the connection is no good */
} mst_heard;

/* A payload that waits to be sent; lives in what it belongs to. */
typedef struct mst_out {
    TAILQ_ENTRY(mst_out) link;
    /* Fill the record's fields (kind, id, total is len, ...) when it goes. */
    void (*head)(struct mst_out *out, mst_record *record);
    /* Its last byte is in a message; may free the object. May be NULL. */
    void (*gone)(struct mst_out *out);
    mst_payload
        *payload; /* borrowed: the owner holds the reference; NULL: 0 bytes */
    size_t sent;
    uint64_t id;
    uint16_t window; /* whose credit it takes; its owner says */
    bool queued, begun;
    bool by_lane;          /* not as a bulk transfer... */
    bool retry;            /* ...any more */
    struct mst_flow *flow; /* of bulk.h, while it is one; or NULL */
} mst_out;

typedef struct mst_lane {
    struct mst_carrier *carrier; /* for large payloads; or NULL */
    /* Send one message, taking it; false when the connection is gone. */
    bool (*send)(void *arg, zmq_msg_t *message);
    void *arg;
    TAILQ_HEAD(mst_outs, mst_out) queue; /* first one that has begun, if any */
    mst_out *last[MST_WINDOWS];          /* of those that have not */
    mst_credit credit[MST_WINDOWS];      /* left: ours; due: the peer's */
    mst_assembly in;
    unsigned char *open; /* the message that is being filled */
    size_t used, room;
    bool up;         /* there is a connection, as far as we know           */
    bool broken;     /* a record was lost for want of memory: never resume */
    bool eager;      /* acknowledge each message                           */
    bool full;       /* what is to be sent waits for the peer's ACK        */
    zmq_msg_t *kept; /* a ring: the last nkept messages we sent */
    uint32_t kept_room, kept_first, nkept;
    size_t kept_bytes;
    uint64_t sent, got, said; /* messages: ours; the peer's; acknowledged */
    size_t unsaid;            /* bytes of those that are not */
    int64_t sent_ms, heard_ms;
    int64_t large_ms; /* the last large message */
} mst_lane;

/* Nothing sent, nothing heard, no connection yet. */
void mst_lane_init(mst_lane *lane, bool (*send)(void *arg, zmq_msg_t *message),
                   void *arg);
void mst_lane_fini(mst_lane *lane); /* empties the queue without a word */

/* There is a connection, and the peer has got so many of our messages; the
 * others go out again. False: that cannot be. */
bool mst_lane_up(mst_lane *lane, uint64_t peer_got);

/* The connection ended. */
void mst_lane_down(mst_lane *lane);

/* A message of those that are counted came; it counts if it is the next. */
mst_heard mst_lane_heard(mst_lane *lane, const void *message, size_t bytes);

/* It is time to acknowledge, or the peer did and more may go: flush. */
bool mst_lane_owes(const mst_lane *lane);

/* The peer's ACK. False: it does not play by the rules. */
bool mst_lane_ack(mst_lane *lane, uint64_t peer_got);

/* All that was put or queued has come, as far as we are told. */
bool mst_lane_idle(const mst_lane *lane);

/* A control record, in front of queued payloads. */
void mst_lane_put(mst_lane *lane, const mst_record *record);

/* A payload, behind those that wait in its window. */
void mst_lane_queue(mst_lane *lane, mst_out *out);

/* Take a payload back: the peer gets ABORT if it has seen a part. True when
 * nothing of it had been sent. */
bool mst_lane_drop(mst_lane *lane, mst_out *out);

/* Send what credit allows and what is in the open message. True: something
 * was sent. */
bool mst_lane_flush(mst_lane *lane);

/* The peer's CREDIT. False: it does not play by the rules. */
bool mst_lane_credit(mst_lane *lane, const mst_record *credit);

/* `cost` of what came is dealt with; tells the peer now and then. */
void mst_lane_earn(mst_lane *lane, unsigned window, uint32_t cost);

#endif
