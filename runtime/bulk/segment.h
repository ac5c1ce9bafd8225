/* segment.h - shared memory between a manager and its local children.
 *
 * A payload that goes to children of this machine is copied once into a
 * segment, where their handlers read it in place. Segments are kept for the
 * next payloads (their pages are there, in all processes), up to
 * MST_SEGMENT_BYTES in all, for MST_SEGMENT_MS after their last use.
 *
 *   manager   a memfd, mapped for writing, then sealed: who maps it later can
 *             only read, and nobody can change its size
 *   child     gets the memfd by its inherited line when it first needs the
 *             segment, maps it, and keeps that until it is told to forget it
 *
 * A CALL with MST_FLAG_SHARED says which segment has its payload, and a number
 * for this use of it; GOT with that number gives it back. A child that has a
 * segment can also read what is put there for others later; where it could not
 * map it, GOT says so, and the next call comes with the memfd again.
 *
 * What a child keeps for longer, a blob, is not copied into a segment. It lies
 * in shared memory of its own from the beginning (payload.h), which nobody can
 * write or cut, the manager neither. A child maps that at a place behind those
 * of segments, which is the child's alone; the place is free again when it says
 * GOT, while the mapping stays as long as the blob. So the bytes are there once
 * for all processes of the machine, and what remains to be known of them, once
 * they are mapped, the kernel knows.
 *
 * Results do not come this way. A child could write what the manager has looked
 * at already, so the manager would have to copy it; and two copies by way of a
 * warm memfd took 0.8 to 0.9 of the time of those by the socket pair, which is
 * not worth a second pool.
 *
 * What goes by the line to the child, beside a descriptor or without one:
 *
 *      0   1   'M' map, with the descriptor; 'F' forget
 *      1   1   place of the segment, 0 .. MST_SEGMENTS - 1; or one behind
 *              them, below MST_PLACES
 *      2   8   its bytes, big-endian
 *
 * Loop thread only.
 */
#ifndef MST_SEGMENT_H
#define MST_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define MST_SEGMENTS 16u
#define MST_PLACES 32u /* with those that are a child's alone */
#define MST_SEGMENT_MIN ((size_t)1 << 20)     /* of a payload */
#define MST_SEGMENT_BYTES ((size_t)256 << 20) /* of all there are */
#define MST_SEGMENT_MS 10000
#define MST_SEGMENT_MAP 'M'
#define MST_SEGMENT_FORGET 'F'
#define MST_SEGMENT_WORDS 10u /* bytes of what goes by the line */

typedef struct mst_segment {
    int fd; /* -1: there is none in this place */
    void *at;
    size_t bytes;
    uint64_t payload; /* whose bytes it has: the payload's serial; 0: none */
    unsigned uses;    /* children that may read it */
    bool tainted; /* by one of whom nothing is known: not to be used again */
    int64_t since_ms; /* its last use */
} mst_segment;

typedef struct mst_segments {
    mst_segment places[MST_SEGMENTS];
    size_t bytes;
    /* Segment i is about to go: tell who knows it. */
    void (*gone)(void *arg, unsigned i);
    void *arg;
} mst_segments;

void mst_segments_init(mst_segments *s, void (*gone)(void *arg, unsigned i),
                       void *arg);
void mst_segments_fini(mst_segments *s);

/* The place of one with these bytes and a zero byte behind them, which is now
 * used once more; -1: there is no room. */
int mst_segments_use(mst_segments *s, uint64_t serial, const void *data,
                     size_t len);
/* One use has ended. Tainted: or may go on, by a child that was given up. */
void mst_segments_done(mst_segments *s, unsigned i, bool tainted);
void mst_segments_tick(mst_segments *s, int64_t now_ms);

/* A memfd that can grow to so many bytes and be sealed; -1: that it cannot. */
int mst_segment_file(size_t bytes);

/* ------------------------------------------------------- in the child -- */

typedef struct mst_views {
    struct mst_view {
        const void *at; /* NULL: not mapped */
        size_t bytes;
        unsigned uses;
    } views[MST_PLACES];
} mst_views;

/* What came by the line; closes fd, which may be -1. */
void mst_views_told(mst_views *v, const uint8_t *words, size_t len, int fd);
/* `len` bytes and the zero byte behind them, until put; NULL: they are not
 * there. */
const void *mst_views_get(mst_views *v, unsigned i, uint64_t len);
void mst_views_put(mst_views *v, unsigned i);
/* What was got at place i belongs to the caller from now on, for munmap; NULL:
 * it is a segment's, or others read it: put it. */
void *mst_views_take(mst_views *v, unsigned i, size_t *bytes);
void mst_views_fini(mst_views *v);

/* Words for the line. */
void mst_segment_words(uint8_t words[MST_SEGMENT_WORDS], char what, unsigned i,
                       uint64_t bytes);

#endif
