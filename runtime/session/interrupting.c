/* interrupting.c - what runs on workers is to give up; or all there is here. */
#include <limits.h>

#include "base/cleanup.h"
#include "base/fail.h"
#include "session/session.h"

uint32_t mst_interrupt_ms(int64_t ms)
{
    if (ms < 0)
        return UINT32_MAX; /* never */
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX - 1;
}

static bool send_interrupt(mst_member *w, const mst_record *interrupt)
{
    if (!w->bound || (!mst_member_takes(w) && w->state != MUSTER_LEAVING))
        return false;
    mst_lane_put(&w->lane, interrupt);
    mst_link_dirty(w);
    return true;
}

void mst_interrupt_call(mst_call *call, uint32_t signal_ms, uint32_t end_ms)
{
    const mst_record interrupt = {.kind = MST_INTERRUPT,
                                  .id = call->id,
                                  .signal_ms = signal_ms,
                                  .end_ms = end_ms};

    if (call->id == 0)
        return;
    if (mst_serve_interrupt(call))
        return;
    if (call->out.queued || call->rank == 0)
        mst_call_cancel(call); /* no handler has it */
    else
        send_interrupt(call->member, &interrupt);
}

/* ------------------------------------------------- handlers of workers -- */

typedef struct interruption {
    const muster_set *set;
    mst_record record;
    muster_err rc;
    muster_error error;
} interruption;

static void one_listed(muster *m, interruption *i, uint32_t rank)
{
    mst_member *w = mst_member_get(m, rank);

    if (w != NULL && send_interrupt(w, &i->record))
        return;
    i->rc = mst_fail(&i->error, MUSTER_EWORKER,
                     w == NULL ? "there is no worker %u" : "worker %u is %s",
                     rank, w != NULL ? muster_state_name(w->state) : "");
    i->error.rank = rank;
}

static void do_interrupt(muster *m, void *arg)
{
    interruption *i = (interruption *)arg;
    mst_member *w;

    if (i->set != NULL && i->set->kind == MUSTER_SET_LIST) {
        for (size_t n = 0; n < i->set->nranks; n++)
            one_listed(m, i, i->set->ranks[n]);
        return;
    }
    TAILQ_FOREACH (w, &m->all, of_all)
        send_interrupt(w, &i->record);
}

muster_err muster_interrupt(muster *m, const muster_set *set, int64_t signal_ms,
                            int64_t end_ms, muster_error *err)
{
    interruption i = {.set = set,
                      .record = {.kind = MST_INTERRUPT,
                                 .signal_ms = mst_interrupt_ms(signal_ms),
                                 .end_ms = mst_interrupt_ms(end_ms)}};

    if (set != NULL && set->kind == MUSTER_SET_IDLE)
        return mst_fail(err, MUSTER_EINVAL,
                        "idle workers have nothing to interrupt");
    if (!mst_session_run(m, do_interrupt, &i))
        return mst_fail(err, MUSTER_ECLOSED, "the runtime is closed");
    if (i.rc != MUSTER_OK && err != NULL)
        *err = i.error;
    return i.rc;
}

/* ------------------------------------------------------ all there is here --
 */

static void do_cancel(muster *m, void *arg)
{
    static const char text[] = "everything was cancelled";

    (void)arg;
    mst_starting_abort(m, MUSTER_ECANCELED, text);
    mst_mappings_stop(m, MUSTER_ECANCELED);
    mst_calls_end(m, true, MUSTER_ECANCELED, text);
}

void muster_cancel(muster *m)
{
    mst_session_run(m, do_cancel, NULL);
}
