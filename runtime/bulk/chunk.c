#include "bulk/chunk.h"

#include <string.h>

static void append(mst_assembly *a, const void *data, size_t len)
{
    if (!a->discard && len > 0)
        memcpy(a->data + a->have, data, len);
    a->have += len;
    a->open = a->have < a->total;
}

muster_err mst_assembly_begin(mst_assembly *a, uint64_t id, uint64_t total,
                              const void *first, size_t len)
{
    if (a->open || len > total)
        return MUSTER_EPROTO;
    mst_assembly_fini(a);
    a->id = id;
    a->total = total;
    if (total < SIZE_MAX)
        a->data = mst_pool_alloc(a->pool, (size_t)total + 1);
    a->discard = a->data == NULL;
    if (a->data != NULL)
        a->data[total] = 0;
    append(a, first, len);
    return a->discard ? MUSTER_ENOMEM : MUSTER_OK;
}

muster_err mst_assembly_add(mst_assembly *a, uint64_t id, uint64_t offset,
                            const void *data, size_t len)
{
    if (!a->open || id != a->id || offset != a->have || len == 0 ||
        len > a->total - a->have)
        return MUSTER_EPROTO;
    append(a, data, len);
    return MUSTER_OK;
}

muster_err mst_assembly_abort(mst_assembly *a, uint64_t id)
{
    if (!a->open || id != a->id)
        return MUSTER_EPROTO;
    mst_assembly_fini(a);
    return MUSTER_OK;
}

void mst_assembly_forget(mst_assembly *a, uint64_t id)
{
    if (!a->open || id != a->id)
        return;
    mst_pool_free(a->pool, a->data);
    a->data = NULL;
    a->discard = true;
}

void *mst_assembly_take(mst_assembly *a)
{
    void *data = a->data;

    a->data = NULL;
    return data;
}

void mst_assembly_fini(mst_assembly *a)
{
    mst_pool_free(a->pool, a->data);
    *a = (mst_assembly){.pool = a->pool};
}
