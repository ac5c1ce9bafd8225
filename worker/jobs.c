/* jobs.c - what the manager sends, and what goes back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "worker.h"

static void job_free(mst_worker *w, mst_job *job)
{
    TAILQ_REMOVE(&w->jobs, job, all);
    mst_payload_unref(&job->payload);
    mst_out_fini(&job->result);
    mst_free(job->body);
    mst_free(job);
}

static void result_head(mst_out *out, mst_record *record)
{
    const mst_job *job = MST_OF(mst_job, out, out);

    record->kind = MST_RESULT;
    record->code = (uint16_t)job->code;
    record->remote = (uint32_t)job->remote;
    if (job->code != MUSTER_OK)
        record->text = (mst_span){
            job->ctx.text, strnlen(job->ctx.text, sizeof(job->ctx.text) - 1)};
}

static void result_gone(mst_out *out)
{
    mst_job *job = MST_OF(mst_job, out, out);

    job_free(job->owner, job);
}

/* A job has ended, one way or the other: answer if someone waits. */
static void answer(mst_worker *w, mst_job *job)
{
    job->running = false;
    if (job->orphan || w->dial.state != MST_DIAL_ON) {
        job_free(w, job);
        return;
    }
    mst_lane_earn(&w->dial.lane, job->cost);
    if (job->unwanted || (job->post && job->code == MUSTER_OK)) {
        job_free(w, job);
        return;
    }
    job->out.head = result_head;
    job->out.gone = result_gone;
    job->out.payload = job->payload;
    job->out.id = job->id;
    mst_lane_queue(&w->dial.lane, &job->out);
}

static void job_done(mst_cmd *cmd, void *worker)
{
    answer((mst_worker *)worker, MST_OF(mst_job, done, cmd));
}

static mst_job *job_create(mst_worker *w, const mst_record *r)
{
    mst_job *job = mst_calloc(1, sizeof(*job) + r->text.len + 1);

    if (job == NULL)
        return NULL;
    job->owner = w;
    job->id = r->id;
    job->post = (r->flags & MST_FLAG_POST) != 0;
    job->cost = mst_wire_cost(r->body.len);
    job->len = (size_t)r->total;
    job->done.run = job_done;
    job->name_len = r->text.len;
    memcpy(job->name, r->text.at, r->text.len);
    job->ctx.rank = w->cookie.rank;
    job->ctx.incarnation = w->cookie.incarnation;
    job->ctx.session = w->cookie.session;
    job->ctx.size = r->size;
    job->ctx.index = r->index;
    job->ctx.count = r->count;
    job->ctx.until_ms = MST_NEVER;
    if (r->remaining_ms <= INT64_MAX)
        job->ctx.until_ms = mst_until_ms((int64_t)r->remaining_ms);
    TAILQ_INSERT_TAIL(&w->jobs, job, all);
    return job;
}

/* The request is complete. */
static void begin(mst_worker *w, mst_job *job)
{
    w->incoming = NULL;
    job->body = mst_assembly_take(&w->dial.lane.in);
    if (job->body == NULL) {
        job->code = MUSTER_ENOMEM;
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "worker %u has no memory for a request of %zu bytes",
                 w->cookie.rank, job->len);
        answer(w, job);
        return;
    }
    mst_executor_submit(&w->executor, job);
}

