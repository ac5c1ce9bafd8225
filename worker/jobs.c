/* jobs.c - calls of the manager's: how they come, and run. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "worker.h"

static void job_done(mst_cmd *cmd, void *worker)
{
    mst_worker_answer((mst_worker *)worker, MST_OF(mst_task, job.done, cmd));
}

static mst_task *task_create(mst_worker *w, const mst_record *r)
{
    mst_task *task = mst_pool_alloc(w->pool, sizeof(*task) + r->text.len + 1);

    if (task == NULL)
        return NULL;
    memset(task, 0, sizeof(*task));
    memcpy(task->name, r->text.at, r->text.len);
    task->name[r->text.len] = '\0';
    task->owner = w;
    task->post = (r->flags & MST_FLAG_POST) != 0;
    task->cost = mst_wire_cost(r->body.len);
    task->signal_ms = task->end_ms = MST_NEVER;
    task->job = (mst_job){.id = r->id,
                          .len = (size_t)r->total,
                          .done = {.run = job_done},
                          .name = task->name,
                          .name_len = r->text.len,
                          .ctx = {.m = &w->asking,
                                  .blobs = &w->blobs,
                                  .call = r->id,
                                  .rank = w->cookie.rank,
                                  .incarnation = w->cookie.incarnation,
                                  .session = w->cookie.session,
                                  .size = r->size,
                                  .index = r->index,
                                  .count = r->count,
                                  .caller = r->peer,
                                  .depth = r->depth,
                                  .until_ms = MST_NEVER}};
    if (r->remaining_ms <= INT64_MAX)
        task->job.ctx.until_ms = mst_until_ms((int64_t)r->remaining_ms);
    task->job.result.pool = w->pool;
    if (!mst_index_add(&w->by_id, task)) {
        mst_pool_free(w->pool, task);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&w->tasks, task, all);
    return task;
}

static bool is(const mst_task *task, const char *builtin)
{
    return strcmp(task->name, builtin) == 0;
}

/* The request, to be kept for longer; NULL: no memory. */
static mst_payload *kept_body(mst_worker *w, mst_task *task)
{
    const size_t len = task->job.len;
    size_t mapped = 0;
    mst_payload *body;
    void *at;

    if (task->use == 0) {
        body = mst_payload_own_in(w->pool, task->body, len);
        if (body != NULL)
            task->body = NULL;
        return body;
    }
    at = mst_views_take(&w->views, task->place, &mapped);
    if (at == NULL)
        return mst_payload_copy(task->body, len);
    task->body = NULL;
    body = mst_payload_mapped(at, mapped, len);
    if (body == NULL)
        munmap(at, mapped);
    return body;
}

static muster_err put(mst_worker *w, mst_task *task, muster_error *err)
{
    mst_payload *body = kept_body(w, task);
    muster_err rc;

    if (body == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a blob of %zu bytes",
                        task->job.len);
    rc = mst_blobs_put(&w->blobs, &body, err);
    mst_payload_unref(&body);
    return rc;
}

/* Blobs come and go at once, so that they are there for the calls behind. */
static bool blob_task(mst_worker *w, mst_task *task)
{
    muster_error err = {0};

    if (is(task, MST_BUILTIN_PUT)) {
        task->job.code = put(w, task, &err);
    } else if (is(task, MST_BUILTIN_DROP)) {
        mst_blobs_drop(&w->blobs, (const char *)task->body, task->job.len);
    } else {
        return false;
    }
    memcpy(task->job.ctx.text, err.text, sizeof(err.text));
    mst_worker_answer(w, task);
    return true;
}

/* The request is complete, or there was no memory for it. */
static void begin(mst_worker *w, mst_task *task)
{
    mst_job *job = &task->job;

    job->body = task->body;
    if (job->body == NULL) {
        job->code = MUSTER_ENOMEM;
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "worker %u has no memory for a request of %zu bytes",
                 w->cookie.rank, job->len);
        mst_worker_answer(w, task);
        return;
    }
    /* on this thread only where others read what it prints: while a handler has
     * this thread to itself nobody passes its last words on */
    if (!blob_task(w, task) && !mst_worker_hands_back(w, task))
        mst_executor_submit(&w->executor, job, w->line_fd >= 0);
}

