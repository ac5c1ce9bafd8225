/* executor.h - the threads that run handlers, and their places.
 *
 * So many handlers run at a time as there are places. A handler that waits for
 * a call of its own leaves its place to another, which may be one that the
 * call leads to: 1 calling 2 calling 1 ends. Calls that come from deeper
 * within other calls begin first, those of one depth in the order they came.
 *
 * No deadlock: of each depth only so many have begun at a time (MST_BEGUN, or
 * the places if they are more), and a handler waits only for calls that are
 * deeper than itself, down to MST_DEPTH_MAX. So the deepest ones always find a
 * place, and after them the others. That takes a thread for each that waits:
 * where no more are to be had, a job that one of them may wait for fails with
 * MUSTER_ENOMEM.
 */
#ifndef MST_EXECUTOR_H
#define MST_EXECUTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "call/handler.h"
#include "link/loop.h"
#include "link/wire.h"

#define MST_BEGUN 16u

/* One call. Its owner embeds it and keeps it until `done` runs on the loop. */
typedef struct mst_job {
    STAILQ_ENTRY(mst_job) next; /* the executor's queue                  */
    mst_cmd done;               /* posted to the loop when it has ended  */
    muster_ctx ctx;
    struct muster_out result;
    const char *name; /* terminated */
    size_t name_len;
    const void *body; /* aligned for any type, never NULL */
    size_t len;
    uint64_t id;
    bool running;     /* submitted, and done has not run */
    bool begun;       /* guarded by the executor's lock: on a thread */
    int64_t begun_ms; /* the same: since when */
    pthread_t thread;
    muster_err code;
    int remote;
} mst_job;

typedef STAILQ_HEAD(mst_jobs, mst_job) mst_jobs;

/* What else happens on the executor's threads; each may be NULL. */
typedef struct mst_thread_calls {
    void (*begin)(void); /* a thread begins */
    void (*end)(void);   /* it ends */
    void (*after)(void); /* a handler has returned */
} mst_thread_calls;

typedef struct mst_executor {
    mst_loop *loop;
    mst_thread_calls calls;
    pthread_mutex_t lock;
    pthread_cond_t work, place, idle;
    mst_jobs queues[MST_DEPTH_MAX + 1]; /* by depth */
    unsigned begun[MST_DEPTH_MAX + 1];  /* on a thread, waiting or not */
    unsigned deepest;                   /* no queue behind it has a job */
    unsigned nplaces, nrunning;         /* that do not wait */
    unsigned nbegun, nreturning;        /* returning: want a place again */
    unsigned nidle, nstarting;          /* threads */
    unsigned nqueued;
    bool held; /* the only job waits for the one who submitted it */
    pthread_t *threads;
    unsigned nthreads, room;
    bool stop;
} mst_executor;

/* Begin with `nplaces`; as many threads are started now, more when handlers
 * wait. They report to `loop`. On failure it can be used as well: each job
 * tries again to have a thread. */
muster_err mst_executor_start(mst_executor *x, mst_loop *loop, unsigned nplaces,
                              const mst_thread_calls *calls, muster_error *err);

/* Run a job: its handler, or one of ours. Loop. With `hold`, and when nothing
 * else runs or waits, no thread is told: mst_executor_run_held, or the next
 * submit, has to follow soon. */
void mst_executor_submit(mst_executor *x, mst_job *job, bool hold);

/* Run the job that is held on this thread. False: there is none. */
bool mst_executor_run_held(mst_executor *x);
bool mst_executor_holds(mst_executor *x);

/* Loop: tell a job to end; with `sig`, by that signal to its thread if it
 * runs on one. */
void mst_executor_cancel(mst_executor *x, mst_job *job, int sig);

/* Take back a job that has not begun; false: it has. Loop. */
bool mst_executor_withdraw(mst_executor *x, mst_job *job);

/* It is on a thread: its handler runs, or waits. Loop. */
bool mst_executor_has_begun(mst_executor *x, const mst_job *job);

/* Since when it is on a thread; MST_NEVER: it is not. Loop. */
int64_t mst_executor_begun_ms(mst_executor *x, const mst_job *job);

/* No more jobs: those that have not begun are dropped. Wait for the running
 * ones until then. False: one still runs. */
bool mst_executor_stop(mst_executor *x, int64_t until_ms);

/* The handler that runs on this thread, and its call; NULL: none. Safe in a
 * signal handler. */
const char *mst_executor_here(uint64_t *id);

/* The context of the handler that runs on this thread; NULL: none. */
muster_ctx *mst_executor_ctx(void);

#endif
