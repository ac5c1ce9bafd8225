#include "call/pending.h"

#include "base/alloc.h"

static int grow(mst_pending *table)
{
    const uint32_t room = table->room > 0 ? 2 * table->room : 64;
    mst_slot *slots;

    if (room <= table->room)
        return 0;
    slots = mst_realloc(table->slots, room * sizeof(*slots));
    if (slots == NULL)
        return 0;
    for (uint32_t i = table->room; i < room; i++)
        slots[i] = (mst_slot){NULL, 0, i + 1 < room ? i + 2 : 0};
    table->free = table->room + 1;
    table->slots = slots;
    table->room = room;
    return 1;
}

uint64_t mst_pending_add(mst_pending *table, void *item)
{
    uint32_t place;
    mst_slot *slot;

    if (table->free == 0 && !grow(table))
        return 0;
    place = table->free;
    slot = &table->slots[place - 1];
    table->free = slot->next;
    slot->item = item;
    slot->use = (slot->use + 1) & 0x7fffffff; /* the highest bit is kept free */
    table->n++;
    return (uint64_t)slot->use << 32 | place;
}

static mst_slot *find(const mst_pending *table, uint64_t id)
{
    const uint32_t place = (uint32_t)id;
    mst_slot *slot;

    if (place == 0 || place > table->room)
        return NULL;
    slot = &table->slots[place - 1];
    return slot->item != NULL && slot->use == id >> 32 ? slot : NULL;
}

void *mst_pending_get(const mst_pending *table, uint64_t id)
{
    const mst_slot *slot = find(table, id);

    return slot != NULL ? slot->item : NULL;
}

void *mst_pending_remove(mst_pending *table, uint64_t id)
{
    mst_slot *slot = find(table, id);
    void *item;

    if (slot == NULL)
        return NULL;
    item = slot->item;
    slot->item = NULL;
    slot->next = table->free;
    table->free = (uint32_t)id;
    table->n--;
    return item;
}

void *mst_pending_any(const mst_pending *table)
{
    for (uint32_t i = 0; table->n > 0 && i < table->room; i++)
        if (table->slots[i].item != NULL)
            return table->slots[i].item;
    return NULL;
}

void mst_pending_fini(mst_pending *table)
{
    mst_free(table->slots);
    *table = (mst_pending){0};
}
