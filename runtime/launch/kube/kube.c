/* kube.c - the launcher as the loop sees it: asks, hears, and ends. */
#include "launch/kube/kube.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "base/usage.h"
#include "launch/kube/fleet.h"

#define IN_A_SECRET 1000 /* cookies: the API server takes 1 MiB */
#define PATIENCE_MS 500  /* at the end, for a request that is under way */
#define AGAIN_MS 1000
#define STORY_MS 4000 /* the kubelet looks once a second, and then tells */

/* -------------------------------------------------------- with the lock -- */

void mst_fleet_queue(mst_fleet *f, mst_fleet_pod *p)
{
    if (!p->in_queue)
        TAILQ_INSERT_TAIL(&f->queue, p, of_queue);
    p->in_queue = true;
    pthread_cond_signal(&f->work);
}

void mst_fleet_news(mst_fleet *f, mst_fleet_pod *p)
{
    if (p->in_news)
        return;
    p->in_news = true;
    TAILQ_INSERT_TAIL(&f->news, p, of_news);
    (void)eventfd_write(f->wake_fd, 1);
}

void mst_fleet_over(mst_fleet *f, mst_fleet_pod *p, const char *verdict)
{
    mst_fleet_release(f, p);
    if (p->told)
        return;
    p->told = true;
    p->over = true;
    if (verdict != NULL)
        snprintf(p->verdict, sizeof(p->verdict), "%s", verdict);
    mst_fleet_news(f, p);
}

void mst_fleet_release(mst_fleet *f, mst_fleet_pod *p)
{
    mst_fleet_secret *s = p->secret;

    p->secret = NULL;
    if (s != NULL && --s->waiting == 0)
        pthread_cond_signal(&f->work);
}

bool mst_fleet_keeps(const mst_fleet *f, const mst_fleet_pod *p)
{
    return p->ended && (f->plan->keep == MUSTER_KEEP_ALL ||
                        (f->plan->keep == MUSTER_KEEP_FAILED && p->bad));
}

mst_fleet_pod *mst_fleet_find(const mst_fleet *f, uint32_t rank,
                              uint32_t incarnation)
{
    mst_fleet_pod *p = rank < f->room ? f->by_rank[rank] : NULL;

    while (p != NULL && p->incarnation != incarnation)
        p = p->before;
    return p;
}

/* ------------------------------------------------------------ asked for -- */

/* The open Secret of this commit, or a new one. */
static mst_fleet_secret *secret_of(mst_fleet *f)
{
    mst_fleet_secret *s = TAILQ_LAST(&f->secrets, mst_fleet_secrets);

    if (s != NULL && !s->closed && s->waiting < IN_A_SECRET)
        return s;
    if (s != NULL)
        s->closed = true; /* it is full */
    s = mst_calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    snprintf(s->name, sizeof(s->name), "muster-%.32s-%u", f->plan->pod.session,
             ++f->nsecrets);
    TAILQ_INSERT_TAIL(&f->secrets, s, link);
    return s;
}

static bool has_room(mst_fleet *f, uint32_t rank)
{
    uint32_t room = f->room > 0 ? f->room : 16;
    mst_fleet_pod **by_rank;

    if (rank < f->room)
        return true;
    while (room <= rank)
        room *= 2;
    by_rank = mst_realloc(f->by_rank, room * sizeof(*by_rank));
    if (by_rank == NULL)
        return false;
    memset(by_rank + f->room, 0, (room - f->room) * sizeof(*by_rank));
    f->by_rank = by_rank;
    f->room = room;
    return true;
}

static bool ask(mst_fleet *f, mst_fleet_pod *p)
{
    if (!has_room(f, p->rank))
        return false;
    if (!f->plan->pod.cookie_in_env) {
        p->secret = secret_of(f);
        if (p->secret == NULL)
            return false;
        p->secret->waiting++;
    }
    p->before = f->by_rank[p->rank];
    f->by_rank[p->rank] = p;
    TAILQ_INSERT_TAIL(&f->all, p, of_all);
    TAILQ_INSERT_TAIL(&f->create, p, of_create);
    return true;
}

