/* open.c - a session begins and ends. */
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "call/module.h"
#include "call/registry.h"
#include "launch/join.h"
#include "launch/kube/kube.h"
#include "launch/local.h"
#include "session/session.h"

#define KILL_MS 2000 /* for the kernel to end what was killed */

bool muster_is_k8s(void)
{
    return getenv("KUBERNETES_SERVICE_HOST") != NULL &&
           getenv("KUBERNETES_SERVICE_PORT") != NULL;
}

int64_t mst_deadline(const muster *m, int64_t timeout_ms)
{
    return mst_until_ms(timeout_ms == MUSTER_DEFAULT_MS
                            ? m->options.call_timeout_ms
                            : timeout_ms);
}

const char *muster_endpoint(const muster *m)
{
    return m->cookie.addresses[0];
}

const char *muster_session(const muster *m)
{
    return m->session;
}

/* ------------------------------------------------------------- options -- */

static muster_err check_options(const muster_options *o, muster_error *err)
{
    mst_bulking bulking;
    mst_relaying relaying;

    if (o->bytes != sizeof(*o))
        return mst_fail(err, MUSTER_EINVAL,
                        "options of %zu bytes, not %zu: start from "
                        "MUSTER_OPTIONS_INIT of this release",
                        o->bytes, sizeof(*o));
    if (o->threads < 1 || o->threads > 1024)
        return mst_fail(err, MUSTER_EINVAL, "threads must be 1 to 1024, not %u",
                        o->threads);
    if (o->serve_threads < 1 || o->serve_threads > 1024)
        return mst_fail(err, MUSTER_EINVAL,
                        "serve_threads must be 1 to 1024, not %u",
                        o->serve_threads);
    if (o->heartbeat_timeout_ms != 0 &&
        (o->heartbeat_timeout_ms < 200 || o->heartbeat_timeout_ms > INT_MAX))
        return mst_fail(err, MUSTER_EINVAL,
                        "heartbeat_timeout_ms must be 0 or 200 to %d, not %lld",
                        INT_MAX, (long long)o->heartbeat_timeout_ms);
    if (o->grace_ms < 0 || o->grace_ms > INT_MAX)
        return mst_fail(err, MUSTER_EINVAL,
                        "grace_ms must be 0 to %d, not %lld", INT_MAX,
                        (long long)o->grace_ms);
    if (o->pending_timeout_ms == 0)
        return mst_fail(err, MUSTER_EINVAL,
                        "pending_timeout_ms must not be 0: nothing is ready "
                        "at once");
    if (!mst_bulking_parse(o->bulk, &bulking))
        return mst_fail(err, MUSTER_EINVAL,
                        "bulk must be auto, sealed, plain or off, not %.32s",
                        o->bulk);
    if (!mst_relaying_parse(o->relay, &relaying))
        return mst_fail(err, MUSTER_EINVAL,
                        "relay must be auto, off or always, not %.32s",
                        o->relay);
    if ((unsigned)o->launcher > MUSTER_LAUNCHER_JOIN)
        return mst_fail(err, MUSTER_EINVAL, "there is no launcher %d",
                        (int)o->launcher);
    return MUSTER_OK;
}

/* As many descriptors as we may have: each worker takes six. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---------------------------------------------------------------- open -- */

static bool work(void *arg)
{
    muster *m = (muster *)arg;
    /* a lone call goes out first; several share messages with what follows */
    const bool sent = m->pending.n == 1 && mst_link_flush(m);
    const bool heard = mst_hub_work(&m->hub);
    const bool started = mst_starting_work(m);

    return mst_link_flush(m) || started || heard || sent;
}

static void resume_output(mst_cmd *cmd, void *arg)
{
    muster *m = (muster *)arg;

    mst_free(cmd);
    mst_tell_resume(m);
}

/* Any thread: the sink of output has caught up. */
static void on_drained(void *arg)
{
    muster *m = (muster *)arg;
    mst_cmd *cmd = mst_calloc(1, sizeof(*cmd));

    if (cmd == NULL)
        return; /* it stays slow: the next time will do */
    cmd->run = resume_output;
    if (!mst_loop_post(&m->loop, cmd, false))
        mst_free(cmd);
}

static void keep(void *key)
{
    (void)key; /* it lies in a member */
}

static void destroy(muster *m)
{
    mst_member *w;

    tdestroy(m->by_key, keep);
    while ((w = TAILQ_FIRST(&m->all)) != NULL) {
        TAILQ_REMOVE(&m->all, w, of_all);
        mst_member_free(w);
    }
    mst_free(m->members);
    mst_free(m->spent);
    if (m->self != NULL)
        mst_member_free(m->self);
    mst_shipments_free(m);
    mst_bulking_fini(m);
    mst_served_free(m);
    mst_channels_free(m);
    mst_blobs_fini(&m->blobs);
    mst_pending_fini(&m->pending);
    mst_root_destroy(&m->root);
    mst_await_fini(&m->any);
    mst_loop_fini(&m->loop);
    mst_notify_fini(&m->notify);
    mst_log_fini(&m->log);
    mst_pool_unref(&m->pool);
    mst_free(m);
}

