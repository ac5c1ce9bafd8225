/* executor.h - the threads that run handlers, first come, first served. */
#ifndef MST_EXECUTOR_H
#define MST_EXECUTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "bulk/lane.h"
#include "call/handler.h"
#include "link/loop.h"

/* One call. The loop owns it, except between submit and its `done` command. */
typedef struct mst_job {
    struct mst_worker *owner;
    TAILQ_ENTRY(mst_job) all;   /* the loop's list of all jobs           */
    STAILQ_ENTRY(mst_job) next; /* the executor's queue                  */
    mst_cmd done;               /* posted to the loop when it has ended  */
    mst_out out;                /* its result on the way                 */
    muster_ctx ctx;
    struct muster_out result;
    mst_payload *payload; /* the result, once it is complete       */
    void *body;           /* the request                           */
    size_t len;
    uint64_t id;
    uint32_t cost; /* credit to give back at its end        */
    bool post;     /* only a failure is answered            */
    bool unwanted; /* cancelled: nothing is answered        */
    bool orphan;   /* its connection has ended              */
    bool running;  /* submitted and not done                */
    muster_err code;
    int remote;
    size_t name_len;
    char name[]; /* terminated */
} mst_job;

typedef struct mst_executor {
    mst_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    STAILQ_HEAD(, mst_job) queue;
    pthread_t *threads;
    unsigned nthreads, nbusy;
    bool stop;
} mst_executor;

/* Start `nthreads` threads; they report to `loop`. */
muster_err mst_executor_start(mst_executor *x, mst_loop *loop,
                              unsigned nthreads, muster_error *err);

/* Run a job: its handler, or one of ours. Loop. */
void mst_executor_submit(mst_executor *x, mst_job *job);

/* No more jobs: those that have not begun are dropped. Wait for the running
 * ones until then. False: one still runs, and *name says which. */
bool mst_executor_stop(mst_executor *x, int64_t until_ms, const char **name);

/* The handler that runs on this thread, and its call; NULL: none. Safe in a
 * signal handler. */
const char *mst_executor_here(uint64_t *id);

#endif
