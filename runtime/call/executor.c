#include "call/executor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "call/run.h"

/* --------------------------------------- with the lock: who may run -- */

static bool may_begin(const mst_executor *x, unsigned depth)
{
    const unsigned most = x->nplaces > MST_BEGUN ? x->nplaces : MST_BEGUN;

    return !STAILQ_EMPTY(&x->queues[depth]) && x->begun[depth] < most;
}

/* The depth of the next job; false: none may begin now. */
static bool next_depth(mst_executor *x, unsigned *depth)
{
    if (x->nrunning >= x->nplaces || x->nreturning > 0)
        return false;
    while (x->deepest > 0 && STAILQ_EMPTY(&x->queues[x->deepest]))
        x->deepest--;
    for (unsigned d = x->deepest + 1; d-- > 0;)
        if (may_begin(x, d)) {
            *depth = d;
            return true;
        }
    return false;
}

static void *thread(void *arg);

/* With the errno of the system where that cannot be. */
static int add_thread(mst_executor *x)
{
    int rc;

    if (x->nthreads == x->room) {
        const unsigned room = x->room > 0 ? 2 * x->room : 4;
        pthread_t *threads = mst_realloc(x->threads, room * sizeof(*threads));

        if (threads == NULL)
            return ENOMEM;
        x->threads = threads;
        x->room = room;
    }
    rc = pthread_create(&x->threads[x->nthreads], NULL, thread, x);
    if (rc == 0) {
        x->nthreads++;
        x->nstarting++;
    }
    return rc;
}

static mst_job *take_first(mst_executor *x, unsigned depth)
{
    mst_job *job = STAILQ_FIRST(&x->queues[depth]);

    STAILQ_REMOVE_HEAD(&x->queues[depth], next);
    x->nqueued--;
    x->held = false;
    return job;
}

/* No thread there is will take a job of this depth: all wait, and one of them
 * perhaps for it, as one waits for those only that are deeper than itself. */
static bool is_stuck(const mst_executor *x, unsigned depth)
{
    if (x->nrunning > 0 || x->nstarting > 0)
        return false;
    for (unsigned d = 0; d < depth; d++)
        if (x->begun[d] > 0)
            return true;
    return x->nbegun == 0; /* or there are none at all */
}

static void refuse(mst_executor *x, mst_job *job, int sys)
{
    muster_error err;

    (void)mst_fail_sys(&err, sys, "no thread to run handler %.128s", job->name);
    memcpy(job->ctx.text, err.text, sizeof(job->ctx.text));
    job->code = MUSTER_ENOMEM;
    mst_loop_post(x->loop, &job->done, false);
}

/* A place or a job is there: start somebody for it, or say whom to wake. Where
 * no more threads are to be had, jobs wait for those there are, or fail. */
static pthread_cond_t *offer(mst_executor *x)
{
    unsigned depth;
    int rc;

    if (x->nreturning > 0 && x->nrunning < x->nplaces)
        return &x->place;
    while (!x->stop && next_depth(x, &depth)) {
        if (x->nidle > 0)
            return &x->work;
        if (x->nrunning + x->nstarting >= x->nplaces)
            return NULL;
        rc = add_thread(x);
        if (rc == 0 || !is_stuck(x, depth))
            return NULL;
        refuse(x, take_first(x, depth), rc);
    }
    return NULL;
}

/* Without the lock, or who wakes up would wait for it at once. */
static void unlock_and_wake(mst_executor *x, pthread_cond_t *whom)
{
    pthread_mutex_unlock(&x->lock);
    if (whom != NULL)
        pthread_cond_signal(whom);
}

/* ------------------------------------------------ a handler that waits -- */

static void leave(void *arg)
{
    mst_executor *x = (mst_executor *)arg;

    pthread_mutex_lock(&x->lock);
    x->nrunning--;
    unlock_and_wake(x, offer(x));
}

static void enter(void *arg)
{
    mst_executor *x = (mst_executor *)arg;

    pthread_mutex_lock(&x->lock);
    x->nreturning++;
    while (x->nrunning >= x->nplaces && !x->stop)
        pthread_cond_wait(&x->place, &x->lock);
    x->nreturning--;
    x->nrunning++;
    unlock_and_wake(x, offer(x)); /* one signal may have told two */
}

/* ------------------------------------------------------------- threads -- */

/* With the lock held: take a job of this depth off its queue and run it. With
 * `soon` its end is reported by one who looks at the loop next. */
static void run_one(mst_executor *x, unsigned depth, bool soon)
{
    const mst_wait_calls waits = {leave, enter, x};
    mst_job *job = take_first(x, depth);

    job->thread = pthread_self();
    job->begun = true;
    job->begun_ms = mst_now_ms();
    x->begun[depth]++;
    x->nbegun++;
    x->nrunning++;
    unlock_and_wake(x, offer(x)); /* two that were told may have been one */
    mst_loop_on_wait(&waits);
    mst_run(job);
    mst_loop_on_wait(NULL);
    if (x->calls.after != NULL)
        x->calls.after();
    pthread_mutex_lock(&x->lock);
    job->begun = false;
    pthread_mutex_unlock(&x->lock);
    mst_loop_post(x->loop, &job->done, soon); /* it may be gone now */
    pthread_mutex_lock(&x->lock);
    x->begun[depth]--;
    x->nbegun--;
    x->nrunning--;
    if (x->nreturning > 0)
        pthread_cond_signal(&x->place);
}

