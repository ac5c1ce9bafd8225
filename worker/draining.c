/* draining.c - SIGTERM, or the manager's word for it: what runs may finish
 * within the grace, what has not begun goes back, and then we end.
 *
 *     SIGTERM --DRAIN--> manager: sends no more calls
 *     manager --STOP---> behind the last of them: when all are answered, end
 *
 * At the end of the grace, or at a second SIGTERM, handlers are interrupted;
 * those that do not return then are left.
 */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "worker.h"

#define GIVE_UP_MS 500 /* from the interruption to the end */

const char *mst_worker_drained(const mst_worker *w)
{
    return w->by_signal ? "drained on SIGTERM" : "drained";
}

void mst_worker_drain_say(mst_worker *w)
{
    const mst_record drain = {.kind = MST_DRAIN,
                              .grace_ms = (uint32_t)w->grace_ms};

    if (w->draining && w->by_signal &&
        (w->dial.known || w->dial.state == MST_DIAL_ON))
        mst_lane_put(&w->dial.lane, &drain);
}

/* A post was accepted for good: nobody waits for it to take it back. */
bool mst_worker_hands_back(mst_worker *w, mst_task *task)
{
    if (!w->draining || task->post)
        return false;
    task->back = true;
    task->job.code = MUSTER_EWORKER;
    snprintf(task->job.ctx.text, sizeof(task->job.ctx.text),
             "worker %u drains: handler %.128s did not begin", w->cookie.rank,
             task->name);
    mst_worker_answer(w, task);
    return true;
}

static void hand_all_back(mst_worker *w)
{
    mst_task *task, *next;

    for (task = TAILQ_FIRST(&w->tasks); task != NULL; task = next) {
        next = TAILQ_NEXT(task, all);
        if (task->job.running && !task->post && !task->unwanted &&
            mst_executor_withdraw(&w->executor, &task->job))
            (void)mst_worker_hands_back(w, task);
    }
}

/* They were interrupted and did not return. */
static void give_up(mst_worker *w)
{
    const mst_task *task;

    w->grace_ms = 1;
    TAILQ_FOREACH (task, &w->tasks, all)
        if (task->job.running) {
            mst_worker_end(w, MST_EXIT_STUCK,
                           "%s, but handler %.128s did not return",
                           mst_worker_drained(w), task->name);
            return;
        }
    mst_worker_end(w, MST_EXIT_OK, "%s", mst_worker_drained(w));
}

static void on_drain(void *arg, mst_timer *timer)
{
    mst_worker *w = (mst_worker *)arg;

    (void)timer;
    if (w->interrupted)
        give_up(w);
    else
        mst_worker_drain_faster(w);
}

void mst_worker_drain(mst_worker *w, bool by_signal)
{
    if (w->draining)
        return;
    w->draining = true;
    w->by_signal = by_signal;
    mst_worker_drain_say(w);
    if (w->has_executor)
        hand_all_back(w);
    w->drain.fn = on_drain;
    w->drain.arg = w;
    if (!mst_loop_time(&w->loop, &w->drain, mst_until_ms(w->grace_ms)))
        mst_worker_drain_faster(w);
}

void mst_worker_drain_faster(mst_worker *w)
{
    mst_task *task;

    if (w->interrupted)
        return;
    w->interrupted = true;
    TAILQ_FOREACH (task, &w->tasks, all) {
        if (!task->job.running)
            continue;
        task->interrupted = true;
        mst_executor_cancel(&w->executor, &task->job, SIGINT);
        mst_asking_canceled(w, task->job.id);
    }
    if (!mst_loop_time(&w->loop, &w->drain, mst_until_ms(GIVE_UP_MS)))
        give_up(w);
}
