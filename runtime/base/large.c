#include "base/large.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/sanitized.h"

#define PLACES 16

#define ON (!MST_SANITIZED)

typedef struct place {
    void *p; /* NULL: nothing is here */
    size_t bytes;
    int64_t since_ms;
} place;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the rest */
static place places[PLACES];
static size_t kept;

bool mst_large_is_on(void)
{
    return ON;
}

size_t mst_large_kept(void)
{
    size_t bytes;

    pthread_mutex_lock(&lock);
    bytes = kept;
    pthread_mutex_unlock(&lock);
    return bytes;
}

/* With the lock held. */
static void *take(place *at)
{
    void *p = at->p;

    kept -= at->bytes;
    at->p = NULL;
    return p;
}

/* With the lock held: the smallest that is large enough, but not one that is
 * much too large. */
static place *fitting(size_t bytes)
{
    place *best = NULL;

    for (place *at = places; at < places + PLACES; at++)
        if (at->p != NULL && at->bytes >= bytes && at->bytes / 2 <= bytes &&
            (best == NULL || at->bytes < best->bytes))
            best = at;
    return best;
}

void *mst_large_get(size_t bytes)
{
    place *at;
    void *p = NULL;

    pthread_mutex_lock(&lock);
    at = fitting(bytes);
    if (at != NULL)
        p = take(at);
    pthread_mutex_unlock(&lock);
    if (p != NULL)
        return p;
    if (posix_memalign(&p, MST_LARGE_ALIGN, bytes) != 0)
        return NULL;
    if (bytes >= 2 * MST_LARGE_ALIGN)
        (void)madvise(p, bytes, MADV_HUGEPAGE); /* only faster */
    return p;
}

/* With the lock held: a free place, with room for so much; the oldest leave it.
 * What has to be freed is chained by its first word. */
static place *make_place(size_t bytes, void **gone)
{
    for (;;) {
        place *oldest = NULL, *empty = NULL;

        for (place *at = places; at < places + PLACES; at++)
            if (at->p == NULL)
                empty = at;
            else if (oldest == NULL || at->since_ms < oldest->since_ms)
                oldest = at;
        if (oldest == NULL || (empty != NULL && kept + bytes <= MST_LARGE_KEPT))
            return empty;
        *(void **)oldest->p = *gone;
        *gone = take(oldest);
    }
}

static void free_chain(void *gone)
{
    while (gone != NULL) {
        void *next = *(void **)gone;

        free(gone);
        gone = next;
    }
}

bool mst_large_keep(void *p)
{
    void *gone = NULL;
    size_t bytes;
    place *at;

    if (!ON || ((uintptr_t)p & (MST_LARGE_ALIGN - 1)) != 0 || p == NULL)
        return false;
    bytes = malloc_usable_size(p);
    if (bytes < MST_LARGE || bytes > MST_LARGE_KEPT)
        return false;
    pthread_mutex_lock(&lock);
    at = make_place(bytes, &gone);
    *at = (place){p, bytes, mst_now_ms()};
    kept += bytes;
    pthread_mutex_unlock(&lock);
    free_chain(gone);
    return true;
}

void mst_large_tick(int64_t now_ms)
{
    void *gone = NULL;

    pthread_mutex_lock(&lock);
    for (place *at = places; at < places + PLACES; at++)
        if (at->p != NULL && now_ms - at->since_ms >= MST_LARGE_MS) {
            *(void **)at->p = gone;
            gone = take(at);
        }
    pthread_mutex_unlock(&lock);
    free_chain(gone);
}
