/* starting.c - workers are started, awaited, and told to end. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/note.h"
#include "link/cookie.h"
#include "session/session.h"

#define GONE_MS 3000       /* for processes that were killed */
#define START_AT_ONCE 4    /* before the loop looks at connections again */
#define LINK_DESCRIPTORS 2 /* of a worker that has connected */
#define EXPLAIN_MS 100     /* between two changes that are told */
#define AGAIN_MS 2000      /* the same once more */

struct mst_launching {
    mst_cmd cmd;
    mst_await await;
    TAILQ_ENTRY(mst_launching) link;
    mst_timer deadline;
    mst_timer explain;
    muster *m;
    uint32_t n, min, first; /* ranks first .. first + n - 1 */
    uint32_t nready, nover;
    uint32_t waits; /* ending: for the process of this one, or one behind */
    bool over;      /* decided */
    bool ending;    /* failed, and waiting for its processes to be gone */
    muster_err rc;
    muster_error error;
};

/* ----------------------------------------------------------- processes -- */

static muster_err start_one(mst_member *w, muster_error *err)
{
    muster *m = w->m;
    char text[MST_COOKIE_BYTES];
    mst_cookie cookie = m->cookie;
    mst_start start = {w->rank, w->incarnation, text, 0};
    mst_pair pair;
    muster_err rc;

    cookie.rank = w->rank;
    cookie.incarnation = w->incarnation;
    mst_root_worker(m->root, w->rank, w->incarnation, &pair);
    memcpy(cookie.secret_key, pair.secret_key, sizeof(cookie.secret_key));
    start.cookie_len = mst_cookie_print(&cookie, text, sizeof(text));
    rc = m->launcher->start(m->launcher, &start, err);
    sodium_memzero(&pair, sizeof(pair));
    sodium_memzero(&cookie, sizeof(cookie));
    sodium_memzero(text, sizeof(text));
    return rc;
}

/* Descriptors that a worker will still take: of its connection and, beside it,
 * of its stream for large payloads. */
static int to_come(const mst_member *w)
{
    if (!w->process)
        return 0;
    if (!w->linked)
        return LINK_DESCRIPTORS;
    return w->carrier.on && w->carrier.pipe.fd < 0;
}

/* Descriptors for more workers, beyond those that connect any moment. Those
 * are counted only where it matters. */
static int room(const muster *m)
{
    int left = mst_hub_room(&m->hub);
    const int all = LINK_DESCRIPTORS * (int)m->nmembers;
    const mst_member *w;

    if (left - all > START_AT_ONCE * m->launcher->descriptors)
        return left - all;
    TAILQ_FOREACH (w, &m->all, of_all)
        left -= to_come(w);
    return left;
}

bool mst_starting_work(muster *m)
{
    mst_member *w;
    int n = 0, left = TAILQ_EMPTY(&m->to_start) ? 0 : room(m);

    while (n < START_AT_ONCE && (w = TAILQ_FIRST(&m->to_start)) != NULL) {
        muster_error err;
        muster_err rc;

        TAILQ_REMOVE(&m->to_start, w, to_start);
        n++;
        if (w->state != MUSTER_ASKED)
            continue;
        left -= m->launcher->descriptors;
        rc = left >= 0 ? start_one(w, &err)
                       : mst_fail_sys(&err, EMFILE, "cannot start it");
        if (rc != MUSTER_OK)
            mst_member_event(w, MST_EV_FAILED, "worker %u: %s", w->rank,
                             err.text);
    }
    if (n > 0 && TAILQ_EMPTY(&m->to_start) && m->launcher->commit != NULL)
        m->launcher->commit(m->launcher);
    return n > 0;
}

static void keep_note(mst_member *w, const mst_report *report)
{
    mst_reader r = mst_reader_of(report->text, report->len);
    const uint8_t kind = mst_read_u8(&r);
    const uint64_t id = mst_read_u64(&r);
    char **note = kind == MST_NOTE_HANDLER ? &w->handler_note
                  : kind == MST_NOTE_WHY   ? &w->why_note
                                           : NULL;

    if (!r.ok || note == NULL || *note != NULL)
        return;
    *note = mst_alloc(r.left + 1);
    if (*note == NULL)
        return;
    if (kind == MST_NOTE_HANDLER)
        w->note_id = id;
    (*note)[r.left] = '\0';
    memcpy(*note, r.at, r.left);
}

