/* future.c - what handlers see of calls of their own. */
#include <string.h>

#include "asking.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "call/reply.h"

/* With the lock: one more would be more than may be outstanding. */
static bool is_full(const muster *m, const muster_future *f)
{
    return !m->closed && !mst_asked_fits(&m->asked, f->depth, f->bytes);
}

/* With the lock; leaves it. What is outstanding may need our place to end. */
static void wait_for_room(muster *m, muster_future *f)
{
    pthread_mutex_unlock(&m->lock);
    mst_loop_leave();
    pthread_mutex_lock(&m->lock);
    while (!f->late && is_full(m, f))
        f->late = !mst_cond_wait_until(&m->room, &m->lock, f->until_ms);
}

/* Hand it to the loop, when there is room; false: this worker ends. */
static bool enter(muster *m, muster_future *f)
{
    bool open, waits;

    pthread_mutex_lock(&m->lock);
    waits = is_full(m, f);
    if (waits)
        wait_for_room(m, f);
    open = !m->closed;
    if (open) {
        /* with the lock: close finds it in the inbox */
        open = mst_loop_post(&m->w->loop, &f->start, false);
        if (open)
            mst_asked_add(&m->asked, f->depth, f->bytes);
    }
    pthread_mutex_unlock(&m->lock);
    if (waits)
        mst_loop_enter();
    return open;
}

static muster_err check(const muster *m, const char *name, const void *body,
                        size_t len, muster_error *err)
{
    const size_t n = name != NULL ? strlen(name) : 0;
    const muster_ctx *ctx = mst_executor_ctx();

    if (m == NULL)
        return mst_fail(err, MUSTER_ENOTMANAGER,
                        "this is a worker; its muster is muster_ctx_muster");
    if (n == 0 || n > MST_WIRE_NAME)
        return mst_fail(err, MUSTER_EINVAL,
                        "a handler's name has 1 to %u bytes", MST_WIRE_NAME);
    if (body == NULL && len > 0)
        return mst_fail(err, MUSTER_EINVAL, "no request, but %zu bytes of it",
                        len);
    if (ctx != NULL && ctx->depth >= MST_DEPTH_MAX)
        return mst_fail(err, MUSTER_EDEPTH,
                        "calls within calls, more than %u deep", MST_DEPTH_MAX);
    return MUSTER_OK;
}

/* No more time than the handler that asks has left. */
static int64_t deadline(const muster_ctx *ctx, int64_t timeout_ms)
{
    int64_t until =
        timeout_ms == MUSTER_DEFAULT_MS ? MST_NEVER : mst_until_ms(timeout_ms);

    if (ctx != NULL && ctx->until_ms < until)
        until = ctx->until_ms;
    return until;
}

static muster_err make(muster *m, uint32_t rank, const char *name,
                       const void *body, size_t len, int64_t timeout_ms,
                       bool post, muster_future **future, muster_error *err)
{
    const muster_ctx *ctx = mst_executor_ctx();
    muster_err rc = check(m, name, body, len, err);
    muster_future *f;

    if (rc != MUSTER_OK)
        return rc;
    f = mst_pool_alloc(m->w->pool, sizeof(*f) + strlen(name) + 1);
    if (f != NULL) {
        memset(f, 0, sizeof(*f));
        f->payload = mst_payload_copy_in(m->w->pool, body, len);
    }
    if (f == NULL || f->payload == NULL) {
        mst_pool_free(m->w->pool, f);
        return mst_fail(err, MUSTER_ENOMEM, "no memory for a call of %s", name);
    }
    f->name_len = strlen(name);
    memcpy(f->name, name, f->name_len + 1);
    f->m = m;
    f->target = rank;
    f->rank = rank;
    f->bytes = len;
    f->post = post;
    f->by = ctx != NULL ? ctx->call : 0;
    f->ctx = ctx; /* its handler's end comes to the loop behind this */
    f->depth = ctx != NULL ? (uint16_t)(ctx->depth + 1) : 1;
    f->until_ms = deadline(ctx, timeout_ms);
    f->start.run = mst_future_begin;
    atomic_init(&f->refs, 2);
    mst_await_init(&f->await);
    if (!enter(m, f)) {
        atomic_store(&f->refs, 1);
        mst_future_unref(f);
        return mst_fail(err, MUSTER_ECLOSED, "this worker is ending");
    }
    *future = f;
    return MUSTER_OK;
}

