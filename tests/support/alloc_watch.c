/* alloc_watch.c - in front of the C library: counts what the program takes
 * from the heap while it is on, by who asks. An allocation inside the C or C++
 * library is that of whoever called it. */
#include "alloc_watch.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

#define FRAMES 16

typedef struct range {
    uintptr_t begin, end;
} range;

enum { PROGRAM, ZMQ, LIBC, CPP, SELF, RANGES };

static range ranges[RANGES];
static atomic_bool on;
static atomic_long counts[ALLOC_WATCHED];
static _Thread_local bool inside;

static bool in(int which, uintptr_t at)
{
    return at >= ranges[which].begin && at < ranges[which].end;
}

static int which_of(const char *name)
{
    static const char *const names[RANGES] = {
        NULL, "libzmq.so", "libc.so", "libstdc++.so", "liballoc_watch.so"};

    if (name[0] == '\0')
        return PROGRAM;
    for (int i = ZMQ; i < RANGES; i++)
        if (strstr(name, names[i]) != NULL)
            return i;
    return -1;
}

static int note_range(struct dl_phdr_info *info, size_t bytes, void *nprogram)
{
    const int which = which_of(info->dlpi_name);
    range *r;

    (void)bytes;
    /* the kernel's vdso has no name either, but it comes later */
    if (which < 0 || (which == PROGRAM && (*(int *)nprogram)++ > 0))
        return 0;
    r = &ranges[which];
    *r = (range){UINTPTR_MAX, 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uintptr_t begin = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD)
            continue;
        if (begin < r->begin)
            r->begin = begin;
        if (begin + p->p_memsz > r->end)
            r->end = begin + p->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    void *frames[FRAMES];
    int nprogram = 0;

    dl_iterate_phdr(note_range, &nprogram);
    (void)backtrace(frames, FRAMES); /* the first one takes memory */
}

static alloc_who who_is(uintptr_t caller)
{
    void *frames[FRAMES];
    int n;

    if (in(PROGRAM, caller))
        return ALLOC_PROGRAM;
    if (in(ZMQ, caller))
        return ALLOC_ZMQ;
    if (!in(LIBC, caller) && !in(CPP, caller))
        return ALLOC_OTHER;
    n = backtrace(frames, FRAMES);
    for (int i = 0; i < n; i++) {
        const uintptr_t at = (uintptr_t)frames[i];

        if (in(PROGRAM, at))
            return ALLOC_PROGRAM;
        if (!in(SELF, at) && !in(LIBC, at) && !in(CPP, at))
            return in(ZMQ, at) ? ALLOC_ZMQ : ALLOC_OTHER;
    }
    return ALLOC_OTHER;
}

static void count(void *caller)
{
    if (!atomic_load_explicit(&on, memory_order_relaxed) || inside)
        return;
    inside = true;
    atomic_fetch_add(&counts[who_is((uintptr_t)caller)], 1);
    inside = false;
}

#define CALLER __builtin_return_address(0)

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc's
 * names are reserved */
void *malloc(size_t bytes)
{
    count(CALLER);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    count(CALLER);
    return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
    count(CALLER);
    return __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    count(CALLER);
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **p, size_t align, size_t bytes)
{
    count(CALLER);
    *p = __libc_memalign(align, bytes);
    return *p != NULL ? 0 : ENOMEM;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

void alloc_watch_begin(void)
{
    for (int i = 0; i < ALLOC_WATCHED; i++)
        atomic_store(&counts[i], 0);
    atomic_store(&on, true);
}

void alloc_watch_end(long got[ALLOC_WATCHED])
{
    atomic_store(&on, false);
    for (int i = 0; i < ALLOC_WATCHED; i++)
        got[i] = atomic_load(&counts[i]);
}