/* A copy of what a report says, in place of what was there. */
static void keep_text(char **text, const mst_report *report)
{
    mst_free(*text);
    *text = NULL;
    if (report->text == NULL || report->len == 0)
        return;
    *text = mst_alloc(report->len + 1);
    if (*text == NULL)
        return;
    memcpy(*text, report->text, report->len);
    (*text)[report->len] = '\0';
}

static void keep_string(char **text, const char *from)
{
    mst_free(*text);
    *text = mst_strdup(from);
}

static void explain_soon(mst_launching *l)
{
    const int64_t at = mst_now_ms() + EXPLAIN_MS;

    if (l != NULL && !l->over && l->m->options.on_launch != NULL &&
        (l->explain.timed.place == 0 || l->explain.timed.at_ms > at))
        (void)mst_loop_time(&l->m->loop, &l->explain, at);
}

static void on_explain(void *arg, mst_timer *timer)
{
    mst_launching *l = (mst_launching *)arg;

    mst_explain(l->m, l->first, l->n, false);
    (void)mst_loop_time(&l->m->loop, timer, mst_now_ms() + AGAIN_MS);
}

void mst_session_report(void *arg, const mst_report *report)
{
    muster *m = (muster *)arg;
    char *notice = NULL;
    mst_member *w = mst_member_of(m, report->rank, report->incarnation);

    if (w == NULL)
        return;
    if (report->node != NULL && report->node[0] != '\0')
        keep_string(&w->node, report->node);
    switch (report->kind) {
    case MST_REPORT_STARTED:
        w->process = true;
        w->unseen = report->unseen;
        w->late = report->late;
        w->pid = report->pid;
        keep_string(&w->name, report->name);
        mst_member_event(w, MST_EV_STARTED, "%s", report->name);
        break;
    case MST_REPORT_OUTPUT:
        mst_tell_output(w, report->stream, report->text, report->len);
        break;
    case MST_REPORT_NOTE:
        keep_note(w, report);
        break;
    case MST_REPORT_STATUS:
        keep_text(&w->waits, report);
        explain_soon(w->launching);
        break;
    case MST_REPORT_NOTICE:
        keep_text(&notice, report);
        mst_drain(w, false, notice);
        mst_free(notice);
        break;
    case MST_REPORT_ENDED:
        mst_link_awake(m);
        keep_text(&w->end_words, report);
        keep_string(&w->last_line, report->last_line);
        keep_string(&w->limit, report->limit);
        w->oom = report->oom;
        w->oom_kills = report->oom_kills;
        w->shared = report->shared;
        w->process = false;
        w->ended = true;
        w->ended_ms = mst_now_ms();
        if (!report->unseen)
            w->exit_status = report->exit_status;
        w->exit_signal = report->exit_signal;
        if (mst_life_over(w->state))
            mst_starting_settled(w);
        else
            mst_member_ended(w, w->probes > 0);
        break;
    }
}

void mst_stop_member(mst_member *w, int mode)
{
    const mst_record stop = {.kind = MST_STOP, .mode = (uint8_t)mode};
    const bool reached = w->linked || (w->bound && mode == MST_STOP_DRAIN);

    if (mst_life_over(w->state))
        return;
    w->no_successor = true;
    if (w->state == MUSTER_ASKED && !w->process) {
        /* a process that never was: nothing has to end */
        mst_member_event(w, MST_EV_FAILED, "worker %u was not started",
                         w->rank);
        return;
    }
    mst_member_event(w, MST_EV_STOP, "%s",
                     mode == MST_STOP_NOW ? "told to end" : "told to drain");
    w->stop_due =
        reached && mode == MST_STOP_DRAIN && !TAILQ_EMPTY(&w->lane.queue);
    if (reached) {
        w->lane.eager = true; /* it waits for our word before it ends */
        if (!w->stop_due)
            mst_lane_put(&w->lane, &stop);
        mst_link_dirty(w);
    } else if (w->process) {
        w->m->launcher->end(w->m->launcher, w->rank, w->incarnation,
                            MST_END_KILL);
    }
}

