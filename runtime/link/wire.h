/* wire.h - what goes over a connection.
 *
 * A message (one ZeroMQ frame, behind the routing id that ROUTER adds) is one
 * or more records, at most MST_WIRE_MESSAGE bytes together. All numbers are
 * big-endian. A record:
 *
 *      0   4   bytes that follow these four
 *      4   1   kind
 *      5   1   flags
 *      6   2   zero; in a message's first record its number (Resume, below)
 *      8   ..  the fields of the kind, below
 *
 *   HELLO      worker, first on each connection, alone in its message
 *              magic 6 "muster", wire u16, word u8, order u8 (1 = little),
 *              build str, instance u64, pid u32, host str, got u64, turn u32
 *              (one more for each attempt of the process; one that comes late
 *              is passed over). flag 2: it was welcome before and goes on;
 *              flag 4: it has AES in hardware; flag 8: it ended its last
 *              connection for a message that did not come
 *   WELCOME    manager, the answer: magic 6, wire u16, word u8, order u8,
 *              build str, session 16, rank u32, incarnation u32, threads u32,
 *              heartbeat_ms u32 (0 = off), grace_ms u32, got u64, bulk_mode u8
 *              (how both send bulk: mst_bulk_mode), bulk_port u16 (0: no bulk
 *              connection by TCP), bulk_key 32 (to open it with, see
 *              runtime/bulk/proof.h); alone in its message
 *   REFUSE     manager, instead of WELCOME: magic 6, wire u16, word u8,
 *              order u8, build str, code u16, text str
 *   GOAWAY     manager, to whoever it does not know: code u16, text str. With
 *              MUSTER_ENOMEM: forget all there was and say HELLO as a new one
 *   HEARTBEAT  both: nothing; with flag 1, from a worker, its figures (all ones
 *              = not known): memory u64, limit u64 (0 = none), rss u64,
 *              oom_kills u64, throttled u64, throttled_us u64, and of its
 *              handlers: running u32, and of the one that runs longest id u64,
 *              running_ms u64, name str
 *   CALL       both: id u64, remaining_ms u64 (all ones = none), size u32,
 *              index u32, count u32, peer u32, depth u16, name str, total u64,
 *              first bytes. peer: from the manager, whose call it is (0 the
 *              manager's own); from a worker, who shall run it (0 the
 *              manager, all ones whoever has least to do). depth: of calls
 *              within calls. flag 1: nobody wants the result (post), only a
 *              failure. A worker has at most MST_WIRE_CALLS outstanding, whose
 *              requests have MST_WIRE_ASKED bytes together, but for what
 *              deeper calls need (runtime/call/asked.h); the low 32 bits of
 *              their ids are different, 1 .. MST_WIRE_CALLS
 *   RESULT     both: id u64, code u16, remote u32, rank u32 (who ran it),
 *              text str, total u64, first bytes. flag 2: a worker hands the
 *              call back, it has not begun
 *   CHUNK      both: id u64, offset u64, bytes
 *   ABORT      both: id u64; the rest of that payload will not come. flag 1: of
 *              a bulk transfer; it comes again by CALL or RESULT with flag 8,
 *              unless it is complete. From the manager, without it: of a
 *              call that the worker made, for which there is no memory
 *   CANCEL     both: id u64; nobody waits for that result any more. A
 *              worker gets its RESULT all the same
 *   CREDIT     both: bytes u32 that may be sent on top, depth u16: in which
 *              window
 *   STOP       manager: mode u8 (0 drain, 1 now, 2 drain within grace_ms, and
 *              hand back what has not begun). 2 answers DRAIN
 *   INTERRUPT  manager: id u64 (0 = all that run), signal_ms u32, end_ms u32
 *              (all ones = never); handlers are to give up, see
 *              muster_interrupt
 *   BYE        worker: it ends and sends nothing more; code u16, text str
 *   OUTPUT     worker: stream u8, bytes that it printed; no more than
 *              MST_WIRE_OUTPUT of them that are not TAKEN
 *   TAKEN      manager: bytes u32 of OUTPUT that were dealt with
 *   ACK        both: got u64, messages that came whole
 *   DRAIN      worker: it got SIGTERM and wants no more calls; grace_ms u32:
 *              what runs may take so long
 *   GOT        both: transfer u64, count u32: so many chunks of a bulk
 *              transfer are there, in order; all of them: it is over.
 *              transfer 0, from a local child: its stream is open
 *   AGAIN      both: transfer u64, count u32: what came behind so many chunks
 *              was lost or false; begin there again. flag 1: another worker
 *              was to pass it on, and nothing more comes from there; flag 2:
 *              it could not be reached at all
 *   NOBULK     both: text str; there will be no bulk connection any more
 *   RELAY      both: mode u8 (mst_relay_mode), transfer u64, rank u32,
 *              incarnation u32, port u16, key 32, text str; see
 *              runtime/bulk/relay.h
 *
 * str is a u16 length and so many bytes. The layout of HELLO, WELCOME and
 * REFUSE up to and including `build` is the same in every version for ever,
 * so that a mismatch can always be said.
 *
 * Ids of a worker's own calls have the highest bit set, ids of the manager's
 * do not, so CHUNK and ABORT say which of the two they belong to.
 *
 * Payloads (CALL, RESULT): `total` bytes, of which the first come with the
 * record and the rest as CHUNKs in order, with no other payload in between;
 * ABORT ends one early. Credit is counted by mst_wire_cost.
 *
 * There are several windows of it. The manager's CALLs of each depth have one,
 * and what they take comes back when their handler has ended. All else only
 * passes: RESULTs, CHUNKs, a worker's CALLs and what comes again (flag 8) have
 * the window MST_WINDOW_PASSING, and that comes back at once. So calls wait
 * only for handlers of their own depth, which wait only for what is deeper, or
 * passes.
 *
 * A CALL or RESULT with flag 4 has its payload in a bulk transfer instead
 * (runtime/bulk/bulk.h). Then transfer u64, seal u8, key 32 stand behind
 * `total`, and no first bytes. One with flag 8 is that again, with the payload
 * in it as usual; whoever had it all passes this one over. A CALL to a local
 * child with flag 16 has its payload in shared memory (runtime/bulk/segment.h):
 * transfer u64, a number for this use, and seal u8, the segment's place, stand
 * behind `total`; GOT with that number gives it back, with count 0 where the
 * child has nothing mapped at that place.
 *
 * Resume: both sides count the messages behind the first WELCOME; HELLO,
 * WELCOME, REFUSE and GOAWAY are not of them. Who sends keeps each message
 * until an ACK covers it. After a cut the same process says HELLO on a new
 * connection and the two say how many each has got; what the other has not is
 * sent again, as it was. So all records - calls, results, their chunks,
 * credit, output - come exactly once and in order, over any number of
 * connections, and nothing above the lane notices a cut. CURVE does not notice
 * a message that is taken out of a connection, so each that is counted carries
 * the low 16 bits of its number, from 1 on. Who gets one that is not the next
 * takes the connection for cut (the manager says so by GOAWAY, the worker by
 * HELLO with flag 8); one it has got already is passed over. Heartbeats and
 * ACKs are counted, too: a last message that is missing is noticed by the
 * heartbeat behind it. No more than MST_WIRE_AHEAD messages, and the ACKs among
 * them, wait for an ACK, so the low bits tell. A worker that is away
 * for longer than the heartbeat time-out (MST_WIRE_AWAY_MS without one) is
 * given up by both; one that hears nothing for half of that dials anew.
 */
