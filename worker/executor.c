#include "executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/sync.h"
#include "call/batch.h"
#include "call/module.h"
#include "call/registry.h"
#include "crash.h"

static _Thread_local const char *volatile here;
static _Thread_local volatile uint64_t here_id;
static _Thread_local char batch_name[MST_WIRE_NAME + 1]; /* for `here` */

const char *mst_executor_here(uint64_t *id)
{
    *id = here_id;
    return here;
}

/* A handler that gives up because its time is over has not failed. */
static muster_err failure(const muster_ctx *ctx)
{
    if (atomic_load(&ctx->canceled))
        return MUSTER_ECANCELED;
    return muster_ctx_canceled(ctx) ? MUSTER_ETIMEOUT : MUSTER_EREMOTE;
}

static muster_err builtin_ship(mst_job *job, muster_error *err)
{
    const char *name = (const char *)job->body;
    const char *end = memchr(name, '\0', job->len);

    if (end == NULL)
        return mst_fail(err, MUSTER_EPROTO, "a module without a name");
    return mst_module_load(name, end + 1, job->len - (size_t)(end + 1 - name),
                           &job->ctx, err);
}

/* One item of a batch: a handler's run with a result of its own. */
static void run_item(mst_job *job, muster_handler_fn fn,
                     const muster_item *item, struct muster_out *own,
                     mst_batch_result *result)
{
    *result = (mst_batch_result){.text = ""};
    if (atomic_load(&job->ctx.canceled)) {
        result->code = MUSTER_ECANCELED;
        return;
    }
    job->ctx.failed = false;
    own->len = 0;
    own->broken = false;
    result->remote = fn(&job->ctx, item->data, item->len, own);
    if (own->broken)
        result->code = MUSTER_ENOMEM;
    else if (result->remote != 0)
        result->code = failure(&job->ctx);
    else
        result->data = (muster_item){own->data, own->len};
    if (result->code == MUSTER_EREMOTE && job->ctx.failed) {
        result->text = job->ctx.text;
        result->text_len = strlen(job->ctx.text);
    }
}

static muster_err builtin_batch(mst_job *job, muster_error *err)
{
    mst_batch batch = mst_batch_of(job->body, job->len);
    struct muster_out own = {0};
    mst_batch_result result;
    muster_handler_fn fn;
    muster_item item;
    const char *name;
    size_t len;
    uint32_t count;
    bool ok;

    if (!mst_batch_head(&batch, &name, &len, &count))
        return mst_fail(err, MUSTER_EPROTO, "a batch that is none");
    fn = mst_registry_find(name, len);
    if (fn == NULL)
        return mst_fail(err, MUSTER_ENOHANDLER,
                        "no module of this worker has a handler %.*s", (int)len,
                        name);
    snprintf(batch_name, sizeof(batch_name), "%.*s", (int)len, name);
    here = batch_name;
    for (ok = true; ok && count > 0; count--) {
        ok = mst_batch_item(&batch, &item);
        if (!ok)
            break;
        run_item(job, fn, &item, &own, &result);
        ok = mst_batch_result_put(&job->result, &result);
    }
    mst_out_fini(&own);
    return ok ? MUSTER_OK
              : mst_fail(err, MUSTER_ENOMEM, "no memory for a batch's results");
}

static void run_builtin(mst_job *job)
{
    muster_error err = {0};

    if (strcmp(job->name, MST_BUILTIN_SHIP) == 0)
        job->code = builtin_ship(job, &err);
    else if (strcmp(job->name, MST_BUILTIN_BATCH) == 0)
        job->code = builtin_batch(job, &err);
    else if (strcmp(job->name, MST_BUILTIN_LOAD) == 0)
        job->code =
            mst_module_open((const char *)job->body, &job->ctx, NULL, &err);
    else
        job->code =
            mst_fail(&err, MUSTER_ENOHANDLER,
                     "names that begin with %s are muster's own", MST_BUILTIN);
    memcpy(job->ctx.text, err.text, sizeof(job->ctx.text));
}

