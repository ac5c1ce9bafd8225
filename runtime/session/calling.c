/* calling.c - one call: begun, answered, retired, delivered, in that order. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "session/session.h"

static void call_head(mst_out *out, mst_record *record)
{
    const mst_call *call = MST_OF(mst_call, out, out);

    record->kind = MST_CALL;
    record->flags = call->post ? MST_FLAG_POST : 0;
    record->remaining_ms = MST_WIRE_NO_DEADLINE;
    if (call->until_ms != MST_NEVER) {
        const int64_t left = call->until_ms - mst_now_ms();

        record->remaining_ms = left > 0 ? (uint64_t)left : 0;
    }
    record->size = atomic_load(&call->member->m->nready);
    record->index = call->index;
    record->count = call->count;
    record->peer = call->caller;
    record->depth = call->origin.depth;
    record->text = (mst_span){call->name, call->name_len};
}

/* A post is over once it is on its way; a late failure finds nobody. */
static void post_gone(mst_out *out)
{
    mst_call *call = MST_OF(mst_call, out, out);

    mst_call_finish(call, MUSTER_OK, "sent");
}

/* The first of the two retires the call; whoever comes later finds nothing. */
void mst_call_detach(mst_call *call)
{
    mst_member *w = call->member;

    mst_pending_remove(&w->m->pending, call->id);
    TAILQ_REMOVE(&w->calls, call, of_member);
    if (call->origin.by != 0)
        TAILQ_REMOVE(&w->m->inner, call, of_inner);
    w->ncalls--;
    w->m->nparked -= call->parked;
    call->parked = false;
    mst_loop_time(&w->m->loop, &call->deadline, MST_NEVER);
    if (call->off != NULL)
        call->off(call);
    call->off = NULL;
    if (call->out.queued) {
        mst_lane_drop(&w->lane, &call->out);
        mst_link_dirty(w);
    }
    if (call->in != NULL) {
        mst_incoming_forget(&call->in);
        mst_link_dirty(w);
    }
    call->id = 0;
}

/* The worker need not go on, if it knows of the call at all. */
static void call_off(mst_call *call)
{
    mst_member *w = call->member;
    const mst_record cancel = {.kind = MST_CANCEL, .id = call->id};

    if (!w->bound)
        return;
    if (!call->out.queued)
        mst_lane_put(&w->lane, &cancel);
    mst_assembly_forget(&w->lane.in, call->id);
    mst_link_dirty(w);
}

void mst_call_finish(mst_call *call, muster_err code, const char *format, ...)
{
    call->code = code;
    if (code != MUSTER_OK) {
        char text[MUSTER_ERROR_TEXT];
        va_list args;

        va_start(args, format);
        mst_sentence(text, sizeof(text), format, args);
        va_end(args);
        call->text = mst_strdup(text);
    }
    if (call->id != 0)
        mst_call_detach(call);
    call->done(call);
}

static void on_deadline(void *arg, mst_timer *timer)
{
    mst_call *call = (mst_call *)arg;

    (void)timer;
    call_off(call);
    mst_call_finish(call, MUSTER_ETIMEOUT,
                    call->parked ? "handler %.64s: no worker was ready "
                                   "before the deadline"
                    : call->rank > 0
                        ? "handler %.64s on worker %u: no answer before "
                          "the deadline"
                        : "handler %.64s on the manager (rank %u): "
                          "no answer before the deadline",
                    call->name, call->rank);
}

bool mst_call_enlist(mst_member *w, mst_call *call)
{
    muster *m = w->m;

    call->member = w;
    call->pool = m->pool;
    call->rank = w->rank;
    call->id = mst_pending_add(&m->pending, call);
    if (call->id == 0) {
        mst_call_finish(call, MUSTER_ENOMEM, "no memory for another call");
        return false;
    }
    TAILQ_INSERT_TAIL(&w->calls, call, of_member);
    if (call->origin.by != 0)
        TAILQ_INSERT_TAIL(&m->inner, call, of_inner);
    w->ncalls++;
    call->deadline.fn = on_deadline;
    call->deadline.arg = call;
    if (call->until_ms != MST_NEVER &&
        !mst_loop_time(&m->loop, &call->deadline, call->until_ms)) {
        mst_call_finish(call, MUSTER_ENOMEM, "no memory for another deadline");
        return false;
    }
    return true;
}

