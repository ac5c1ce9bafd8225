/* session.h - one opened runtime, and what its files say to each other.
 *
 *   open.c       muster_open, muster_shutdown, muster_close
 *   addresses.c  what workers connect to
 *   member.c     ranks and their lives; verdicts
 *   starting.c   muster_launch, the launcher's reports
 *   explaining.c how far a launch is, in one line
 *   verdicts.c   how a worker ended, in one sentence
 *   box.c        what it said of itself while it lived
 *   removing.c   muster_remove
 *   draining.c   one that wants no more: calls go back; calls without a worker
 *   replacing.c  successors of those that were lost
 *   linking.c    connections: who may, HELLO, records
 *   beating.c    heartbeats
 *   bulking.c    large payloads beside the lane
 *   relaying.c   who passes them on to whom
 *   calling.c    one call: begun, answered, retired
 *   serving.c    calls of the manager itself, as rank 0
 *   errands.c    calls that workers make: run here or passed on
 *   channels.c   bounded queues, as calls of rank 0 that may wait
 *   future.c     muster_call, muster_call_start and futures
 *   interrupting.c  running handlers are to give up, or all there is
 *   broadcast.c  one request to many
 *   map.c        many items: the thread that waits for them
 *   mapping.c    and the loop that hands them out
 *   shipping.c   modules and blobs, broadcast and kept for later workers
 *   tell.c       events and output lines on their way to the program
 *   notify.c     the thread for the program's own functions
 *
 * Everything but the functions marked "any thread" belongs to the driver of
 * the loop.
 */
#ifndef MST_SESSION_H
#define MST_SESSION_H

#include <stdatomic.h>
#include <sys/queue.h>

#include <muster/muster.h>

#include "base/log.h"
#include "base/pool.h"
#include "base/usage.h"
#include "bulk/bulk.h"
#include "bulk/door.h"
#include "bulk/lane.h"
#include "bulk/relay.h"
#include "call/asked.h"
#include "call/blobs.h"
#include "call/executor.h"
#include "call/pending.h"
#include "launch/launcher.h"
#include "launch/lines.h"
#include "link/cookie.h"
#include "link/hub.h"
#include "link/keys.h"
#include "link/life.h"
#include "link/loop.h"
#include "session/notify.h"

#define MST_RANKS_MAX 65535u
#define MST_FD_LISTS 1024u

/* Whose call: of the program, or of a handler on the manager. */
typedef struct mst_origin {
    const muster_ctx *ctx; /* of the handler; until the call has begun */
    uint64_t by;           /* the call that the handler runs; 0: the program */
    uint16_t depth;        /* of calls within calls */
} mst_origin;

/* A call on its way. Lives in a future or in a broadcast. */
typedef struct mst_call {
    TAILQ_ENTRY(mst_call) of_member;
    TAILQ_ENTRY(mst_call) of_inner; /* when origin.by is not 0 */
    mst_timer deadline;
    mst_out out;
    mst_incoming *in;          /* its result, while that comes apart; or NULL */
    struct mst_member *member; /* while it is pending */
    mst_payload *payload;      /* borrowed from the owner */
    const char *name;          /* borrowed from the owner */
    size_t name_len;
    uint64_t id; /* 0: not pending */
    int64_t until_ms;
    uint32_t index, count, caller;
    mst_origin origin;
    bool post;
    bool any;    /* of whoever has least to do */
    bool moves;  /* a map's: another can have it, and it is not counted */
    bool parked; /* at rank 0, until somebody is ready */
    /* rank 0: who runs it has to let go; `server` is theirs */
    void (*off)(struct mst_call *call);
    void *server;
    void (*done)(struct mst_call *call); /* it is retired; owner's turn */
    /* the outcome */
    uint32_t rank;
    muster_err code;
    bool behind; /* MUSTER_ELOST, but it still waited for others there */
    int remote;
    char *text; /* why not; may be NULL even then, when there is no memory */
    void *data; /* of the result, with a zero byte behind; of the pool */
    mst_pool *pool; /* of the runtime; outlives what the call lives in */
    size_t len;
} mst_call;

typedef struct mst_launching mst_launching;
typedef struct mst_removing mst_removing;

/* What a worker said of itself when it was last heard. */
typedef struct mst_box {
    int64_t at_ms; /* 0: never */
    mst_usage usage;
    uint32_t running;
    uint64_t id; /* of the call whose handler ran longest */
    int64_t running_ms;
    char handler[64];
} mst_box;

