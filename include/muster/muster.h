/* muster.h - the manager's side.
 *
 *     muster_open --> muster_launch --> muster_module_ship
 *          |               |                  |
 *          |        N x muster-worker <-------+   each connects back
 *          |               |
 *          +--> muster_call / muster_call_start / muster_broadcast
 *          |               |
 *          |         replies, in rank order
 *          v
 *     muster_close            workers end, everything is given back
 *
 * An operation ends exactly once, with one of: its result; the handler failed
 * (MUSTER_EREMOTE, with its code and words); the worker was lost
 * (MUSTER_ELOST, with the reason); the deadline (MUSTER_ETIMEOUT); cancelled
 * (MUSTER_ECANCELED); the runtime was closed (MUSTER_ECLOSED).
 *
 * Threads: every function may be called from any thread at any time, except
 * where its own comment says otherwise. Callbacks run on one thread of the
 * runtime, one at a time, in order; they may use the whole interface except
 * muster_close, which would wait for itself.
 *
 * Times: every timeout is in milliseconds and turned into a deadline at once;
 * it covers the whole operation.
 */
#ifndef MUSTER_MUSTER_H
#define MUSTER_MUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <muster/error.h>
#include <muster/kube.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster muster;
typedef struct muster_future muster_future;

#define MUSTER_ANY UINT32_MAX      /* rank: whichever worker has least to do */
#define MUSTER_FOREVER INT64_C(-1) /* timeout: none */
#define MUSTER_DEFAULT_MS INT64_C(0) /* timeout: what the options say */

/* How workers come to be. */
typedef enum muster_launcher {
    MUSTER_LAUNCHER_AUTO,  /* k8s inside a Pod, else local */
    MUSTER_LAUNCHER_LOCAL, /* child processes              */
    MUSTER_LAUNCHER_K8S,   /* Pods                         */
    MUSTER_LAUNCHER_JOIN   /* by hand, from join files     */
} muster_launcher;

typedef enum muster_state {
    MUSTER_ASKED,   /* it is to be; nothing runs yet                       */
    MUSTER_BOOTING, /* its process runs and has not connected back         */
    MUSTER_JOINING, /* connected; modules are being loaded                 */
    MUSTER_READY,   /* takes calls                                         */
    MUSTER_CUT,     /* its link was cut; until the heartbeat time-out (60 s
                       without one) it may come back, and nothing is lost  */
    MUSTER_LEAVING, /* it was told to end                                  */
    MUSTER_GONE,    /* ended as it was told                                */
    MUSTER_LOST     /* ended otherwise; the verdict says how               */
} muster_state;

/* The name of a state: "ready". Static, never NULL. Thread: any. */
MUSTER_API const char *muster_state_name(muster_state state);

/* A worker changed its state. */
typedef struct muster_event {
    uint32_t rank;
    uint32_t incarnation;
    muster_state from;
    muster_state to;
    const char *text; /* why, one sentence, may be ""; valid in the callback */
    muster_err code;  /* LOST: MUSTER_ELOST; else MUSTER_OK */
    int64_t mono_ms;  /* when, on CLOCK_MONOTONIC */
    int64_t time_ms;  /* when, since 1970, by this machine's clock */
    const struct muster_info *info; /* what was known of it; valid in the
                                       callback */
} muster_event;

/* How far a launch is: told when that changes, but not more often than each
 * 0.1 s, each 2 s, and once when it is over. */
typedef struct muster_launch_state {
    uint32_t wanted, ready, lost;
    bool over;
    const char *text; /* "2/4 ready, 1 pulling image, 1 unschedulable: 0/2
                         nodes are available"; valid in the callback */
} muster_launch_state;

typedef void (*muster_launch_fn)(void *arg, const muster_launch_state *state);

typedef enum muster_level {
    MUSTER_LOG_ERROR,
    MUSTER_LOG_WARN,
    MUSTER_LOG_INFO,
    MUSTER_LOG_DEBUG
} muster_level;

/* One line a worker printed: no newline in it, not terminated, may hold any
 * bytes. `stream` is 1 or 2. Lines of one stream come in order. */
typedef void (*muster_output_fn)(void *arg, uint32_t rank, int stream,
                                 const char *line, size_t len);
typedef void (*muster_event_fn)(void *arg, const muster_event *event);

/* One named event of the runtime: `id` is stable ("WORKER-LOST"), `text` is
 * key=value pairs. Called from any thread of the runtime, never two at once;
 * must not call back into it. */
typedef void (*muster_log_fn)(void *arg, muster_level level, const char *id,
                              const char *text);

/* Options are a value: start from MUSTER_OPTIONS_INIT, change what you want,
 * give it to muster_open, which copies it. Strings are borrowed until then. */
