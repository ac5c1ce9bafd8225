/* future.c - calls that are waited for, now or later. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "call/reply.h"
#include "session/session.h"

struct muster_future {
    mst_call call;
    mst_cmd start, cancel, interrupt;
    mst_notice notice;
    mst_await await;
    muster *m;
    atomic_uint refs; /* the program's; the call's; cancel's and interrupt's;
                         the callback's */
    atomic_bool canceling, interrupting;
    uint32_t signal_ms, end_ms;
    uint32_t target;
    void (*heir)(void *arg, mst_call *outcome); /* loop only */
    void *heir_arg;
    bool taken;          /* the reply is with the program */
    muster_future_fn fn; /* guarded by m->loop.lock, as await.done is */
    void *arg;
    bool told; /* fn is on its way, or was called */
    char name[];
};

static void unref(muster_future *f)
{
    muster *m;

    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    m = f->m;
    mst_payload_unref(&f->call.payload);
    mst_call_fini(&f->call);
    mst_await_fini(&f->await);
    mst_pool_free(m->pool, f);
    mst_session_unref(m);
}

static void run_callback(mst_notice *notice, void *arg)
{
    muster_future *f = MST_OF(muster_future, notice, notice);

    (void)arg;
    f->fn(f->arg, f);
    unref(f);
}

/* The outcome and a callback are both there. On success the callback's
 * reference goes with it. */
static muster_err tell(muster_future *f)
{
    bool full;

    f->notice.run = run_callback;
    f->notice.bytes = 0;
    return mst_notify_post(&f->m->notify, &f->notice, &full);
}

static void inherit(muster_future *f)
{
    f->heir(f->heir_arg, &f->call);
    f->heir = NULL;
    unref(f);
}

static void call_done(mst_call *call)
{
    muster_future *f = MST_OF(muster_future, call, call);
    mst_loop *loop = &f->m->loop;
    bool callback;

    if (call->post && call->code != MUSTER_OK)
        mst_log_line(&f->m->log, MUSTER_LOG_WARN, "POST-FAILED",
                     "rank=%u handler=%s why=%s", call->rank, call->name,
                     call->text != NULL ? call->text : "no memory");
    mst_payload_unref(&call->payload);
    pthread_mutex_lock(&loop->lock);
    f->await.done = true;
    if (f->await.waiters > 0)
        pthread_cond_broadcast(&f->await.cond);
    if (f->m->any.waiters > 0)
        pthread_cond_broadcast(&f->m->any.cond);
    callback = f->fn != NULL && !f->told;
    if (callback)
        f->told = true;
    pthread_mutex_unlock(&loop->lock);
    if (callback && tell(f) != MUSTER_OK) {
        mst_log_line(&f->m->log, MUSTER_LOG_ERROR, "CALLBACK-DROPPED",
                     "no thread for callbacks");
        unref(f);
    }
    if (f->heir != NULL)
        inherit(f);
    unref(f);
}

void mst_future_pass(muster_future **future,
                     void (*fn)(void *arg, mst_call *outcome), void *arg)
{
    muster_future *f = *future;

    *future = NULL;
    f->heir = fn;
    f->heir_arg = arg;
    if (f->await.done) /* written on the loop only */
        inherit(f);
}

static void begin(mst_cmd *cmd, void *arg)
{
    muster_future *f = MST_OF(muster_future, start, cmd);

    mst_call_begin((muster *)arg, &f->call, f->target);
}

static muster_err check_call(const char *name, const void *body, size_t len,
                             muster_error *err)
{
    const size_t n = name != NULL ? strlen(name) : 0;

    if (n == 0 || n > MST_WIRE_NAME)
        return mst_fail(err, MUSTER_EINVAL,
                        "a handler's name has 1 to %u bytes", MST_WIRE_NAME);
    if (body == NULL && len > 0)
        return mst_fail(err, MUSTER_EINVAL, "no request, but %zu bytes of it",
                        len);
    return MUSTER_OK;
}

/* Make a future and hand it to the loop; takes *payload in any case. */
static muster_err make(muster *m, uint32_t rank, const char *name,
                       mst_payload **payload, int64_t until_ms, bool post,
                       bool soon, muster_future **future, muster_error *err)
{
    const size_t name_len = strlen(name);
    muster_future *f = mst_pool_alloc(m->pool, sizeof(*f) + name_len + 1);

    if (f == NULL || *payload == NULL) {
        mst_pool_free(m->pool, f);
        mst_payload_unref(payload);
        return mst_fail(err, MUSTER_ENOMEM, "no memory for a call of %s", name);
    }
    memset(f, 0, sizeof(*f));
    memcpy(f->name, name, name_len + 1);
    f->m = m;
    atomic_fetch_add(&m->refs, 1);
    f->target = rank;
    f->call.payload = MST_MOVE(*payload);
    f->call.name = f->name;
    f->call.name_len = name_len;
    f->call.origin = mst_origin_here();
    f->call.until_ms = mst_origin_until(until_ms);
    f->call.count = 1;
    f->call.post = post;
    f->call.done = call_done;
    f->call.rank = rank;
    atomic_init(&f->refs, 2);
    mst_await_init(&f->await);
    f->start.run = begin;
    if (!mst_loop_post(&m->loop, &f->start, soon)) {
        atomic_store(&f->refs, 1);
        unref(f);
        return mst_fail(err, MUSTER_ECLOSED, "the runtime is closed");
    }
    *future = f;
    return MUSTER_OK;
}

