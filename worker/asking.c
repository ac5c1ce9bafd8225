/* asking.c - calls of our handlers' own: to the manager, and through it to
 * any worker. The manager keeps the deadline and answers each call exactly
 * once, over cuts, too; only our own end answers here, or a manager that had
 * to forget us. */
#include "asking.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"

void mst_future_unref(muster_future *f)
{
    mst_pool *pool;

    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    pool = f->m->w->pool;
    mst_payload_unref(&f->payload);
    mst_pool_free(pool, f->data);
    mst_await_fini(&f->await);
    mst_pool_free(pool, f);
}

static void call_off(muster_future *f);

/* The outcome goes to the task that waits, and with it the task's future. */
static void inherit(muster_future *f)
{
    mst_task *task = f->heir;

    f->heir = NULL;
    task->waits = NULL;
    mst_worker_passed(task, &f->error, &f->data, f->len);
    mst_future_unref(f);
}

void mst_asking_pass(muster_future **future, mst_task *task)
{
    muster_future *f = *future;

    *future = NULL;
    f->heir = task;
    task->waits = f;
    if (f->await.done)
        inherit(f);
}

void mst_asking_unpass(mst_task *task)
{
    muster_future *f = task->waits;

    task->waits = NULL;
    f->heir = NULL;
    call_off(f);
    mst_future_unref(f);
}

/* Exactly once for each call. */
static void finish(muster_future *f, muster_err code, int remote,
                   const char *text, size_t len)
{
    muster *m = f->m;

    f->error.code = code;
    if (code != MUSTER_OK)
        mst_fail(&f->error, code, "%.*s", (int)len, text);
    f->error.remote = remote;
    f->error.rank = code != MUSTER_OK ? f->rank : 0;
    if (f->id != 0)
        mst_pending_remove(&m->pending, f->id & ~MST_ID_WORKER);
    f->id = 0;
    if (f->out.queued)
        mst_lane_drop(&m->w->dial.lane, &f->out);
    mst_incoming_forget(&f->in);
    mst_payload_unref(&f->payload);
    pthread_mutex_lock(&m->lock);
    mst_asked_remove(&m->asked, f->depth, f->bytes);
    pthread_cond_broadcast(&m->room);
    pthread_mutex_unlock(&m->lock);
    mst_loop_done(&m->w->loop, &f->await);
    mst_loop_done(&m->w->loop, &m->any);
    if (f->heir != NULL)
        inherit(f);
    mst_future_unref(f);
}

static void finish_text(muster_future *f, muster_err code, const char *text)
{
    finish(f, code, 0, text, strlen(text));
}

static void call_head(mst_out *out, mst_record *record)
{
    const muster_future *f = MST_OF(muster_future, out, out);

    record->kind = MST_CALL;
    record->flags = f->post ? MST_FLAG_POST : 0;
    record->remaining_ms = MST_WIRE_NO_DEADLINE;
    if (f->until_ms != MST_NEVER) {
        const int64_t left = f->until_ms - mst_now_ms();

        record->remaining_ms = left > 0 ? (uint64_t)left : 0;
    }
    record->count = 1;
    record->peer = f->target;
    record->depth = f->depth;
    record->text = (mst_span){f->name, f->name_len};
}

void mst_future_begin(mst_cmd *cmd, void *worker)
{
    muster_future *f = MST_OF(muster_future, start, cmd);
    mst_worker *w = (mst_worker *)worker;

    if (w->asking.closed) {
        finish_text(f, MUSTER_ECLOSED, "this worker is ending");
    } else if (f->ctx != NULL && atomic_load(&f->ctx->canceled)) {
        finish_text(f, MUSTER_ECANCELED, "its handler was cancelled");
    } else if (f->late) {
        finish_text(f, MUSTER_ETIMEOUT,
                    "too many calls of this worker were outstanding until the "
                    "deadline");
    } else {
        f->id = mst_pending_add(&w->asking.pending, f) | MST_ID_WORKER;
        if (f->id == MST_ID_WORKER) {
            f->id = 0;
            finish_text(f, MUSTER_ENOMEM, "no memory for another call");
            return;
        }
        f->out.head = call_head;
        f->out.payload = f->payload;
        f->out.id = f->id;
        f->out.window = MST_WINDOW_PASSING;
        mst_lane_queue(&w->dial.lane, &f->out);
    }
}

static muster_future *find(const mst_worker *w, uint64_t id)
{
    return (id & MST_ID_WORKER) == 0
               ? NULL
               : mst_pending_get(&w->asking.pending, id & ~MST_ID_WORKER);
}

/* The bytes of a result are all there, or there was no memory for them. */
static void complete(mst_worker *w, muster_future *f)
{
    w->asking.incoming = NULL;
    f->len = (size_t)w->dial.lane.in.total;
    f->data = mst_assembly_take(&w->dial.lane.in);
    if (f->data != NULL)
        finish_text(f, MUSTER_OK, "");
    else
        finish_text(f, MUSTER_ENOMEM, "no memory for the result");
}

static void arrived(mst_incoming *in)
{
    muster_future *f = (muster_future *)in->owner;

    f->len = (size_t)in->total;
    f->data = mst_incoming_take(in);
    finish_text(f, MUSTER_OK, "");
}

