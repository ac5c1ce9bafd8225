/* heap.h - deadlines, the nearest first. The nodes live in what they time. */
#ifndef MST_HEAP_H
#define MST_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mst_timed {
    int64_t at_ms;
    size_t place; /* 1-based place in the heap; 0: not in it */
} mst_timed;

typedef struct mst_heap {
    mst_timed **items;
    size_t n, room;
} mst_heap;

void mst_heap_fini(mst_heap *heap);
bool mst_heap_add(mst_heap *heap, mst_timed *item);    /* false: no memory */
void mst_heap_remove(mst_heap *heap, mst_timed *item); /* absent: nothing */

static inline mst_timed *mst_heap_first(const mst_heap *heap)
{
    return heap->n > 0 ? heap->items[0] : NULL;
}

#endif
