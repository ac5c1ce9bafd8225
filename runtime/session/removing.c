/* removing.c - workers are told to end, and awaited. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "session/session.h"

struct mst_removing {
    mst_cmd cmd;
    mst_await await;
    TAILQ_ENTRY(mst_removing) link;
    mst_timer deadline;
    muster *m;
    const uint32_t *ranks;
    size_t nranks;
    int64_t until_ms;
    uint32_t left;
    bool killed;
    muster_err rc;
    muster_error error;
};

static void remove_over(mst_removing *r)
{
    mst_loop_time(&r->m->loop, &r->deadline, MST_NEVER);
    TAILQ_REMOVE(&r->m->removings, r, link);
    mst_loop_done(&r->m->loop, &r->await);
}

void mst_removing_settled(mst_member *w)
{
    mst_removing *r = w->removing;

    if (r == NULL)
        return;
    w->removing = NULL;
    if (w->state == MUSTER_LOST && r->rc == MUSTER_OK) {
        r->rc = mst_fail(&r->error, MUSTER_ELOST, "%s", mst_member_verdict(w));
        r->error.rank = w->rank;
    }
    if (--r->left == 0)
        remove_over(r);
}

static void on_remove_deadline(void *arg, mst_timer *timer)
{
    mst_removing *r = (mst_removing *)arg;
    muster *m = r->m;
    uint32_t left = 0;

    (void)timer;
    for (uint32_t i = 0; i < m->nmembers; i++)
        left += m->members[i]->removing == r;
    r->rc =
        mst_fail(&r->error, MUSTER_ETIMEOUT,
                 "%u workers had to be killed: they did not end in time", left);
    /* the last one that settles ends the removal: count ourselves too */
    r->left++;
    for (uint32_t i = 0; i < m->nmembers; i++) {
        mst_member *w = m->members[i];

        if (w->removing == r)
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u was killed: it did not end in time",
                             w->rank);
    }
    if (--r->left == 0)
        remove_over(r);
}

static void remove_one(mst_removing *r, uint32_t rank)
{
    mst_member *w = mst_member_get(r->m, rank);

    if (w == NULL || mst_life_over(w->state) || w->removing != NULL ||
        (w->state == MUSTER_LEAVING && !w->drains)) {
        r->rc = mst_fail(&r->error, MUSTER_EWORKER,
                         w == NULL ? "there is no worker %u"
                                   : "worker %u is not live",
                         rank);
        r->error.rank = rank;
        return;
    }
    w->removing = r;
    r->left++;
    mst_stop_member(w, MST_STOP_DRAIN);
}

static void begin_remove(mst_cmd *cmd, void *arg)
{
    mst_removing *r = MST_OF(mst_removing, cmd, cmd);
    muster *m = (muster *)arg;

    TAILQ_INSERT_TAIL(&m->removings, r, link);
    r->left = 1; /* ourselves, until all are asked */
    if (m->closing)
        r->rc = mst_fail(&r->error, MUSTER_ECLOSED, "the runtime is closed");
    for (size_t i = 0; !m->closing && i < r->nranks; i++)
        remove_one(r, r->ranks[i]);
    for (uint32_t i = 0; !m->closing && r->ranks == NULL && i < m->nmembers;
         i++) {
        mst_member *w = m->members[i];

        if (!mst_life_over(w->state) && w->state != MUSTER_LEAVING)
            remove_one(r, w->rank);
    }
    if (--r->left == 0)
        remove_over(r);
    else if (!mst_loop_time(&m->loop, &r->deadline, r->until_ms))
        on_remove_deadline(r, &r->deadline);
}

muster_err muster_remove(muster *m, const uint32_t *ranks, size_t nranks,
                         int64_t timeout_ms, muster_error *err)
{
    mst_removing r = {.cmd = {.run = begin_remove},
                      .m = m,
                      .ranks = ranks,
                      .nranks = ranks != NULL ? nranks : 0,
                      .until_ms = mst_deadline(m, timeout_ms)};

    r.deadline.fn = on_remove_deadline;
    r.deadline.arg = &r;
    mst_session_ref(m);
    mst_await_init(&r.await);
    if (mst_loop_post(&m->loop, &r.cmd, false))
        mst_loop_await(&m->loop, &r.await, MST_NEVER, false);
    else
        r.rc = mst_fail(&r.error, MUSTER_ECLOSED, "the runtime is closed");
    mst_await_fini(&r.await);
    mst_session_unref(m);
    if (r.rc != MUSTER_OK && err != NULL)
        *err = r.error;
    return r.rc;
}

void mst_removing_abort(muster *m)
{
    mst_removing *r;

    while ((r = TAILQ_FIRST(&m->removings)) != NULL) {
        for (uint32_t i = 0; i < m->nmembers; i++)
            if (m->members[i]->removing == r)
                m->members[i]->removing = NULL;
        r->rc = mst_fail(&r->error, MUSTER_ECLOSED,
                         "the runtime was closed meanwhile");
        remove_over(r);
    }
}
