#include "bulk/payload.h"

#include <string.h>

static _Atomic uint64_t last; /* serial */

static mst_payload *make(mst_pool *pool, const void *data, size_t len,
                         size_t extra)
{
    mst_payload *p = mst_pool_alloc(pool, sizeof(*p) + extra);

    if (p == NULL)
        return NULL;
    atomic_init(&p->refs, 1);
    p->data = data;
    p->len = len;
    p->serial = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    p->owned = NULL;
    LIST_INIT(&p->transfers);
    p->pool = pool;
    return p;
}

mst_payload *mst_payload_copy_in(mst_pool *pool, const void *data, size_t len)
{
    mst_payload *p = make(pool, NULL, len, len);

    if (p == NULL)
        return NULL;
    if (len > 0)
        memcpy(p + 1, data, len);
    p->data = p + 1;
    return p;
}

mst_payload *mst_payload_borrow_in(mst_pool *pool, const void *data, size_t len)
{
    return make(pool, data, len, 0);
}

mst_payload *mst_payload_own_in(mst_pool *pool, void *data, size_t len)
{
    mst_payload *p = make(pool, data, len, 0);

    if (p != NULL)
        p->owned = data;
    return p;
}

mst_payload *mst_payload_ref(mst_payload *payload)
{
    atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
    return payload;
}

void mst_payload_unref(mst_payload **payload)
{
    mst_payload *p = *payload;

    *payload = NULL;
    if (p == NULL ||
        atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    mst_pool_free(p->pool, p->owned);
    mst_pool_free(p->pool, p);
}
