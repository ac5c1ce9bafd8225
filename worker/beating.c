/* beating.c - heartbeats to the manager, and in them what a verdict may need:
 * memory, what the kernel did about it, the handler that runs. */
#include <string.h>

#include "base/clock.h"
#include "base/large.h"
#include "worker.h"

#define FIGURES_MS 1000 /* between two, while a handler runs */
#define IDLE_MS 7500    /* between two heartbeats when silence is no death */

static int64_t pause_of(const mst_worker *w)
{
    return w->heartbeat_ms > 0 ? w->heartbeat_ms / 4 : IDLE_MS;
}

/* The one that runs longest; NULL: none. Those that wait for calls of their
 * own run, too. */
static const mst_task *longest(mst_worker *w, int64_t *since, uint32_t *n)
{
    const mst_task *task, *first = NULL;

    *since = MST_NEVER;
    *n = 0;
    if (!w->has_executor)
        return NULL;
    TAILQ_FOREACH (task, &w->tasks, all) {
        const int64_t begun_ms =
            task->job.running ? mst_executor_begun_ms(&w->executor, &task->job)
                              : MST_NEVER;

        *n += begun_ms != MST_NEVER;
        if (begun_ms < *since) {
            *since = begun_ms;
            first = task;
        }
    }
    return first;
}

void mst_worker_tell(mst_worker *w)
{
    mst_record beat = {.kind = MST_HEARTBEAT, .flags = MST_FLAG_FIGURES};
    const int64_t now = mst_now_ms();
    int64_t since;
    const mst_task *task = longest(w, &since, &beat.running);

    if (task != NULL) {
        beat.id = task->job.id;
        beat.running_ms = (uint64_t)(now - since);
        beat.text = (mst_span){task->name, strlen(task->name)};
    }
    mst_meter_read(&w->meter, &beat.usage);
    mst_lane_put(&w->dial.lane, &beat);
    w->told_ms = now;
}

/* Half the time-out, and a little that is another in each worker. */
static int64_t quiet_until(const mst_worker *w)
{
    const int64_t half = w->heartbeat_ms / 2;

    return w->dial.lane.heard_ms + half +
           (int64_t)(w->dial.instance % (uint64_t)(half / 8 + 1));
}

/* TCP sends again later and later, perhaps too late; a new connection may be
 * through before that. Seldom: the link may just be slow. */
static bool is_deaf(const mst_worker *w, int64_t now)
{
    return w->heartbeat_ms > 0 && now >= quiet_until(w) &&
           (w->deaf_ms == 0 ||
            now - w->deaf_ms >= 2 * (int64_t)w->heartbeat_ms);
}

void mst_worker_beat(void *worker, mst_timer *timer)
{
    mst_worker *w = (mst_worker *)worker;
    const int64_t now = mst_now_ms();
    const int64_t pause = pause_of(w);
    const int64_t every = pause < FIGURES_MS ? pause : FIGURES_MS;
    const int64_t late = w->due_ms > 0 ? now - w->due_ms : 0;

    if (w->dial.state != MST_DIAL_ON) {
        w->due_ms = 0;
        return;
    }
    /* it was us who stood still: the manager's words may not be read yet */
    if (late > pause)
        w->dial.lane.heard_ms += late;
    if (w->heartbeat_ms > 0 && now - w->dial.lane.heard_ms >= w->heartbeat_ms)
        mst_worker_end(w, MST_EXIT_SILENT, "the manager was silent for %.1f s",
                       (double)w->heartbeat_ms / 1000);
    else if (is_deaf(w, now)) {
        w->deaf_ms = now;
        w->away_ms = w->dial.lane.heard_ms;
        w->dial.state = MST_DIAL_CUT;
        w->due_ms = 0;
        mst_loop_time(&w->loop, timer, now); /* for the next look at it */
        return;
    }
    if (now - w->told_ms >= pause ||
        (now - w->told_ms >= every && !TAILQ_EMPTY(&w->tasks)))
        mst_worker_tell(w);
    mst_bulking_tick(w, now);
    mst_large_tick(now);
    w->due_ms = now + every;
    if (w->heartbeat_ms > 0 && quiet_until(w) > now &&
        quiet_until(w) < w->due_ms)
        w->due_ms = quiet_until(w);
    mst_loop_time(&w->loop, timer, w->due_ms);
}
