/* bytes.h - big-endian bytes, read and written so that they can run short.
 *
 * A reader and a writer latch their first failure: a decoder is a straight
 * list of reads and one `if` at the end. A failed read gives zeros.
 */
#ifndef MST_BYTES_H
#define MST_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct mst_reader {
    const unsigned char *at;
    size_t left;
    bool ok;
} mst_reader;

static inline mst_reader mst_reader_of(const void *data, size_t len)
{
    return (mst_reader){(const unsigned char *)data, len, true};
}

/* The next `len` bytes, where they stand, or NULL. */
static inline const void *mst_read_bytes(mst_reader *r, size_t len)
{
    const void *here = r->at;

    if (!r->ok || r->left < len) {
        r->ok = false;
        return NULL;
    }
    if (len > 0)
        r->at += len;
    r->left -= len;
    return here;
}

static inline uint64_t mst_read_uint(mst_reader *r, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)mst_read_bytes(r, bytes);
    uint64_t value = 0;

    if (p == NULL)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

static inline uint8_t mst_read_u8(mst_reader *r)
{
    return (uint8_t)mst_read_uint(r, 1);
}

static inline uint16_t mst_read_u16(mst_reader *r)
{
    return (uint16_t)mst_read_uint(r, 2);
}

static inline uint32_t mst_read_u32(mst_reader *r)
{
    return (uint32_t)mst_read_uint(r, 4);
}

static inline uint64_t mst_read_u64(mst_reader *r)
{
    return mst_read_uint(r, 8);
}

typedef struct mst_writer {
    unsigned char *start;
    unsigned char *at;
    size_t left;
    bool ok;
} mst_writer;

static inline mst_writer mst_writer_of(void *data, size_t len)
{
    return (mst_writer){(unsigned char *)data, (unsigned char *)data, len,
                        true};
}

static inline size_t mst_written(const mst_writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline void mst_write_bytes(mst_writer *w, const void *data, size_t len)
{
    if (!w->ok || w->left < len) {
        w->ok = false;
        return;
    }
    if (len > 0)
        memcpy(w->at, data, len);
    w->at += len;
    w->left -= len;
}

static inline void mst_write_uint(mst_writer *w, uint64_t value, size_t bytes)
{
    unsigned char p[8];

    for (size_t i = bytes; i-- > 0; value >>= 8)
        p[i] = (unsigned char)value;
    mst_write_bytes(w, p, bytes);
}

static inline void mst_write_u8(mst_writer *w, uint8_t value)
{
    mst_write_uint(w, value, 1);
}

static inline void mst_write_u16(mst_writer *w, uint16_t value)
{
    mst_write_uint(w, value, 2);
}

static inline void mst_write_u32(mst_writer *w, uint32_t value)
{
    mst_write_uint(w, value, 4);
}

static inline void mst_write_u64(mst_writer *w, uint64_t value)
{
    mst_write_uint(w, value, 8);
}

#endif
