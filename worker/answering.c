/* answering.c - how calls of the manager's are answered, and forgotten. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fail.h"
#include "worker.h"

/* The request is not read any more. */
static void drop_body(mst_worker *w, mst_task *task)
{
    const mst_record got = {
        .kind = MST_GOT, .transfer = task->use, .count = task->body != NULL};

    if (task->use == 0) {
        mst_pool_free(w->pool, task->body);
    } else if (!task->orphan && w->carrier.bulk != NULL) {
        if (task->body != NULL)
            mst_views_put(&w->views, task->place);
        mst_lane_put(&w->dial.lane, &got);
    }
    task->use = 0;
    task->body = NULL;
}

void mst_worker_free_task(mst_worker *w, mst_task *task)
{
    TAILQ_REMOVE(&w->tasks, task, all);
    mst_index_remove(&w->by_id, task);
    if (task->held)
        TAILQ_REMOVE(&w->held, task, of_held);
    mst_incoming_abort(&task->in);
    mst_payload_unref(&task->payload);
    mst_out_fini(&task->job.result);
    drop_body(w, task);
    mst_pool_free(w->pool, task);
}

static void result_head(mst_out *out, mst_record *record)
{
    const mst_task *task = MST_OF(mst_task, out, out);
    const char *text = task->job.ctx.text;

    record->kind = MST_RESULT;
    record->flags = task->back ? MST_FLAG_BACK : 0;
    record->code = (uint16_t)task->job.code;
    record->remote = (uint32_t)task->job.remote;
    record->peer = task->owner->cookie.rank;
    if (task->job.code != MUSTER_OK)
        record->text = (mst_span){text, strnlen(text, MST_WIRE_TEXT)};
}

static void result_gone(mst_out *out)
{
    mst_task *task = MST_OF(mst_task, out, out);

    mst_worker_free_task(task->owner, task);
}

static void no_memory(mst_task *task)
{
    task->job.code = MUSTER_ENOMEM;
    snprintf(task->job.ctx.text, sizeof(task->job.ctx.text),
             "worker %u has no memory for the result of handler %.128s",
             task->owner->cookie.rank, task->name);
}

/* The credit of its request. */
void mst_worker_earn(mst_worker *w, const mst_task *task)
{
    mst_lane_earn(&w->dial.lane, task->job.ctx.depth, task->cost);
}

/* A call has ended, one way or the other: answer if someone waits. */
void mst_worker_answer(mst_worker *w, mst_task *task)
{
    mst_job *job = &task->job;

    job->running = false;
    if (task->interrupted && !task->back) {
        /* it gave up: what it returned is no result */
        mst_out_fini(&job->result);
        job->code = MUSTER_ELOST;
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "handler %.128s was interrupted: worker %u %s", task->name,
                 w->cookie.rank, mst_worker_drained(w));
    }
    if (task->orphan) {
        mst_worker_free_task(w, task);
        return;
    }
    if (job->result.passed != NULL && job->code == MUSTER_OK &&
        !task->unwanted) {
        mst_asking_pass(&job->result.passed, task);
        return;
    }
    mst_worker_earn(w, task);
    if (task->unwanted || (task->post && job->code == MUSTER_OK)) {
        mst_worker_free_task(w, task);
        return;
    }
    drop_body(w, task);
    if (job->code == MUSTER_OK && job->result.len > 0) {
        task->payload =
            mst_payload_own_in(w->pool, job->result.data, job->result.len);
        if (task->payload != NULL)
            job->result = (struct muster_out){0};
        else
            no_memory(task);
    }
    task->out.head = result_head;
    task->out.gone = result_gone;
    task->out.payload = task->payload;
    task->out.id = job->id;
    task->out.window = MST_WINDOW_PASSING;
    mst_lane_queue(&w->dial.lane, &task->out);
}

void mst_worker_passed(mst_task *task, const muster_error *err, void **data,
                       size_t len)
{
    mst_job *job = &task->job;

    mst_out_fini(&job->result);
    if (err->code == MUSTER_OK) {
        job->result.data = (unsigned char *)*data;
        job->result.len = len;
        *data = NULL;
    } else {
        job->code = MUSTER_EREMOTE;
        job->remote = err->remote != 0 ? err->remote : 1;
        memcpy(job->ctx.text, err->text, sizeof(err->text));
    }
    mst_worker_answer(task->owner, task);
}
