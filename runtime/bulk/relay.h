/* relay.h - workers pass large payloads on to each other.
 *
 *   relay.c   a worker's part: its port, what the manager tells it
 *   kept.c    the sealed chunks of a transfer that comes in, for one other
 *   pull.c    a transfer that comes from another worker
 *
 * The manager announces a transfer to every receiver as ever, but sends its
 * frames to the first only. Just before the announcement it may say RELAY:
 *
 *   KEEP   your chunks are asked for by another: keep them, sealed as they come
 *   TAKE   do not wait for frames of mine: connect to that worker's port, show
 *          the key (proof.h), and it sends you the same frames
 *
 * and behind it, to the one that keeps them,
 *
 *   GIVE   who comes for them, and with which key
 *
 * The receivers say GOT to the manager as ever, so it knows what each has. When
 * one cannot connect within a second, or its stream ends early, or a frame does
 * not open, it says AGAIN, and when it gets nothing for a while the manager
 * notices that. Either way the manager sends it what is missing itself; the
 * first of its frames ends what comes from the other worker. So a relay can
 * only make things faster.
 *
 * A worker keeps MST_KEPT chunks. When so many wait for the other it reads no
 * more of that transfer for up to a second, then the other has to do without.
 *
 * Loop thread only.
 */
#ifndef MST_RELAY_H
#define MST_RELAY_H

#include "base/log.h"
#include "bulk/bulk.h"
#include "bulk/door.h"
#include "bulk/knock.h"
#include "link/loop.h"

#define MST_KEPT 64u
#define MST_RELAY_ADDRESS 64u /* bytes of an address as text, with its NUL */

struct mst_relay {
    mst_loop *loop;
    mst_carrier *carrier;
    mst_bulk *bulk;      /* its; the carrier may end before */
    mst_proof_name name; /* ours */
    mst_log log;         /* silent */
    mst_door door;
    mst_timer timer;
    int64_t ticked_ms;
    LIST_HEAD(, mst_kept) kept;
    LIST_HEAD(, mst_pull) pulls;
    uint64_t passed; /* bytes, counted for tests */
};

/* carrier->relay is it until fini. */
void mst_relay_init(mst_relay *relay, mst_loop *loop, mst_carrier *carrier,
                    mst_proof_name name);
void mst_relay_fini(mst_relay *relay);

/* A RELAY of the manager.
 *
 *   manager   its address, "tcp://127.0.0.1:1234", as it was reached
 *
 * False: it makes no sense. */
bool mst_relay_record(mst_relay *relay, const mst_record *record,
                      const char *manager);

/* A transfer is announced: it may be one of those that KEEP or TAKE named. */
void mst_relay_expected(mst_relay *relay, mst_incoming *in);

/* One that was announced is not wanted: nobody gets it from here. */
void mst_relay_refused(mst_relay *relay, uint64_t transfer);

/* There is something to look after. */
void mst_relay_wake(mst_relay *relay);
/* Now and then, also when there is not. */
void mst_relay_tick(mst_relay *relay, int64_t now_ms);

/* --------------------------------------------------------------- kept.c */

struct mst_kept {
    LIST_ENTRY(mst_kept) link;
    mst_relay *relay;
    mst_incoming *in; /* while it comes */
    uint64_t transfer;
    uint32_t count;       /* chunks of it; 0: not announced yet */
    uint32_t first, have; /* those that are here */
    struct mst_kept_chunk {
        uint8_t tag[MST_SEAL_TAG];
        unsigned char *body;
        size_t len;
    } chunks[MST_KEPT]; /* by index, modulo */
    bool granted;       /* who comes for them, and the key */
    mst_proof_name name;
    uint8_t key[MST_BULK_KEY_BYTES];
    mst_watch watch; /* the stream to it */
    int fd;          /* -1: it has not come */
    bool blocked, writing;
    mst_frame frame;
    size_t written;   /* of head and body */
    int64_t moved_ms; /* the last time */
    int64_t full_ms;  /* so long in all */
};

/* KEEP. Without memory nothing is kept. */
void mst_kept_begin(mst_relay *relay, uint64_t transfer);
mst_kept *mst_kept_find(mst_relay *relay, uint64_t transfer);
bool mst_kept_full(const mst_kept *kept);
/* A copy of a chunk that is not opened yet. NULL: no memory; it is over. */
void *mst_kept_copy(mst_kept *kept, const void *sealed, size_t len);
/* It opened well. Takes the copy. May end it. */
void mst_kept_add(mst_kept *kept, const uint8_t tag[MST_SEAL_TAG], void *copy,
                  size_t len);
void mst_kept_complete(mst_kept *kept); /* it has all come */
void mst_kept_end(mst_kept *kept);      /* nobody gets more from here */
/* It has come for them. Takes fd. */
void mst_kept_came(mst_kept *kept, int fd);
void mst_kept_tick(mst_kept *kept, int64_t now_ms, int64_t passed_ms);

/* --------------------------------------------------------------- pull.c */

struct mst_pull {
    LIST_ENTRY(mst_pull) link;
    mst_relay *relay;
    mst_incoming *in; /* NULL: not announced yet, or over */
    uint64_t transfer;
    char address[MST_RELAY_ADDRESS + 16]; /* as mst_knock_start wants it */
    uint16_t port;
    uint8_t key[MST_BULK_KEY_BYTES];
    mst_knock knock;
    mst_pipe pipe;
    int64_t began_ms;
    int64_t again_ms; /* the next attempt; 0: none is due */
    unsigned tries;
    bool over;
};

/* TAKE. Without memory it comes from the manager, after a while. */
void mst_pull_begin(mst_relay *relay, const mst_record *record);
void mst_pull_expected(mst_pull *pull, mst_incoming *in);
/* Whose frame is it? NULL: nobody's. */
mst_incoming *mst_pull_incoming(mst_pull *pull, uint64_t transfer);
void mst_pull_failed(mst_pull *pull, uint8_t flags); /* of AGAIN */
/* Nothing more is read from there; it is freed later. */
void mst_pull_end(mst_pull *pull);
void mst_pull_tick(mst_pull *pull, int64_t now_ms); /* may free it */
void mst_pull_free(mst_pull *pull);

#endif