static void on_call(mst_worker *w, const mst_record *r)
{
    mst_job *job = job_create(w, r);

    if (job == NULL) {
        mst_worker_end(w, MST_EXIT_INTERNAL, "no memory for a call");
        return;
    }
    if (mst_assembly_begin(&w->dial.lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO) {
        mst_worker_end(w, MST_EXIT_REFUSED, "the manager broke the protocol");
        return;
    }
    w->incoming = job;
    if (!w->dial.lane.in.open)
        begin(w, job);
}

static void on_chunk(mst_worker *w, const mst_record *r)
{
    mst_job *job = w->incoming;

    if (job == NULL || mst_assembly_add(&w->dial.lane.in, r->id, r->offset,
                                        r->body.at, r->body.len) != MUSTER_OK) {
        mst_worker_end(w, MST_EXIT_REFUSED, "the manager broke the protocol");
        return;
    }
    mst_lane_earn(&w->dial.lane, mst_wire_cost(r->body.len));
    if (!w->dial.lane.in.open)
        begin(w, job);
}

static void on_abort(mst_worker *w, const mst_record *r)
{
    mst_job *job = w->incoming;

    if (job == NULL || job->id != r->id ||
        mst_assembly_abort(&w->dial.lane.in, r->id) != MUSTER_OK)
        return;
    w->incoming = NULL;
    mst_lane_earn(&w->dial.lane, job->cost);
    job_free(w, job);
}

/* Comes only for a request that is complete; the manager has retired it. */
static void on_cancel(mst_worker *w, const mst_record *r)
{
    mst_job *job;

    TAILQ_FOREACH (job, &w->jobs, all)
        if (job->id == r->id)
            break;
    if (job == NULL || job == w->incoming)
        return;
    atomic_store(&job->ctx.canceled, true);
    job->unwanted = true;
    if (job->running)
        return;
    mst_lane_drop(&w->dial.lane, &job->out);
    job_free(w, job);
}

/* "size of a pointer", "build": both sides beside each other. */
static void refused(mst_worker *w, const mst_record *r)
{
    const mst_build here = mst_build_here();

    if (r->text.len > 0)
        mst_worker_end(w, MST_EXIT_REFUSED, "refused by the manager: %.*s",
                       (int)r->text.len, r->text.at);
    else
        mst_worker_end(w, MST_EXIT_REFUSED,
                       "manager and worker differ: release %.*s and %.*s, wire "
                       "version %u and %u, pointer bytes %u and %u",
                       (int)r->side.build.len, r->side.build.at,
                       (int)here.build.len, here.build.at, r->side.wire,
                       here.wire, r->side.word, here.word);
}

static void on_welcome(mst_worker *w, const mst_record *r)
{
    muster_error err;

    if (r->side.wire != MST_WIRE_VERSION) {
        refused(w, r);
        return;
    }
    w->heartbeat_ms = r->heartbeat_ms;
    w->grace_ms = r->grace_ms;
    w->dial.state = MST_DIAL_ON;
    if (w->has_executor)
        return;
    w->has_executor = true;
    if (mst_executor_start(&w->executor, &w->loop,
                           r->threads > 0 ? r->threads : 1, &err) != MUSTER_OK)
        mst_worker_end(w, MST_EXIT_INTERNAL, "%s", err.text);
    if (w->heartbeat_ms > 0)
        mst_loop_time(&w->loop, &w->tick, mst_now_ms() + w->heartbeat_ms / 4);
}

void mst_worker_stop_jobs(mst_worker *w)
{
    mst_job *job;

    TAILQ_FOREACH (job, &w->jobs, all)
        atomic_store(&job->ctx.canceled, true);
}

void mst_worker_free_jobs(mst_worker *w)
{
    while (!TAILQ_EMPTY(&w->jobs))
        job_free(w, TAILQ_FIRST(&w->jobs));
}

void mst_worker_cut(mst_worker *w)
{
    mst_job *job, *next;

    w->incoming = NULL;
    for (job = TAILQ_FIRST(&w->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, all);
        atomic_store(&job->ctx.canceled, true);
        job->orphan = true;
        if (!job->running)
            job_free(w, job);
    }
}

void mst_worker_record(void *worker, const mst_record *r)
{
    mst_worker *w = (mst_worker *)worker;

    switch (r->kind) {
    case MST_WELCOME:
        on_welcome(w, r);
        break;
    case MST_REFUSE:
        refused(w, r);
        break;
    case MST_GOAWAY:
        if (w->dial.state == MST_DIAL_ON)
            w->dial.state = MST_DIAL_CUT; /* say HELLO again */
        else
            mst_worker_end(w, MST_EXIT_REFUSED, "sent away: %.*s",
                           (int)r->text.len, r->text.at);
        break;
    case MST_CALL:
        on_call(w, r);
        break;
    case MST_CHUNK:
        on_chunk(w, r);
        break;
    case MST_ABORT:
        on_abort(w, r);
        break;
    case MST_CANCEL:
        on_cancel(w, r);
        break;
    case MST_CREDIT:
        if (!mst_lane_credit(&w->dial.lane, r->credit))
            mst_worker_end(w, MST_EXIT_REFUSED, "credit that was never used");
        break;
    case MST_STOP:
        w->ending = r->mode == MST_STOP_NOW ? MST_ENDING_NOW : MST_ENDING_DRAIN;
        if (w->ending == MST_ENDING_NOW)
            mst_worker_stop_jobs(w);
        break;
    default: /* HEARTBEAT, and kinds that only a worker sends */
        break;
    }
}
