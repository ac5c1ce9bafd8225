/* desk.c - the thread that makes the requests: Secrets, Pods in growing
 * batches, verdicts, deletions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/calls.h"
#include "launch/kube/fleet.h"

#define WIDTH MST_KUBE_WIDTH

/* ------------------------------------------------------------- creation -- */

static void not_created(mst_fleet *f, mst_fleet_pod *p, const char *why)
{
    char text[MST_VERDICT_TEXT];

    mst_shelf_drop(&f->cookies, &p->cookie);
    p->state = MST_FLEET_NONE;
    snprintf(text, sizeof(text), "was not created: %.780s", why);
    mst_fleet_over(f, p, text);
}

/* All that still wait for this Secret, or for the same refusal. */
static void give_up(mst_fleet *f, const mst_fleet_secret *s, const char *why)
{
    mst_fleet_pod *p, *next;

    for (p = TAILQ_FIRST(&f->create); p != NULL; p = next) {
        next = TAILQ_NEXT(p, of_create);
        if (p->secret != s)
            continue;
        TAILQ_REMOVE(&f->create, p, of_create);
        not_created(f, p, why);
    }
}

/* The next ones that may be sent: at most `most`, of one Secret. */
static size_t next_batch(mst_fleet *f, mst_fleet_pod **batch, size_t most)
{
    mst_fleet_pod *p;
    size_t n = 0;

    while (n < most && (p = TAILQ_FIRST(&f->create)) != NULL) {
        if (p->secret != NULL && !p->secret->closed)
            break; /* more of this launch are being asked for */
        if (n > 0 && p->secret != batch[0]->secret)
            break;
        TAILQ_REMOVE(&f->create, p, of_create);
        if (p->unwanted) {
            mst_shelf_drop(&f->cookies, &p->cookie);
            p->state = MST_FLEET_NONE;
            continue;
        }
        p->state = MST_FLEET_CREATING;
        batch[n++] = p;
    }
    return n;
}

