#include "call/blobs.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "call/handler.h"

#define ALIGN 16u

struct mst_blob {
    atomic_uint refs;
    const char *name; /* in body */
    mst_payload *body;
    const unsigned char *data;
    size_t len;
};

/* One that a handler got. */
typedef struct mst_held {
    struct mst_held *next;
    mst_blob *blob;
} mst_held;

static size_t padded(size_t name_len)
{
    return (name_len + 1 + ALIGN - 1) / ALIGN * ALIGN;
}

static void unref(mst_blob *blob)
{
    if (atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) != 1)
        return;
    mst_payload_unref(&blob->body);
    mst_free(blob);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const mst_blob *)a)->name, ((const mst_blob *)b)->name);
}

void mst_blobs_init(mst_blobs *blobs)
{
    pthread_mutex_init(&blobs->lock, NULL);
    blobs->tree = NULL;
    blobs->n = 0;
}

static void unref_node(void *blob)
{
    unref(blob);
}

void mst_blobs_clear(mst_blobs *blobs)
{
    void *tree;

    pthread_mutex_lock(&blobs->lock);
    tree = blobs->tree;
    blobs->tree = NULL;
    blobs->n = 0;
    pthread_mutex_unlock(&blobs->lock);
    tdestroy(tree, unref_node);
}

void mst_blobs_fini(mst_blobs *blobs)
{
    mst_blobs_clear(blobs);
    pthread_mutex_destroy(&blobs->lock);
}

size_t mst_blob_head(const char *name, char head[MST_BLOB_HEAD])
{
    const size_t len = strlen(name);

    memset(head, 0, MST_BLOB_HEAD);
    memcpy(head, name, len);
    return padded(len);
}

/* With the lock: take the one of this name out; NULL: none. */
static mst_blob *take_out(mst_blobs *blobs, const char *name)
{
    const mst_blob key = {.name = name};
    mst_blob **node = tfind(&key, &blobs->tree, by_name);
    mst_blob *blob = node != NULL ? *node : NULL;

    if (blob != NULL) {
        tdelete(&key, &blobs->tree, by_name);
        blobs->n--;
    }
    return blob;
}

muster_err mst_blobs_put(mst_blobs *blobs, mst_payload **body,
                         muster_error *err)
{
    const char *name = (*body)->data;
    const size_t len = (*body)->len;
    const char *end = memchr(name, '\0', len);
    const size_t name_len = end != NULL ? (size_t)(end - name) : 0;
    mst_blob *blob, *old;
    void *node;

    if (name_len == 0 || name_len > MST_BLOB_NAME || padded(name_len) > len)
        return mst_fail(err, MUSTER_EPROTO, "a blob without a name");
    blob = mst_calloc(1, sizeof(*blob));
    if (blob == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "blob %s", name);
    atomic_init(&blob->refs, 1);
    blob->name = name;
    blob->data = (const unsigned char *)name + padded(name_len);
    blob->len = len - padded(name_len);
    pthread_mutex_lock(&blobs->lock);
    old = take_out(blobs, name);
    node = tsearch(blob, &blobs->tree, by_name);
    if (node != NULL) {
        blob->body = *body;
        *body = NULL;
        blobs->n++;
    }
    pthread_mutex_unlock(&blobs->lock);
    if (old != NULL)
        unref(old);
    if (node != NULL)
        return MUSTER_OK;
    mst_free(blob);
    return mst_fail(err, MUSTER_ENOMEM, "blob %s", name);
}

void mst_blobs_drop(mst_blobs *blobs, const char *name, size_t len)
{
    char key[MST_BLOB_NAME + 1];
    mst_blob *blob;

    if (len > MST_BLOB_NAME)
        return;
    memcpy(key, name, len);
    key[len] = '\0';
    pthread_mutex_lock(&blobs->lock);
    blob = take_out(blobs, key);
    pthread_mutex_unlock(&blobs->lock);
    if (blob != NULL)
        unref(blob);
}

static mst_blob *get(mst_blobs *blobs, const char *name)
{
    const mst_blob key = {.name = name};
    mst_blob **node, *blob = NULL;

    pthread_mutex_lock(&blobs->lock);
    node = tfind(&key, &blobs->tree, by_name);
    if (node != NULL) {
        blob = *node;
        atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&blobs->lock);
    return blob;
}

const void *muster_get(muster_ctx *ctx, const char *name, size_t *len)
{
    mst_held *held;
    mst_blob *blob;

    for (held = ctx->held; held != NULL; held = held->next)
        if (strcmp(held->blob->name, name) == 0)
            break;
    if (held == NULL) {
        blob = ctx->blobs != NULL ? get(ctx->blobs, name) : NULL;
        if (blob == NULL)
            return NULL;
        held = mst_alloc(sizeof(*held));
        if (held == NULL) {
            unref(blob);
            return NULL;
        }
        *held = (mst_held){ctx->held, blob};
        ctx->held = held;
    }
    *len = held->blob->len;
    return held->blob->data;
}

void mst_blobs_release(muster_ctx *ctx)
{
    while (ctx->held != NULL) {
        mst_held *held = ctx->held;

        ctx->held = held->next;
        unref(held->blob);
        mst_free(held);
    }
}