typedef struct muster_options {
    size_t bytes; /* sizeof(muster_options), set by the initialiser */
    muster_launcher launcher;   /* AUTO                                       */
    const char *worker;         /* path of muster-worker; NULL: MUSTER_WORKER,
                                   beside the library or program, then PATH.
                                   Pods: in the image; NULL: its PATH         */
    const char *listen;         /* address to bind, "127.0.0.1", "::1",
                                   "0.0.0.0"; NULL: 127.0.0.1. Pods: NULL is
                                   the manager's Pod's own, or outside the
                                   cluster `advertise` when this machine has
                                   it, else all                               */
    const char *advertise;      /* address that workers connect to, or
                                   ADDRESS:PORT where something forwards
                                   another port; NULL: the one that is bound,
                                   or those of this machine when that is
                                   0.0.0.0 or ::                              */
    const char *join_dir;       /* JOIN: where the join files are written;
                                   NULL: muster-SESSION in the current
                                   directory                                  */
    uint16_t port;              /* 0: any free port                           */
    uint32_t threads;           /* handlers at a time on each worker; 1       */
    uint32_t serve_threads;     /* handlers at a time on the manager; 1       */
    uint32_t replace;           /* successors in all: a worker that was ready
                                   and is lost, or drains, gets one of its
                                   rank and the next incarnation; see
                                   muster_launch. 0: none                     */
    int64_t pending_timeout_ms; /* launch: until ready; 180,000           */
    int64_t heartbeat_timeout_ms; /* silence that counts as death; 30,000;
                                     0 = never, for debuggers               */
    int64_t call_timeout_ms;    /* default deadline of operations; FOREVER    */
    int64_t grace_ms;           /* for handlers to return when all is closed,
                                   or when their worker gets SIGTERM; 1,000   */
    const char *const *env;     /* "NAME=VALUE", NULL-terminated, added to a
                                   worker's otherwise clean environment; NULL */
    const char *const *modules; /* paths on the worker's side, loaded by every
                                   worker, NULL-terminated; NULL            */
    const muster_kube_options *kube; /* launcher k8s; NULL: all defaults     */
    const char *bulk;           /* how payloads of 64 KiB and more travel, see
                                   muster(7). "sealed": each piece is encrypted
                                   once, for all who get it, by a second TCP
                                   port (port + 1, or any); "plain": by that
                                   port, NOT ENCRYPTED; "off": as small ones.
                                   "auto" or NULL: sealed; children of this
                                   machine by a socket pair and shared memory */
    const char *relay;          /* how a large payload gets to many workers that
                                   are not on this machine. "auto" or NULL: the
                                   manager sends it once and they pass it on to
                                   each other; "off": the manager sends it to
                                   each; "always": on this machine, too, and
                                   what is not so large. Those that cannot
                                   reach each other are served by the manager;
                                   modules always are                         */
    uint16_t relay_port;        /* where workers listen for that; 0: any free
                                   port of their own address                  */
    muster_level log_level;     /* WARN                                       */
    muster_log_fn on_log;       /* NULL: silent                               */
    muster_event_fn on_event;   /* NULL                                       */
    muster_output_fn on_output; /* NULL: worker output is dropped; see
                                   muster_print_output                      */
    muster_launch_fn on_launch; /* NULL                                       */
    void *arg;                  /* first argument of the four above           */
} muster_options;

#define MUSTER_OPTIONS_INIT                                                    \
    {                                                                          \
        sizeof(muster_options), MUSTER_LAUNCHER_AUTO, NULL, NULL, NULL, NULL,  \
            0, 1, 1, 0, 180000, 30000, MUSTER_FOREVER, 1000, NULL, NULL, NULL, \
            NULL, NULL, 0, MUSTER_LOG_WARN, NULL, NULL, NULL, NULL, NULL       \
    }

/* True in a Pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are both
 * set. Thread: any that does not race with setenv. */
MUSTER_API bool muster_is_k8s(void);

/* Open a runtime: a socket that listens, no workers yet.
 *
 *   options   copied; NULL = all defaults
 *   m         set on MUSTER_OK only; yours, muster_close
 *   err       may be NULL; filled on failure only
 *
 * Thread:  any. The runtime starts two threads of its own and libzmq's.
 * Success: the address is bound and the loop runs.
 * Errors:  MUSTER_EINVAL   an option makes no sense; the text names it
 *          MUSTER_EADDR    the address or port cannot be bound
 *          MUSTER_EMODULE  one of options.modules cannot be loaded
 *          MUSTER_EKUBE, MUSTER_ENOSERVER, MUSTER_EDENIED
 *                          Pods: kubeconfig, image or template are wrong; the
 *                          API server was not reached; it said no
 *          MUSTER_ENOTSUP  Pods: libcurl does not start
 *          MUSTER_ESYS, MUSTER_ENOMEM
 */
