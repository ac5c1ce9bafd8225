#include "base/heap.h"

#include "base/alloc.h"

static void put(mst_heap *heap, size_t place, mst_timed *item)
{
    heap->items[place - 1] = item;
    item->place = place;
}

static void sift_up(mst_heap *heap, mst_timed *item)
{
    size_t place = item->place;

    while (place > 1 && heap->items[place / 2 - 1]->at_ms > item->at_ms) {
        put(heap, place, heap->items[place / 2 - 1]);
        place /= 2;
    }
    put(heap, place, item);
}

static void sift_down(mst_heap *heap, mst_timed *item)
{
    size_t place = item->place;

    while (2 * place <= heap->n) {
        size_t child = 2 * place;

        if (child < heap->n &&
            heap->items[child]->at_ms < heap->items[child - 1]->at_ms)
            child++;
        if (heap->items[child - 1]->at_ms >= item->at_ms)
            break;
        put(heap, place, heap->items[child - 1]);
        place = child;
    }
    put(heap, place, item);
}

void mst_heap_fini(mst_heap *heap)
{
    mst_free(heap->items);
    *heap = (mst_heap){0};
}

bool mst_heap_add(mst_heap *heap, mst_timed *item)
{
    if (heap->n == heap->room) {
        const size_t room = heap->room > 0 ? 2 * heap->room : 64;
        mst_timed **items = mst_realloc(heap->items, room * sizeof(*items));

        if (items == NULL)
            return false;
        heap->items = items;
        heap->room = room;
    }
    heap->n++;
    put(heap, heap->n, item);
    sift_up(heap, item);
    return true;
}

void mst_heap_remove(mst_heap *heap, mst_timed *item)
{
    const size_t place = item->place;
    mst_timed *last;

    if (place == 0)
        return;
    item->place = 0;
    last = heap->items[--heap->n];
    if (last == item)
        return;
    put(heap, place, last);
    sift_up(heap, last);
    sift_down(heap, last);
}
