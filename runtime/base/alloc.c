#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/large.h"

static atomic_long fuse; /* 0: off; 1: fails now */

int mst_alloc_fails(void)
{
    long left = atomic_load_explicit(&fuse, memory_order_relaxed);

    /* exchanged: a new value that comes meanwhile is not written over */
    while (left > 1 && !atomic_compare_exchange_weak_explicit(
                           &fuse, &left, left - 1, memory_order_relaxed,
                           memory_order_relaxed))
        ;
    return left == 1;
}

void mst_alloc_fail_after(long n)
{
    atomic_store(&fuse, n);
}

void *mst_alloc(size_t bytes)
{
    return mst_alloc_fails() ? NULL : malloc(bytes > 0 ? bytes : 1);
}

void *mst_calloc(size_t n, size_t bytes)
{
    return mst_alloc_fails() ? NULL
                             : calloc(n > 0 ? n : 1, bytes > 0 ? bytes : 1);
}

void *mst_realloc(void *p, size_t bytes)
{
    return mst_alloc_fails() ? NULL : realloc(p, bytes > 0 ? bytes : 1);
}

void *mst_alloc_aligned(size_t align, size_t bytes)
{
    void *p;

    return mst_alloc_fails() || posix_memalign(&p, align, bytes) != 0 ? NULL
                                                                      : p;
}

char *mst_strdup(const char *text)
{
    size_t bytes;
    char *copy;

    if (text == NULL)
        return NULL;
    bytes = strlen(text) + 1;
    copy = mst_alloc(bytes);
    if (copy != NULL)
        memcpy(copy, text, bytes);
    return copy;
}

void *mst_alloc_large(size_t bytes)
{
    if (bytes < MST_LARGE)
        return mst_alloc(bytes);
    return mst_alloc_fails() ? NULL : mst_large_get(bytes);
}

void mst_free(void *p)
{
    if (!mst_large_keep(p))
        free(p);
}

void mst_drop(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    free(p);
}

void mst_drop_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
