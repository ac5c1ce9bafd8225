#include "bulk/segment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"

#define STEP ((size_t)2 << 20) /* sizes of segments are multiples */

void mst_segments_init(mst_segments *s, void (*gone)(void *arg, unsigned i),
                       void *arg)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < MST_SEGMENTS; i++)
        s->places[i].fd = -1;
    s->gone = gone;
    s->arg = arg;
}

static void destroy(mst_segments *s, unsigned i)
{
    mst_segment *one = &s->places[i];

    s->gone(s->arg, i);
    munmap(one->at, one->bytes);
    close(one->fd);
    s->bytes -= one->bytes;
    *one = (mst_segment){.fd = -1};
}

void mst_segments_fini(mst_segments *s)
{
    if (s->gone == NULL)
        return;
    for (unsigned i = 0; i < MST_SEGMENTS; i++)
        if (s->places[i].fd >= 0)
            destroy(s, i);
}

int mst_segment_file(size_t bytes)
{
    struct rlimit limit;

    /* beyond it we would get a signal */
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes))
        return -1;
    return memfd_create("muster-bulk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static bool open_segment(mst_segment *one, size_t bytes)
{
    /* children cannot map it for writing, and nobody can cut it */
    const int seals =
        F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    one->fd = mst_segment_file(bytes);
    if (one->fd < 0)
        return false;
    one->bytes = bytes;
    one->at = MAP_FAILED;
    if (posix_fallocate(one->fd, 0, (off_t)bytes) == 0)
        one->at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_POPULATE, one->fd, 0);
    if (one->at != MAP_FAILED && fcntl(one->fd, F_ADD_SEALS, seals) == 0)
        return true;
    if (one->at != MAP_FAILED)
        munmap(one->at, bytes);
    close(one->fd);
    *one = (mst_segment){.fd = -1};
    return false;
}

/* The smallest that nobody uses and that is large enough, but not much too
 * large; -1: none. */
static int fitting(const mst_segments *s, size_t bytes)
{
    int best = -1;

    for (unsigned i = 0; i < MST_SEGMENTS; i++) {
        const mst_segment *one = &s->places[i];

        if (one->fd >= 0 && one->uses == 0 && one->bytes >= bytes &&
            one->bytes / 4 <= bytes &&
            (best < 0 || one->bytes < s->places[best].bytes))
            best = (int)i;
    }
    return best;
}

/* A new one, where those that are not used make room; -1: they do not. */
static int create(mst_segments *s, size_t bytes)
{
    const size_t whole = (bytes + STEP - 1) / STEP * STEP;
    int empty;

    if (whole > MST_SEGMENT_BYTES || mst_alloc_fails())
        return -1;
    for (;;) {
        int oldest = -1;

        empty = -1;
        for (unsigned i = 0; i < MST_SEGMENTS; i++) {
            const mst_segment *one = &s->places[i];

            if (one->fd < 0)
                empty = (int)i;
            else if (one->uses == 0 &&
                     (oldest < 0 || one->since_ms < s->places[oldest].since_ms))
                oldest = (int)i;
        }
        if (empty >= 0 && s->bytes + whole <= MST_SEGMENT_BYTES)
            break;
        if (oldest < 0)
            return -1;
        destroy(s, (unsigned)oldest);
    }
    if (!open_segment(&s->places[empty], whole))
        return -1;
    s->bytes += whole;
    return empty;
}

int mst_segments_use(mst_segments *s, uint64_t serial, const void *data,
                     size_t len)
{
    mst_segment *one;
    int i;

    for (i = 0; i < (int)MST_SEGMENTS; i++)
        if (s->places[i].fd >= 0 && s->places[i].payload == serial &&
            !s->places[i].tainted) {
            s->places[i].uses++;
            return i;
        }
    i = fitting(s, len + 1);
    if (i < 0)
        i = create(s, len + 1);
    if (i < 0)
        return -1;
    one = &s->places[i];
    memcpy(one->at, data, len);
    ((char *)one->at)[len] = '\0';
    one->payload = serial;
    one->uses = 1;
    return i;
}

void mst_segments_done(mst_segments *s, unsigned i, bool tainted)
{
    mst_segment *one = &s->places[i];

    one->uses--;
    one->tainted = one->tainted || tainted;
    one->since_ms = mst_now_ms();
    if (one->uses == 0 && one->tainted)
        destroy(s, i);
}

void mst_segments_tick(mst_segments *s, int64_t now_ms)
{
    for (unsigned i = 0; i < MST_SEGMENTS; i++)
        if (s->places[i].fd >= 0 && s->places[i].uses == 0 &&
            now_ms - s->places[i].since_ms >= MST_SEGMENT_MS)
            destroy(s, i);
}

void mst_segment_words(uint8_t words[MST_SEGMENT_WORDS], char what, unsigned i,
                       uint64_t bytes)
{
    mst_writer w = mst_writer_of(words, MST_SEGMENT_WORDS);

    mst_write_u8(&w, (uint8_t)what);
    mst_write_u8(&w, (uint8_t)i);
    mst_write_u64(&w, bytes);
}

/* ------------------------------------------------------- in the child -- */

/* Who still reads it is of a link that was given up: it stays as it is. */
static void forget(struct mst_view *view)
{
    if (view->at != NULL && view->uses == 0)
        munmap((void *)(uintptr_t)view->at, view->bytes);
    *view = (struct mst_view){NULL, 0, 0};
}

void mst_views_told(mst_views *v, const uint8_t *words, size_t len, int fd)
{
    mst_reader r = mst_reader_of(words, len);
    const uint8_t what = mst_read_u8(&r);
    const uint8_t i = mst_read_u8(&r);
    const uint64_t bytes = mst_read_u64(&r);

    if (r.ok && i < MST_PLACES) {
        forget(&v->views[i]);
        if (what == MST_SEGMENT_MAP && fd >= 0 && bytes <= SIZE_MAX) {
            const void *at = mmap(NULL, (size_t)bytes, PROT_READ,
                                  MAP_SHARED | MAP_POPULATE, fd, 0);

            if (at != MAP_FAILED)
                v->views[i] = (struct mst_view){at, (size_t)bytes, 0};
        }
    }
    if (fd >= 0)
        close(fd);
}

const void *mst_views_get(mst_views *v, unsigned i, uint64_t len)
{
    if (i >= MST_PLACES || v->views[i].at == NULL || len >= v->views[i].bytes)
        return NULL;
    v->views[i].uses++;
    return v->views[i].at;
}

void mst_views_put(mst_views *v, unsigned i)
{
    const bool only_its = i >= MST_SEGMENTS;
    struct mst_view *view = &v->views[i];

    view->uses--;
    if (only_its)
        forget(view);
}

void *mst_views_take(mst_views *v, unsigned i, size_t *bytes)
{
    struct mst_view *view = &v->views[i];
    void *at = (void *)(uintptr_t)view->at;

    if (i < MST_SEGMENTS || view->uses != 1)
        return NULL;
    *bytes = view->bytes;
    *view = (struct mst_view){NULL, 0, 0};
    return at;
}

void mst_views_fini(mst_views *v)
{
    for (unsigned i = 0; i < MST_PLACES; i++)
        forget(&v->views[i]);
}