#ifndef MST_WIRE_H
#define MST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#include "base/bytes.h"
#include "base/usage.h"

#define MST_WIRE_VERSION 3u
#define MST_WIRE_MESSAGE ((size_t)1 << 20) /* bytes of a whole message     */
#define MST_WIRE_HEADER 8u                 /* bytes in front of the fields */
#define MST_WIRE_NAME 255u                 /* longest handler name         */
#define MST_WIRE_TEXT 255u                 /* longest sentence             */
#define MST_BULK_KEY_BYTES 32u
#define MST_WIRE_FIELDS 640u /* most bytes of a record without its payload */
#define MST_WIRE_NO_DEADLINE UINT64_MAX
#define MST_WIRE_WINDOW ((uint32_t)4 << 20)   /* credit at the start, bytes   */
#define MST_WIRE_OUTPUT ((uint32_t)256 << 10) /* OUTPUT that is not TAKEN   */
#define MST_WIRE_CALLS 4096u                  /* outstanding, of a worker   */
#define MST_WIRE_ASKED ((size_t)256 << 20)    /* bytes of their requests    */
#define MST_WIRE_AWAY_MS 60000 /* a cut may last, without heartbeats */
#define MST_WIRE_AHEAD 16384u  /* messages before one is acknowledged */
#define MST_SESSION_BYTES 16u
#define MST_ID_WORKER (UINT64_C(1) << 63) /* the call is a worker's */
#define MST_DEPTH_MAX 64u                 /* calls within calls        */
#define MST_WINDOW_PASSING (MST_DEPTH_MAX + 1)
#define MST_WINDOWS (MST_WINDOW_PASSING + 1)

