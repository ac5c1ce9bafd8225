/* index.c - the calls that a worker has, by id. The manager's ids are places in
 * a table of its own, so their low bits hardly ever meet in a bucket. */
#include "base/alloc.h"
#include "worker.h"

#define LEAST 64u

static mst_task **bucket(mst_index *x, uint64_t id)
{
    return &x->buckets[(uint32_t)id & (x->room - 1)];
}

static void put(mst_index *x, mst_task *task)
{
    mst_task **at = bucket(x, task->job.id);

    task->same = *at;
    *at = task;
}

/* Twice as many buckets; false: no memory, it stays as it was. */
static bool grow(mst_index *x)
{
    mst_index wider = {.room = x->room > 0 ? 2 * x->room : LEAST, .n = x->n};
    mst_task *task, *next;

    wider.buckets = mst_calloc(wider.room, sizeof(mst_task *));
    if (wider.buckets == NULL)
        return false;
    for (uint32_t i = 0; i < x->room; i++)
        for (task = x->buckets[i]; task != NULL; task = next) {
            next = task->same;
            put(&wider, task);
        }
    mst_free(x->buckets);
    *x = wider;
    return true;
}

bool mst_index_add(mst_index *x, mst_task *task)
{
    if (x->n >= x->room && !grow(x) && x->room == 0)
        return false;
    put(x, task);
    x->n++;
    return true;
}

mst_task *mst_index_get(mst_index *x, uint64_t id)
{
    mst_task *task = x->room > 0 ? *bucket(x, id) : NULL;

    while (task != NULL && task->job.id != id)
        task = task->same;
    return task;
}

void mst_index_remove(mst_index *x, mst_task *task)
{
    mst_task **at = bucket(x, task->job.id);

    while (*at != task)
        at = &(*at)->same;
    *at = task->same;
    x->n--;
}

void mst_index_fini(mst_index *x)
{
    mst_free(x->buckets);
    *x = (mst_index){0};
}