static void run_handler(mst_job *job)
{
    const muster_handler_fn fn = mst_registry_find(job->name, job->name_len);

    if (fn == NULL) {
        job->code = MUSTER_ENOHANDLER;
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "no module of this worker has a handler %.128s", job->name);
        return;
    }
    job->remote = fn(&job->ctx, job->body, job->len, &job->result);
    if (job->result.broken) {
        job->code = MUSTER_ENOMEM;
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "no memory for the result of handler %.128s", job->name);
    } else if (job->remote != 0) {
        job->code = failure(&job->ctx);
    }
    if (job->code == MUSTER_ETIMEOUT)
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "handler %.128s gave up at the deadline", job->name);
    else if (job->code == MUSTER_EREMOTE && !job->ctx.failed)
        snprintf(job->ctx.text, sizeof(job->ctx.text),
                 "handler %.128s returned %d", job->name, job->remote);
}

static void run(mst_job *job)
{
    job->code = MUSTER_OK;
    if (atomic_load(&job->ctx.canceled)) {
        job->code = MUSTER_ECANCELED;
    } else {
        here_id = job->id;
        here = job->name;
        if (strncmp(job->name, MST_BUILTIN, sizeof(MST_BUILTIN) - 1) == 0)
            run_builtin(job);
        else
            run_handler(job);
        fflush(stdout);
        fflush(stderr);
        here = NULL;
    }
    mst_free(job->body);
    job->body = NULL;
    if (job->code == MUSTER_OK && job->result.len > 0) {
        job->payload = mst_payload_own(job->result.data, job->result.len);
        if (job->payload != NULL)
            job->result = (struct muster_out){0};
        else
            job->code = MUSTER_ENOMEM;
    }
    mst_out_fini(&job->result);
}

static void *thread(void *arg)
{
    mst_executor *x = (mst_executor *)arg;
    mst_job *job;

    mst_crash_stack();
    pthread_mutex_lock(&x->lock);
    for (;;) {
        while (!x->stop && STAILQ_EMPTY(&x->queue))
            pthread_cond_wait(&x->work, &x->lock);
        if (x->stop)
            break;
        job = STAILQ_FIRST(&x->queue);
        STAILQ_REMOVE_HEAD(&x->queue, next);
        x->nbusy++;
        pthread_mutex_unlock(&x->lock);
        run(job);
        mst_loop_post(x->loop, &job->done, false);
        pthread_mutex_lock(&x->lock);
        x->nbusy--;
        if (x->stop)
            pthread_cond_broadcast(&x->idle);
    }
    pthread_mutex_unlock(&x->lock);
    mst_crash_unstack();
    return NULL;
}

muster_err mst_executor_start(mst_executor *x, mst_loop *loop,
                              unsigned nthreads, muster_error *err)
{
    x->loop = loop;
    STAILQ_INIT(&x->queue);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->work, NULL);
    mst_cond_init(&x->idle);
    x->threads = mst_calloc(nthreads, sizeof(*x->threads));
    if (x->threads == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "%u threads", nthreads);
    for (; x->nthreads < nthreads; x->nthreads++) {
        const int rc =
            pthread_create(&x->threads[x->nthreads], NULL, thread, x);

        if (rc != 0)
            return mst_fail_sys(err, rc, "thread %u of %u", x->nthreads + 1,
                                nthreads);
    }
    return MUSTER_OK;
}

void mst_executor_submit(mst_executor *x, mst_job *job)
{
    bool wake;

    pthread_mutex_lock(&x->lock);
    job->running = true;
    STAILQ_INSERT_TAIL(&x->queue, job, next);
    wake = x->nbusy < x->nthreads;
    pthread_mutex_unlock(&x->lock);
    if (wake)
        pthread_cond_signal(&x->work);
}

bool mst_executor_stop(mst_executor *x, int64_t until_ms, const char **name)
{
    bool idle, in_time = true;

    *name = "";
    if (x->threads == NULL)
        return true;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_broadcast(&x->work);
    while (x->nbusy > 0 && in_time)
        in_time = mst_cond_wait_until(&x->idle, &x->lock, until_ms);
    idle = x->nbusy == 0;
    pthread_mutex_unlock(&x->lock);
    if (!idle)
        return false;
    for (unsigned i = 0; i < x->nthreads; i++)
        pthread_join(x->threads[i], NULL);
    mst_free(x->threads);
    x->threads = NULL;
    return true;
}
