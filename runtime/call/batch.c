#include "call/batch.h"

#include "call/handler.h"

#define ALIGN 16u
#define RESULT_FIELDS(text_len) (2 + 4 + 2 + (text_len) + 8)

static size_t padding(size_t at)
{
    return (ALIGN - at % ALIGN) % ALIGN;
}

size_t mst_batch_size(const char *handler, const muster_item *items, size_t n)
{
    size_t bytes = 2 + strlen(handler) + 4;

    for (size_t i = 0; i < n; i++) {
        bytes += 8;
        bytes += padding(bytes) + items[i].len;
    }
    return bytes;
}

static void pad(mst_writer *w)
{
    static const unsigned char zeros[ALIGN];

    mst_write_bytes(w, zeros, padding(mst_written(w)));
}

void mst_batch_write(void *at, size_t bytes, const char *handler,
                     const muster_item *items, size_t n)
{
    mst_writer w = mst_writer_of(at, bytes);

    mst_write_u16(&w, (uint16_t)strlen(handler));
    mst_write_bytes(&w, handler, strlen(handler));
    mst_write_u32(&w, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        mst_write_u64(&w, items[i].len);
        pad(&w);
        mst_write_bytes(&w, items[i].data, items[i].len);
    }
}

mst_batch mst_batch_of(const void *data, size_t len)
{
    return (mst_batch){(const unsigned char *)data, mst_reader_of(data, len)};
}

bool mst_batch_head(mst_batch *batch, const char **handler, size_t *len,
                    uint32_t *count)
{
    *len = mst_read_u16(&batch->reader);
    *handler = (const char *)mst_read_bytes(&batch->reader, *len);
    *count = mst_read_u32(&batch->reader);
    return batch->reader.ok;
}

bool mst_batch_item(mst_batch *batch, muster_item *item)
{
    mst_reader *r = &batch->reader;
    const uint64_t len = mst_read_u64(r);

    (void)mst_read_bytes(r, padding((size_t)(r->at - batch->start)));
    if (len > r->left)
        r->ok = false;
    item->len = (size_t)len;
    item->data = mst_read_bytes(r, item->len);
    return r->ok;
}

bool mst_batch_next_result(mst_batch *batch, mst_batch_result *result)
{
    mst_reader *r = &batch->reader;
    const uint16_t code = mst_read_u16(r);

    result->code = code < MUSTER_ERRORS ? (muster_err)code : MUSTER_EREMOTE;
    result->remote = (int)mst_read_u32(r);
    result->text_len = mst_read_u16(r);
    result->text = (const char *)mst_read_bytes(r, result->text_len);
    return mst_batch_item(batch, &result->data);
}

bool mst_batch_result_put(muster_out *out, const mst_batch_result *result)
{
    const size_t fields = RESULT_FIELDS(result->text_len);
    const size_t zeros = padding(out->len + fields);
    const size_t bytes = fields + zeros + result->data.len;
    unsigned char *at = muster_out_reserve(out, bytes);
    mst_writer w = mst_writer_of(at, at != NULL ? bytes : 0);

    mst_write_u16(&w, (uint16_t)result->code);
    mst_write_u32(&w, (uint32_t)result->remote);
    mst_write_u16(&w, (uint16_t)result->text_len);
    mst_write_bytes(&w, result->text, result->text_len);
    mst_write_u64(&w, result->data.len);
    if (w.ok) {
        memset(w.at, 0, zeros);
        w.at += zeros;
        w.left -= zeros;
    }
    mst_write_bytes(&w, result->data.data, result->data.len);
    return w.ok;
}