MUSTER_API muster_err muster_open(const muster_options *options, muster **m,
                                  muster_error *err);

/* End everything: outstanding operations end with MUSTER_ECLOSED, workers are
 * told to end and are killed after the options' grace_ms, threads stop, memory
 * is given back, *m becomes NULL. Takes about grace_ms at most, 2 s more for
 * what has to be killed, and with Pods 6 s more for an API server that does not
 * answer; a handler that runs here is waited for.
 *
 *   m        may be NULL, or point to NULL
 *
 * Thread:  any but a callback's; no other call may use *m afterwards, and
 *          futures that are left may only be read and destroyed.
 */
MUSTER_API void muster_close(muster **m);

/* End every operation, from any thread, without giving anything back yet:
 * what is outstanding ends with MUSTER_ECLOSED, and so does what is asked for
 * afterwards; workers are told to end. For signal-handling threads;
 * muster_close must follow when nobody uses the runtime any more.
 *
 * Thread:  any; not from a signal handler.
 */
MUSTER_API void muster_shutdown(muster *m);

/* Where workers connect to: "tcp://127.0.0.1:41235". Borrowed until
 * muster_close. Thread: any. */
MUSTER_API const char *muster_endpoint(const muster *m);

/* The session's public id, 32 hexadecimal digits. Borrowed until muster_close.
 * Thread: any. */
MUSTER_API const char *muster_session(const muster *m);

/* Start n more workers and wait for them.
 *
 *   n        how many; 1 .. 65,535 in a session
 *   min      with at least so many it is a success; 0 counts as n
 *   nready   how many came up; may be NULL; set in any case
 *
 * The wait ends when all n are ready, or when options.pending_timeout_ms is
 * over, or when those that are still alive are all ready. Workers that are
 * not ready by then are ended; each has an event and a verdict.
 *
 * With options.replace a worker that was ready and is lost, or drains (it got
 * SIGTERM, or its Pod is being deleted), has a successor: the same rank, the
 * next incarnation, all modules and blobs before its first call. Calls of the
 * one that was lost end with MUSTER_ELOST; calls to MUSTER_ANY wait for the
 * successor when there is nobody else. From the second in a row on that did not
 * live for 5 s, the next one waits, twice as long each time, up to 30 s. When
 * options.replace of them were started and one more worker is lost, the run is
 * over: every operation, outstanding or later, ends with MUSTER_EQUORUM and
 * says what was lost last (of a broadcast that is outstanding, each part that
 * was). Those that are removed are not replaced.
 *
 * Thread:  any. Several launches may run at once.
 * Success: at least min are ready.
 * Errors:  MUSTER_EQUORUM  fewer; the text says why the first one is missing.
 *                          Those that came up are ended too
 *          MUSTER_EINVAL   n is 0 or too large, or min > n
 *          MUSTER_ECLOSED, MUSTER_ENOMEM
 */
MUSTER_API muster_err muster_launch(muster *m, uint32_t n, uint32_t min,
                                    uint32_t *nready, muster_error *err);

/* End workers gracefully: they take no new calls, finish those they have, run
 * their modules' end functions and exit with 0.
 *
 *   ranks, nranks   which; NULL, 0 = all
 *   timeout_ms      after which the rest is killed; 0 = call_timeout_ms
 *
 * Thread:  any.
 * Success: all of them are gone, none was killed.
 * Errors:  MUSTER_ETIMEOUT  some had to be killed; calls on them end with
 *                           MUSTER_ELOST
 *          MUSTER_EWORKER   one of the ranks is not a live worker; the others
 *                           are ended all the same
 *          MUSTER_ELOST     one ended in another way than it was told
 *          MUSTER_ECLOSED
 */
MUSTER_API muster_err muster_remove(muster *m, const uint32_t *ranks,
                                    size_t nranks, int64_t timeout_ms,
                                    muster_error *err);

/* How many workers are ready. One that was ready and is cut counts, too, until
 * it is lost: it is of every set but IDLE, and what is sent to it waits for it
 * to come back. Thread: any. */
MUSTER_API uint32_t muster_size(muster *m);

/* The ranks of the ready workers, ascending.
 *
 *   ranks, max   filled with at most max of them
 *
 * Thread:  any.
 * Success: how many are ready, which may be more than max.
 */
MUSTER_API size_t muster_ranks(muster *m, uint32_t *ranks, size_t max);

#define MUSTER_NAME_TEXT 128
#define MUSTER_UNKNOWN UINT64_MAX

/* How a worker does, by its own word: measured at each of its heartbeats (4 in
 * each heartbeat time-out), and each second while a handler runs. Without a
 * control group (1 or 2) memory_bytes is rss_bytes, and what is counted is not
 * known. */