/* Without the lock; the cookies are not touched by others. */
static muster_err create_secret(mst_fleet *f, mst_fleet_secret *s,
                                muster_error *err)
{
    mst_secret_item *items;
    mst_fleet_pod *p;
    size_t n = 0;
    bool unclear = false;
    muster_err rc;

    items = mst_calloc(s->waiting, sizeof(*items));
    if (items == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a Secret");
    pthread_mutex_lock(&f->lock);
    TAILQ_FOREACH (p, &f->all, of_all)
        if (p->secret == s && p->cookie != NULL)
            items[n++] = (mst_secret_item){p->rank, p->cookie, p->cookie_len};
    s->there = true; /* or may be, from now on */
    pthread_mutex_unlock(&f->lock);
    rc = mst_calls_create_secret(f->plan, s->name, items, n, &unclear, err);
    mst_free(items);
    pthread_mutex_lock(&f->lock);
    s->there = rc == MUSTER_OK || unclear;
    TAILQ_FOREACH (p, &f->all, of_all)
        if (p->secret == s)
            mst_shelf_drop(&f->cookies, &p->cookie);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* With the lock; leaves it meanwhile. False: no Pod can have its cookie. */
static bool has_secret(mst_fleet *f, mst_fleet_pod **batch, size_t n)
{
    mst_fleet_secret *s = batch[0]->secret;
    muster_error err;
    muster_err rc;

    if (s == NULL || s->there)
        return true;
    s->waiting++; /* it stays, whoever goes meanwhile */
    pthread_mutex_unlock(&f->lock);
    rc = create_secret(f, s, &err);
    pthread_mutex_lock(&f->lock);
    s->waiting--;
    if (rc == MUSTER_OK)
        return true;
    give_up(f, s, err.text);
    for (size_t i = 0; i < n; i++)
        not_created(f, batch[i], err.text);
    return false;
}

/* With the lock; leaves it meanwhile. */
static void watch_them(mst_fleet *f)
{
    char selector[128];
    muster_error err;
    muster_err rc;

    if (f->watch != NULL)
        return;
    snprintf(selector, sizeof(selector), "%s=%s", MST_LABEL_SESSION,
             f->plan->pod.session);
    pthread_mutex_unlock(&f->lock);
    rc = mst_kube_watch_start(f->plan->access, f->log, selector,
                              &mst_fleet_seen, f, &f->watch, &err);
    if (rc != MUSTER_OK)
        mst_fleet_seen.failed(f, &err);
    pthread_mutex_lock(&f->lock);
}

static void created(mst_fleet *f, mst_fleet_pod *p, const mst_call_pod *c)
{
    mst_shelf_drop(&f->cookies, &p->cookie);
    if (c->rc != MUSTER_OK && !c->unclear) {
        not_created(f, p, c->err.text);
        return;
    }
    if (p->state == MST_FLEET_CREATING)
        p->state = MST_FLEET_THERE;
    /* it may have been: it is deleted, unless its worker is here already */
    if (c->rc != MUSTER_OK && !p->ready) {
        char text[MST_VERDICT_TEXT];

        snprintf(text, sizeof(text), "may not have been created: %.770s",
                 c->err.text);
        mst_fleet_over(f, p, text);
        p->drop = true;
    }
    if (!p->told) {
        p->started = true;
        mst_fleet_news(f, p);
    }
    if (p->unwanted || p->drop)
        mst_fleet_queue(f, p);
}

/* Some may have been ended meanwhile, and have no Secret any more. */
static size_t still_wanted(mst_fleet *f, mst_fleet_pod **batch, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        mst_fleet_pod *p = batch[i];

        if (!p->unwanted && (p->secret != NULL || f->plan->pod.cookie_in_env)) {
            batch[kept++] = p;
            continue;
        }
        mst_shelf_drop(&f->cookies, &p->cookie);
        p->state = MST_FLEET_NONE;
    }
    return kept;
}

/* True: there was something. */
static bool create_some(mst_fleet *f, size_t *width)
{
    mst_fleet_pod *batch[WIDTH];
    mst_call_pod calls[WIDTH];
    const bool in_env = f->plan->pod.cookie_in_env;
    size_t n = next_batch(f, batch, *width);
    bool refused = false;

    if (n == 0)
        return false;
    watch_them(f);
    if (!has_secret(f, batch, n))
        return true;
    n = still_wanted(f, batch, n);
    for (size_t i = 0; i < n; i++)
        calls[i] = (mst_call_pod){
            .rank = batch[i]->rank,
            .incarnation = batch[i]->incarnation,
            .name = batch[i]->name,
            .secret = batch[i]->secret != NULL ? batch[i]->secret->name : NULL,
            .cookie = in_env ? batch[i]->cookie : NULL};
    pthread_mutex_unlock(&f->lock);
    mst_calls_create_pods(f->plan, calls, n);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        const mst_fleet_secret *s = batch[i]->secret;

        created(f, batch[i], &calls[i]);
        /* what is refused once is refused again: quota, RBAC, admission */
        if (calls[i].rc == MUSTER_EDENIED && !refused && !f->stop) {
            refused = true;
            give_up(f, s, calls[i].err.text);
        }
    }
    *width = refused ? 1 : *width < WIDTH / 2 ? *width * 2 : WIDTH;
    if (TAILQ_EMPTY(&f->create))
        *width = 1;
    return true;
}

/* ------------------------------------------------------------- verdicts -- */