typedef enum mst_kind {
    MST_HELLO = 1,
    MST_WELCOME,
    MST_REFUSE,
    MST_GOAWAY,
    MST_HEARTBEAT,
    MST_CALL,
    MST_RESULT,
    MST_CHUNK,
    MST_ABORT,
    MST_CANCEL,
    MST_CREDIT,
    MST_STOP,
    MST_BYE,
    MST_OUTPUT,
    MST_INTERRUPT,
    MST_TAKEN,
    MST_ACK,
    MST_DRAIN,
    MST_GOT,
    MST_AGAIN,
    MST_NOBULK,
    MST_RELAY,
    MST_KINDS
} mst_kind;

enum {
    MST_FLAG_POST = 1,     /* CALL */
    MST_FLAG_FIGURES = 1,  /* HEARTBEAT */
    MST_FLAG_RESUME = 2,   /* HELLO */
    MST_FLAG_BACK = 2,     /* RESULT */
    MST_FLAG_AES = 4,      /* HELLO */
    MST_FLAG_MISSED = 8,   /* HELLO: a message did not come */
    MST_FLAG_BULK = 4,     /* CALL RESULT: the payload comes apart from it */
    MST_FLAG_RETRY = 8,    /* CALL RESULT: it came apart, but not all of it */
    MST_FLAG_SHARED = 16,  /* CALL: the payload is in shared memory */
    MST_FLAG_AGAIN = 1,    /* ABORT: it comes again */
    MST_FLAG_RELAY = 1,    /* AGAIN: from another worker nothing more comes */
    MST_FLAG_UNREACHED = 2 /* AGAIN: it could not be reached */
};
enum { MST_STOP_DRAIN = 0, MST_STOP_NOW = 1, MST_STOP_HAND_BACK = 2 };

/* What a RELAY says. */
typedef enum mst_relay_mode {
    MST_RELAY_LISTEN, /* manager: at this port; HERE is the answer */
    MST_RELAY_HERE,   /* worker: others can connect to this address and port;
                         port 0: they cannot */
    MST_RELAY_KEEP,   /* manager: the transfer that is announced next, for
                         others */
    MST_RELAY_TAKE,   /* manager: get it there, by that key */
    MST_RELAY_GIVE,   /* manager: that worker gets the transfer from you */
    MST_RELAY_MODES
} mst_relay_mode;

/* Text or bytes where they stand in a message; not terminated. */
typedef struct mst_span {
    const char *at;
    size_t len;
} mst_span;

/* What both sides say about themselves. */
typedef struct mst_build {
    uint16_t wire;
    uint8_t word;  /* sizeof(void *) */
    uint8_t order; /* 1 little, 2 big */
    mst_span build;
} mst_build;

