/* bulk.h - large payloads, beside the lane: sealed once, sent to many.
 *
 *   seal.c      the cipher
 *   transfer.c  a payload on its way out: its chunks, and who still needs them
 *   flow.c      a transfer on its way to one peer
 *   incoming.c  a transfer that comes in
 *   segment.c   instead of all that: memory that local children share
 *   share.c     a payload in it, on its way to one of them
 *   pipe.c      a byte stream to one peer: frames out, frames in
 *   door.c      the manager's port, where workers' streams come in
 *   knock.c     a worker's way through it
 *   proof.c     how either shows that it has the key of the link
 *   relay.c     workers that pass on to each other what comes in (relay.h)
 *
 * libzmq's CURVE encrypts a message anew for each peer and in one piece. So a
 * CALL or RESULT with a payload of MST_BULK_MIN bytes or more only announces a
 * transfer (wire.h, MST_FLAG_BULK); its chunks go as frames through a stream
 * of their own, and each is sealed once for all receivers. The sender keeps
 * the sealed chunks until every receiver has said GOT, so that sending again
 * never seals again (a nonce must not meet two texts). What fails on a stream
 * is asked for AGAIN, and when that does not help the payload goes through the
 * lane after all: a bulk connection can only make things faster.
 *
 * A frame, big-endian:
 *
 *      0   8   transfer
 *      8   4   index of the chunk
 *     12   4   bytes that follow the tag; all chunks have MST_BULK_CHUNK, the
 *              last one what is left
 *     16  16   tag (zeros when nothing is sealed)
 *     32  ..   the sealed bytes
 *
 * Transfers are announced to a peer in the order of their numbers. So a frame
 * with a number above the last one that was announced waits, and one that is
 * below it, and not known any more, is thrown away.
 *
 * Loop thread only.
 */
#ifndef MST_BULK_H
#define MST_BULK_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/poll.h"
#include "bulk/lane.h"
#include "bulk/payload.h"
#include "bulk/seal.h"
#include "bulk/segment.h"

#ifndef MST_BULK_CHUNK /* fuzzers make it small, and are faster by that */
#define MST_BULK_CHUNK ((size_t)256 << 10) /* plain bytes of a chunk */
#endif
/* a smaller payload takes the lane */
#define MST_BULK_MIN (MST_BULK_CHUNK / 4)
#define MST_BULK_MOST (UINT64_C(1) << 46) /* bytes of a payload */
#define MST_BULK_SPARE 128u               /* chunks that are kept */
#define MST_BULK_HEAD 32u                 /* of a frame */

/* How the two ends of a link send bulk, as WELCOME says. */
typedef enum mst_bulk_mode {
    MST_BULK_OFF,
    MST_BULK_LINE, /* a socket pair, passed to a local child; not sealed */
    MST_BULK_PLAIN,
    MST_BULK_AES, /* these two and plain: TCP, by the manager's port */
    MST_BULK_CHACHA,
    MST_BULK_MODES
} mst_bulk_mode;

mst_seal_kind mst_bulk_seal(mst_bulk_mode mode);

typedef struct mst_carrier mst_carrier;
typedef struct mst_transfer mst_transfer;
typedef struct mst_flow mst_flow;
typedef struct mst_incoming mst_incoming;
typedef struct mst_relay mst_relay;
typedef struct mst_kept mst_kept;
typedef struct mst_pull mst_pull;

/* What all transfers of a process share. */
typedef struct mst_bulk {
    mst_poll *poll;
    uint8_t session[MST_SESSION_BYTES];
    uint32_t rank;               /* of this process */
    uint64_t last;               /* transfer that was begun here */
    uint64_t sealed;             /* bytes, counted for tests */
    uint64_t sent;               /* the same, to streams */
    void *spare[MST_BULK_SPARE]; /* chunk buffers that were used */
    unsigned nspare, least;      /* the fewest since the last tick */
    int64_t spare_ms;            /* that tick */
    LIST_HEAD(, mst_carrier) carriers;
    mst_segments segments;
} mst_bulk;