/* Calls begin in the order they were made: behind one whose request is not
 * complete, the others wait. */
static void begin_held(mst_worker *w)
{
    mst_task *task;

    while ((task = TAILQ_FIRST(&w->held)) != NULL && task->complete) {
        TAILQ_REMOVE(&w->held, task, of_held);
        task->held = false;
        begin(w, task);
    }
}

static void complete(mst_worker *w, mst_task *task, void *body)
{
    task->body = body;
    task->complete = true;
    if (task->held)
        begin_held(w);
    else
        begin(w, task);
}

static void hold(mst_worker *w, mst_task *task)
{
    TAILQ_INSERT_TAIL(&w->held, task, of_held);
    task->held = true;
}

/* By the lane. */
static void assembled(mst_worker *w)
{
    mst_task *task = w->incoming;

    if (w->dial.lane.in.open || task == NULL)
        return;
    w->incoming = NULL;
    complete(w, task, mst_assembly_take(&w->dial.lane.in));
}

static void arrived(mst_incoming *in)
{
    mst_task *task = (mst_task *)in->owner;

    task->cost = mst_incoming_take_cost(in);
    complete(task->owner, task, mst_incoming_take(in));
}

void mst_worker_broken(mst_worker *w)
{
    mst_worker_end(w, MST_EXIT_REFUSED, "the manager broke the protocol");
}

/* The request comes apart from the call. */
static void expect(mst_worker *w, mst_task *task, const mst_record *r)
{
    muster_err rc;

    hold(w, task);
    task->cost = 0; /* it is the transfer's, until that is there */
    if (mst_incoming_expect(&w->carrier, r, 0, &task->in, &rc)) {
        task->in->owner = task;
        task->in->arrived = arrived;
    } else if (rc == MUSTER_ENOMEM) {
        complete(w, task, NULL);
    } else {
        mst_worker_broken(w);
        return;
    }
    mst_pipe_resume(&w->carrier.pipe);
}

/* The request is in shared memory already. What maps it went by the line before
 * the call, as did what forgets the segment that had this place before. */
static void look_there(mst_worker *w, mst_task *task, const mst_record *r)
{
    const void *body;

    while (w->line_fd >= 0 && mst_worker_hear_line(w))
        ;
    body = mst_views_get(&w->views, r->seal, r->total);
    task->use = r->transfer;
    task->place = r->seal;
    task->cost = mst_wire_bulk_cost(r->total);
    if (!TAILQ_EMPTY(&w->held))
        hold(w, task);
    complete(w, task, (void *)(uintptr_t)body);
}

