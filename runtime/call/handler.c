#include "call/handler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"

uint32_t muster_ctx_rank(const muster_ctx *ctx)
{
    return ctx->rank;
}

uint32_t muster_ctx_incarnation(const muster_ctx *ctx)
{
    return ctx->incarnation;
}

uint32_t muster_ctx_size(const muster_ctx *ctx)
{
    return ctx->size;
}

uint32_t muster_ctx_index(const muster_ctx *ctx)
{
    return ctx->index;
}

uint32_t muster_ctx_count(const muster_ctx *ctx)
{
    return ctx->count;
}

uint32_t muster_ctx_caller(const muster_ctx *ctx)
{
    return ctx->caller;
}

muster *muster_ctx_muster(const muster_ctx *ctx)
{
    return ctx->m;
}

const char *muster_ctx_session(const muster_ctx *ctx)
{
    return ctx->session;
}

int64_t muster_ctx_remaining_ms(const muster_ctx *ctx)
{
    int64_t left;

    if (ctx->until_ms == MST_NEVER)
        return INT64_MAX;
    left = ctx->until_ms - mst_now_ms();
    return left > 0 ? left : 0;
}

bool muster_ctx_canceled(const muster_ctx *ctx)
{
    return atomic_load_explicit(&ctx->canceled, memory_order_acquire) ||
           (ctx->until_ms != MST_NEVER && mst_now_ms() >= ctx->until_ms);
}

int muster_fail(muster_ctx *ctx, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mst_sentence(ctx->text, sizeof(ctx->text), format, args);
    va_end(args);
    ctx->failed = true;
    return code != 0 ? code : 1;
}

int muster_out_future(muster_out *out, muster_future **future)
{
    muster_future_destroy(&out->passed);
    out->passed = *future;
    *future = NULL;
    return 0;
}

void mst_out_fini(muster_out *out)
{
    muster_future_destroy(&out->passed);
    mst_pool_free(out->pool, out->data);
    *out = (muster_out){.pool = out->pool};
}

/* What is larger than a pool's blocks may grow where it is. */
static unsigned char *bigger(muster_out *out, size_t room)
{
    unsigned char *data;

    if (out->pool == NULL || out->room > MST_POOL_MOST)
        return mst_realloc(out->data, room);
    data = mst_pool_alloc(out->pool, room);
    if (data == NULL || out->data == NULL)
        return data;
    memcpy(data, out->data, out->len);
    mst_pool_free(out->pool, out->data);
    return data;
}

static bool grow(muster_out *out, size_t len)
{
    size_t room = out->room + out->room / 2;
    unsigned char *data;

    if (len > SIZE_MAX / 2 - out->len)
        return false;
    if (room < out->len + len)
        room = out->len + len;
    if (room < 256)
        room = 256;
    data = bigger(out, room);
    if (data == NULL)
        return false;
    out->data = data;
    out->room = room;
    return true;
}

void *muster_out_reserve(muster_out *out, size_t len)
{
    if (!out->broken && (out->data == NULL || out->room - out->len < len))
        out->broken = !grow(out, len);
    if (out->broken)
        return NULL;
    out->len += len;
    return out->data + out->len - len;
}

int muster_out_write(muster_out *out, const void *data, size_t len)
{
    void *here = muster_out_reserve(out, len);

    if (here == NULL)
        return MUSTER_ENOMEM;
    if (len > 0)
        memcpy(here, data, len);
    return 0;
}

int muster_out_printf(muster_out *out, const char *format, ...)
{
    va_list args, again;
    char *here;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* vsnprintf wants a place for its NUL, which is then given back */
    here = n >= 0 ? muster_out_reserve(out, (size_t)n + 1) : NULL;
    if (here != NULL) {
        vsnprintf(here, (size_t)n + 1, format, again);
        out->len--;
    }
    va_end(again);
    if (n < 0)
        return MUSTER_EINVAL;
    return here != NULL ? 0 : MUSTER_ENOMEM;
}