void mst_session_ref(muster *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

void mst_session_unref(muster *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        destroy(m);
}

static muster *create(const muster_options *options)
{
    muster *m = mst_calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->pool = mst_pool_create();
    if (m->pool == NULL) {
        mst_free(m);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    m->options = *options;
    (void)mst_bulking_parse(options->bulk, &m->bulking);    /* it was checked */
    (void)mst_relaying_parse(options->relay, &m->relaying); /* so was this */
    m->relays.fn = mst_relaying_tick;
    m->relays.arg = m;
    TAILQ_INIT(&m->all);
    TAILQ_INIT(&m->to_start);
    TAILQ_INIT(&m->dirty);
    TAILQ_INIT(&m->shipments);
    TAILQ_INIT(&m->launchings);
    TAILQ_INIT(&m->removings);
    TAILQ_INIT(&m->mappings);
    TAILQ_INIT(&m->served);
    TAILQ_INIT(&m->inner);
    mst_blobs_init(&m->blobs);
    m->loop.inbox.wake_fd = -1;
    mst_log_init(&m->log, options->log_level, options->on_log, options->arg);
    mst_notify_init(&m->notify, on_drained, m);
    mst_await_init(&m->any);
    mst_bulking_init(m);
    m->tick.fn = mst_link_tick;
    m->tick.arg = m;
    m->strangers.fn = mst_strangers_tick;
    m->strangers.arg = m;
    m->hub.calls = mst_link_calls;
    m->hub.arg = m;
    m->hub.log = &m->log;
    return m;
}

static muster_err open_launcher(muster *m, const muster_options *o,
                                muster_error *err)
{
    const mst_plan_setup setup = {o->kube, m->session, o->worker, o->env,
                                  o->grace_ms};
    char path[PATH_MAX];
    muster_err rc;

    if (o->launcher == MUSTER_LAUNCHER_K8S ||
        (o->launcher == MUSTER_LAUNCHER_AUTO && muster_is_k8s()))
        return mst_kube_create(&m->launcher, &m->loop.poll, &m->log, &setup,
                               mst_session_report, m, err);
    if (o->launcher == MUSTER_LAUNCHER_JOIN) {
        snprintf(path, sizeof(path), "muster-%.8s", m->session);
        return mst_join_create(&m->launcher, &m->loop.poll, &m->log,
                               o->join_dir != NULL ? o->join_dir : path,
                               mst_session_report, m, err);
    }
    rc = mst_local_find(o->worker, path, err);
    if (rc != MUSTER_OK)
        return rc;
    return mst_local_create(&m->launcher, &m->loop.poll, &m->log, path, o->env,
                            mst_session_report, m, err);
}

static muster_err open_all(muster *m, const muster_options *o,
                           muster_error *err)
{
    muster_err rc = mst_root_create(&m->root, err);

    if (rc != MUSTER_OK)
        return rc;
    randombytes_buf(m->session_id, sizeof(m->session_id));
    sodium_bin2hex(m->session, sizeof(m->session), m->session_id,
                   sizeof(m->session_id));
    raise_descriptor_limit();
    rc = mst_loop_init(&m->loop, work, m, err);
    if (rc == MUSTER_OK)
        rc = open_launcher(m, o, err);
    if (rc == MUSTER_OK)
        rc = mst_hub_open(&m->hub, &m->loop.poll, mst_listen(m, o), o->port,
                          o->heartbeat_timeout_ms, mst_root_manager(m->root),
                          err);
    if (rc == MUSTER_OK) {
        mst_bulking_open(m, mst_listen(m, o));
        rc = mst_addresses(m, o->advertise, err);
    }
    if (rc == MUSTER_OK) /* handlers that the program itself has */
        rc = mst_registry_collect("the program", NULL, err);
    m->self = mst_member_self(m);
    if (rc == MUSTER_OK && m->self == NULL)
        rc = mst_fail(err, MUSTER_ENOMEM, "open");
    m->last_tick_ms = mst_now_ms();
    if (rc == MUSTER_OK &&
        (!mst_loop_time(&m->loop, &m->tick, m->last_tick_ms) ||
         !mst_loop_time(&m->loop, &m->strangers, m->last_tick_ms)))
        rc = mst_fail(err, MUSTER_ENOMEM, "open");
    return rc == MUSTER_OK ? mst_loop_start(&m->loop, err) : rc;
}

static void close_all(muster *m)
{
    /* a thread cannot be taken away: handlers here have to return */
    if (m->has_executor)
        mst_executor_stop(&m->executor, MST_NEVER);
    mst_loop_stop(&m->loop);
    if (m->launcher != NULL)
        m->launcher->destroy(&m->launcher);
    mst_hub_close(&m->hub, &m->loop.poll);
    mst_bulking_close(m);
    mst_notify_stop(&m->notify);
}

muster_err muster_open(const muster_options *options, muster **out,
                       muster_error *err)
{
    const muster_options defaults = MUSTER_OPTIONS_INIT;
    const muster_options *o = options != NULL ? options : &defaults;
    muster *m;
    muster_err rc = check_options(o, err);

    if (rc != MUSTER_OK)
        return rc;
    m = create(o);
    if (m == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "open");
    rc = open_all(m, o, err);
    for (size_t i = 0;
         rc == MUSTER_OK && o->modules != NULL && o->modules[i] != NULL; i++)
        rc = muster_module_load(m, o->modules[i], err);
    if (rc != MUSTER_OK) {
        close_all(m);
        mst_session_unref(m);
        return rc;
    }
    *out = m;
    return MUSTER_OK;
}

/* --------------------------------------------------------------- close -- */

void mst_session_settled(muster *m)
{
    mst_member *from = m->unsettled, *w;

    if (m->all_ended == NULL)
        return;
    /* begins with the one that was to be waited for the last time */
    if (from == NULL)
        from = TAILQ_FIRST(&m->all);
    for (w = from; w != NULL;) {
        m->unsettled = w;
        /* it has ended, but its last words are not read yet */
        if (w->process || (w->ended && !mst_life_over(w->state)))
            return;
        w = TAILQ_NEXT(w, of_all);
        if (w == NULL)
            w = TAILQ_FIRST(&m->all);
        if (w == from)
            break;
    }
    mst_loop_done(&m->loop, m->all_ended);
    m->all_ended = NULL;
}

static void do_shutdown(muster *m)
{
    static const char meanwhile[] = "the runtime was closed meanwhile";
    mst_member *w;

    if (m->closing)
        return;
    m->closing = true;
    if (m->launcher->closing != NULL)
        m->launcher->closing(m->launcher);
    mst_starting_abort(m, MUSTER_ECLOSED, meanwhile);
    mst_removing_abort(m);
    mst_mappings_stop(m, MUSTER_ECLOSED);
    mst_calls_end(m, false, MUSTER_ECLOSED, meanwhile);
    TAILQ_FOREACH (w, &m->all, of_all)
        mst_stop_member(w, MST_STOP_NOW);
}

static void shutdown_only(muster *m, void *arg)
{
    (void)arg;
    do_shutdown(m);
}

static void shutdown_and_tell(muster *m, void *arg)
{
    do_shutdown(m);
    m->all_ended = (mst_await *)arg;
    mst_session_settled(m);
}

static void kill_the_rest(muster *m, void *arg)
{
    mst_member *w;

    (void)arg;
    TAILQ_FOREACH (w, &m->all, of_all)
        if (w->process)
            m->launcher->end(m->launcher, w->rank, w->incarnation,
                             MST_END_KILL);
}

static void forget_await(muster *m, void *arg)
{
    (void)arg;
    m->all_ended = NULL;
}

void muster_shutdown(muster *m)
{
    mst_session_run(m, shutdown_only, NULL);
}

void muster_close(muster **mp)
{
    muster *m = mp != NULL ? *mp : NULL;
    mst_await ended;

    if (m == NULL)
        return;
    if (mst_notify_here(&m->notify) || mst_executor_ctx() != NULL) {
        mst_log_line(&m->log, MUSTER_LOG_ERROR, "CLOSE-IN-CALLBACK",
                     "muster_close from a callback or a handler would wait for "
                     "itself");
        return;
    }
    *mp = NULL;
    mst_await_init(&ended);
    mst_session_run(m, shutdown_and_tell, &ended);
    /* a worker needs some moments more than its handlers have */
    if (!mst_loop_await(&m->loop, &ended,
                        mst_until_ms(m->options.grace_ms + 300), false)) {
        mst_session_run(m, kill_the_rest, NULL);
        mst_loop_await(&m->loop, &ended, mst_until_ms(KILL_MS), false);
        mst_session_run(m, forget_await, NULL);
    }
    mst_await_fini(&ended);
    close_all(m);
    mst_session_unref(m);
}

/* ----------------------------------------------------------- run there -- */

typedef struct run_there {
    mst_cmd cmd;
    mst_await await;
    void (*fn)(muster *m, void *arg);
    void *arg;
} run_there;

static void do_run(mst_cmd *cmd, void *arg)
{
    run_there *r = MST_OF(run_there, cmd, cmd);
    muster *m = (muster *)arg;

    r->fn(m, r->arg);
    mst_loop_done(&m->loop, &r->await);
}

bool mst_session_run(muster *m, void (*fn)(muster *m, void *arg), void *arg)
{
    run_there r = {.cmd = {.run = do_run}, .fn = fn, .arg = arg};
    bool ran;

    mst_session_ref(m);
    mst_await_init(&r.await);
    ran = mst_loop_post(&m->loop, &r.cmd, true);
    if (ran)
        mst_loop_await(&m->loop, &r.await, MST_NEVER, true);
    mst_await_fini(&r.await);
    mst_session_unref(m);
    return ran;
}