/* One rank. Never freed before the session. */
typedef struct mst_member {
    muster *m;
    uint32_t rank, incarnation;
    TAILQ_ENTRY(mst_member) of_all;
    struct mst_member *before; /* the incarnation that it replaces */
    muster_state state;
    bool drains;              /* it, or who ends it, wants no more calls */
    bool signalled;           /* ...and it got SIGTERM */
    bool no_successor, begun; /* begun: that it is started */
    bool stop_due;            /* behind what is still to be sent */
    unsigned failures;        /* in a row, of those before it */
    int64_t ready_ms;         /* since when; 0: it never was */
    mst_timer again; /* it is to be started, or should be ready by then */
    char *notice;    /* why it drains, from its launcher; or NULL */
    uint8_t key[MST_KEY_BYTES];     /* public */
    mst_launching *launching;       /* that waits for it, or NULL */
    bool counts_ready, counts_over; /* there */
    mst_removing *removing;
    TAILQ_ENTRY(mst_member) to_start;
    /* process */
    bool process;       /* started, and its end not reported */
    bool unseen;        /* its end is known only by its own word */
    bool late;          /* its end is seen late: its word comes first */
    bool ended;         /* reported; its last messages are awaited */
    bool bound;         /* its lane is to a process, connected or cut */
    bool linked, dirty; /* of its connection */
    bool counted;       /* it is, or was when it was cut, ready */
    int exit_status, exit_signal;
    int64_t pid, ended_ms;
    char *handler_note, *why_note;
    char *waits;        /* for what, while it is not ready; or NULL */
    char *end_words;    /* of the launcher: how it ended; or NULL */
    char *last_line;    /* that it printed, where the launcher knows it */
    char *limit;        /* of its memory, as the launcher has it; or NULL */
    char *node;         /* it runs there; or NULL */
    bool oom;           /* it was killed for want of memory */
    uint64_t oom_kills; /* in its control group, at its end */
    bool shared;        /* that is the manager's own group */
    int64_t gone_ms;    /* its connection ended; 0: not */
    mst_box box;
    uint64_t note_id; /* of the call in handler_note */
    bool hung_up;     /* its connection ended, and so did its process */
    mst_timer conclude;
    /* connection */
    TAILQ_ENTRY(mst_member) dirty_link;
    LIST_ENTRY(mst_member) fd_link;
    mst_route route;
    int fd;
    int probes;
    uint32_t ncalls;
    mst_log_gate gate;
    uint32_t owed; /* bytes of output that are not said to be taken */
    uint64_t instance;
    uint32_t turn;   /* the last attempt of that instance that was welcome */
    int64_t cut_ms;  /* since when it is bound and not linked */
    mst_timer probe; /* is the connection still there? */
    mst_lane lane;
    mst_carrier carrier; /* beside it */
    mst_bulk_mode bulk_mode;
    mst_timer no_bulk;
    /* others can connect to it there; port 0: they cannot */
    char relay_host[MST_RELAY_ADDRESS];
    uint16_t relay_port;
    bool near;                  /* it is on this machine */
    unsigned relay_failures;    /* as a giver or a taker */
    int64_t gives_ms, takes_ms; /* not before */
    TAILQ_HEAD(mst_call_list, mst_call) calls;
    struct mst_shipment *loading; /* the last it was sent, or NULL */
    uint64_t modules;             /* serial of the last module it has */
    mst_call load;
    mst_payload *load_body;
    TAILQ_HEAD(mst_errands, mst_errand) errands, held;
    struct mst_errand *coming; /* not all of its request is there */
    struct mst_errand **asked; /* by the place in their ids */
    uint32_t asked_room;
    mst_asked asked_all;
    mst_lines lines[2]; /* of what it prints, when that comes by the link */
    char *name, *verdict;
} mst_member;

/* What the option `bulk` says, in the order of its words. */
typedef enum mst_bulking {
    MST_BULKING_AUTO,
    MST_BULKING_SEALED,
    MST_BULKING_PLAIN,
    MST_BULKING_OFF
} mst_bulking;

/* What the option `relay` says, in the order of its words. */
typedef enum mst_relaying {
    MST_RELAYING_AUTO,
    MST_RELAYING_OFF,
    MST_RELAYING_ALWAYS
} mst_relaying;

/* A module or blob that every worker has or gets. */
typedef struct mst_shipment {
    TAILQ_ENTRY(mst_shipment) link;
    uint64_t serial;
    mst_payload *payload;
    const char *builtin; /* MST_BUILTIN_SHIP, _LOAD or _PUT */
    char *name;
} mst_shipment;

