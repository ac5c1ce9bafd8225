/* member.c - ranks and their lives. */
#include <search.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "session/session.h"

/* After a process has ended: for its last messages to be read. */
#define LAST_MS 20
#define LAST_MOST_MS 1000

mst_member *mst_member_get(const muster *m, uint32_t rank)
{
    return rank >= 1 && rank <= m->nmembers ? m->members[rank - 1] : NULL;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, MST_KEY_BYTES);
}

mst_member *mst_member_of_key(const muster *m, const uint8_t key[MST_KEY_BYTES])
{
    void *const *found = tfind(key, &m->by_key, by_key);

    return found != NULL ? MST_OF(mst_member, key, *found) : NULL;
}

mst_member *mst_member_of(const muster *m, uint32_t rank, uint32_t incarnation)
{
    mst_member *w = mst_member_get(m, rank);

    while (w != NULL && w->incarnation != incarnation)
        w = w->before;
    return w;
}

static void on_conclude(void *arg, mst_timer *timer)
{
    mst_member *w = (mst_member *)arg;
    const int64_t now = mst_now_ms();

    /* what it said before its connection ended lies in ROUTER */
    const bool more =
        w->hung_up ? !w->m->hub.quiet : now - w->lane.heard_ms < LAST_MS;

    if (w->linked && more && now - w->ended_ms < LAST_MOST_MS &&
        mst_loop_time(&w->m->loop, timer, now + (w->hung_up ? 1 : LAST_MS)))
        return;
    mst_member_conclude(w);
}

void mst_member_ended(mst_member *w, bool hung_up)
{
    w->hung_up = hung_up;
    if (!w->linked || !mst_loop_time(&w->m->loop, &w->conclude,
                                     mst_now_ms() + (hung_up ? 0 : LAST_MS)))
        mst_member_conclude(w);
}

static mst_member *create(muster *m, uint32_t rank)
{
    mst_member *w = mst_calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->m = m;
    w->rank = rank;
    w->state = MUSTER_ASKED;
    w->exit_status = -1;
    w->oom_kills = MST_UNKNOWN;
    w->fd = -1;
    w->conclude.fn = on_conclude;
    w->conclude.arg = w;
    w->again.fn = mst_replace_again;
    w->again.arg = w;
    w->probe.fn = mst_link_probe;
    w->probe.arg = w;
    w->no_bulk.fn = mst_bulking_broken;
    w->no_bulk.arg = w;
    TAILQ_INIT(&w->calls);
    TAILQ_INIT(&w->errands);
    TAILQ_INIT(&w->held);
    return w;
}

mst_member *mst_member_self(muster *m)
{
    mst_member *self = create(m, 0);

    if (self != NULL)
        self->state = MUSTER_READY;
    return self;
}

bool mst_member_key(mst_member *w, uint32_t incarnation)
{
    mst_pair pair;

    w->incarnation = incarnation;
    mst_root_worker(w->m->root, w->rank, incarnation, &pair);
    memcpy(w->key, pair.public_key, sizeof(w->key));
    sodium_memzero(&pair, sizeof(pair));
    return tsearch(w->key, &w->m->by_key, by_key) != NULL;
}

mst_member *mst_member_add(muster *m, muster_error *err)
{
    mst_member *w;

    if (m->nmembers == m->room) {
        const uint32_t room = m->room > 0 ? 2 * m->room : 16;
        mst_member **members = mst_realloc(m->members, room * sizeof(*members));

        if (members == NULL) {
            mst_fail(err, MUSTER_ENOMEM, "%u workers", m->nmembers + 1);
            return NULL;
        }
        m->members = members;
        m->room = room;
    }
    w = create(m, m->nmembers + 1);
    if (w == NULL) {
        mst_fail(err, MUSTER_ENOMEM, "%u workers", m->nmembers + 1);
        return NULL;
    }
    if (!mst_member_key(w, 1)) {
        mst_member_free(w);
        mst_fail(err, MUSTER_ENOMEM, "%u workers", m->nmembers + 1);
        return NULL;
    }
    m->members[m->nmembers++] = w;
    TAILQ_INSERT_TAIL(&m->all, w, of_all);
    return w;
}