void mst_bulk_init(mst_bulk *bulk, mst_poll *poll, uint32_t rank,
                   const uint8_t session[MST_SESSION_BYTES]);
void mst_bulk_fini(mst_bulk *bulk);
void *mst_bulk_chunk(mst_bulk *bulk); /* MST_BULK_CHUNK bytes, or NULL */
void mst_bulk_spare(mst_bulk *bulk, void *chunk);
/* Now and then: gives back the buffers that were not used lately. */
void mst_bulk_tick(mst_bulk *bulk, int64_t now_ms);

/* ----------------------------------------------------------- transfer.c */

/* A frame, ready to be written. */
typedef struct mst_frame {
    uint8_t head[MST_BULK_HEAD];
    const unsigned char *body;
    size_t len;
} mst_frame;

/* A payload on its way out. It reads the payload as long as it has flows, and
 * ends with the last of them. */
struct mst_transfer {
    LIST_ENTRY(mst_transfer) of_payload;
    LIST_HEAD(, mst_flow) flows;
    mst_bulk *bulk;
    mst_payload *payload;
    uint64_t id;
    uint32_t count;    /* chunks */
    uint32_t first;    /* those below were given back */
    uint32_t begun;    /* flows, ever */
    mst_flow *slowest; /* none has got less, when they were last looked at */
    mst_seal_kind kind;
    mst_seal *seal; /* NULL: not sealed */
    struct mst_sealed {
        uint8_t tag[MST_SEAL_TAG];
        unsigned char *body; /* NULL: not sealed yet, or given back */
    } * chunks;              /* NULL when nothing is sealed */
};

uint32_t mst_bulk_count(uint64_t total);                /* chunks */
size_t mst_bulk_length(uint64_t total, uint32_t index); /* bytes of one */

/* The transfer of a payload by a cipher: one that has begun, if its number is
 * above `after` and no chunk of it was given back yet, or a new one. NULL: no
 * memory. */
mst_transfer *mst_transfer_of(mst_bulk *bulk, mst_payload *payload,
                              mst_seal_kind kind, uint64_t after);
/* Seals the chunk when nobody had it before. False: no memory. */
bool mst_transfer_frame(mst_transfer *transfer, uint32_t index,
                        mst_frame *frame);
/* A flow has got further, or is gone. May end the transfer. */
void mst_transfer_settle(mst_transfer *transfer);

/* --------------------------------------------------------------- flow.c */

/* One transfer to one peer. */
struct mst_flow {
    LIST_ENTRY(mst_flow) of_transfer;
    TAILQ_ENTRY(mst_flow) of_carrier;
    mst_transfer *transfer;
    mst_carrier *carrier;
    mst_out *out;
    uint32_t sent;     /* frames that are written */
    uint32_t got;      /* that the peer has said to have */
    uint32_t failures; /* AGAIN without progress */
    bool begun;        /* a frame is being written */
    bool torn;         /* frames went to a stream that ended: wait for AGAIN */
    /* relays, of the manager */
    bool keeps;     /* the peer keeps the chunks for another */
    bool relayed;   /* it gets them from another: nothing is sent */
    mst_flow *feed; /* of that one, while it is there */
    mst_flow *next; /* of the one that gets them from this peer */
    uint32_t depth; /* workers on the way to it */
    uint32_t giver, giver_incarnation; /* while it is relayed */
    int64_t began_ms, moved_ms, still_ms, pace_ms;
    uint64_t seen; /* of its progress */
    uint32_t had;  /* that were got, then */
};

/* Nobody passes it on to this one any more: it comes from here, from what it
 * has got on. */
void mst_flow_direct(mst_flow *flow);

/* --------------------------------------------------------------- pipe.c */

