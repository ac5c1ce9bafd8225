/* serving.c - calls of the manager itself, as rank 0: handlers of the program
 * or the script, on threads of their own. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "session/session.h"

typedef struct mst_served {
    mst_job job;
    TAILQ_ENTRY(mst_served) link;
    muster *m;
    mst_call *call; /* NULL: nobody waits any more */
    mst_payload *request;
    char name[];
} mst_served;

static void served_free(mst_served *s)
{
    TAILQ_REMOVE(&s->m->served, s, link);
    mst_payload_unref(&s->request);
    mst_out_fini(&s->job.result);
    mst_pool_free(s->m->pool, s);
}

void mst_served_free(muster *m)
{
    while (!TAILQ_EMPTY(&m->served))
        served_free(TAILQ_FIRST(&m->served));
}

/* The call is retired before its handler has returned. */
static void let_go(mst_call *call)
{
    mst_served *s = (mst_served *)call->server;

    s->call = NULL;
    mst_executor_cancel(&s->m->executor, &s->job, 0);
    mst_calls_canceled(s->m, s->job.id);
}

bool mst_serve_interrupt(mst_call *call)
{
    mst_served *s = (mst_served *)call->server;

    if (call->off != let_go)
        return false;
    mst_executor_cancel(&s->m->executor, &s->job, 0);
    mst_calls_canceled(s->m, s->job.id);
    return true;
}

/* The handler's result is in; nobody may wait for it any more. */
static void deliver(mst_served *s)
{
    mst_call *call = s->call;
    mst_job *job = &s->job;

    if (call != NULL) {
        call->off = NULL;
        call->remote = job->remote;
        /* a zero byte behind, as behind every result */
        if (job->code == MUSTER_OK &&
            muster_out_write(&job->result, "", 1) != 0)
            job->code = MUSTER_ENOMEM;
        if (job->code == MUSTER_OK) {
            call->len = job->result.len - 1;
            call->data = MST_MOVE(job->result.data);
        }
        mst_call_finish(call, job->code, "%s", job->ctx.text);
    }
    served_free(s);
}

static void passed(void *arg, mst_call *outcome)
{
    mst_served *s = (mst_served *)arg;

    mst_out_fini(&s->job.result);
    if (outcome->code == MUSTER_OK) {
        if (muster_out_write(&s->job.result, outcome->data, outcome->len) != 0)
            s->job.code = MUSTER_ENOMEM;
    } else {
        s->job.code = MUSTER_EREMOTE;
        s->job.remote = outcome->remote != 0 ? outcome->remote : 1;
        snprintf(s->job.ctx.text, sizeof(s->job.ctx.text), "%s",
                 outcome->text != NULL ? outcome->text : "");
    }
    deliver(s);
}

static void job_done(mst_cmd *cmd, void *arg)
{
    mst_served *s = MST_OF(mst_served, job.done, cmd);

    (void)arg;
    if (s->job.result.passed != NULL && s->call != NULL)
        mst_future_pass(&s->job.result.passed, passed, s);
    else
        deliver(s);
}

/* Those that cannot be had now are tried for by each call. */
static void start_threads(muster *m)
{
    static const mst_thread_calls none = {NULL, NULL, NULL};

    if (m->has_executor)
        return;
    (void)mst_executor_start(&m->executor, &m->loop, m->options.serve_threads,
                             &none, NULL);
    m->has_executor = true;
}

/* The request stays while the handler runs, even when the caller is gone. */
static mst_payload *keep(muster *m, mst_payload *payload)
{
    if (payload == NULL || payload->len == 0)
        return mst_payload_copy_in(m->pool, "", 0);
    if (payload->owned != NULL)
        return mst_payload_ref(payload);
    return mst_payload_copy_in(m->pool, payload->data, payload->len);
}

void mst_serve(muster *m, mst_call *call)
{
    static const max_align_t empty;
    mst_served *s = mst_pool_alloc(m->pool, sizeof(*s) + call->name_len + 1);

    if (s != NULL) {
        memset(s, 0, sizeof(*s));
        s->request = keep(m, call->payload);
    }
    if (s == NULL || s->request == NULL) {
        mst_pool_free(m->pool, s);
        mst_call_finish(call, MUSTER_ENOMEM, "no memory to run a call");
        return;
    }
    s->m = m;
    s->call = call;
    memcpy(s->name, call->name, call->name_len);
    s->name[call->name_len] = '\0';
    s->job = (mst_job){.id = call->id,
                       .len = s->request->len,
                       .body = s->request->len > 0 ? s->request->data : &empty,
                       .done = {.run = job_done},
                       .name = s->name,
                       .name_len = call->name_len,
                       .ctx = {.m = m,
                               .blobs = &m->blobs,
                               .call = call->id,
                               .session = m->session,
                               .size = atomic_load(&m->nready),
                               .index = call->index,
                               .count = call->count,
                               .caller = call->caller,
                               .depth = call->origin.depth,
                               .until_ms = call->until_ms}};
    s->job.result.pool = m->pool;
    TAILQ_INSERT_TAIL(&m->served, s, link);
    start_threads(m);
    call->server = s;
    call->off = let_go;
    mst_executor_submit(&m->executor, &s->job, false);
}