mst_member *mst_member_succeed(mst_member *w)
{
    mst_member *next = create(w->m, w->rank);

    if (next == NULL)
        return NULL;
    if (!mst_member_key(next, w->incarnation + 1)) {
        mst_member_free(next);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&w->m->all, next, of_all);
    next->before = w;
    w->m->members[w->rank - 1] = next;
    next->launching = w->launching;
    next->counts_ready = w->counts_ready;
    next->counts_over = w->counts_over;
    w->launching = NULL;
    w->counts_ready = w->counts_over = false;
    mst_starting_changed(next);
    return next;
}

void mst_member_free(mst_member *w)
{
    mst_carrier_fini(&w->carrier);
    mst_lane_fini(&w->lane);
    mst_errands_drop(w);
    mst_free(w->asked);
    mst_free(w->lines[0].held);
    mst_free(w->lines[1].held);
    mst_call_fini(&w->load);
    mst_payload_unref(&w->load_body);
    mst_free(w->handler_note);
    mst_free(w->why_note);
    mst_free(w->notice);
    mst_free(w->waits);
    mst_free(w->end_words);
    mst_free(w->last_line);
    mst_free(w->limit);
    mst_free(w->node);
    mst_free(w->name);
    mst_free(w->verdict);
    mst_free(w);
}

const char *mst_member_verdict(const mst_member *w)
{
    return w->verdict != NULL ? w->verdict : "";
}

bool mst_member_takes(const mst_member *w)
{
    return w->counted && w->bound;
}

/* A cut worker that was ready stays one of the set: what is sent to it waits.
 */
static void recount(mst_member *w)
{
    const bool counts = w->state == MUSTER_READY ||
                        (w->state == MUSTER_CUT && w->counted && w->bound);

    if (counts && !w->counted)
        atomic_fetch_add(&w->m->nready, 1);
    else if (!counts && w->counted)
        atomic_fetch_sub(&w->m->nready, 1);
    w->counted = counts;
}

/* What follows from a new state, beyond telling it. */
static void consequences(mst_member *w, const char *why)
{
    muster *m = w->m;

    recount(w);
    mst_starting_changed(w);
    if (w->state == MUSTER_READY) {
        if (w->ready_ms == 0)
            w->ready_ms = mst_now_ms();
        mst_loop_time(&m->loop, &w->again, MST_NEVER);
        mst_free(w->waits);
        w->waits = NULL;
    }
    if (w->state == MUSTER_READY && m->launcher->ready != NULL)
        m->launcher->ready(m->launcher, w->rank, w->incarnation);
    if (mst_life_over(w->state)) {
        mst_link_drop(w);
        mst_calls_lost(w, why);
    }
    if (mst_life_over(w->state) && !w->ended)
        m->launcher->end(m->launcher, w->rank, w->incarnation, MST_END_KILL);
    if (w->state == MUSTER_LOST)
        mst_replace(w, why);
    if (w->state == MUSTER_READY || mst_life_over(w->state))
        mst_starting_settled(w);
}

void mst_member_event(mst_member *w, mst_life_event event, const char *format,
                      ...)
{
    const muster_state from = w->state;
    char why[MUSTER_ERROR_TEXT];
    va_list args;

    w->state = mst_life_next(from, event);
    if (w->state == from)
        return;
    va_start(args, format);
    mst_sentence(why, sizeof(why), format, args);
    va_end(args);
    if (mst_life_over(w->state)) {
        mst_free(w->verdict);
        w->verdict = mst_strdup(why);
    }
    mst_log_line(
        &w->m->log, w->state == MUSTER_LOST ? MUSTER_LOG_WARN : MUSTER_LOG_INFO,
        w->state == MUSTER_LOST ? "WORKER-LOST" : "WORKER-STATE",
        "rank=%u incarnation=%u from=%s to=%s why=%s", w->rank, w->incarnation,
        muster_state_name(from), muster_state_name(w->state), why);
    mst_tell_event(w, from, why);
    consequences(w, why);
}

/* It was told to end and did; where the program ignores SIGCHLD nobody knows
 * more. */
