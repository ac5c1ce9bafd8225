#include "bulk/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bulk/segment.h"

#define PARTS 4

static _Atomic uint64_t last; /* serial */
static atomic_int nshared;

static mst_payload *make(mst_pool *pool, const void *data, size_t len,
                         size_t extra)
{
    mst_payload *p = mst_pool_alloc(pool, sizeof(*p) + extra);

    if (p == NULL)
        return NULL;
    atomic_init(&p->refs, 1);
    p->data = data;
    p->len = len;
    p->serial = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    p->owned = p->mapped = NULL;
    p->mapped_bytes = 0;
    p->fd = -1;
    LIST_INIT(&p->transfers);
    p->pool = pool;
    return p;
}

mst_payload *mst_payload_copy_in(mst_pool *pool, const void *data, size_t len)
{
    mst_payload *p = make(pool, NULL, len, len);

    if (p == NULL)
        return NULL;
    if (len > 0)
        memcpy(p + 1, data, len);
    p->data = p + 1;
    return p;
}

mst_payload *mst_payload_borrow_in(mst_pool *pool, const void *data, size_t len)
{
    return make(pool, data, len, 0);
}

mst_payload *mst_payload_own_in(mst_pool *pool, void *data, size_t len)
{
    mst_payload *p = make(pool, data, len, 0);

    if (p != NULL)
        p->owned = data;
    return p;
}

/* A file of shared memory is written, not mapped and filled: so the kernel does
 * not clear its pages first. */
static bool write_all(int fd, const struct iovec *parts, int nparts)
{
    struct iovec left[PARTS + 1];
    struct iovec *at = left;
    int n = nparts;

    memcpy(left, parts, (size_t)n * sizeof(*parts));
    left[n++] = (struct iovec){(char[]){'\0'}, 1};
    while (n > 0) {
        ssize_t written;

        if (at->iov_len == 0) {
            at++;
            n--;
            continue;
        }
        written = writev(fd, at, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        for (; n > 0 && (size_t)written >= at->iov_len; at++, n--)
            written -= (ssize_t)at->iov_len;
        if (n > 0) {
            at->iov_base = (char *)at->iov_base + written;
            at->iov_len -= (size_t)written;
        }
    }
    return true;
}

static void *shared_map(int fd, const struct iovec *parts, int nparts,
                        size_t bytes)
{
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    void *at;

    if (!write_all(fd, parts, nparts) || fcntl(fd, F_ADD_SEALS, seals) != 0)
        return NULL;
    at = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    return at != MAP_FAILED ? at : NULL;
}

mst_payload *mst_payload_shared(const struct iovec *parts, int nparts)
{
    mst_payload *p = NULL;
    size_t len = 0;
    int fd = -1;
    void *at;

    for (int i = 0; i < nparts; i++)
        len += parts[i].iov_len;
    if (len < MST_PAYLOAD_SHARED || nparts > PARTS)
        return NULL;
    if (atomic_fetch_add(&nshared, 1) < MST_PAYLOADS_SHARED &&
        !mst_alloc_fails())
        fd = mst_segment_file(len + 1);
    at = fd >= 0 ? shared_map(fd, parts, nparts, len + 1) : NULL;
    if (at != NULL)
        p = mst_payload_mapped(at, len + 1, len);
    if (p != NULL) {
        p->fd = fd;
        return p;
    }
    if (at != NULL)
        munmap(at, len + 1);
    if (fd >= 0)
        close(fd);
    atomic_fetch_sub(&nshared, 1);
    return NULL;
}

mst_payload *mst_payload_mapped(void *mapped, size_t mapped_bytes, size_t len)
{
    mst_payload *p = make(NULL, mapped, len, 0);

    if (p != NULL) {
        p->mapped = mapped;
        p->mapped_bytes = mapped_bytes;
    }
    return p;
}

mst_payload *mst_payload_ref(mst_payload *payload)
{
    atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
    return payload;
}

void mst_payload_unref(mst_payload **payload)
{
    mst_payload *p = *payload;

    *payload = NULL;
    if (p == NULL ||
        atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (p->mapped != NULL)
        munmap(p->mapped, p->mapped_bytes);
    if (p->fd >= 0) {
        close(p->fd);
        atomic_fetch_sub(&nshared, 1);
    }
    mst_pool_free(p->pool, p->owned);
    mst_pool_free(p->pool, p);
}
