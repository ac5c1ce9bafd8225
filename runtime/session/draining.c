/* draining.c - a worker that wants no more calls: what it has not begun goes
 * back. Calls for anybody wait here while there is nobody. */
#include "base/alloc.h"
#include "base/fail.h"
#include "session/session.h"

void mst_hand_back(mst_call *call)
{
    mst_member *w = call->member;

    call->origin.ctx = NULL; /* its handler may have ended */
    if (call->any) {
        mst_call_detach(call);
        mst_call_begin(w->m, call, MUSTER_ANY);
        return;
    }
    call->behind = call->moves;
    if (call->moves || call == &w->load)
        mst_call_finish(call, MUSTER_ELOST, "worker %u drains", w->rank);
    else
        mst_call_finish(call, MUSTER_EWORKER,
                        "worker %u drains: handler %.64s did not begin",
                        w->rank, call->name);
}

/* Not sent, or not wholly. Not what may be there, its handler at work, although
 * we have not heard so: its own word to drain comes behind that of what it has
 * got. */
static bool may_be_taken_back(const mst_call *call, bool its_word)
{
    return call->out.queued && !call->out.retry &&
           (its_word || call->out.flow == NULL);
}

/* The last ones there are, but for those that were sent before them since they
 * are deeper; the others it hands back itself. Ending one may end others: begin
 * anew each time. */
static void hand_back_queued(mst_member *w, bool its_word)
{
    mst_call *call;

    do {
        TAILQ_FOREACH_REVERSE(call, &w->calls, mst_call_list, of_member)
        if (may_be_taken_back(call, its_word))
            break;
        if (call != NULL)
            mst_hand_back(call);
    } while (call != NULL);
}

static void keep_notice(mst_member *w, bool signalled, const char *notice)
{
    w->signalled = w->signalled || signalled;
    if (w->notice == NULL)
        w->notice = mst_strdup(notice);
}

void mst_drain(mst_member *w, bool signalled, const char *notice)
{
    const mst_record stop = {.kind = MST_STOP, .mode = MST_STOP_HAND_BACK};
    char why[MUSTER_ERROR_TEXT];

    if (mst_life_over(w->state) || w->ended)
        return;
    keep_notice(w, signalled, notice);
    if (w->drains)
        return;
    w->drains = true;
    mst_drain_words(w, why, sizeof(why));
    mst_log_line(&w->m->log, MUSTER_LOG_WARN, "WORKER-DRAINS",
                 "rank=%u incarnation=%u why=%s", w->rank, w->incarnation, why);
    if (w->state != MUSTER_LEAVING) {
        mst_replace(w, why); /* its successor starts first */
        mst_member_event(w, MST_EV_STOP, "drains: %s", why);
    }
    hand_back_queued(w, signalled);
    w->stop_due = false;
    if (!w->bound)
        return;
    w->lane.eager = true; /* it waits for our word before it ends */
    mst_lane_put(&w->lane, &stop);
    mst_link_dirty(w);
}

void mst_drain_words(const mst_member *w, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s%s%s", w->signalled ? "SIGTERM" : "",
             w->signalled && w->notice != NULL ? ": " : "",
             w->notice != NULL ? w->notice : "");
}

/* ------------------------------------------------------------- parked -- */

static bool successor_comes(const muster *m)
{
    for (uint32_t i = 0; i < m->nmembers; i++) {
        const mst_member *w = m->members[i];

        if (w->before != NULL && !mst_life_over(w->state) &&
            w->state != MUSTER_LEAVING)
            return true;
    }
    return false;
}

bool mst_park(muster *m, mst_call *call)
{
    if (!successor_comes(m))
        return false;
    call->origin.ctx = NULL; /* its handler may end meanwhile */
    if (!mst_call_enlist(m->self, call))
        return true;
    call->parked = true;
    m->nparked++;
    return true;
}

static mst_call *first_parked(const muster *m)
{
    mst_call *call;

    TAILQ_FOREACH (call, &m->self->calls, of_member)
        if (call->parked)
            break;
    return call;
}

void mst_unpark(muster *m)
{
    mst_call *call;

    while (m->nparked > 0 && (call = first_parked(m)) != NULL) {
        if (atomic_load(&m->nready) == 0 && successor_comes(m))
            return;
        mst_call_detach(call);
        mst_call_begin(m, call, MUSTER_ANY);
    }
}