/* One decoded record; the fields its kind has, the others are zero. */
typedef struct mst_record {
    mst_kind kind;
    uint8_t flags;
    mst_build side;    /* HELLO WELCOME REFUSE                         */
    uint64_t instance; /* HELLO: random, one for each worker process   */
    uint32_t pid;      /* HELLO                                        */
    uint8_t session[MST_SESSION_BYTES]; /* WELCOME                          */
    uint32_t rank, incarnation, threads, heartbeat_ms, grace_ms; /* WELCOME;
                                                    grace_ms: DRAIN, too */
    uint16_t code;         /* REFUSE GOAWAY RESULT BYE: muster_err         */
    uint32_t remote;       /* RESULT: what the handler returned            */
    uint64_t id;           /* CALL RESULT CHUNK ABORT CANCEL               */
    uint64_t remaining_ms; /* CALL                                         */
    uint32_t size, index, count; /* CALL; GOT AGAIN: count                  */
    uint32_t peer;  /* CALL; RESULT: rank                           */
    uint16_t depth; /* CALL; CREDIT: its window                     */
    uint32_t signal_ms, end_ms; /* INTERRUPT                            */
    mst_span text;   /* HELLO: host; CALL: name; else a sentence     */
    uint64_t total;  /* CALL RESULT                                  */
    uint64_t offset; /* CHUNK                                        */
    uint64_t got;    /* HELLO WELCOME ACK                            */
    uint32_t turn;   /* HELLO                                          */
    uint32_t credit; /* CREDIT TAKEN                                   */
    uint8_t mode;    /* STOP; OUTPUT: stream; RELAY                  */
    mst_span body;   /* CALL RESULT CHUNK OUTPUT                     */
    mst_usage usage; /* HEARTBEAT with figures: these, id, text      */
    uint32_t running;
    uint64_t running_ms;
    uint8_t bulk_mode;  /* WELCOME */
    uint16_t bulk_port; /* WELCOME; RELAY: port */
    uint64_t transfer;  /* CALL RESULT with FLAG_BULK, GOT AGAIN RELAY */
    uint8_t seal; /* CALL RESULT with FLAG_BULK: mst_seal_kind; or a place */
    uint8_t key[MST_BULK_KEY_BYTES]; /* WELCOME, CALL RESULT with FLAG_BULK,
                                        RELAY */
} mst_record;

/* What this process would say of itself. */
mst_build mst_build_here(void);

/* Append one record. `body` follows the fields of CALL, RESULT, CHUNK, OUTPUT.
 * Latches in `w` when it does not fit. */
void mst_wire_put(mst_writer *w, const mst_record *record);

/* Bytes a record takes, without its body. */
size_t mst_wire_fields(const mst_record *record);

/* Read the next record of a message.
 *
 * Success: MUSTER_OK and *record, whose spans point into the message; r->left
 *          is 0 after the last one.
 * Errors:  MUSTER_EPROTO   it is not a record; the rest of the message is lost
 */
muster_err mst_wire_get(mst_reader *r, mst_record *record);

/* What a record with a payload costs of the peer's credit. */
static inline uint32_t mst_wire_cost(size_t body)
{
    return (uint32_t)body + 64u;
}

/* The window of a CALL or RESULT. */
static inline unsigned mst_wire_window(const mst_record *r)
{
    const bool keeps = r->kind == MST_CALL && (r->id & MST_ID_WORKER) == 0 &&
                       (r->flags & MST_FLAG_RETRY) == 0;

    return keeps && r->depth <= MST_DEPTH_MAX ? r->depth : MST_WINDOW_PASSING;
}

/* What it costs when the payload comes apart from it: it lies in the receiver's
 * memory, too. Four of them are under way at a time, or more small ones. */
static inline uint32_t mst_wire_bulk_cost(uint64_t total)
{
    const uint32_t most = MST_WIRE_WINDOW / 5;

    return mst_wire_cost(total < most ? (size_t)total : most);
}

/* Is it one of those that are counted, and sent again after a cut? */
static inline bool mst_wire_counts(const void *message, size_t len)
{
    const uint8_t kind = len > 4 ? ((const uint8_t *)message)[4] : 0;

    return kind > MST_GOAWAY;
}

/* The low bits of the number of a message that has a whole header. */
static inline uint16_t mst_wire_number(const void *message)
{
    const uint8_t *at = (const uint8_t *)message + 6;

    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void mst_wire_set_number(void *message, uint64_t number)
{
    uint8_t *at = (uint8_t *)message + 6;

    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

const char *mst_kind_name(mst_kind kind);

#endif