muster_err muster_call_start(muster *m, uint32_t rank, const char *name,
                             const void *body, size_t len, int64_t timeout_ms,
                             muster_future **future, muster_error *err)
{
    return make(m, rank, name, body, len, timeout_ms, false, future, err);
}

muster_err muster_post(muster *m, uint32_t rank, const char *name,
                       const void *body, size_t len, muster_error *err)
{
    muster_future *f = NULL;
    muster_err rc =
        make(m, rank, name, body, len, MUSTER_FOREVER, true, &f, err);

    muster_future_destroy(&f);
    return rc;
}

muster_err muster_call(muster *m, uint32_t rank, const char *name,
                       const void *body, size_t len, int64_t timeout_ms,
                       muster_reply **reply, muster_error *err)
{
    muster_future *f = NULL;
    muster_err rc = make(m, rank, name, body, len, timeout_ms, false, &f, err);

    if (f != NULL)
        rc = muster_future_result(f, reply, err);
    muster_future_destroy(&f);
    return rc;
}

bool muster_future_wait(muster_future *f, int64_t timeout_ms)
{
    return mst_loop_await(&f->m->w->loop, &f->await, mst_until_ms(timeout_ms),
                          false);
}

typedef struct several {
    muster_future *const *futures;
    size_t n, which;
} several;

static bool one_is_done(void *arg)
{
    several *s = (several *)arg;

    for (s->which = 0; s->which < s->n; s->which++)
        if (s->futures[s->which] != NULL && s->futures[s->which]->await.done)
            return true;
    return false;
}

size_t muster_future_wait_any(muster_future *const *futures, size_t n,
                              int64_t timeout_ms)
{
    several s = {futures, n, n};

    for (size_t i = 0; i < n; i++)
        if (futures[i] != NULL) {
            muster *m = futures[i]->m;

            mst_loop_wait_for(&m->w->loop, &m->any, one_is_done, &s,
                              mst_until_ms(timeout_ms));
            break;
        }
    return s.which;
}

muster_err muster_future_result(muster_future *f, muster_reply **reply,
                                muster_error *err)
{
    muster_reply *r;

    muster_future_wait(f, MUSTER_FOREVER);
    if (f->error.code != MUSTER_OK) {
        if (err != NULL)
            *err = f->error;
        return f->error.code;
    }
    if (reply == NULL)
        return MUSTER_OK;
    if (f->taken)
        return mst_fail(err, MUSTER_EINVAL, "the reply was taken already");
    r = mst_reply_create(f->m->w->pool, &f->data, f->len, f->rank);
    if (r == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a reply");
    f->taken = true;
    *reply = r;
    return MUSTER_OK;
}

void muster_future_cancel(muster_future *f)
{
    if (atomic_exchange(&f->canceling, true))
        return;
    atomic_fetch_add(&f->refs, 1);
    f->cancel.run = mst_future_cancel;
    if (!mst_loop_post(&f->m->w->loop, &f->cancel, false))
        mst_future_unref(f);
}

/* The handler is another's to interrupt; here nobody waits any more. */
void muster_future_interrupt(muster_future *f, int64_t signal_ms,
                             int64_t end_ms)
{
    (void)signal_ms;
    (void)end_ms;
    muster_future_cancel(f);
}

void muster_future_destroy(muster_future **future)
{
    if (*future != NULL)
        mst_future_unref(*future);
    *future = NULL;
}

const char *muster_session(const muster *m)
{
    return m != NULL ? m->w->cookie.session : "";
}
