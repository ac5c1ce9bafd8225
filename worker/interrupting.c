/* interrupting.c - handlers are to give up: told, then by a signal, then by the
 * end of this worker. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "crash.h"
#include "output.h"
#include "worker.h"

static int64_t after(uint32_t ms)
{
    return ms == UINT32_MAX ? MST_NEVER : mst_now_ms() + ms;
}

/* It did not return: what else runs here ends with it. */
static void end_here(const mst_task *task)
{
    char why[MUSTER_ERROR_TEXT];

    snprintf(why, sizeof(why),
             "handler %.128s was interrupted and did not return", task->name);
    mst_note_why(why);
    if (ftrylockfile(stdout) == 0) /* else the handler holds it */
        fflush(stdout);
    mst_output_rescue();
    _exit(MST_EXIT_STUCK);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void mst_worker_escalate(void *worker, mst_timer *timer)
{
    mst_worker *w = (mst_worker *)worker;
    const int64_t now = mst_now_ms();
    int64_t next = MST_NEVER;
    mst_task *task;

    TAILQ_FOREACH (task, &w->tasks, all) {
        if (!task->job.running)
            continue;
        if (task->end_ms <= now &&
            mst_executor_has_begun(&w->executor, &task->job))
            end_here(task);
        if (task->signal_ms <= now) {
            mst_executor_cancel(&w->executor, &task->job, SIGINT);
            task->signal_ms = MST_NEVER;
        }
        next = earlier(next, earlier(task->signal_ms, task->end_ms));
    }
    if (next != MST_NEVER)
        mst_loop_time(&w->loop, timer, next > now ? next : now + 1);
}

static void interrupt(mst_worker *w, mst_task *task, const mst_record *r)
{
    mst_executor_cancel(&w->executor, &task->job, 0);
    mst_asking_canceled(w, task->job.id);
    task->signal_ms = earlier(task->signal_ms, after(r->signal_ms));
    task->end_ms = earlier(task->end_ms, after(r->end_ms));
}

void mst_worker_interrupt(mst_worker *w, const mst_record *r)
{
    mst_task *task;

    if (r->id != 0) {
        task = mst_index_get(&w->by_id, r->id);
        if (task != NULL && task->job.running)
            interrupt(w, task, r);
    } else {
        TAILQ_FOREACH (task, &w->tasks, all)
            if (task->job.running &&
                mst_executor_has_begun(&w->executor, &task->job))
                interrupt(w, task, r);
    }
    /* once for all that come at a time */
    if (!mst_loop_time(&w->loop, &w->escalate, mst_now_ms()))
        mst_worker_escalate(w, &w->escalate);
}