/* The bytes of a result come apart from it. */
static bool expect(mst_worker *w, muster_future *f, const mst_record *r)
{
    muster_err rc;

    if (f->in != NULL || r->code != MUSTER_OK)
        return false;
    f->rank = r->peer;
    if (mst_incoming_expect(&w->carrier, r, 0, &f->in, &rc)) {
        f->in->owner = f;
        f->in->arrived = arrived;
    } else if (rc == MUSTER_ENOMEM) {
        finish_text(f, rc, "no memory for the result");
    } else {
        return false;
    }
    mst_pipe_resume(&w->carrier.pipe);
    return true;
}

void mst_asking_abort(mst_worker *w, const mst_record *r)
{
    muster_future *f = find(w, r->id);

    if (f == NULL)
        return;
    if ((r->flags & MST_FLAG_AGAIN) != 0)
        mst_incoming_abort(&f->in);
    else
        finish_text(f, MUSTER_ENOMEM,
                    "the manager has no memory for another call");
}

/* It was here already, and comes again by the lane. */
static bool pass_over(mst_worker *w, const mst_record *r)
{
    if (mst_assembly_begin(&w->dial.lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO)
        return false;
    mst_lane_earn(&w->dial.lane, MST_WINDOW_PASSING,
                  mst_wire_cost(r->body.len));
    mst_assembly_forget(&w->dial.lane.in, r->id);
    return true;
}

bool mst_asking_result(mst_worker *w, const mst_record *r)
{
    muster_future *f = find(w, r->id);

    if (f == NULL && (r->flags & MST_FLAG_RETRY) != 0)
        return pass_over(w, r);
    if (f == NULL || f->in != NULL || (f->out.queued && !f->out.retry))
        return false;
    if ((r->flags & MST_FLAG_BULK) != 0)
        return expect(w, f, r);
    if (mst_assembly_begin(&w->dial.lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO)
        return false;
    mst_lane_earn(&w->dial.lane, MST_WINDOW_PASSING,
                  mst_wire_cost(r->body.len));
    f->rank = r->peer;
    if (r->code != MUSTER_OK) {
        mst_assembly_forget(&w->dial.lane.in, r->id);
        finish(f,
               r->code < MUSTER_ERRORS ? (muster_err)r->code : MUSTER_EREMOTE,
               (int)r->remote, r->text.at, r->text.len);
    } else if (w->dial.lane.in.open) {
        w->asking.incoming = f;
    } else {
        complete(w, f);
    }
    return true;
}

bool mst_asking_chunk(mst_worker *w, const mst_record *r)
{
    if (mst_assembly_add(&w->dial.lane.in, r->id, r->offset, r->body.at,
                         r->body.len) != MUSTER_OK)
        return false;
    mst_lane_earn(&w->dial.lane, MST_WINDOW_PASSING,
                  mst_wire_cost(r->body.len));
    if (!w->dial.lane.in.open && w->asking.incoming != NULL)
        complete(w, w->asking.incoming);
    return true;
}

/* The manager answers it, with this or with what came first. */
static void call_off(muster_future *f)
{
    const mst_record cancel = {.kind = MST_CANCEL, .id = f->id};

    if (f->id == 0)
        return;
    if (f->out.queued && f->out.flow == NULL && !f->out.retry)
        finish_text(f, MUSTER_ECANCELED, "cancelled");
    else /* it knows of the call */
        mst_lane_put(&f->m->w->dial.lane, &cancel);
}

void mst_future_cancel(mst_cmd *cmd, void *worker)
{
    muster_future *f = MST_OF(muster_future, cancel, cmd);

    (void)worker;
    call_off(f);
    mst_future_unref(f);
}

void mst_asking_canceled(mst_worker *w, uint64_t by)
{
    mst_pending *table = &w->asking.pending;

    for (uint32_t i = 0; table->n > 0 && i < table->room; i++) {
        muster_future *f = (muster_future *)table->slots[i].item;

        if (f != NULL && f->by == by)
            call_off(f);
    }
}

void mst_asking_lost(mst_worker *w, muster_err code, const char *why)
{
    muster_future *f;

    w->asking.incoming = NULL;
    while ((f = mst_pending_any(&w->asking.pending)) != NULL)
        finish_text(f, code, why);
}

void mst_asking_init(mst_worker *w)
{
    muster *m = &w->asking;

    m->w = w;
    pthread_mutex_init(&m->lock, NULL);
    mst_cond_init(&m->room);
    mst_await_init(&m->any);
}

void mst_asking_close(mst_worker *w)
{
    muster *m = &w->asking;

    pthread_mutex_lock(&m->lock);
    m->closed = true;
    pthread_cond_broadcast(&m->room);
    pthread_mutex_unlock(&m->lock);
    mst_inbox_run(&w->loop.inbox, w);
    mst_asking_lost(w, MUSTER_ECLOSED, "this worker is ending");
}

void mst_asking_fini(mst_worker *w)
{
    mst_pending_fini(&w->asking.pending);
    mst_await_fini(&w->asking.any);
    pthread_cond_destroy(&w->asking.room);
    pthread_mutex_destroy(&w->asking.lock);
}