struct muster {
    atomic_uint refs;       /* the program's, and one for each future */
    mst_pool *pool;         /* of calls and what they carry */
    muster_options options; /* strings replaced by copies */
    mst_cookie cookie;      /* what all have in common */
    mst_log log;
    mst_loop loop;
    mst_hub hub;
    mst_bulking bulking;
    bool shares; /* what is shipped lies in shared memory, for our children */
    mst_bulk bulk;
    mst_door door; /* its port */
    mst_relaying relaying;
    mst_timer relays;  /* while some are under way: do they get on? */
    int64_t relays_ms; /* looked at */
    uint64_t nrelayed; /* flows, counted for tests */
    mst_notify notify;
    mst_root *root;
    mst_launcher *launcher;
    uint8_t session_id[MST_SESSION_BYTES];
    char session[2 * MST_SESSION_BYTES + 1];
    mst_member **members; /* rank r at r - 1 */
    uint32_t nmembers, room;
    TAILQ_HEAD(, mst_member) all; /* former incarnations, too */
    uint32_t nparked;
    uint32_t nreplaced;
    char *spent;  /* why no more are replaced; or NULL */
    void *by_key; /* their public keys, of tsearch(3) */
    LIST_HEAD(, mst_member) by_fd[MST_FD_LISTS]; /* those that are linked */
    mst_member *unsettled; /* closing: one that had not ended */
    atomic_uint nready;
    uint32_t next_any; /* where the search for an idle worker begins */
    bool closing, has_executor;
    bool output_full; /* the sink cannot follow */
    mst_pending pending;
    TAILQ_HEAD(, mst_call) inner; /* of handlers here: origin.by is not 0 */
    bool asked; /* handlers of workers make calls, and wait for them */
    TAILQ_HEAD(, mst_member) to_start, dirty;
    TAILQ_HEAD(mst_shipments, mst_shipment) shipments;
    void *by_name; /* the same, of tsearch(3) */
    uint64_t last_serial;
    mst_member *self; /* rank 0 */
    mst_executor executor;
    TAILQ_HEAD(, mst_served) served;
    mst_blobs blobs;
    void *channels; /* of tsearch(3) */
    TAILQ_HEAD(, mst_launching) launchings;
    TAILQ_HEAD(, mst_removing) removings;
    mst_timer tick, strangers;
    int64_t last_tick_ms;
    int64_t paused_ms, woke_ms; /* we stood still, the last time; until when */
    uint64_t oom_explained;     /* kills in our own group that had a verdict */
    TAILQ_HEAD(, mst_mapping) mappings;
    mst_await *all_ended; /* muster_close waits for it, or NULL */
    mst_await any;        /* some future got its outcome */
};

/* ------------------------------------------------------------ open.c */

/* Any thread: run fn on the driver and wait. False: closed. */
bool mst_session_run(muster *m, void (*fn)(muster *m, void *arg), void *arg);
/* Any thread. Whoever waits holds a reference: muster_close may be called by
 * another thread meanwhile. */
void mst_session_ref(muster *m);
void mst_session_unref(muster *m);
/* A worker's process is gone: muster_close may have waited for the last. */
void mst_session_settled(muster *m);

/* ------------------------------------------------------- addresses.c */

/* From what is bound, or what is asked for, into the cookies. */
muster_err mst_addresses(muster *m, const char *advertise, muster_error *err);
/* What to bind: as it was said, or what the launcher needs and no more. */
const char *mst_listen(const muster *m, const muster_options *o);

/* ---------------------------------------------------------- member.c */

mst_member *mst_member_add(muster *m, muster_error *err);
/* The next incarnation of its rank, in its place. NULL: no memory. */
mst_member *mst_member_succeed(mst_member *w);
/* NULL: there never was, or it is too long ago to matter. */
mst_member *mst_member_of(const muster *m, uint32_t rank, uint32_t incarnation);
mst_member *mst_member_self(muster *m); /* rank 0; NULL: no memory */
mst_member *mst_member_get(const muster *m, uint32_t rank); /* NULL: none */
/* Its incarnation, and the key that goes with it. False: no memory. */
bool mst_member_key(mst_member *w, uint32_t incarnation);
/* Whose key it is; NULL: nobody's. */
mst_member *mst_member_of_key(const muster *m,
                              const uint8_t key[MST_KEY_BYTES]);
void mst_member_free(mst_member *w);