static void log_tail(mst_fleet *f, const mst_fleet_pod *p, char *tail,
                     char *last, size_t bytes)
{
    char *save = NULL;

    last[0] = '\0';
    for (char *line = strtok_r(tail, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        /* what came by the connection was printed already */
        mst_log_line(f->log, p->ready ? MUSTER_LOG_INFO : MUSTER_LOG_WARN,
                     "WORKER-TAIL", "rank=%u pod=%s line=%s", p->rank, p->name,
                     line);
        snprintf(last, bytes, "%s", line);
    }
}

/* With the lock; leaves it meanwhile. */
static void judge(mst_fleet *f, mst_fleet_pod *p)
{
    char last[MST_LINE_TEXT] = "";
    char *tail = NULL;
    bool refused = false;

    if (p->state == MST_FLEET_THERE && p->ended && !f->no_logs) {
        pthread_mutex_unlock(&f->lock);
        tail = mst_calls_log_tail(f->plan, f->log, p->name, &refused);
        pthread_mutex_lock(&f->lock);
        f->no_logs = f->no_logs || refused;
    }
    if (tail != NULL)
        log_tail(f, p, tail, last, sizeof(last));
    mst_free(tail);
    mst_pod_verdict(&p->status, p->deleted, p->verdict, sizeof(p->verdict));
    snprintf(p->last_line, sizeof(p->last_line), "%s", last);
    mst_fleet_over(f, p, NULL);
    p->drop = true;
}

/* ------------------------------------------------------------ deletions -- */

static bool to_delete(const mst_fleet *f, const mst_fleet_pod *p)
{
    return (p->state == MST_FLEET_THERE || p->state == MST_FLEET_CREATING) &&
           !mst_fleet_keeps(f, p);
}

static int grace_of(const mst_fleet_pod *p)
{
    /* what never ran has nothing to end; the kubelet would take its time */
    const bool never = p->status.phase == MST_POD_UNSCHEDULABLE ||
                       p->status.phase == MST_POD_PULLING ||
                       p->status.phase == MST_POD_HOPELESS;

    return p->ended || p->bye || never || p->status.unreachable ? 0 : 1;
}

/* With the lock; leaves it meanwhile. */
static void drop(mst_fleet *f, mst_fleet_pod **pods, size_t n, int64_t until_ms,
                 mst_kube_http *http)
{
    mst_call_drop drops[WIDTH];

    for (size_t i = 0; i < n; i++) {
        snprintf(drops[i].name, sizeof(drops[i].name), "%s", pods[i]->name);
        drops[i].grace_s = grace_of(pods[i]);
        pods[i]->state = MST_FLEET_NONE;
    }
    pthread_mutex_unlock(&f->lock);
    mst_calls_drop_pods(f->plan, http, f->log, drops, n, until_ms,
                        &f->no_delete);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++)
        pods[i]->stays = drops[i].stays;
}

/* What is in the queue; when everything is ending only verdicts. */
static bool work_off(mst_fleet *f)
{
    mst_fleet_pod *pods[WIDTH];
    mst_fleet_pod *p;
    size_t n = 0;
    bool some = false;

    while (n < WIDTH && !f->stop && (p = TAILQ_FIRST(&f->queue)) != NULL) {
        some = true;
        TAILQ_REMOVE(&f->queue, p, of_queue);
        p->in_queue = false;
        if (p->judge) {
            judge(f, p);
            p->judge = false;
        }
        if (p->state == MST_FLEET_CREATING || f->closing)
            continue; /* comes again when it is there; goes with all others */
        if (p->drop && to_delete(f, p))
            pods[n++] = p;
    }
    if (n > 0)
        drop(f, pods, n, mst_until_ms(MST_CALLS_MS), f->plan->http);
    return some;
}

static bool drop_secrets(mst_fleet *f, mst_kube_http *http, int64_t until_ms,
                         bool all)
{
    mst_fleet_secret *s;
    char name[MST_KUBE_LABEL];

    TAILQ_FOREACH (s, &f->secrets, link) {
        if (!s->there || (s->waiting > 0 && !all))
            continue;
        s->there = false;
        snprintf(name, sizeof(name), "%s", s->name);
        pthread_mutex_unlock(&f->lock);
        s->stays =
            !mst_calls_drop_secret(f->plan, http, f->log, name, until_ms);
        pthread_mutex_lock(&f->lock);
        return true;
    }
    return false;
}

/* --------------------------------------------------------------- thread -- */

