/* mapping.c - the loop's half of a map: who gets which load, and when. */
#include "session/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"

#define DEPTH_LEAST 2u
#define DEPTH_MOST 128u
#define QUICK_MS 2
#define SLOW_MS 20

struct muster_token {
    muster *m;
    atomic_bool canceled;
};

static bool in_set(const mst_mapping *p, const mst_member *w)
{
    if (p->set == NULL || p->set->kind != MUSTER_SET_LIST)
        return true;
    for (size_t i = 0; i < p->set->nranks; i++)
        if (p->set->ranks[i] == w->rank)
            return true;
    return false;
}

static bool has_room(const mst_mapping *p, const mst_member *w)
{
    return w->state == MUSTER_READY && w->rank <= p->room &&
           p->flying[w->rank - 1] <
               atomic_load(&p->depth) + p->m->options.threads - 1 &&
           in_set(p, w);
}

static void give_back(mst_load *load)
{
    mst_mapping *p = load->mapping;
    mst_loop *loop = &p->m->loop;

    pthread_mutex_lock(&loop->lock);
    TAILQ_INSERT_TAIL(&p->over, load, link);
    p->news.done = true;
    if (p->news.waiters > 0)
        pthread_cond_broadcast(&p->news.cond);
    pthread_mutex_unlock(&loop->lock);
}

/* Nothing was sent: the load comes back as it is. */
static void return_unsent(mst_load *load, muster_err why)
{
    load->call.code = why;
    if (why == MUSTER_EQUORUM)
        load->call.text = mst_strdup(load->mapping->m->spent);
    give_back(load);
}

static void send(mst_mapping *p, mst_member *w, mst_load *load)
{
    TAILQ_REMOVE(&p->waiting, load, link);
    p->flying[w->rank - 1]++;
    load->sent_ms = mst_now_ms();
    mst_call_begin_on(w, &load->call);
}

static void feed(mst_mapping *p, mst_member *w)
{
    mst_load *load;

    while ((load = TAILQ_FIRST(&p->waiting)) != NULL && has_room(p, w))
        send(p, w, load);
}

/* More calls in flight while they are quick, so that no worker waits for the
 * next one; few while they are slow, so that none hoards what another could
 * do. */
static void learn(mst_mapping *p, int64_t took_ms)
{
    const unsigned depth = atomic_load(&p->depth);

    if (p->per_worker != 0)
        return;
    if (took_ms <= QUICK_MS && depth < DEPTH_MOST)
        atomic_store(&p->depth, 2 * depth);
    else if (took_ms > SLOW_MS && depth > DEPTH_LEAST)
        atomic_store(&p->depth, depth / 2);
}

static void load_done(mst_call *call)
{
    mst_load *load = MST_OF(mst_load, call, call);
    mst_mapping *p = load->mapping;
    mst_member *w = call->member;
    const bool go_on = w != NULL && call->code != MUSTER_ENOMEM;

    load->took_ms = mst_now_ms() - load->sent_ms;
    learn(p, load->took_ms);
    if (w != NULL)
        p->flying[w->rank - 1]--;
    p->full = false;
    give_back(load); /* the program may free it from here on */
    if (go_on)
        feed(p, w);
}

/* Ranks come and go; there is a count for each there ever was. */
static bool make_room(mst_mapping *p)
{
    const uint32_t n = p->m->nmembers;
    uint16_t *flying;

    if (n <= p->room)
        return true;
    flying = mst_realloc(p->flying, n * sizeof(*flying));
    if (flying == NULL)
        return false;
    memset(flying + p->room, 0, (n - p->room) * sizeof(*flying));
    p->flying = flying;
    p->room = n;
    return true;
}

/* The worker of the set that has the least of ours. */
static mst_member *freest(mst_mapping *p)
{
    mst_member *best = NULL;

    for (uint32_t i = 0; i < p->room; i++) {
        mst_member *w = p->m->members[i];

        if (has_room(p, w) && (best == NULL || p->flying[w->rank - 1] <
                                                   p->flying[best->rank - 1]))
            best = w;
    }
    return best;
}

/* Could a worker of the set still come to have room? */
static bool is_hopeless(const mst_mapping *p)
{
    for (uint32_t i = 0; i < p->m->nmembers; i++) {
        const mst_member *w = p->m->members[i];

        if (!mst_life_over(w->state) && w->state != MUSTER_LEAVING &&
            in_set(p, w))
            return false;
    }
    return TAILQ_EMPTY(&p->m->launchings);
}

static void stop(mst_mapping *p, muster_err why)
{
    mst_load *load;

    if (p->stopped == MUSTER_OK)
        p->stopped = why;
    while ((load = TAILQ_FIRST(&p->waiting)) != NULL) {
        TAILQ_REMOVE(&p->waiting, load, link);
        return_unsent(load, p->stopped);
    }
}

/* Of those that are on workers nothing more is wanted. */
static void call_off(mst_mapping *p)
{
    mst_member *w;

    TAILQ_FOREACH (w, &p->m->all, of_all) {
        mst_call *call, *next;

        for (call = TAILQ_FIRST(&w->calls); call != NULL; call = next) {
            next = TAILQ_NEXT(call, of_member);
            if (call->done == load_done &&
                MST_OF(mst_load, call, call)->mapping == p)
                mst_call_cancel(call);
        }
    }
}