static void *thread(void *arg)
{
    mst_executor *x = (mst_executor *)arg;
    unsigned depth;

    if (x->calls.begin != NULL)
        x->calls.begin();
    pthread_mutex_lock(&x->lock);
    x->nstarting--;
    while (!x->stop) {
        if (!next_depth(x, &depth)) {
            x->nidle++;
            pthread_cond_wait(&x->work, &x->lock);
            x->nidle--;
            continue;
        }
        run_one(x, depth, false);
    }
    pthread_cond_broadcast(&x->idle);
    pthread_mutex_unlock(&x->lock);
    if (x->calls.end != NULL)
        x->calls.end();
    return NULL;
}

/* ----------------------------------------------------- start, use, stop -- */

muster_err mst_executor_start(mst_executor *x, mst_loop *loop, unsigned nplaces,
                              const mst_thread_calls *calls, muster_error *err)
{
    int rc = 0;

    *x = (mst_executor){.loop = loop, .calls = *calls, .nplaces = nplaces};
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->work, NULL);
    pthread_cond_init(&x->place, NULL);
    mst_cond_init(&x->idle);
    for (unsigned i = 0; i <= MST_DEPTH_MAX; i++)
        STAILQ_INIT(&x->queues[i]);
    pthread_mutex_lock(&x->lock);
    while (rc == 0 && x->nthreads < nplaces)
        rc = add_thread(x);
    pthread_mutex_unlock(&x->lock);
    return rc == 0 ? MUSTER_OK
                   : mst_fail_sys(err, rc, "thread %u of %u", x->nthreads + 1,
                                  nplaces);
}

void mst_executor_submit(mst_executor *x, mst_job *job, bool hold)
{
    const unsigned depth = job->ctx.depth;
    pthread_cond_t *whom;

    pthread_mutex_lock(&x->lock);
    hold = hold && x->nbegun == 0 && x->nqueued == 0;
    job->running = true;
    STAILQ_INSERT_TAIL(&x->queues[depth], job, next);
    x->nqueued++;
    if (depth > x->deepest)
        x->deepest = depth;
    if (!hold && x->held) { /* somebody for the held one, too */
        whom = offer(x);
        if (whom != NULL)
            pthread_cond_signal(whom);
    }
    x->held = hold;
    unlock_and_wake(x, hold ? NULL : offer(x));
}

bool mst_executor_holds(mst_executor *x)
{
    bool held;

    pthread_mutex_lock(&x->lock);
    held = x->held;
    pthread_mutex_unlock(&x->lock);
    return held;
}

bool mst_executor_run_held(mst_executor *x)
{
    unsigned depth;
    bool some;

    pthread_mutex_lock(&x->lock);
    some = x->held && !x->stop && next_depth(x, &depth);
    if (some)
        run_one(x, depth, true);
    if (x->stop)
        pthread_cond_broadcast(&x->idle);
    unlock_and_wake(x, offer(x));
    return some;
}

void mst_executor_cancel(mst_executor *x, mst_job *job, int sig)
{
    atomic_store(&job->ctx.canceled, true);
    if (sig == 0)
        return;
    pthread_mutex_lock(&x->lock);
    if (job->begun) /* the thread cannot have ended: it holds the job
                     * NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread) */
        pthread_kill(job->thread, sig);
    pthread_mutex_unlock(&x->lock);
}

bool mst_executor_withdraw(mst_executor *x, mst_job *job)
{
    mst_jobs *queue = &x->queues[job->ctx.depth];
    mst_job *one;

    pthread_mutex_lock(&x->lock);
    STAILQ_FOREACH (one, queue, next)
        if (one == job)
            break;
    if (one != NULL) {
        STAILQ_REMOVE(queue, job, mst_job, next);
        x->nqueued--;
        x->held = false; /* it may have been that one */
    }
    unlock_and_wake(x, offer(x));
    return one != NULL;
}

bool mst_executor_has_begun(mst_executor *x, const mst_job *job)
{
    bool begun;

    pthread_mutex_lock(&x->lock);
    begun = job->begun;
    pthread_mutex_unlock(&x->lock);
    return begun;
}

int64_t mst_executor_begun_ms(mst_executor *x, const mst_job *job)
{
    int64_t since;

    pthread_mutex_lock(&x->lock);
    since = job->begun ? job->begun_ms : MST_NEVER;
    pthread_mutex_unlock(&x->lock);
    return since;
}

bool mst_executor_stop(mst_executor *x, int64_t until_ms)
{
    bool idle, in_time = true;

    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_broadcast(&x->work);
    pthread_cond_broadcast(&x->place);
    while (x->nbegun > 0 && in_time)
        in_time = mst_cond_wait_until(&x->idle, &x->lock, until_ms);
    idle = x->nbegun == 0;
    pthread_mutex_unlock(&x->lock);
    if (!idle)
        return false;
    for (unsigned i = 0; i < x->nthreads; i++)
        pthread_join(x->threads[i], NULL);
    mst_free(x->threads);
    x->threads = NULL;
    pthread_cond_destroy(&x->work);
    pthread_cond_destroy(&x->place);
    pthread_cond_destroy(&x->idle);
    pthread_mutex_destroy(&x->lock);
    return true;
}