/* A byte stream to one peer. */
typedef struct mst_pipe {
    mst_carrier *carrier;
    mst_pull *pull; /* from another worker, one transfer; NULL: of the link */
    mst_watch watch;
    int fd;       /* -1: none is open */
    bool blocked; /* the kernel takes no more for now */
    bool paused;  /* nothing is read: a transfer is not announced yet */
    /* being written */
    bool writing;
    mst_frame frame;
    size_t written; /* of head and body */
    mst_flow *flow; /* whose frame it is; NULL: of one that goes on without */
    void *kept;     /* the frame's own body, or NULL */
    /* being read */
    bool in_body;
    uint8_t head[MST_BULK_HEAD];
    size_t have;      /* of head and body */
    mst_incoming *in; /* whose frame it is; NULL: thrown away */
    uint32_t index, len;
    unsigned char *to; /* the body's place */
    void *scratch;     /* for bodies that are thrown away, or NULL */
} mst_pipe;

/* Take an open stream, also on failure. */
muster_err mst_pipe_open(mst_pipe *pipe, int fd, muster_error *err);
void mst_pipe_close(mst_pipe *pipe);
/* What is left of a frame; as sendmsg(2). */
ssize_t mst_frame_send(int fd, const mst_frame *frame, size_t written);
void mst_pipe_kick(mst_pipe *pipe);   /* there is something to write */
void mst_pipe_resume(mst_pipe *pipe); /* a transfer was announced */
/* The flow's chunks are not to be touched any more, or it starts elsewhere: a
 * frame that has begun goes on as a copy. */
void mst_pipe_keep(mst_pipe *pipe, mst_flow *flow);
/* The transfer's bytes are not wanted any more. */
void mst_pipe_away(mst_pipe *pipe, const mst_incoming *in);

/* ----------------------------------------------------------- incoming.c */

/* A transfer that comes in. */
struct mst_incoming {
    LIST_ENTRY(mst_incoming) link;
    mst_carrier *carrier;
    uint64_t transfer;
    uint64_t id;                       /* of the call */
    void *owner;                       /* whoever waits for it */
    mst_incoming **slot;               /* there it is kept; NULL when it ends */
    void (*arrived)(mst_incoming *in); /* all is there; it ends afterwards */
    uint64_t total;
    uint32_t count, have, told; /* chunks; those that are said GOT */
    unsigned window;            /* credit to give back at its end: of that, */
    uint32_t cost;              /* so much */
    mst_seal *seal;
    unsigned char *data; /* total + 1 bytes, the last one zero */
    mst_pull *pull;      /* it comes from another worker; or NULL */
    mst_kept *kept;      /* another gets it from here; or NULL */
};

/* An announced transfer begins; *slot is it. The caller says mst_pipe_resume
 * when it can have bytes. False with *rc:
 *   MUSTER_EPROTO   it makes no sense
 *   MUSTER_ENOMEM   no memory for it; the sender is told that it is over
 */
bool mst_incoming_expect(mst_carrier *carrier, const mst_record *record,
                         uint32_t sender, mst_incoming **slot, muster_err *rc);
/* Nobody wants it: the sender is told that it is over. False: it makes no
 * sense. */
bool mst_incoming_refuse(mst_carrier *carrier, const mst_record *record);
void mst_incoming_forget(mst_incoming **in); /* any more; the same */
void mst_incoming_abort(mst_incoming **in);  /* the sender says that itself */
void *mst_incoming_take(mst_incoming *in);   /* the bytes; mst_free */
/* The credit, which the owner gives back later. */
uint32_t mst_incoming_take_cost(mst_incoming *in);
mst_incoming *mst_incoming_find(mst_carrier *carrier, uint64_t transfer);
/* A whole frame was read into its place. False: it is not what it should be. */
bool mst_incoming_chunk(mst_incoming *in, uint32_t index,
                        const uint8_t tag[MST_SEAL_TAG]);
void mst_incoming_free(mst_incoming *in); /* without a word to anybody */
void mst_incoming_tell(mst_incoming *in); /* GOT, if there is news */
/* Nothing more comes from another worker: the sender is to send the rest. */
void mst_incoming_orphan(mst_incoming *in, uint8_t flags);

