/* worker.h - the worker process: connection, jobs, and when it ends. */
#ifndef MST_WORKER_H
#define MST_WORKER_H

#include <stdbool.h>

#include <muster/muster.h>

#include "base/pool.h"
#include "base/usage.h"
#include "bulk/bulk.h"
#include "bulk/knock.h"
#include "bulk/lane.h"
#include "bulk/relay.h"
#include "call/asked.h"
#include "call/blobs.h"
#include "call/executor.h"
#include "call/pending.h"
#include "dial.h"
#include "link/loop.h"

/* Exit statuses, after <sysexits.h> where it has a fitting one. */
enum {
    MST_EXIT_OK = 0,
    MST_EXIT_USAGE = 64,    /* options, or no cookie given                   */
    MST_EXIT_COOKIE = 65,   /* the cookie cannot be read                     */
    MST_EXIT_CONNECT = 69,  /* the manager cannot be reached                 */
    MST_EXIT_INTERNAL = 70, /* no memory, no threads                        */
    MST_EXIT_REFUSED = 76,  /* the manager refused us                        */
    MST_EXIT_SILENT = 75,   /* the manager was silent for too long           */
    MST_EXIT_STUCK = 77,    /* told to end, but a handler did not return     */
    MST_EXIT_SIGNAL = 128   /* and the signal's number: SIGTERM, SIGINT      */
};

typedef enum mst_ending {
    MST_ENDING_NO,
    MST_ENDING_DRAIN, /* finish what there is          */
    MST_ENDING_NOW    /* as soon as handlers return    */
} mst_ending;

/* One call of the manager's, from its first byte to its answer's last. */
typedef struct mst_task {
    mst_job job;
    struct mst_worker *owner;
    TAILQ_ENTRY(mst_task) all;
    struct mst_task *same; /* the next of its bucket */
    mst_out out;           /* its result on the way             */
    mst_payload *payload;
    void *body;       /* the request                       */
    mst_incoming *in; /* it comes apart from the call      */
    uint64_t use;     /* of shared memory; 0: it is not    */
    uint8_t place;    /* there                             */
    TAILQ_ENTRY(mst_task) of_held;
    bool held;                 /* calls before it are not complete  */
    bool complete;             /* the request is, or never will be  */
    bool again;                /* it comes again by the lane        */
    muster_future *waits;      /* its result is that of this call */
    uint32_t cost;             /* credit to give back at its end    */
    int64_t signal_ms, end_ms; /* when it was interrupted, else never */
    bool post;                 /* only a failure is answered        */
    bool unwanted;             /* cancelled: nothing is answered    */
    bool orphan;               /* the manager knows nothing of it   */
    bool back;                 /* handed back: it has not begun     */
    bool interrupted;          /* at the end of a drain             */
    char name[];               /* terminated                        */
} mst_task;

/* All of them by id. */
typedef struct mst_index {
    mst_task **buckets; /* room of them, a power of two or 0 */
    uint32_t room, n;
} mst_index;

/* Calls of our handlers' own. A `muster *` on a worker is this. */
struct muster {
    struct mst_worker *w;
    mst_pending pending;
    muster_future *incoming; /* its result is not complete yet */
    mst_await any;           /* some future got its outcome */
    pthread_mutex_t lock;    /* what follows */
    pthread_cond_t room;
    mst_asked asked;
    bool closed;
};

typedef struct mst_worker {
    mst_pool *pool; /* of calls and what they carry */
    mst_loop loop;
    mst_dial dial;
    mst_executor executor;
    mst_blobs blobs;
    muster asking;
    mst_cookie cookie;
    mst_bulk bulk;
    mst_carrier carrier;
    mst_relay relay;
    mst_bulk_mode bulk_mode;
    uint16_t bulk_port;
    uint8_t bulk_key[MST_BULK_KEY_BYTES];
    mst_knock knock;
    mst_timer knocking; /* to begin, or to give it up */
    unsigned knocks;    /* in vain, or nothing has moved since */
    uint64_t moved;     /* the carrier's progress at the last one */
    mst_views views;    /* shared memory */
    int stream;         /* it came by the line, and waits for WELCOME; or -1 */
    mst_timer tick, escalate, output, stuck;
    mst_timer drain;      /* its grace is over */
    bool draining;        /* hands back what has not begun */
    bool interrupted;     /* ...and told handlers to give up */
    bool by_signal;       /* SIGTERM; else by the manager */
    uint32_t output_room; /* of what is printed: may be sent */
    mst_watch line;       /* the inherited socket: its end is the manager's */
    int line_fd;          /* -1: none */
    int spare_fd;         /* for one that comes by it; -1: none was left */
    bool has_executor;
    TAILQ_HEAD(, mst_task) tasks, held;
    mst_index by_id;    /* tasks */
    mst_task *incoming; /* its request is not complete yet */
    mst_ending ending;
    int64_t away_ms;   /* since when there is no connection */
    int64_t again_ms;  /* when the next attempt is due, after a cut one */
    unsigned attempts; /* in a row that were not welcome */
    int64_t heartbeat_ms, grace_ms;
    int64_t told_ms, due_ms; /* figures went out; the next tick is due */
    int64_t deaf_ms;         /* dialled anew, for nothing was heard    */
    mst_meter meter;
    bool here; /* the main thread runs a handler; another drives */
    bool over;
    int status; /* the exit status, once it is over */
    char why[MUSTER_ERROR_TEXT];
} mst_worker;

