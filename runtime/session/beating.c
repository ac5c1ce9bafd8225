/* beating.c - heartbeats: who was silent for too long, and whether it was us
 * who stood still. */
#include "base/clock.h"
#include "base/large.h"
#include "session/session.h"

#define STRANGERS_MS 1000

static void beat_one(mst_member *w, int64_t now)
{
    const mst_record beat = {.kind = MST_HEARTBEAT};
    const int64_t timeout = w->m->options.heartbeat_timeout_ms;
    char box[256];

    if ((w->bound || w->state == MUSTER_CUT) && !w->linked && !w->ended) {
        if (now - w->cut_ms >= (timeout > 0 ? timeout : MST_WIRE_AWAY_MS))
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u: its link was cut %.1f s ago and it "
                             "did not come back%s%s%s",
                             w->rank, (double)(now - w->cut_ms) / 1000,
                             w->waits != NULL ? ": " : "",
                             w->waits != NULL ? w->waits : "",
                             mst_box_words(w, box, sizeof(box)));
        return;
    }
    if (!w->linked || timeout == 0)
        return;
    if (now - w->lane.heard_ms >= timeout) {
        mst_member_event(
            w, MST_EV_FAILED, "worker %u was silent for %.1f s%s%s%s", w->rank,
            (double)(now - w->lane.heard_ms) / 1000,
            w->waits != NULL ? ": " : "", w->waits != NULL ? w->waits : "",
            mst_box_words(w, box, sizeof(box)));
        return;
    }
    if (now - w->lane.sent_ms >= timeout / 8) { /* a tick is a quarter */
        mst_lane_put(&w->lane, &beat);
        mst_link_dirty(w);
    }
}

static int64_t tick_ms(const muster *m)
{
    const int64_t timeout = m->options.heartbeat_timeout_ms;

    return timeout > 0 ? timeout / 4 : 1000;
}

/* Not in the future: it may have happened since we woke up. */
static int64_t later(int64_t at_ms, int64_t by_ms, int64_t now)
{
    return at_ms + by_ms < now ? at_ms + by_ms : now;
}

/* A tick that is late by another: it was us who stood still, and nobody else
 * is to blame for the silence. */
void mst_link_awake(muster *m)
{
    const int64_t now = mst_now_ms(), every = tick_ms(m);
    const int64_t paused = now - m->last_tick_ms - every;
    mst_member *w;

    if (paused < every)
        return;
    mst_log_line(&m->log, MUSTER_LOG_WARN, "MANAGER-PAUSED", "ms=%lld",
                 (long long)paused);
    TAILQ_FOREACH (w, &m->all, of_all) {
        w->lane.heard_ms = later(w->lane.heard_ms, paused, now);
        w->cut_ms = later(w->cut_ms, paused, now);
    }
    m->last_tick_ms = now - every;
    m->paused_ms = paused;
    m->woke_ms = now;
}

/* They have to leave in time, however long a heartbeat is. */
void mst_strangers_tick(void *arg, mst_timer *timer)
{
    muster *m = (muster *)arg;
    const int64_t now = mst_now_ms();

    mst_hub_tick(&m->hub);
    mst_door_tick(&m->door, now);
    mst_loop_time(&m->loop, timer, now + STRANGERS_MS);
}

void mst_link_tick(void *arg, mst_timer *timer)
{
    muster *m = (muster *)arg;
    const int64_t now = mst_now_ms();
    mst_member *w;

    mst_link_awake(m);
    TAILQ_FOREACH (w, &m->all, of_all) {
        beat_one(w, now);
        mst_bulking_tick(w, now);
    }
    mst_bulking_tick_all(m, now);
    mst_large_tick(now);
    m->last_tick_ms = now;
    mst_loop_time(&m->loop, timer, now + tick_ms(m));
}