/* ------------------------------------------------------------- carrier */

typedef struct mst_carrier_calls {
    /* The stream is needed, or has ended: open one soon, if you are the one
     * who does; not at once, and mst_carrier_off not either. */
    void (*want)(void *arg);
    /* Something is in the lane. */
    void (*dirty)(void *arg);
    /* A flow begins, and `record` is about to announce it: who passes it on to
     * whom? NULL: nobody to anybody. */
    void (*plan)(void *arg, mst_flow *flow, const mst_record *record);
    /* The peer got nothing more from the flow's giver; it is direct by now.
     * NULL where plan is. */
    void (*orphan)(void *arg, mst_flow *flow, bool unreached);
} mst_carrier_calls;

/* All transfers with one peer: beside a lane, for as long as that lives. */
struct mst_carrier {
    LIST_ENTRY(mst_carrier) of_bulk;
    mst_bulk *bulk;
    mst_lane *lane;
    const mst_carrier_calls *calls;
    void *arg;
    bool on;                    /* large payloads are sent this way */
    uint64_t last_out, last_in; /* transfers that were announced */
    unsigned opened;            /* streams there were */
    uint64_t progress, seen;    /* counts what moves; at the last tick */
    int64_t still_ms, tick_ms;  /* nothing moved for so long; the last tick */
    mst_seal_kind kind;         /* how */
    mst_relay *relay;           /* of a worker; or NULL */
    mst_pipe pipe;
    TAILQ_HEAD(mst_flows, mst_flow) flows;
    LIST_HEAD(, mst_incoming) incoming;
    /* To a local child: what goes by its line, with a descriptor or -1. NULL:
     * it has no line. */
    bool (*pass)(void *arg, const uint8_t words[MST_SEGMENT_WORDS], int fd);
    uint32_t known; /* segments it has, bit by bit */
    uint32_t lent;  /* places behind them that are in use; likewise */
    LIST_HEAD(, mst_use) uses;
};

void mst_carrier_init(mst_carrier *carrier, mst_bulk *bulk, mst_lane *lane,
                      const mst_carrier_calls *calls, void *arg);
/* The lane ends: all flows and what comes in are forgotten without a word. */
void mst_carrier_fini(mst_carrier *carrier);
/* The stream is there; what was lost with the last one comes again. Takes fd,
 * also on failure. Who connects calls this once the other side has. */
muster_err mst_carrier_open(mst_carrier *carrier, int fd, muster_error *err);
/* The stream is no good. */
void mst_carrier_broken(mst_carrier *carrier);
/* There will be none: everything takes the lane, and the peer is told why;
 * NULL: it was the peer who said so. */
void mst_carrier_off(mst_carrier *carrier, const char *why);
/* Records of the peer. False: it broke the protocol. */
bool mst_carrier_got(mst_carrier *carrier, const mst_record *record);
bool mst_carrier_again(mst_carrier *carrier, const mst_record *record);
/* Now and then. False: nothing of what should has moved for so long. */
bool mst_carrier_tick(mst_carrier *carrier, int64_t now_ms,
                      int64_t patience_ms);

/* For the lane: announce `out` as a transfer; false: it takes the lane. */
bool mst_flow_begin(mst_carrier *carrier, mst_out *out, mst_record *record);
/* It is not to be sent any more. */
void mst_flow_drop(mst_flow *flow);

/* -------------------------------------------------------------- share.c */

/* For the lane: `out` is in shared memory now; false: it goes another way. */
bool mst_share_begin(mst_carrier *carrier, const mst_out *out,
                     mst_record *record);
/* The child gave it back; `mapped`: it has the place of it for others. False:
 * it was no use of shared memory. */
bool mst_share_got(mst_carrier *carrier, uint64_t number, bool mapped);
void mst_share_fini(mst_carrier *carrier); /* the lane ends */
void mst_share_gone(void *bulk, unsigned place);

#endif
