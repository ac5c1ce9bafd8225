/* replacing.c - who was ready and is lost, or leaves, gets a successor: the
 * same rank, the next incarnation. Each costs one of the budget; one that does
 * not live long makes the next one wait. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "session/session.h"

#define STEADY_MS 5000 /* ready for so long: it did live */
#define WAIT_MOST_MS 30000

/* The run is over: what is outstanding, and what comes, ends with the reason.
 */
static void on_spent(void *arg, mst_timer *timer)
{
    muster *m = ((mst_member *)arg)->m;

    (void)timer;
    if (m->closing)
        return;
    mst_starting_abort(m, MUSTER_EQUORUM, m->spent);
    mst_mappings_stop(m, MUSTER_EQUORUM);
    mst_calls_end(m, true, MUSTER_EQUORUM, m->spent);
}

static void spend(mst_member *w, const char *why)
{
    muster *m = w->m;
    char text[MUSTER_ERROR_TEXT];

    snprintf(text, sizeof(text),
             "the budget of %u replacements is spent, and one more worker was "
             "lost: %.800s",
             m->options.replace, why);
    m->spent = mst_strdup(text);
    if (m->spent == NULL)
        return; /* it stays away, as without replacements */
    mst_log_line(&m->log, MUSTER_LOG_ERROR, "REPLACE-SPENT",
                 "rank=%u incarnation=%u budget=%u why=%s", w->rank,
                 w->incarnation, m->options.replace, why);
    w->again.fn = on_spent;
    if (!mst_loop_time(&m->loop, &w->again, mst_now_ms()))
        on_spent(w, &w->again);
}

static void begin(mst_member *w)
{
    muster *m = w->m;

    TAILQ_INSERT_TAIL(&m->to_start, w, to_start);
    w->begun = true;
    (void)mst_loop_time(&m->loop, &w->again,
                        mst_until_ms(m->options.pending_timeout_ms));
}

void mst_replace_again(void *arg, mst_timer *timer)
{
    mst_member *w = (mst_member *)arg;

    (void)timer;
    if (mst_life_over(w->state) || w->m->closing || w->ready_ms != 0)
        return;
    if (w->state == MUSTER_ASKED && !w->begun)
        begin(w);
    else
        mst_member_event(
            w, MST_EV_FAILED, "worker %u was %s when its time was over%s%s",
            w->rank, muster_state_name(w->state), w->waits != NULL ? ": " : "",
            w->waits != NULL ? w->waits : "");
}

/* None after the first failure, then twice as long each time. */
static int64_t wait_ms(const mst_member *w)
{
    int64_t ms = w->m->launcher->again_ms;

    if (w->failures < 2)
        return 0;
    for (unsigned i = 2; i < w->failures && ms < WAIT_MOST_MS; i++)
        ms *= 2;
    return ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS;
}

static bool gets_one(const mst_member *w)
{
    const muster *m = w->m;

    return m->options.replace > 0 && !m->closing && m->spent == NULL &&
           !w->no_successor && w->removing == NULL &&
           mst_member_get(m, w->rank) == w &&
           (w->ready_ms != 0 || w->before != NULL);
}

static void count_failures(const mst_member *w, mst_member *next)
{
    const int64_t now = mst_now_ms();

    if (!mst_life_over(w->state))
        next->failures = w->failures; /* it drains: nobody's fault */
    else if (w->ready_ms == 0 || now - w->ready_ms < STEADY_MS)
        next->failures = w->failures + 1;
}

void mst_replace(mst_member *w, const char *why)
{
    muster *m = w->m;
    mst_member *next;
    int64_t ms;

    if (!gets_one(w))
        return;
    if (m->nreplaced == m->options.replace) {
        if (mst_life_over(w->state))
            spend(w, why);
        return;
    }
    next = mst_member_succeed(w);
    if (next == NULL) {
        mst_log_line(&m->log, MUSTER_LOG_WARN, "REPLACE-FAILED",
                     "rank=%u why=no memory", w->rank);
        return;
    }
    m->nreplaced++;
    count_failures(w, next);
    ms = wait_ms(next);
    mst_log_line(&m->log, MUSTER_LOG_INFO, "REPLACE",
                 "rank=%u incarnation=%u used=%u budget=%u wait_ms=%lld why=%s",
                 next->rank, next->incarnation, m->nreplaced,
                 m->options.replace, (long long)ms, why);
    if (ms == 0 || !mst_loop_time(&m->loop, &next->again, mst_until_ms(ms)))
        begin(next);
}