typedef struct muster_health {
    int64_t age_ms; /* since it was measured; -1: never, and what follows is
                       MUSTER_UNKNOWN or 0 */
    uint64_t memory_bytes;       /* of its control group, page cache too      */
    uint64_t memory_limit_bytes; /* the nearest there is; 0 = none            */
    uint64_t rss_bytes;          /* of the process itself                     */
    uint64_t oom_kills;          /* processes of the group that were killed for
                                    want of memory, since it was made         */
    uint64_t throttled;          /* periods in which the cpu limit held it
                                    back                                      */
    uint64_t throttled_us;       /* microseconds of that                      */
    uint32_t handlers;           /* that run, or wait for calls of theirs     */
    int64_t handler_ms;          /* since the oldest of them began, or 0      */
    char handler[64];            /* its name, cut; or ""                      */
} muster_health;

typedef struct muster_info {
    uint32_t rank;
    uint32_t incarnation;
    muster_state state;
    uint32_t calls;                  /* outstanding on it                  */
    int64_t pid;                     /* local process, or 0                */
    int64_t silent_ms;               /* since it was last heard, or -1     */
    int exit_status;                 /* when it has exited, else -1        */
    int exit_signal;                 /* when a signal ended it, else 0     */
    char name[MUSTER_NAME_TEXT];     /* "pid 4711", Pod name               */
    char node[MUSTER_NAME_TEXT];     /* node or host it runs on, or ""     */
    muster_health health;            /* when it was last heard             */
    char verdict[MUSTER_ERROR_TEXT]; /* why it ended, or ""                */
} muster_info;

/* What is known of one worker, of the past ones too.
 *
 * Thread:  any.
 * Success: *info is filled.
 * Errors:  MUSTER_EWORKER   there never was such a rank
 */
MUSTER_API muster_err muster_worker_info(muster *m, uint32_t rank,
                                         muster_info *info, muster_error *err);

/* What is known of all workers there ever were, at one moment, by rank.
 *
 *   infos, max   filled with at most max of them; NULL, 0 only counts
 *
 * Thread:  any.
 * Success: how many there are, which may be more than max; 0 after
 *          muster_close.
 */
MUSTER_API size_t muster_list(muster *m, muster_info *infos, size_t max);

/* Write what muster_list tells as a table, as ps(1) does: rank, state, process,
 * calls outstanding, seconds since it was last heard, memory, name, the handler
 * that runs, and why it ended.
 * What SIGUSR1 does in `muster run`.
 *
 * Thread:  any.
 * Success: true; false: no memory, or `to` has an error.
 */
MUSTER_API bool muster_print_list(muster *m, FILE *to);

/* ------------------------------------------------------------- modules -- */

/* Ship a module: every present worker loads it, and so does each later one
 * before it is ready. Its bytes are read once, now. Shipping the same bytes
 * again changes nothing.
 *
 *   path     a file here; its last part is the module's name on the workers
 *
 * Thread:  any.
 * Success: loaded on all workers that were ready.
 * Errors:  MUSTER_EMODULE   not readable, not a shared object, built for
 *                           another version, its start function failed, or
 *                           other bytes were shipped under that name; the
 *                           text has the loader's words and the rank
 *          MUSTER_ELOST, MUSTER_ETIMEOUT, MUSTER_ECLOSED, MUSTER_ENOMEM
 *          After an error later workers do not load it.
 */
MUSTER_API muster_err muster_module_ship(muster *m, const char *path,
                                         muster_error *err);

/* Load a module that is already on the workers' side, in their image.
 *
 *   path     as a worker sees it; absolute, or found by its dlopen
 *
 * Thread:  any.
 * Success: that of muster_module_ship.
 * Errors:  those of muster_module_ship
 */
MUSTER_API muster_err muster_module_load(muster *m, const char *path,
                                         muster_error *err);

#ifdef __cplusplus
}
#endif

/* --------------------------- calls and broadcasts, map, blobs, channels -- */

#include <muster/call.h>
#include <muster/map.h>
#include <muster/share.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------- output -- */

/* A ready-made options.on_output: writes "From worker N:\t" and the line to
 * standard output or standard error, whichever the worker used. A terminal
 * gets no control characters but those of colours; a file gets every byte. */
MUSTER_API void muster_print_output(void *arg, uint32_t rank, int stream,
                                    const char *line, size_t len);

/* The script's own entry, when it is started by `muster run`: defined by the
 * script, called on the manager once all workers are ready.
 *
 *   argc, argv   argv[0] is the script, the rest what followed it
 *
 * Thread:  the program's first one; it may block.
 * Success: what it returns is the exit status of `muster run`.
 */
MUSTER_API int muster_main(muster *m, int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
