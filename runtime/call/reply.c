#include "call/reply.h"

#include "base/cleanup.h"

typedef struct owned {
    muster_reply reply; /* what the program sees */
    void *data;
    mst_pool *pool;
} owned;

muster_reply *mst_reply_create(mst_pool *pool, void **data, size_t len,
                               uint32_t rank)
{
    owned *r = mst_pool_alloc(pool, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->pool = mst_pool_ref(pool);
    r->data = *data;
    *data = NULL;
    r->reply = (muster_reply){r->data, len, rank};
    return &r->reply;
}

void muster_reply_destroy(muster_reply **reply)
{
    owned *r;
    mst_pool *pool;

    if (*reply == NULL)
        return;
    r = MST_OF(owned, reply, *reply);
    pool = r->pool;
    mst_pool_free(pool, r->data);
    mst_pool_free(pool, r);
    mst_pool_unref(&pool);
    *reply = NULL;
}