static muster_err start(mst_launcher *self, const mst_start *what,
                        muster_error *err)
{
    mst_fleet *f = (mst_fleet *)self;
    mst_fleet_pod *p = mst_calloc(1, sizeof(*p));
    bool asked = false;

    if (p == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a Pod");
    p->rank = what->rank;
    p->incarnation = what->incarnation;
    p->exit_status = -1;
    p->cookie_len = what->cookie_len;
    mst_kube_pod_name(f->plan->pod.prefix, f->plan->pod.session, p->rank,
                      p->incarnation, p->name);
    pthread_mutex_lock(&f->lock);
    p->cookie = mst_shelf_put(&f->cookies, what->cookie, what->cookie_len);
    asked = p->cookie != NULL && ask(f, p);
    if (!asked)
        mst_shelf_drop(&f->cookies, &p->cookie);
    pthread_mutex_unlock(&f->lock);
    if (asked)
        return MUSTER_OK;
    mst_free(p);
    return mst_fail(err, MUSTER_ENOMEM, "a Pod");
}

static void commit(mst_launcher *self)
{
    mst_fleet *f = (mst_fleet *)self;
    mst_fleet_secret *s;

    pthread_mutex_lock(&f->lock);
    s = TAILQ_LAST(&f->secrets, mst_fleet_secrets);
    if (s != NULL)
        s->closed = true;
    pthread_cond_signal(&f->work);
    pthread_mutex_unlock(&f->lock);
}

/* A Pod has no signals. What was told to end and did is deleted, now or with
 * all others; what did not is deleted as well, which kills it. */
static void end(mst_launcher *self, uint32_t rank, uint32_t incarnation,
                mst_end how)
{
    mst_fleet *f = (mst_fleet *)self;
    mst_fleet_pod *p;

    pthread_mutex_lock(&f->lock);
    p = mst_fleet_find(f, rank, incarnation);
    if (p != NULL && how == MST_END_ASK) {
        p->leaving = true;
        mst_fleet_look(f, p);
    } else if (p != NULL && !p->unwanted) {
        p->unwanted = true;
        p->bye = how == MST_END_GONE;
        mst_fleet_over(f, p, "");
        p->drop = true;
        mst_fleet_queue(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

static void ready(mst_launcher *self, uint32_t rank, uint32_t incarnation)
{
    mst_fleet *f = (mst_fleet *)self;
    mst_fleet_pod *p;

    pthread_mutex_lock(&f->lock);
    p = mst_fleet_find(f, rank, incarnation);
    if (p != NULL) {
        p->ready = true;
        mst_fleet_release(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

static void flow(mst_launcher *self, bool read)
{
    (void)self; /* what they print comes through their connections */
    (void)read;
}

/* ----------------------------------------------------------------- news -- */

typedef struct news {
    uint32_t rank, incarnation;
    bool started, waits, over, seen, oom, notice;
    char node[128], limit[32];
    char name[MST_KUBE_LABEL + 8];
    char waits_text[MST_STATUS_TEXT], verdict[MST_VERDICT_TEXT];
    char notice_text[MST_VERDICT_TEXT];
    char last_line[MST_LINE_TEXT];
    int exit_status, exit_signal;
} news;

static bool take(mst_fleet *f, news *n)
{
    mst_fleet_pod *p;

    pthread_mutex_lock(&f->lock);
    p = TAILQ_FIRST(&f->news);
    if (p != NULL) {
        TAILQ_REMOVE(&f->news, p, of_news);
        *n = (news){.rank = p->rank,
                    .incarnation = p->incarnation,
                    .started = p->started,
                    .waits = p->waits,
                    .notice = p->notice,
                    .over = p->over,
                    .seen = p->seen,
                    .oom = p->status.oom,
                    .exit_status = p->exit_status,
                    .exit_signal = p->exit_signal};
        snprintf(n->name, sizeof(n->name), "%s", p->name);
        snprintf(n->node, sizeof(n->node), "%s", p->status.node);
        snprintf(n->limit, sizeof(n->limit), "%s", p->status.memory);
        memcpy(n->waits_text, p->waits_text, sizeof(n->waits_text));
        memcpy(n->verdict, p->verdict, sizeof(n->verdict));
        memcpy(n->last_line, p->last_line, sizeof(n->last_line));
        memcpy(n->notice_text, p->notice_text, sizeof(n->notice_text));
        p->in_news = p->started = p->waits = p->over = p->notice = false;
    }
    pthread_mutex_unlock(&f->lock);
    return p != NULL;
}

static void tell(mst_fleet *f, const news *n)
{
    mst_report report = {.rank = n->rank,
                         .incarnation = n->incarnation,
                         .node = n->node,
                         .oom_kills = MST_UNKNOWN};

    if (n->started) {
        report.kind = MST_REPORT_STARTED;
        report.name = n->name;
        report.late = true;
        f->report(f->arg, &report);
    }
    if (n->notice && !n->over) {
        report.kind = MST_REPORT_NOTICE;
        report.text = n->notice_text;
        report.len = strlen(n->notice_text);
        f->report(f->arg, &report);
    }
    if (n->waits && !n->over) {
        report.kind = MST_REPORT_STATUS;
        report.text = n->waits_text;
        report.len = strlen(n->waits_text);
        f->report(f->arg, &report);
    }
    if (n->over) {
        report.kind = MST_REPORT_ENDED;
        report.unseen = !n->seen;
        report.exit_status = n->exit_status;
        report.exit_signal = n->exit_signal;
        report.text = n->verdict[0] != '\0' ? n->verdict : NULL;
        report.len = strlen(n->verdict);
        report.oom = n->oom;
        report.limit = n->limit[0] != '\0' ? n->limit : NULL;
        report.last_line = n->last_line[0] != '\0' ? n->last_line : NULL;
        f->report(f->arg, &report);
    }
}

static void hear(void *arg, uint32_t events)
{
    mst_fleet *f = (mst_fleet *)arg;
    eventfd_t count;
    news n;

    (void)events;
    (void)eventfd_read(f->wake_fd, &count);
    while (take(f, &n))
        tell(f, &n);
}

/* -------------------------------------------------------- begin and end -- */

static void closing(mst_launcher *self)
{
    mst_fleet *f = (mst_fleet *)self;

    pthread_mutex_lock(&f->lock);
    f->closing = true;
    pthread_mutex_unlock(&f->lock);
}

static void free_all(mst_fleet *f)
{
    mst_fleet_pod *p;
    mst_fleet_secret *s;

    while ((p = TAILQ_FIRST(&f->all)) != NULL) {
        TAILQ_REMOVE(&f->all, p, of_all);
        mst_shelf_drop(&f->cookies, &p->cookie);
        mst_free(p);
    }
    while ((s = TAILQ_FIRST(&f->secrets)) != NULL) {
        TAILQ_REMOVE(&f->secrets, s, link);
        mst_free(s);
    }
    mst_free(f->by_rank);
    mst_plan_destroy(&f->plan);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->work);
    mst_free(f);
}

/* What the desk is at may end, but not hold us up. */
static void stop_desk(mst_fleet *f)
{
    const int64_t until = mst_until_ms(PATIENCE_MS);

    pthread_mutex_lock(&f->lock);
    f->closing = f->stop = true;
    pthread_cond_broadcast(&f->work);
    while (!f->finishing && mst_now_ms() < until)
        mst_cond_wait_until(&f->work, &f->lock, until);
    if (!f->finishing) {
        f->cut_off = true;
        mst_kube_http_stop(f->plan->http);
    }
    pthread_mutex_unlock(&f->lock);
}

static void destroy(mst_launcher **self)
{
    mst_fleet *f = (mst_fleet *)*self;

    *self = NULL;
    if (f->has_desk) {
        stop_desk(f);
        pthread_join(f->desk, NULL); /* it has deleted everything */
    }
    mst_poll_del(f->poll, &f->wake);
    if (f->wake_fd >= 0)
        close(f->wake_fd);
    free_all(f);
}

/* A plan that names an address says what to bind: nothing wider. */
static void set_base(mst_fleet *f)
{
    f->base = (mst_launcher){.name = "k8s",
                             .knows_nodes = true,
                             .descriptors = 2,
                             .again_ms = AGAIN_MS,
                             .story_ms = STORY_MS,
                             .start = start,
                             .commit = commit,
                             .end = end,
                             .ready = ready,
                             .flow = flow,
                             .closing = closing,
                             .destroy = destroy};
    if (f->plan->address[0] != '\0')
        f->base.listen = f->plan->address;
}

/* Threads and descriptors; with a plan. */
static muster_err begin(mst_fleet *f, muster_error *err)
{
    muster_err rc;

    set_base(f);
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->wake_fd < 0)
        return mst_fail_sys(err, errno, "eventfd");
    rc = mst_poll_add(f->poll, &f->wake, f->wake_fd, EPOLLIN, err);
    if (rc != MUSTER_OK)
        return rc;
    f->has_desk = pthread_create(&f->desk, NULL, mst_fleet_desk, f) == 0;
    return f->has_desk
               ? MUSTER_OK
               : mst_fail_sys(err, EAGAIN, "a thread for the API server");
}

muster_err mst_kube_create(mst_launcher **launcher, mst_poll *poll,
                           mst_log *log, const mst_plan_setup *setup,
                           mst_report_fn report, void *arg, muster_error *err)
{
    mst_fleet *f = mst_calloc(1, sizeof(*f));
    muster_err rc;

    if (f == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
    f->poll = poll;
    f->log = log;
    f->report = report;
    f->arg = arg;
    f->wake_fd = -1;
    f->wake = (mst_watch){hear, f, -1};
    TAILQ_INIT(&f->all);
    TAILQ_INIT(&f->create);
    TAILQ_INIT(&f->queue);
    TAILQ_INIT(&f->news);
    TAILQ_INIT(&f->secrets);
    pthread_mutex_init(&f->lock, NULL);
    mst_cond_init(&f->work);
    f->base.destroy = destroy;
    *launcher = &f->base;
    rc = mst_plan_create(setup, log, &f->plan, err);
    if (rc == MUSTER_OK)
        rc = begin(f, err);
    if (rc != MUSTER_OK)
        destroy(launcher);
    return rc;
}