static bool ended_somehow(const mst_member *w)
{
    return w->state == MUSTER_LEAVING && w->exit_status < 0 && !w->unseen &&
           w->end_words == NULL && w->why_note == NULL;
}

void mst_member_conclude(mst_member *w)
{
    char text[MUSTER_ERROR_TEXT];
    const bool well = w->exit_signal == 0 && w->handler_note == NULL &&
                      (w->exit_status == 0 || ended_somehow(w));

    mst_loop_time(&w->m->loop, &w->conclude, MST_NEVER);
    if (w->state == MUSTER_LEAVING && well) {
        mst_drain_words(w, text, sizeof(text));
        mst_member_event(w, MST_EV_ENDED_OK, "%s%s",
                         !w->drains     ? "ended as it was told"
                         : w->signalled ? "drained on "
                                        : "drained: ",
                         w->drains ? text : "");
        return;
    }
    mst_describe_end(w, text, sizeof(text));
    mst_member_event(w, well ? MST_EV_ENDED_OK : MST_EV_ENDED, "%s", text);
}

/* ---------------------------------------------------- what is asked for -- */

uint32_t muster_size(muster *m)
{
    return atomic_load(&m->nready);
}

typedef struct ranks_query {
    uint32_t *ranks;
    size_t max, n;
} ranks_query;

static void query_ranks(muster *m, void *arg)
{
    ranks_query *q = (ranks_query *)arg;

    for (uint32_t i = 0; i < m->nmembers; i++) {
        if (!mst_member_takes(m->members[i]))
            continue;
        if (q->n < q->max)
            q->ranks[q->n] = m->members[i]->rank;
        q->n++;
    }
}

size_t muster_ranks(muster *m, uint32_t *ranks, size_t max)
{
    ranks_query q = {ranks, ranks != NULL ? max : 0, 0};

    return mst_session_run(m, query_ranks, &q) ? q.n : 0;
}

void mst_member_fill(const mst_member *w, muster_info *info)
{
    *info = (muster_info){.rank = w->rank,
                          .incarnation = w->incarnation,
                          .state = w->state,
                          .pid = w->pid,
                          .calls = w->ncalls,
                          .silent_ms = -1,
                          .exit_status = w->exit_status,
                          .exit_signal = w->exit_signal};
    if (w->linked)
        info->silent_ms = mst_now_ms() - w->lane.heard_ms;
    snprintf(info->name, sizeof(info->name), "%s",
             w->name != NULL ? w->name : "");
    snprintf(info->node, sizeof(info->node), "%s",
             w->node != NULL ? w->node : "");
    mst_box_fill(w, &info->health);
    snprintf(info->verdict, sizeof(info->verdict), "%s", mst_member_verdict(w));
}

typedef struct info_query {
    uint32_t rank;
    muster_info *info;
    bool found;
} info_query;

static void query_info(muster *m, void *arg)
{
    info_query *q = (info_query *)arg;
    const mst_member *w = mst_member_get(m, q->rank);

    q->found = w != NULL;
    if (q->found)
        mst_member_fill(w, q->info);
}

muster_err muster_worker_info(muster *m, uint32_t rank, muster_info *info,
                              muster_error *err)
{
    info_query q = {rank, info, false};

    if (!mst_session_run(m, query_info, &q))
        return mst_fail(err, MUSTER_ECLOSED, "the runtime is closed");
    if (!q.found)
        return mst_fail(err, MUSTER_EWORKER, "there is no worker %u", rank);
    return MUSTER_OK;
}

typedef struct list_query {
    muster_info *infos;
    size_t max, n;
} list_query;

static void query_list(muster *m, void *arg)
{
    list_query *q = (list_query *)arg;

    q->n = m->nmembers;
    for (size_t i = 0; i < q->n && i < q->max; i++)
        mst_member_fill(m->members[i], &q->infos[i]);
}

size_t muster_list(muster *m, muster_info *infos, size_t max)
{
    list_query q = {infos, infos != NULL ? max : 0, 0};

    return mst_session_run(m, query_list, &q) ? q.n : 0;
}