void mst_call_begin_on(mst_member *w, mst_call *call)
{
    if (!mst_call_enlist(w, call))
        return;
    call->out.head = call_head;
    call->out.gone = call->post ? post_gone : NULL;
    call->out.payload = call->payload;
    call->out.id = call->id;
    call->out.window = call->origin.depth;
    mst_lane_queue(&w->lane, &call->out);
    mst_link_dirty(w);
}

/* Rank 0. */
static void begin_here(muster *m, mst_call *call)
{
    if (mst_call_enlist(m->self, call) && !mst_channel_serve(m, call))
        mst_serve(m, call);
}

mst_origin mst_origin_here(void)
{
    const muster_ctx *ctx = mst_executor_ctx();
    mst_origin origin = {NULL, 0, 0};

    if (ctx != NULL) {
        origin.ctx = ctx;
        origin.by = ctx->call;
        origin.depth = (uint16_t)(ctx->depth + 1);
    }
    return origin;
}

int64_t mst_origin_until(int64_t until_ms)
{
    const muster_ctx *ctx = mst_executor_ctx();

    return ctx != NULL && ctx->until_ms < until_ms ? ctx->until_ms : until_ms;
}

/* Ending one may end others: begin anew each time. */
void mst_calls_canceled(muster *m, uint64_t by)
{
    mst_call *call;

    do {
        TAILQ_FOREACH (call, &m->inner, of_inner)
            if (call->origin.by == by)
                break;
        if (call != NULL)
            mst_call_cancel(call);
    } while (call != NULL);
}

static bool better(const mst_member *a, const mst_member *b)
{
    if (a->linked != b->linked)
        return a->linked;
    return a->ncalls < b->ncalls;
}

/* The worker with the least to do; they take turns when there are several. One
 * that is cut only when all are. */
static mst_member *choose(muster *m)
{
    mst_member *best = NULL;

    for (uint32_t i = 0; i < m->nmembers; i++) {
        mst_member *w = m->members[(m->next_any + i) % m->nmembers];

        if (!mst_member_takes(w))
            continue;
        if (best == NULL || better(w, best))
            best = w;
        if (best->ncalls == 0 && best->linked)
            break;
    }
    if (best != NULL)
        m->next_any = best->rank % m->nmembers;
    return best;
}

void mst_call_begin(muster *m, mst_call *call, uint32_t rank)
{
    mst_member *w = rank == MUSTER_ANY ? choose(m) : mst_member_get(m, rank);

    call->any = rank == MUSTER_ANY;
    if (m->closing)
        mst_call_finish(call, MUSTER_ECLOSED, "the runtime is closed");
    else if (m->spent != NULL)
        mst_call_finish(call, MUSTER_EQUORUM, "%s", m->spent);
    else if (call->origin.ctx != NULL &&
             atomic_load(&call->origin.ctx->canceled))
        mst_call_finish(call, MUSTER_ECANCELED, "its handler was cancelled");
    else if (call->origin.depth > MST_DEPTH_MAX)
        mst_call_finish(call, MUSTER_EDEPTH,
                        "calls within calls, more than %u deep", MST_DEPTH_MAX);
    else if (rank == 0)
        begin_here(m, call);
    else if (w == NULL && rank == MUSTER_ANY && mst_park(m, call))
        return;
    else if (w == NULL && rank == MUSTER_ANY)
        mst_call_finish(call, MUSTER_EWORKER, "no worker is ready");
    else if (w == NULL)
        mst_call_finish(call, MUSTER_EWORKER, "there is no worker %u", rank);
    else if (!mst_member_takes(w))
        mst_call_finish(call, MUSTER_EWORKER, "worker %u is %s%s%s", rank,
                        muster_state_name(w->state),
                        w->verdict != NULL ? ": " : "", mst_member_verdict(w));
    else
        mst_call_begin_on(w, call);
}

