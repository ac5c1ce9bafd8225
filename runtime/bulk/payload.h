/* payload.h - bytes that several transfers read: counted, immutable. */
#ifndef MST_PAYLOAD_H
#define MST_PAYLOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/pool.h"

struct mst_transfer;
struct iovec;

#define MST_PAYLOAD_SHARED ((size_t)1 << 20) /* a shorter one is not */
#define MST_PAYLOADS_SHARED 64               /* descriptors of a process */

typedef struct mst_payload {
    atomic_uint refs;
    const void *data;
    size_t len;
    uint64_t serial; /* no two have the same */
    void *owned;     /* freed with the payload, or NULL */
    mst_pool *pool;  /* borrowed: where all of this comes from; or NULL */
    void *mapped;    /* where the bytes are; NULL: they are not mapped */
    size_t mapped_bytes;
    int fd; /* of the shared memory that has them; -1: they are in none */
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

/* These parts, one behind the other and then a zero byte, in shared memory of
 * its own, which nobody can write or cut any more: the descriptor can be given
 * to anybody. NULL: it is too short, there is no room for it, or there are
 * MST_PAYLOADS_SHARED already; then it is to be an ordinary one. */
mst_payload *mst_payload_shared(const struct iovec *parts, int nparts);

/* The first len bytes of a mapping, which it takes; on NULL it stays the
 * caller's. */
mst_payload *mst_payload_mapped(void *mapped, size_t mapped_bytes, size_t len);

mst_payload *mst_payload_ref(mst_payload *payload);
void mst_payload_unref(mst_payload **payload); /* NULL inside is fine */

#endif