/* -------------------------------------------------------------- launch -- */

static void launch_done(mst_launching *l)
{
    mst_loop_time(&l->m->loop, &l->deadline, MST_NEVER);
    mst_loop_time(&l->m->loop, &l->explain, MST_NEVER);
    TAILQ_REMOVE(&l->m->launchings, l, link);
    for (uint32_t r = l->first; r < l->first + l->n; r++)
        mst_member_get(l->m, r)->launching = NULL;
    mst_mappings_lost(l->m);
    mst_loop_done(&l->m->loop, &l->await);
}

/* A launch that failed leaves nothing behind: it is done when the processes it
 * started are gone. */
static void see_them_gone(mst_launching *l)
{
    while (l->waits < l->n &&
           !mst_member_get(l->m, l->first + l->waits)->process)
        l->waits++;
    if (l->waits == l->n)
        launch_done(l);
}

static void on_gone_deadline(void *arg, mst_timer *timer)
{
    (void)timer;
    launch_done((mst_launching *)arg);
}

static void launch_over(mst_launching *l, muster_err rc)
{
    if (l->over)
        return;
    l->over = true;
    l->rc = rc;
    mst_explain(l->m, l->first, l->n, true);
    for (uint32_t r = l->first; r < l->first + l->n; r++) {
        mst_member *w = mst_member_get(l->m, r);

        w->no_successor = rc != MUSTER_OK || !mst_member_takes(w);
        if (w->no_successor && (rc != MUSTER_OK || w->state != MUSTER_LEAVING))
            mst_member_event(
                w, MST_EV_FAILED, "worker %u was %s when %s%s%s", w->rank,
                muster_state_name(w->state),
                rc == MUSTER_OK ? "its time was over" : "the launch failed",
                w->waits != NULL ? ": " : "", w->waits != NULL ? w->waits : "");
    }
    if (rc == MUSTER_OK) {
        launch_done(l);
        return;
    }
    l->ending = true;
    l->deadline.fn = on_gone_deadline;
    mst_loop_time(&l->m->loop, &l->deadline, mst_now_ms() + GONE_MS);
    see_them_gone(l);
}

/* The one to blame: the first that ended, or the first that is not ready. */
static const mst_member *missing(const mst_launching *l)
{
    const mst_member *late = NULL;

    for (uint32_t r = l->first; r < l->first + l->n; r++) {
        const mst_member *w = mst_member_get(l->m, r);

        if (mst_life_over(w->state))
            return w;
        if (late == NULL && w->state != MUSTER_READY)
            late = w;
    }
    return late;
}

/* Fewer than wanted: say why the first one is missing. */
static void launch_failed(mst_launching *l)
{
    const mst_member *w = missing(l);

    if (mst_life_over(w->state))
        mst_fail(&l->error, MUSTER_EQUORUM,
                 "%u of %u workers came up, %u are needed; %s", l->nready, l->n,
                 l->min, mst_member_verdict(w));
    else
        mst_fail(
            &l->error, MUSTER_EQUORUM,
            "%u of %u workers came up in %.1f s, %u are needed; worker %u "
            "is still %s%s%s",
            l->nready, l->n, (double)l->m->options.pending_timeout_ms / 1000,
            l->min, w->rank, muster_state_name(w->state),
            w->waits != NULL ? ": " : "", w->waits != NULL ? w->waits : "");
    l->error.rank = w->rank;
    launch_over(l, MUSTER_EQUORUM);
}

static void judge(mst_launching *l)
{
    if (l->n - l->nover < l->min)
        launch_failed(l);
    else if (l->nready + l->nover == l->n)
        launch_over(l, MUSTER_OK);
}

/* A member may be ready and lost again. */
void mst_starting_changed(mst_member *w)
{
    mst_launching *l = w->launching;
    const bool ready = mst_member_takes(w), over = mst_life_over(w->state);

    if (l == NULL)
        return;
    l->nready = l->nready + ready - w->counts_ready;
    l->nover = l->nover + over - w->counts_over;
    w->counts_ready = ready;
    w->counts_over = over;
}