/* The result is complete, or there was no memory for it. */
static void complete(mst_member *w, mst_call *call)
{
    call->data = mst_assembly_take(&w->lane.in);
    call->len = (size_t)w->lane.in.total;
    if (call->data != NULL)
        mst_call_finish(call, MUSTER_OK, "done");
    else
        mst_call_finish(call, MUSTER_ENOMEM,
                        "no memory for a result of %zu bytes", call->len);
}

static void broken(mst_member *w, const char *what)
{
    mst_member_event(w, MST_EV_FAILED, "worker %u broke the protocol: %s",
                     w->rank, what);
}

static void no_memory(mst_call *call, uint64_t bytes)
{
    mst_call_finish(call, MUSTER_ENOMEM, "no memory for a result of %llu bytes",
                    (unsigned long long)bytes);
}

static void arrived(mst_incoming *in)
{
    mst_call *call = (mst_call *)in->owner;

    call->data = mst_incoming_take(in);
    call->len = (size_t)in->total;
    mst_call_finish(call, MUSTER_OK, "done");
}

/* Its payload comes apart from it. */
static void bulk_result(mst_member *w, mst_call *call, const mst_record *r)
{
    muster_err rc = MUSTER_OK;

    if (r->code != MUSTER_OK || (r->flags & MST_FLAG_BACK) != 0 ||
        (call != NULL && call->in != NULL)) {
        broken(w, "a payload that is none");
    } else if (call == NULL) { /* nobody waits for it any more */
        if (!mst_incoming_refuse(&w->carrier, r))
            broken(w, "a bulk transfer that is none");
    } else if (mst_incoming_expect(&w->carrier, r, w->rank, &call->in, &rc)) {
        call->in->owner = call;
        call->in->arrived = arrived;
    } else if (rc == MUSTER_ENOMEM) {
        no_memory(call, r->total);
    } else {
        broken(w, "a bulk transfer that is none");
    }
    mst_pipe_resume(&w->carrier.pipe);
}

/* It was to come apart, and will not; or not again. */
void mst_call_abort(mst_member *w, const mst_record *r)
{
    mst_call *call = mst_pending_get(&w->m->pending, r->id);

    if (call != NULL && call->member == w && call->in != NULL)
        mst_incoming_abort(&call->in);
    else
        (void)mst_assembly_abort(&w->lane.in, r->id);
}

void mst_call_result(mst_member *w, const mst_record *r)
{
    mst_call *call = mst_pending_get(&w->m->pending, r->id);
    muster_err rc;

    if (call != NULL && call->member != w)
        call = NULL;
    if ((r->flags & MST_FLAG_BULK) != 0) {
        bulk_result(w, call, r);
        return;
    }
    rc = mst_assembly_begin(&w->lane.in, r->id, r->total, r->body.at,
                            r->body.len);
    if (rc == MUSTER_EPROTO || (call != NULL && call->in != NULL)) {
        broken(w, "a result inside another");
        return;
    }
    mst_lane_earn(&w->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
    mst_link_dirty(w);
    if (call == NULL) { /* a post, which nobody can cancel; or cancelled */
        if (r->code != MUSTER_OK && r->code != MUSTER_ECANCELED &&
            r->code != MUSTER_ETIMEOUT)
            mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_WARN, "POST-FAILED",
                         "rank=%u code=%u why=%.*s", w->rank, r->code,
                         (int)r->text.len, r->text.at);
        mst_assembly_forget(&w->lane.in, r->id);
        return;
    }
    if ((r->flags & MST_FLAG_BACK) != 0 && !w->drains) {
        broken(w, "a call handed back, but it does not drain");
    } else if ((r->flags & MST_FLAG_BACK) != 0) {
        mst_assembly_forget(&w->lane.in, r->id);
        mst_hand_back(call);
    } else if (r->code != MUSTER_OK) {
        const muster_err code =
            r->code < MUSTER_ERRORS ? (muster_err)r->code : MUSTER_EREMOTE;

        const bool told = code == MUSTER_ELOST && w->notice != NULL;

        call->remote = (int)r->remote;
        mst_call_finish(call, code, "%.*s%s%.300s", (int)r->text.len,
                        r->text.at, told ? ": it " : "", told ? w->notice : "");
    } else if (rc == MUSTER_ENOMEM) {
        no_memory(call, r->total);
    } else if (!w->lane.in.open) {
        complete(w, call);
    }
}

