/* pending.h - outstanding calls by id. Pure.
 *
 * An id is a place in the table and how often that place was used, so a late
 * answer to a retired call never meets a newer one (until the same place was
 * used two thousand million times). The highest bit of an id is never set.
 */
#ifndef MST_PENDING_H
#define MST_PENDING_H

#include <stddef.h>
#include <stdint.h>

typedef struct mst_slot {
    void *item;    /* NULL: free              */
    uint32_t use;  /* of this place           */
    uint32_t next; /* free list, 1-based      */
} mst_slot;

typedef struct mst_pending {
    mst_slot *slots;
    uint32_t room, free; /* first free place, 1-based; 0: none */
    size_t n;
} mst_pending;

/* The place in an id: 1 .. as many as there ever were at a time, rounded up to
 * a power of two. */
static inline uint32_t mst_pending_place(uint64_t id)
{
    return (uint32_t)id;
}

uint64_t mst_pending_add(mst_pending *table, void *item);     /* 0: no memory */
void *mst_pending_get(const mst_pending *table, uint64_t id); /* NULL: none */
void *mst_pending_remove(mst_pending *table, uint64_t id);    /* NULL: none */

/* Any one item; NULL: the table is empty. */
void *mst_pending_any(const mst_pending *table);

void mst_pending_fini(mst_pending *table);

#endif
