#include "call/run.h"

#include <stdio.h>
#include <string.h>

#include <muster/muster.h>

#include "base/fail.h"
#include "call/batch.h"
#include "call/blobs.h"
#include "call/module.h"
#include "call/registry.h"

static _Thread_local const char *volatile here;
static _Thread_local volatile uint64_t here_id;
static _Thread_local char batch_name[MST_WIRE_NAME + 1]; /* for `here` */

static _Thread_local muster_ctx *here_ctx;

const char *mst_executor_here(uint64_t *id)
{
    *id = here_id;
    return here;
}

muster_ctx *mst_executor_ctx(void)
{
    return here_ctx;
}

/* A handler that gives up because its time is over has not failed. */
static muster_err failure(const muster_ctx *ctx)
{
    if (atomic_load(&ctx->canceled))
        return MUSTER_ECANCELED;
    return muster_ctx_canceled(ctx) ? MUSTER_ETIMEOUT : MUSTER_EREMOTE;
}

/* How a handler ended; where it was not well ctx->text says it. */
static muster_err conclude(muster_ctx *ctx, const char *name, int remote,
                           const struct muster_out *out)
{
    muster_err rc;

    if (out->broken) {
        snprintf(ctx->text, sizeof(ctx->text),
                 "no memory for the result of handler %.128s", name);
        return MUSTER_ENOMEM;
    }
    if (remote == 0)
        return MUSTER_OK;
    rc = failure(ctx);
    if (rc == MUSTER_ETIMEOUT)
        snprintf(ctx->text, sizeof(ctx->text),
                 "handler %.128s gave up at the deadline", name);
    else if (!ctx->failed && rc == MUSTER_ECANCELED)
        snprintf(ctx->text, sizeof(ctx->text),
                 "handler %.128s gave up when it was told to", name);
    else if (!ctx->failed)
        snprintf(ctx->text, sizeof(ctx->text), "handler %.128s returned %d",
                 name, remote);
    return rc;
}

/* False: it was cancelled before. */
static bool may_begin(muster_ctx *ctx, const char *name)
{
    if (!atomic_load(&ctx->canceled))
        return true;
    snprintf(ctx->text, sizeof(ctx->text),
             "handler %.128s was cancelled before it began", name);
    return false;
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

static muster_err no_handler(const mst_job *job, const char *name, size_t len,
                             muster_error *err)
{
    return mst_fail(err, MUSTER_ENOHANDLER,
                    job->ctx.rank == 0
                        ? "the manager's program has no handler %.*s"
                        : "no module of this worker has a handler %.*s",
                    (int)(len < 128 ? len : 128), name);
}

/* An item of a batch has nobody else to wait for its result. */
static int wait_for_passed(muster_ctx *ctx, struct muster_out *own)
{
    muster_reply *reply = NULL;
    muster_error err;
    const muster_err rc = muster_future_result(own->passed, &reply, &err);

    muster_future_destroy(&own->passed);
    own->len = 0;
    if (rc != MUSTER_OK)
        return muster_fail(ctx, err.remote, "%s", err.text);
    (void)muster_out_write(own, reply->data, reply->len);
    muster_reply_destroy(&reply);
    return 0;
}

/* One item of a batch: a handler's run with a result of its own. */
static void run_item(mst_job *job, muster_handler_fn fn,
                     const muster_item *item, struct muster_out *own,
                     mst_batch_result *result)
{
    *result = (mst_batch_result){.code = MUSTER_ECANCELED};
    if (may_begin(&job->ctx, batch_name)) {
        job->ctx.failed = false;
        own->len = 0;
        own->broken = false;
        muster_future_destroy(&own->passed); /* of one that then failed */
        result->remote = fn(&job->ctx, item->data, item->len, own);
        if (result->remote == 0 && own->passed != NULL)
            result->remote = wait_for_passed(&job->ctx, own);
        result->code = conclude(&job->ctx, batch_name, result->remote, own);
    }
    result->text = result->code != MUSTER_OK ? job->ctx.text : "";
    result->text_len = strlen(result->text);
    if (result->code == MUSTER_OK)
        result->data = (muster_item){own->data, own->len};
}

static muster_err builtin_batch(mst_job *job, muster_error *err)
{
    mst_batch batch = mst_batch_of(job->body, job->len);
    struct muster_out own = {.pool = job->result.pool};
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
        return no_handler(job, name, len, err);
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
    muster_error err;

    if (fn == NULL) {
        job->code = no_handler(job, job->name, job->name_len, &err);
        memcpy(job->ctx.text, err.text, sizeof(job->ctx.text));
        return;
    }
    job->remote = fn(&job->ctx, job->body, job->len, &job->result);
    job->code = conclude(&job->ctx, job->name, job->remote, &job->result);
}

void mst_run(mst_job *job)
{
    job->code = MUSTER_OK;
    if (!may_begin(&job->ctx, job->name)) {
        job->code = MUSTER_ECANCELED;
        return;
    }
    here_id = job->id;
    here_ctx = &job->ctx;
    here = job->name;
    if (strncmp(job->name, MST_BUILTIN, sizeof(MST_BUILTIN) - 1) == 0)
        run_builtin(job);
    else
        run_handler(job);
    here = NULL;
    here_ctx = NULL;
    mst_blobs_release(&job->ctx);
    if (job->code != MUSTER_OK)
        mst_out_fini(&job->result);
}