/* One that was announced comes by the lane after all. */
static void come_again(mst_worker *w, const mst_record *r)
{
    mst_task *task = mst_index_get(&w->by_id, r->id);

    if (mst_assembly_begin(&w->dial.lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO) {
        mst_worker_broken(w);
        return;
    }
    mst_lane_earn(&w->dial.lane, MST_WINDOW_PASSING,
                  mst_wire_cost(r->body.len));
    if (task == NULL || !task->again || task->job.len != r->total) {
        mst_assembly_forget(&w->dial.lane.in, r->id); /* it was there */
        return;
    }
    task->again = false;
    w->incoming = task;
    assembled(w);
}

void mst_worker_call(mst_worker *w, const mst_record *r)
{
    mst_task *task;

    if (r->depth > MST_DEPTH_MAX || (r->id & MST_ID_WORKER) != 0) {
        mst_worker_broken(w);
        return;
    }
    if ((r->flags & MST_FLAG_RETRY) != 0) {
        come_again(w, r);
        return;
    }
    task = task_create(w, r);
    if (task == NULL) {
        mst_worker_end(w, MST_EXIT_INTERNAL, "no memory for a call");
        return;
    }
    if ((r->flags & MST_FLAG_BULK) != 0) {
        expect(w, task, r);
        return;
    }
    if ((r->flags & MST_FLAG_SHARED) != 0) {
        look_there(w, task, r);
        return;
    }
    if (mst_assembly_begin(&w->dial.lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO) {
        mst_worker_broken(w);
        return;
    }
    if (!TAILQ_EMPTY(&w->held))
        hold(w, task);
    w->incoming = task;
    assembled(w);
}

void mst_worker_chunk(mst_worker *w, const mst_record *r)
{
    if ((r->id & MST_ID_WORKER) != 0) {
        if (!mst_asking_chunk(w, r))
            mst_worker_broken(w);
        return;
    }
    if (mst_assembly_add(&w->dial.lane.in, r->id, r->offset, r->body.at,
                         r->body.len) != MUSTER_OK) {
        mst_worker_broken(w);
        return;
    }
    mst_lane_earn(&w->dial.lane, MST_WINDOW_PASSING,
                  mst_wire_cost(r->body.len));
    assembled(w);
}

void mst_worker_abort(mst_worker *w, const mst_record *r)
{
    mst_task *task = mst_index_get(&w->by_id, r->id);

    if ((r->id & MST_ID_WORKER) != 0) {
        mst_asking_abort(w, r);
        return;
    }
    if (task == NULL) {
        (void)mst_assembly_abort(&w->dial.lane.in, r->id); /* unwanted */
        return;
    }
    if ((r->flags & MST_FLAG_AGAIN) != 0) {
        if (task->in != NULL) { /* it comes by the lane */
            mst_incoming_abort(&task->in);
            task->again = true;
        }
        return;
    }
    if (task != w->incoming && task->in == NULL && !task->again) {
        (void)mst_assembly_abort(&w->dial.lane.in, r->id);
        mst_worker_cancel(w, r); /* all of it had come */
        return;
    }
    if (task == w->incoming) {
        (void)mst_assembly_abort(&w->dial.lane.in, r->id);
        w->incoming = NULL;
    }
    mst_worker_earn(w, task);
    mst_worker_free_task(w, task);
    begin_held(w);
}

/* Comes only for a request that is complete; the manager has retired it. */
void mst_worker_cancel(mst_worker *w, const mst_record *r)
{
    mst_task *task = mst_index_get(&w->by_id, r->id);

    if (task == NULL || task == w->incoming || !task->complete)
        return;
    task->unwanted = true;
    if (task->job.running) {
        mst_executor_cancel(&w->executor, &task->job, 0);
        mst_asking_canceled(w, task->job.id);
        return;
    }
    if (task->waits != NULL) {
        mst_asking_unpass(task);
        mst_worker_earn(w, task);
    } else if (task->held) {
        mst_worker_earn(w, task);
    } else {
        mst_lane_drop(&w->dial.lane, &task->out);
    }
    mst_worker_free_task(w, task);
}

void mst_worker_stop_jobs(mst_worker *w)
{
    mst_task *task;

    TAILQ_FOREACH (task, &w->tasks, all)
        atomic_store(&task->job.ctx.canceled, true);
}

void mst_worker_free_jobs(mst_worker *w)
{
    while (!TAILQ_EMPTY(&w->tasks))
        mst_worker_free_task(w, TAILQ_FIRST(&w->tasks));
    mst_index_fini(&w->by_id);
}

/* The manager could not keep what there was: end it, and begin anew. */
void mst_worker_forget(mst_worker *w)
{
    mst_task *task, *next;

    mst_bulking_end(w);
    w->incoming = NULL;
    w->output_room = 0;
    mst_asking_lost(w, MUSTER_ELOST, "the link to the manager was cut");
    mst_blobs_clear(&w->blobs); /* the manager puts them again */
    mst_dial_forget(&w->dial);  /* results that wait there are in tasks */
    for (task = TAILQ_FIRST(&w->tasks); task != NULL; task = next) {
        next = TAILQ_NEXT(task, all);
        atomic_store(&task->job.ctx.canceled, true);
        task->orphan = true;
        if (!task->job.running)
            mst_worker_free_task(w, task);
    }
}
