#include "base/pool.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/sanitized.h"

/* A block is some grains; a span holds blocks of one size. */
#define GRAIN 64u
#define SPAN ((size_t)16 << 10)
#define SPANS (MST_POOL_BYTES / SPAN)
#define SPAN_GRAINS (SPAN / GRAIN)
#define SIZES (MST_POOL_MOST / GRAIN) /* 1 .. SIZES grains */

/* Free blocks of one size, by their numbers (from 1 on, 0: none).
 *
 * What is given back is pushed on `first`: the block's number below, how often
 * the list was changed above, so that it is never taken for what it was before.
 * Who allocates takes that list whole, and then from there: blocks are mostly
 * allocated by one thread and given back by another, and so the two do not take
 * the cache line from each other for each block. */
typedef struct list {
    _Alignas(64) _Atomic uint64_t first;
    _Alignas(64) atomic_flag held; /* whoever set it has `taken` */
    uint32_t taken;
} list;

struct mst_pool {
    list lists[SIZES + 1]; /* by grains; [0] is not used */
    _Alignas(64) atomic_uint refs;
    atomic_uint nspans;          /* that have a size */
    void *slab;                  /* as it was allocated */
    unsigned char *base;         /* the first block, aligned to a grain */
    _Atomic uint8_t size[SPANS]; /* of a span's blocks, in grains */
    _Atomic uint32_t next[SPANS * SPAN_GRAINS]; /* of a free block: by grain */
};

#define ON (!MST_SANITIZED)

bool mst_pool_is_on(void)
{
    return ON;
}

static void destroy(mst_pool *pool)
{
    mst_free(pool->slab);
    mst_free(pool);
}

mst_pool *mst_pool_create(void)
{
    mst_pool *pool = mst_alloc_aligned(_Alignof(mst_pool), sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->slab = ON ? mst_alloc_aligned(GRAIN, MST_POOL_BYTES) : NULL;
    if (ON && pool->slab == NULL) {
        destroy(pool);
        return NULL;
    }
    pool->base = (unsigned char *)pool->slab;
    atomic_init(&pool->refs, 1);
    atomic_init(&pool->nspans, 0);
    for (unsigned i = 0; i <= SIZES; i++) {
        atomic_init(&pool->lists[i].first, 0);
        atomic_flag_clear(&pool->lists[i].held);
        pool->lists[i].taken = 0;
    }
    return pool;
}

mst_pool *mst_pool_ref(mst_pool *pool)
{
    if (pool != NULL)
        atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
    return pool;
}

void mst_pool_unref(mst_pool **pool)
{
    mst_pool *p = *pool;

    *pool = NULL;
    if (p != NULL &&
        atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        destroy(p);
}

/* ------------------------------------------------------------- lists -- */

static uint64_t changed(uint64_t was, uint32_t first)
{
    return ((was >> 32) + 1) << 32 | first;
}

/* Blocks first .. last, which are chained, by their numbers. */
static void push(mst_pool *pool, unsigned size, uint32_t first, uint32_t last)
{
    list *l = &pool->lists[size];
    uint64_t was = atomic_load_explicit(&l->first, memory_order_relaxed);

    do
        atomic_store_explicit(&pool->next[last - 1], (uint32_t)was,
                              memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &l->first, &was, changed(was, first), memory_order_release,
        memory_order_relaxed));
}

static uint32_t after(const mst_pool *pool, uint32_t block)
{
    return atomic_load_explicit(&pool->next[block - 1], memory_order_relaxed);
}

/* Of those that were given back. 0: there is none. */
static uint32_t pop(mst_pool *pool, list *l, bool whole)
{
    uint64_t was = atomic_load_explicit(&l->first, memory_order_acquire);
    uint32_t first, next;

    do {
        first = (uint32_t)was;
        if (first == 0)
            return 0;
        /* another may have taken it meanwhile: then the exchange fails */
        next = whole ? 0 : after(pool, first);
    } while (!atomic_compare_exchange_weak_explicit(
        &l->first, &was, changed(was, next), memory_order_acquire,
        memory_order_acquire));
    return first;
}

/* 0: there is none. */
static uint32_t take(mst_pool *pool, unsigned size)
{
    list *l = &pool->lists[size];
    uint32_t first;

    if (atomic_flag_test_and_set_explicit(&l->held, memory_order_acquire))
        return pop(pool, l, false); /* another thread allocates just now */
    first = l->taken != 0 ? l->taken : pop(pool, l, true);
    l->taken = first != 0 ? after(pool, first) : 0;
    atomic_flag_clear_explicit(&l->held, memory_order_release);
    return first;
}

/* Cut one more span into blocks; the first of them is the caller's. 0: there
 * are no more. */
static uint32_t cut(mst_pool *pool, unsigned size)
{
    unsigned span = atomic_load(&pool->nspans);
    uint32_t first, last;

    do
        if (span == SPANS)
            return 0;
    while (!atomic_compare_exchange_weak(&pool->nspans, &span, span + 1));
    atomic_store(&pool->size[span], (uint8_t)size);
    first = span * SPAN_GRAINS + 1;
    last = first + (SPAN_GRAINS / size - 1) * size;
    for (uint32_t i = first + size; i < last; i += size)
        atomic_store_explicit(&pool->next[i - 1], i + size,
                              memory_order_relaxed);
    push(pool, size, first + size, last);
    return first;
}

void *mst_pool_alloc(mst_pool *pool, size_t bytes)
{
    const unsigned size = bytes > MST_POOL_MOST ? 0
                          : bytes > 0 ? (unsigned)((bytes + GRAIN - 1) / GRAIN)
                                      : 1;
    uint32_t block;

    if (!ON || pool == NULL || size == 0)
        return mst_alloc(bytes);
    if (mst_alloc_fails())
        return NULL;
    block = take(pool, size);
    if (block == 0)
        block = cut(pool, size);
    if (block == 0)
        return mst_alloc(bytes);
    return pool->base + (size_t)(block - 1) * GRAIN;
}

void mst_pool_free(mst_pool *pool, void *p)
{
    const uintptr_t at = (uintptr_t)p;
    uint32_t block;

    if (!ON || pool == NULL || at < (uintptr_t)pool->base ||
        at >= (uintptr_t)pool->base + MST_POOL_BYTES) {
        mst_free(p);
        return;
    }
    block = (uint32_t)((at - (uintptr_t)pool->base) / GRAIN) + 1;
    push(pool, atomic_load(&pool->size[(block - 1) / SPAN_GRAINS]), block,
         block);
}