static size_t left(mst_fleet *f, mst_fleet_pod **pods, size_t most,
                   bool *running)
{
    mst_fleet_pod *p;
    size_t n = 0;

    TAILQ_FOREACH (p, &f->all, of_all) {
        if (!to_delete(f, p))
            continue;
        *running = *running || grace_of(p) > 0;
        if (n < most)
            pods[n] = p;
        n++;
    }
    return n;
}

/* Everything goes, in one request where that is allowed. */
static void drop_all(mst_fleet *f, mst_kube_http *http, int64_t until_ms)
{
    mst_fleet_pod *pods[WIDTH];
    bool running = false;
    const size_t n = left(f, pods, WIDTH, &running);

    if (n >= 2 && f->plan->keep == MUSTER_KEEP_NONE &&
        mst_calls_drop_session(f->plan, http, f->log, running ? 1 : 0,
                               until_ms))
        return;
    for (size_t k = n; k > 0; k = left(f, pods, WIDTH, &running))
        drop(f, pods, k < WIDTH ? k : WIDTH, until_ms, http);
}

/* What could not be deleted is tried once more. */
static void bring_back(mst_fleet *f)
{
    mst_fleet_secret *s;
    mst_fleet_pod *p;

    f->plan->pods_stay = f->plan->secrets_stay = 0;
    TAILQ_FOREACH (p, &f->all, of_all)
        if (p->stays)
            p->state = MST_FLEET_THERE;
    TAILQ_FOREACH (s, &f->secrets, link)
        s->there = s->there || s->stays;
}

/* What could not be deleted was named: now who deletes it. */
static void tell_stay(const mst_fleet *f)
{
    const mst_pod_plan *pod = &f->plan->pod;
    const size_t n = f->plan->pods_stay + f->plan->secrets_stay;

    if (n == 0)
        return;
    if (pod->owner_name != NULL)
        mst_log_line(f->log, MUSTER_LOG_WARN, "PODS-STAY",
                     "left=%zu: they go with the Pod %s", n, pod->owner_name);
    else
        mst_log_line(f->log, MUSTER_LOG_WARN, "PODS-STAY",
                     "left=%zu: muster clean --namespace %s --session %s "
                     "deletes them",
                     n, pod->ns, pod->session);
}

static void finish(mst_fleet *f, bool cut_off)
{
    const int64_t until_ms = mst_until_ms(MST_CALLS_LAST_MS);
    mst_kube_http *fresh = NULL, *http = f->plan->http;
    muster_error err;

    mst_kube_watch_stop(&f->watch);
    if (cut_off && mst_kube_http_create(f->plan->access, f->log, &fresh,
                                        &err) != MUSTER_OK) {
        mst_log_line(f->log, MUSTER_LOG_ERROR, "PODS-STAY", "why=%s", err.text);
        return;
    }
    if (fresh != NULL)
        http = fresh;
    pthread_mutex_lock(&f->lock);
    bring_back(f);
    drop_all(f, http, until_ms);
    while (drop_secrets(f, http, until_ms, true))
        ;
    pthread_mutex_unlock(&f->lock);
    tell_stay(f);
    mst_kube_http_destroy(&fresh);
}

void *mst_fleet_desk(void *fleet)
{
    mst_fleet *f = (mst_fleet *)fleet;
    size_t width = 1;
    bool cut_off;

    pthread_mutex_lock(&f->lock);
    while (!f->stop) {
        bool some = create_some(f, &width);

        some = work_off(f) || some;
        some =
            (!f->closing && drop_secrets(f, f->plan->http,
                                         mst_until_ms(MST_CALLS_MS), false)) ||
            some;
        if (!some && !f->stop)
            pthread_cond_wait(&f->work, &f->lock);
    }
    f->finishing = true;
    cut_off = f->cut_off; /* from now on it stays as it is */
    pthread_cond_broadcast(&f->work);
    pthread_mutex_unlock(&f->lock);
    finish(f, cut_off);
    return NULL;
}