void mst_starting_settled(mst_member *w)
{
    mst_launching *l = w->launching;

    if (l != NULL && !l->over) {
        explain_soon(l);
        judge(l);
    } else if (l != NULL && l->ending) {
        see_them_gone(l);
    }
    if (w->state == MUSTER_READY)
        mst_mappings_ready(w);
    else
        mst_mappings_lost(w->m);
    mst_unpark(w->m);
    if (!mst_life_over(w->state) || w->process)
        return;
    mst_removing_settled(w);
    mst_session_settled(w->m);
}

static void on_launch_deadline(void *arg, mst_timer *timer)
{
    mst_launching *l = (mst_launching *)arg;

    (void)timer;
    if (l->nready < l->min)
        launch_failed(l);
    else
        launch_over(l, MUSTER_OK);
}

static void begin_launch(mst_cmd *cmd, void *arg)
{
    mst_launching *l = MST_OF(mst_launching, cmd, cmd);
    muster *m = (muster *)arg;
    muster_err rc = MUSTER_OK;

    l->first = m->nmembers + 1;
    if (m->closing)
        rc = mst_fail(&l->error, MUSTER_ECLOSED, "the runtime is closed");
    else if (m->spent != NULL)
        rc = mst_fail(&l->error, MUSTER_EQUORUM, "%s", m->spent);
    else if (m->nmembers + l->n > MST_RANKS_MAX)
        rc = mst_fail(&l->error, MUSTER_EINVAL,
                      "%u more workers would be more than %u in one session",
                      l->n, MST_RANKS_MAX);
    for (uint32_t i = 0; i < l->n && rc == MUSTER_OK; i++)
        if (mst_member_add(m, &l->error) == NULL)
            rc = l->error.code;
    TAILQ_INSERT_TAIL(&m->launchings, l, link);
    if (rc == MUSTER_OK &&
        !mst_loop_time(&m->loop, &l->deadline,
                       mst_until_ms(m->options.pending_timeout_ms)))
        rc = mst_fail(&l->error, MUSTER_ENOMEM, "launch");
    if (rc != MUSTER_OK) {
        l->n = m->nmembers + 1 - l->first;
        launch_over(l, rc);
        return;
    }
    for (uint32_t r = l->first; r < l->first + l->n; r++) {
        mst_member *w = mst_member_get(m, r);

        w->launching = l;
        TAILQ_INSERT_TAIL(&m->to_start, w, to_start);
    }
    explain_soon(l);
}

muster_err muster_launch(muster *m, uint32_t n, uint32_t min, uint32_t *nready,
                         muster_error *err)
{
    mst_launching l = {.cmd = {.run = begin_launch}, .m = m, .n = n};

    if (nready != NULL)
        *nready = 0;
    if (n == 0 || n > MST_RANKS_MAX)
        return mst_fail(err, MUSTER_EINVAL,
                        "the number of workers must be 1 to %u, not %u",
                        MST_RANKS_MAX, n);
    if (min > n)
        return mst_fail(err, MUSTER_EINVAL,
                        "at least %u of %u workers cannot be", min, n);
    l.min = min > 0 ? min : n;
    l.deadline.fn = on_launch_deadline;
    l.deadline.arg = &l;
    l.explain.fn = on_explain;
    l.explain.arg = &l;
    mst_session_ref(m);
    mst_await_init(&l.await);
    if (mst_loop_post(&m->loop, &l.cmd, false))
        mst_loop_await(&m->loop, &l.await, MST_NEVER, false);
    else
        l.rc = mst_fail(&l.error, MUSTER_ECLOSED, "the runtime is closed");
    mst_await_fini(&l.await);
    mst_session_unref(m);
    if (nready != NULL && l.rc == MUSTER_OK)
        *nready = l.nready;
    if (l.rc != MUSTER_OK && err != NULL)
        *err = l.error;
    return l.rc;
}

void mst_starting_abort(muster *m, muster_err why, const char *text)
{
    mst_launching *l, *next;

    for (l = TAILQ_FIRST(&m->launchings); l != NULL; l = next) {
        next = TAILQ_NEXT(l, link);
        if (l->over)
            continue;
        mst_fail(&l->error, why, "%s", text);
        launch_over(l, why);
    }
}