/* Something happened; `format` says why, for the event and the verdict. */
void mst_member_event(mst_member *w, mst_life_event event, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* Its process has ended; hung_up: its connection, too, as far as is seen. The
 * verdict waits for what it said last, and may be there on return. */
void mst_member_ended(mst_member *w, bool hung_up);
/* Its process has ended and its messages are read: the verdict. */
void mst_member_conclude(mst_member *w);
const char *mst_member_verdict(const mst_member *w);
/* Calls may be given to it: ready, or cut and expected back, when they wait. */
bool mst_member_takes(const mst_member *w);
void mst_member_fill(const mst_member *w, muster_info *info);

/* -------------------------------------------------------- verdicts.c */

/* Its process has ended: how, in one sentence. */
void mst_describe_end(mst_member *w, char *text, size_t bytes);

/* ------------------------------------------------------------- box.c */

void mst_box_heard(mst_member *w, const mst_record *r);
void mst_box_fill(const mst_member *w, muster_health *health);
/* How long the handler of this call had run when the connection ended, or
 * until now; -1: not known. Id 0: of whatever ran. */
int64_t mst_box_ran_ms(const mst_member *w, uint64_t id);
/* "; when last heard, handler fit ran for 12.4 s, memory 498Mi of 512Mi"; ""
 * when nothing is known. */
char *mst_box_words(const mst_member *w, char *text, size_t bytes);
/* "; limit 512Mi, last seen 498Mi", of one that had too little. */
char *mst_box_memory(const mst_member *w, char *text, size_t bytes);

/* -------------------------------------------------------- draining.c */

/* It wants no more calls: by its own word, or by its launcher's. */
void mst_drain(mst_member *w, bool signalled, const char *notice);
void mst_drain_words(const mst_member *w, char *text, size_t bytes);
/* The call did not begin there: it goes to another, or that is its end. */
void mst_hand_back(mst_call *call);
/* Calls for anybody while there is nobody. */
bool mst_park(muster *m, mst_call *call); /* false: nobody will come */
void mst_unpark(muster *m);               /* somebody came, or went */

/* ------------------------------------------------------- replacing.c */

/* It is lost or leaves: start its successor, if it gets one. */
void mst_replace(mst_member *w, const char *why);
void mst_replace_again(void *arg, mst_timer *timer);

/* ------------------------------------------------------ explaining.c */

/* "2/4 ready, 1 pulling image" of the ranks first .. first + n - 1, to the
 * program, which may not listen. */
void mst_explain(muster *m, uint32_t first, uint32_t n, bool over);

/* -------------------------------------------------------- starting.c */

bool mst_starting_work(muster *m);        /* true: started some */
void mst_starting_changed(mst_member *w); /* its state */
void mst_starting_settled(mst_member *w); /* it is ready, or over */
/* All launches end with `why`. */
void mst_starting_abort(muster *m, muster_err why, const char *text);
void mst_removing_settled(mst_member *w); /* its process is gone */
void mst_removing_abort(muster *m);
void mst_session_report(void *arg, const mst_report *report);
void mst_stop_member(mst_member *w, int mode); /* MST_STOP_ */

/* --------------------------------------------------------- linking.c */

extern const mst_hub_calls mst_link_calls;
void mst_link_probe(void *arg, mst_timer *timer);
void mst_link_dirty(mst_member *w); /* it has something to send */
bool mst_link_flush(muster *m);     /* true: sent some */
void mst_link_drop(mst_member *w);  /* forget the lane and all on it */
/* Of one whose process is not seen no other end will be reported. */
void mst_link_over(mst_member *w, int status, const char *why);
void mst_record_heard(mst_member *w, const mst_record *r);
void mst_link_loaded(mst_member *w); /* next module, or ready */

/* --------------------------------------------------------- beating.c */

void mst_link_tick(void *arg, mst_timer *timer);
void mst_strangers_tick(void *arg, mst_timer *timer);
void mst_link_awake(muster *m); /* have we stood still? */

/* --------------------------------------------------------- bulking.c */

/* Of the options. False: that is none. */
bool mst_bulking_parse(const char *text, mst_bulking *bulking);
void mst_bulking_init(muster *m);
/* Where workers get streams, if they do; without one it is only slower. */
void mst_bulking_open(muster *m, const char *address);
void mst_bulking_close(muster *m);
void mst_bulking_fini(muster *m); /* all links have ended */
/* Beside a new lane, and with it. aes: the worker has it. */
void mst_bulking_begin(mst_member *w, bool aes);
void mst_bulking_end(mst_member *w);
void mst_bulking_welcome(const mst_member *w, mst_record *welcome);
void mst_bulking_broken(void *arg, mst_timer *timer);
void mst_bulking_tick(mst_member *w, int64_t now_ms);
void mst_bulking_tick_all(muster *m, int64_t now_ms);
/* GOT, AGAIN, NOBULK, RELAY. False: it broke the protocol. */
bool mst_bulking_record(mst_member *w, const mst_record *record);

/* -------------------------------------------------------- relaying.c */

/* False: it is not one of the words. */
bool mst_relaying_parse(const char *text, mst_relaying *relaying);
void mst_relaying_begin(mst_member *w); /* a new link */
/* RELAY. False: the worker broke the protocol. */
bool mst_relaying_record(mst_member *w, const mst_record *record);
/* Of its carrier: see mst_carrier_calls. */
void mst_relaying_plan(void *arg, mst_flow *flow, const mst_record *record);
void mst_relaying_orphan(void *arg, mst_flow *flow, bool unreached);
void mst_relaying_tick(void *arg, mst_timer *timer);

/* --------------------------------------------------------- calling.c */

/* Choose the worker and send; what goes wrong is the call's outcome. */
void mst_call_begin(muster *m, mst_call *call, uint32_t rank);
/* On a worker that need not be ready. */
void mst_call_begin_on(mst_member *w, mst_call *call);
void mst_call_result(mst_member *w, const mst_record *record);
void mst_call_chunk(mst_member *w, const mst_record *record);
void mst_call_abort(mst_member *w, const mst_record *record);
/* It is not on that worker any more, and not over. */
void mst_call_detach(mst_call *call);
/* It has an id and a deadline from now on. False: it is over already. */
bool mst_call_enlist(mst_member *w, mst_call *call);
void mst_call_finish(mst_call *call, muster_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mst_call_cancel(mst_call *call); /* nothing when it is over */
/* Any thread: whose call one is that this thread makes, and what is left of
 * the caller's time. */
mst_origin mst_origin_here(void);
int64_t mst_origin_until(int64_t until_ms);
/* Those that the handler of call `by` has made. */
void mst_calls_canceled(muster *m, uint64_t by);
/* All calls of a worker; all calls there are, but modules and blobs on their
 * way to one that joins when `program` is true. */
void mst_calls_lost(mst_member *w, const char *why);
void mst_calls_end(muster *m, bool program, muster_err code, const char *text);
void mst_call_fini(mst_call *call); /* frees the outcome */
void mst_call_error(const mst_call *call, muster_error *err);

/* --------------------------------------------------- interrupting.c */

/* How INTERRUPT says it. */
uint32_t mst_interrupt_ms(int64_t ms);
void mst_interrupt_call(mst_call *call, uint32_t signal_ms, uint32_t end_ms);

/* ---------------------------------------------------------- future.c */

/* Loop: have fn called on the loop with the outcome, now or later; takes the
 * future. */
void mst_future_pass(muster_future **future,
                     void (*fn)(void *arg, mst_call *outcome), void *arg);

/* --------------------------------------------------------- serving.c */

void mst_serve(muster *m, mst_call *call); /* it is pending */
bool mst_serve_interrupt(mst_call *call);  /* false: it does not run here */
void mst_served_free(muster *m);           /* no thread runs any more */

/* -------------------------------------------------------- channels.c */

bool mst_channel_serve(muster *m, mst_call *call); /* false: not one of ours */
void mst_channels_free(muster *m);

/* --------------------------------------------------------- errands.c */

void mst_errand_call(mst_member *w, const mst_record *record);
void mst_errand_chunk(mst_member *w, const mst_record *record);
void mst_errand_abort(mst_member *w, const mst_record *record);
void mst_errand_cancel(mst_member *w, const mst_record *record);
void mst_errands_drop(mst_member *w); /* its link is gone */

/* --------------------------------------------------------- mapping.c */

void mst_mappings_ready(mst_member *w);
void mst_mappings_lost(muster *m); /* a worker is over, or a launch */
void mst_mappings_stop(muster *m, muster_err why);

/* -------------------------------------------------------- shipping.c */

void mst_shipments_free(muster *m);

/* ------------------------------------------------------------ tell.c */

void mst_tell_event(mst_member *w, muster_state from, const char *text);
void mst_tell_output(mst_member *w, int stream, const char *line, size_t len);
/* What it printed, by its connection; false: more than it may. */
bool mst_tell_printed(mst_member *w, int stream, const char *data, size_t len);
void mst_tell_printed_end(mst_member *w); /* no more will come */
void mst_tell_resume(muster *m);          /* the sink has caught up */

/* What the options say about timeouts, as an absolute deadline. */
int64_t mst_deadline(const muster *m, int64_t timeout_ms);

#endif