muster_err muster_call_start(muster *m, uint32_t rank, const char *name,
                             const void *body, size_t len, int64_t timeout_ms,
                             muster_future **future, muster_error *err)
{
    mst_payload *payload;
    muster_err rc = check_call(name, body, len, err);

    if (rc != MUSTER_OK)
        return rc;
    payload = mst_payload_copy_in(m->pool, body, len);
    return make(m, rank, name, &payload, mst_deadline(m, timeout_ms), false,
                false, future, err);
}

muster_err muster_post(muster *m, uint32_t rank, const char *name,
                       const void *body, size_t len, muster_error *err)
{
    mst_payload *payload;
    muster_future *f = NULL;
    muster_err rc = check_call(name, body, len, err);

    if (rc != MUSTER_OK)
        return rc;
    payload = mst_payload_copy_in(m->pool, body, len);
    rc = make(m, rank, name, &payload, MST_NEVER, true, false, &f, err);
    muster_future_destroy(&f);
    return rc;
}

muster_err muster_call(muster *m, uint32_t rank, const char *name,
                       const void *body, size_t len, int64_t timeout_ms,
                       muster_reply **reply, muster_error *err)
{
    mst_payload *payload;
    muster_future *f = NULL;
    muster_err rc = check_call(name, body, len, err);

    if (rc != MUSTER_OK)
        return rc;
    payload = mst_payload_borrow_in(m->pool, body, len);
    rc = make(m, rank, name, &payload, mst_deadline(m, timeout_ms), false, true,
              &f, err);
    if (f == NULL)
        return rc;
    mst_loop_await(&m->loop, &f->await, MST_NEVER, true);
    rc = muster_future_result(f, reply, err);
    muster_future_destroy(&f);
    return rc;
}

bool muster_future_wait(muster_future *f, int64_t timeout_ms)
{
    return mst_loop_await(&f->m->loop, &f->await, mst_until_ms(timeout_ms),
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
            mst_loop_wait_for(&futures[i]->m->loop, &futures[i]->m->any,
                              one_is_done, &s, mst_until_ms(timeout_ms));
            break;
        }
    return s.which;
}

muster_err muster_future_result(muster_future *f, muster_reply **reply,
                                muster_error *err)
{
    muster_reply *r;

    mst_loop_await(&f->m->loop, &f->await, MST_NEVER, false);
    if (f->call.code != MUSTER_OK) {
        mst_call_error(&f->call, err);
        return f->call.code;
    }
    if (reply == NULL)
        return MUSTER_OK;
    if (f->taken)
        return mst_fail(err, MUSTER_EINVAL, "the reply was taken already");
    r = mst_reply_create(f->m->pool, &f->call.data, f->call.len, f->call.rank);
    if (r == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a reply");
    f->taken = true;
    *reply = r;
    return MUSTER_OK;
}

static void do_cancel(mst_cmd *cmd, void *arg)
{
    muster_future *f = MST_OF(muster_future, cancel, cmd);

    (void)arg;
    mst_call_cancel(&f->call);
    unref(f);
}

void muster_future_cancel(muster_future *f)
{
    if (atomic_exchange(&f->canceling, true))
        return;
    atomic_fetch_add(&f->refs, 1);
    f->cancel.run = do_cancel;
    if (!mst_loop_post(&f->m->loop, &f->cancel, false))
        unref(f); /* closed: it has its outcome */
}

static void do_interrupt(mst_cmd *cmd, void *arg)
{
    muster_future *f = MST_OF(muster_future, interrupt, cmd);

    (void)arg;
    mst_interrupt_call(&f->call, f->signal_ms, f->end_ms);
    unref(f);
}

void muster_future_interrupt(muster_future *f, int64_t signal_ms,
                             int64_t end_ms)
{
    if (atomic_exchange(&f->interrupting, true))
        return;
    f->signal_ms = mst_interrupt_ms(signal_ms);
    f->end_ms = mst_interrupt_ms(end_ms);
    atomic_fetch_add(&f->refs, 1);
    f->interrupt.run = do_interrupt;
    if (!mst_loop_post(&f->m->loop, &f->interrupt, false))
        unref(f);
}

/* It is not called: there is nobody to do that any more. */
static void take_callback_back(muster_future *f)
{
    mst_loop *loop = &f->m->loop;

    pthread_mutex_lock(&loop->lock);
    f->fn = NULL;
    f->told = false;
    pthread_mutex_unlock(&loop->lock);
    unref(f);
}

muster_err muster_future_then(muster_future *f, muster_future_fn fn, void *arg)
{
    mst_loop *loop = &f->m->loop;
    muster_err rc = MUSTER_OK;
    bool now;

    pthread_mutex_lock(&loop->lock);
    if (fn == NULL || f->fn != NULL) {
        pthread_mutex_unlock(&loop->lock);
        return MUSTER_EINVAL;
    }
    f->fn = fn;
    f->arg = arg;
    atomic_fetch_add(&f->refs, 1);
    now = f->await.done; /* after the end of the runtime it always is */
    f->told = now;
    pthread_mutex_unlock(&loop->lock);
    if (now)
        rc = tell(f);
    if (rc != MUSTER_OK)
        take_callback_back(f);
    return rc;
}

void muster_future_destroy(muster_future **future)
{
    if (*future != NULL)
        unref(*future);
    *future = NULL;
}