static void spread(mst_mapping *p)
{
    mst_member *w;

    if (!make_room(p)) {
        stop(p, MUSTER_ENOMEM);
        return;
    }
    while (!TAILQ_EMPTY(&p->waiting) && !p->full) {
        w = freest(p);
        if (w == NULL)
            p->full = true;
        else
            send(p, w, TAILQ_FIRST(&p->waiting));
    }
    if (!TAILQ_EMPTY(&p->waiting) && is_hopeless(p))
        stop(p, MUSTER_EWORKER);
}

static void take_load(mst_cmd *cmd, void *arg)
{
    mst_load *load = MST_OF(mst_load, cmd, cmd);
    mst_mapping *p = load->mapping;

    if (((muster *)arg)->closing && p->stopped == MUSTER_OK)
        p->stopped = MUSTER_ECLOSED;
    if (((muster *)arg)->spent != NULL && p->stopped == MUSTER_OK)
        p->stopped = MUSTER_EQUORUM;
    if (p->stopped != MUSTER_OK) {
        return_unsent(load, p->stopped);
        return;
    }
    load->call.until_ms = p->until_ms;
    load->call.origin = p->origin;
    load->call.moves = true;
    load->call.done = load_done;
    TAILQ_INSERT_TAIL(&p->waiting, load, link);
    if (!p->full)
        spread(p);
}

void mst_mapping_add(mst_mapping *p, mst_load *load)
{
    load->mapping = p;
    load->cmd.run = take_load;
    if (!mst_loop_post(&p->m->loop, &load->cmd, true))
        return_unsent(load, MUSTER_ECLOSED);
}

void mst_mapping_take(mst_mapping *p, mst_loads *taken)
{
    mst_loop *loop = &p->m->loop;

    TAILQ_INIT(taken);
    mst_loop_await(loop, &p->news, MST_NEVER, true);
    pthread_mutex_lock(&loop->lock);
    TAILQ_CONCAT(taken, &p->over, link);
    p->news.done = false;
    pthread_mutex_unlock(&loop->lock);
}

/* ------------------------------------------------- what the others tell -- */

void mst_mappings_ready(mst_member *w)
{
    mst_mapping *p;

    TAILQ_FOREACH (p, &w->m->mappings, link) {
        p->full = false;
        spread(p);
    }
}

void mst_mappings_lost(muster *m)
{
    mst_mapping *p;

    TAILQ_FOREACH (p, &m->mappings, link)
        if (!TAILQ_EMPTY(&p->waiting) && is_hopeless(p))
            stop(p, MUSTER_EWORKER);
}

void mst_mappings_stop(muster *m, muster_err why)
{
    mst_mapping *p;

    TAILQ_FOREACH (p, &m->mappings, link)
        stop(p, why);
}

/* -------------------------------------------------------- begin and end -- */

static void on_deadline(void *arg, mst_timer *timer)
{
    mst_mapping *p = (mst_mapping *)arg;

    (void)timer;
    stop(p, MUSTER_ETIMEOUT); /* the calls have this deadline themselves */
}

static void do_begin(muster *m, void *arg)
{
    mst_mapping *p = (mst_mapping *)arg;

    TAILQ_INSERT_TAIL(&m->mappings, p, link);
    p->deadline.fn = on_deadline;
    p->deadline.arg = p;
    if (m->closing)
        p->stopped = MUSTER_ECLOSED;
    else if (p->token != NULL && atomic_load(&p->token->canceled))
        p->stopped = MUSTER_ECANCELED;
    else if (!mst_loop_time(&m->loop, &p->deadline, p->until_ms))
        p->stopped = MUSTER_ENOMEM;
}

static void do_end(muster *m, void *arg)
{
    mst_mapping *p = (mst_mapping *)arg;

    TAILQ_REMOVE(&m->mappings, p, link);
    mst_loop_time(&m->loop, &p->deadline, MST_NEVER);
}

muster_err mst_mapping_begin(mst_mapping *p, muster_error *err)
{
    atomic_init(&p->depth, p->per_worker > 0 ? p->per_worker : DEPTH_LEAST);
    TAILQ_INIT(&p->waiting);
    TAILQ_INIT(&p->over);
    mst_await_init(&p->news);
    if (mst_session_run(p->m, do_begin, p))
        return MUSTER_OK;
    mst_await_fini(&p->news);
    return mst_fail(err, MUSTER_ECLOSED, "the runtime is closed");
}

void mst_mapping_end(mst_mapping *p)
{
    mst_session_run(p->m, do_end, p);
    mst_await_fini(&p->news);
    mst_free(p->flying);
}

typedef struct stopping {
    mst_mapping *p;
    muster_err why;
} stopping;

static void do_stop(muster *m, void *arg)
{
    const stopping *s = (const stopping *)arg;

    (void)m;
    stop(s->p, s->why);
    call_off(s->p);
}

void mst_mapping_stop(mst_mapping *p, muster_err why)
{
    stopping s = {p, why};

    mst_session_run(p->m, do_stop, &s);
}

/* --------------------------------------------------------------- tokens -- */

muster_token *muster_token_create(muster *m)
{
    muster_token *token = mst_alloc(sizeof(*token));

    if (token == NULL)
        return NULL;
    token->m = m;
    atomic_init(&token->canceled, false);
    return token;
}

static void do_cancel(muster *m, void *arg)
{
    mst_mapping *p;

    TAILQ_FOREACH (p, &m->mappings, link)
        if (p->token == arg) {
            stop(p, MUSTER_ECANCELED);
            call_off(p);
        }
}

void muster_token_cancel(muster_token *token)
{
    if (!atomic_exchange(&token->canceled, true))
        mst_session_run(token->m, do_cancel, token);
}

void muster_token_destroy(muster_token **token)
{
    mst_free(*token);
    *token = NULL;
}