/* End with a status and a reason; the first one counts. */
void mst_worker_end(mst_worker *w, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* bulking.c: large payloads beside the lane. */
void mst_bulking_init(mst_worker *w);
void mst_bulking_begin(mst_worker *w, const mst_record *r); /* WELCOME */
void mst_bulking_end(mst_worker *w);
void mst_bulking_fini(mst_worker *w);
void mst_bulking_take(mst_worker *w, int fd); /* by the line */
void mst_bulking_tick(mst_worker *w, int64_t now_ms);
/* GOT, AGAIN, NOBULK, RELAY. False: the manager broke the protocol. */
bool mst_bulking_record(mst_worker *w, const mst_record *record);

/* What came by the line. False: nothing did. */
bool mst_worker_hear_line(mst_worker *w);

/* records.c: what the manager sends. */
void mst_worker_record(void *worker, const mst_record *record);

/* jobs.c: its calls. */
void mst_worker_call(mst_worker *w, const mst_record *r);
void mst_worker_chunk(mst_worker *w, const mst_record *r);
void mst_worker_abort(mst_worker *w, const mst_record *r);
void mst_worker_cancel(mst_worker *w, const mst_record *r);
void mst_worker_forget(mst_worker *w);
void mst_worker_broken(mst_worker *w); /* the manager broke the protocol */
void mst_worker_stop_jobs(mst_worker *w);
void mst_worker_free_jobs(mst_worker *w); /* no thread runs any more */

/* answering.c: how they end. */
void mst_worker_answer(mst_worker *w, mst_task *task);
void mst_worker_earn(mst_worker *w, const mst_task *task);
void mst_worker_passed(mst_task *task, const muster_error *err, void **data,
                       size_t len); /* task->waits has ended */
void mst_worker_free_task(mst_worker *w, mst_task *task);

/* beating.c: heartbeats, and with them how it goes. */
void mst_worker_beat(void *worker, mst_timer *timer);
void mst_worker_tell(mst_worker *w); /* the figures, now */

/* draining.c: the end that is announced. */
void mst_worker_drain(mst_worker *w, bool by_signal);
void mst_worker_drain_faster(mst_worker *w); /* interrupt, then end */
void mst_worker_drain_say(mst_worker *w);    /* on a new connection, too */
const char *mst_worker_drained(const mst_worker *w);
/* Instead of running it: true, it was handed back. */
bool mst_worker_hands_back(mst_worker *w, mst_task *task);

/* index.c: calls by id. */
bool mst_index_add(mst_index *index, mst_task *task);    /* false: no memory */
mst_task *mst_index_get(mst_index *index, uint64_t id);  /* NULL: none */
void mst_index_remove(mst_index *index, mst_task *task); /* it is there */
void mst_index_fini(mst_index *index);

/* interrupting.c: handlers that are to give up. */
void mst_worker_interrupt(mst_worker *w, const mst_record *record);
void mst_worker_escalate(void *worker, mst_timer *timer);

/* asking.c, future.c: calls of our handlers' own. All on the loop. */
void mst_asking_init(mst_worker *w);
void mst_asking_fini(mst_worker *w);
bool mst_asking_result(mst_worker *w, const mst_record *r); /* false: broken */
bool mst_asking_chunk(mst_worker *w, const mst_record *r);
void mst_asking_abort(mst_worker *w, const mst_record *r);
/* The task waits for the future, which it takes, or has its outcome now. */
void mst_asking_pass(muster_future **future, mst_task *task);
void mst_asking_unpass(mst_task *task); /* it is not wanted any more */
void mst_asking_canceled(mst_worker *w, uint64_t by); /* calls of that call */
void mst_asking_lost(mst_worker *w, muster_err code, const char *why);
void mst_asking_close(mst_worker *w); /* all end, and no new ones */

/* Run until it is over; returns the exit status. */
int mst_worker_run(mst_worker *w);

#endif
