/* payload.h - bytes that several transfers read: counted, immutable. */
#ifndef MST_PAYLOAD_H
#define MST_PAYLOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/pool.h"

struct mst_transfer;

typedef struct mst_payload {
    atomic_uint refs;
    const void *data;
    size_t len;
    uint64_t serial; /* no two have the same */
    void *owned;     /* freed with the payload, or NULL */
    mst_pool *pool;  /* borrowed: where all of this comes from; or NULL */
    LIST_HEAD(, mst_transfer) transfers; /* of bulk.h, loop thread only */
} mst_payload;

/* In the pool, which may be NULL and has to last as long: a copy of the bytes;
 * NULL: no memory. */
mst_payload *mst_payload_copy_in(mst_pool *pool, const void *data, size_t len);

/* The bytes stay the caller's until the last reference is gone. */
mst_payload *mst_payload_borrow_in(mst_pool *pool, const void *data,
                                   size_t len);

/* Takes a block from that pool or from mst_alloc; on NULL it stays the
 * caller's. */
mst_payload *mst_payload_own_in(mst_pool *pool, void *data, size_t len);

/* The same without a pool. */
static inline mst_payload *mst_payload_copy(const void *data, size_t len)
{
    return mst_payload_copy_in(NULL, data, len);
}

static inline mst_payload *mst_payload_borrow(const void *data, size_t len)
{
    return mst_payload_borrow_in(NULL, data, len);
}

static inline mst_payload *mst_payload_own(void *data, size_t len)
{
    return mst_payload_own_in(NULL, data, len);
}

mst_payload *mst_payload_ref(mst_payload *payload);
void mst_payload_unref(mst_payload **payload); /* NULL inside is fine */

#endif