void mst_call_chunk(mst_member *w, const mst_record *r)
{
    mst_call *call = mst_pending_get(&w->m->pending, r->id);

    if ((r->id & MST_ID_WORKER) != 0) {
        mst_errand_chunk(w, r);
        return;
    }
    if (mst_assembly_add(&w->lane.in, r->id, r->offset, r->body.at,
                         r->body.len) != MUSTER_OK) {
        broken(w, "a chunk of nothing");
        return;
    }
    mst_lane_earn(&w->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
    mst_link_dirty(w);
    if (!w->lane.in.open && call != NULL && call->member == w)
        complete(w, call);
}

void mst_call_cancel(mst_call *call)
{
    if (call->id == 0)
        return;
    call_off(call);
    mst_call_finish(call, MUSTER_ECANCELED, "cancelled");
}

/* Calls of one depth begin in the order they were sent. One for each thread can
 * have been running, and more where handlers wait for calls of their own. */
static uint32_t most_begun(const mst_member *w)
{
    const uint32_t threads = w->m->options.threads;

    return w->m->asked && threads < MST_BEGUN ? MST_BEGUN : threads;
}

/* Who crashed says in which call. */
void mst_calls_lost(mst_member *w, const char *why)
{
    uint32_t before[MST_DEPTH_MAX + 1] = {0}; /* by depth */
    mst_call *call;

    while ((call = TAILQ_FIRST(&w->calls)) != NULL) {
        const uint16_t depth = call->origin.depth < MST_DEPTH_MAX
                                   ? call->origin.depth
                                   : (uint16_t)MST_DEPTH_MAX;

        call->behind = w->handler_note != NULL
                           ? call->id != w->note_id
                           : before[depth]++ >= most_begun(w);
        mst_call_finish(call, MUSTER_ELOST, "%s", why);
    }
}

/* Ending one may end others: begin anew each time. */
static void end_calls(mst_member *w, bool program, muster_err code,
                      const char *text)
{
    mst_call *call;

    for (;;) {
        call = TAILQ_FIRST(&w->calls);
        if (program && call == &w->load)
            call = TAILQ_NEXT(call, of_member);
        if (call == NULL)
            return;
        call_off(call);
        mst_call_finish(call, code, "%s", text);
    }
}

void mst_calls_end(muster *m, bool program, muster_err code, const char *text)
{
    mst_member *w;

    end_calls(m->self, program, code, text);
    TAILQ_FOREACH (w, &m->all, of_all)
        end_calls(w, program, code, text);
}

void mst_call_fini(mst_call *call)
{
    mst_free(call->text);
    mst_pool_free(call->pool, call->data);
    call->text = NULL;
    call->data = NULL;
}

void mst_call_error(const mst_call *call, muster_error *err)
{
    if (call->code == MUSTER_OK || err == NULL)
        return;
    mst_fail(err, call->code, "%s",
             call->text != NULL ? call->text : muster_strerror(call->code));
    err->remote = call->remote;
    err->rank = call->rank;
}
