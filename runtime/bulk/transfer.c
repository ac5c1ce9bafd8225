/* transfer.c - a payload on its way out, sealed once for all who get it. */
#include <string.h>

#include "base/alloc.h"
#include "bulk/bulk.h"

#define SPARE_MS 10000 /* between two looks at what is kept */

mst_seal_kind mst_bulk_seal(mst_bulk_mode mode)
{
    return mode == MST_BULK_AES      ? MST_SEAL_AES
           : mode == MST_BULK_CHACHA ? MST_SEAL_CHACHA
                                     : MST_SEAL_NONE;
}

void mst_bulk_init(mst_bulk *bulk, mst_poll *poll, uint32_t rank,
                   const uint8_t session[MST_SESSION_BYTES])
{
    memset(bulk, 0, sizeof(*bulk));
    bulk->poll = poll;
    bulk->rank = rank;
    memcpy(bulk->session, session, MST_SESSION_BYTES);
    LIST_INIT(&bulk->carriers);
    mst_segments_init(&bulk->segments, mst_share_gone, bulk);
}

void mst_bulk_fini(mst_bulk *bulk)
{
    mst_segments_fini(&bulk->segments);
    while (bulk->nspare > 0)
        mst_free(bulk->spare[--bulk->nspare]);
}

void *mst_bulk_chunk(mst_bulk *bulk)
{
    if (bulk->nspare == 0) {
        bulk->least = 0;
        return mst_alloc(MST_BULK_CHUNK);
    }
    bulk->nspare--;
    if (bulk->nspare < bulk->least)
        bulk->least = bulk->nspare;
    return bulk->spare[bulk->nspare];
}

void mst_bulk_spare(mst_bulk *bulk, void *chunk)
{
    if (chunk != NULL && bulk->nspare < MST_BULK_SPARE)
        bulk->spare[bulk->nspare++] = chunk;
    else
        mst_free(chunk);
}

void mst_bulk_tick(mst_bulk *bulk, int64_t now_ms)
{
    if (now_ms - bulk->spare_ms < SPARE_MS)
        return;
    bulk->spare_ms = now_ms;
    for (; bulk->least > 0; bulk->least--)
        mst_free(bulk->spare[--bulk->nspare]);
    bulk->least = bulk->nspare;
}

uint32_t mst_bulk_count(uint64_t total)
{
    return (uint32_t)((total + MST_BULK_CHUNK - 1) / MST_BULK_CHUNK);
}

size_t mst_bulk_length(uint64_t total, uint32_t index)
{
    const uint64_t at = (uint64_t)index * MST_BULK_CHUNK;

    return total - at < MST_BULK_CHUNK ? (size_t)(total - at) : MST_BULK_CHUNK;
}

static void give_back(mst_transfer *t, uint32_t below)
{
    for (; t->first < below; t->first++) {
        mst_bulk_spare(t->bulk, t->chunks[t->first].body);
        t->chunks[t->first].body = NULL;
    }
}

static void destroy(mst_transfer *t)
{
    if (t->chunks != NULL)
        give_back(t, t->count);
    LIST_REMOVE(t, of_payload);
    mst_payload_unref(&t->payload);
    if (t->seal != NULL)
        mst_seal_destroy(&t->seal);
    mst_free(t->chunks);
    mst_free(t);
}

static bool prepare_seal(mst_transfer *t)
{
    const mst_seal_about about = {t->bulk->session, t->id, t->bulk->rank,
                                  t->payload->len};

    t->chunks = mst_calloc(t->count, sizeof(*t->chunks));
    t->seal = mst_seal_create(t->kind, &about, NULL);
    return t->chunks != NULL && t->seal != NULL;
}

mst_transfer *mst_transfer_of(mst_bulk *bulk, mst_payload *payload,
                              mst_seal_kind kind, uint64_t after)
{
    mst_transfer *t;

    LIST_FOREACH(t, &payload->transfers, of_payload)
    if (t->kind == kind && t->first == 0 && t->id > after)
        return t;
    t = mst_calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    LIST_INIT(&t->flows);
    t->bulk = bulk;
    t->payload = mst_payload_ref(payload);
    t->id = ++bulk->last;
    t->count = mst_bulk_count(payload->len);
    t->kind = kind;
    LIST_INSERT_HEAD(&payload->transfers, t, of_payload);
    if (kind == MST_SEAL_NONE || prepare_seal(t))
        return t;
    destroy(t);
    return NULL;
}

static bool seal_chunk(mst_transfer *t, uint32_t index,
                       const unsigned char *plain, size_t len)
{
    struct mst_sealed *chunk = &t->chunks[index];

    chunk->body = mst_bulk_chunk(t->bulk);
    if (chunk->body == NULL)
        return false;
    if (!mst_seal_close(t->seal, index, plain, len, chunk->body, chunk->tag)) {
        mst_bulk_spare(t->bulk, chunk->body);
        chunk->body = NULL;
        return false;
    }
    t->bulk->sealed += len;
    return true;
}

bool mst_transfer_frame(mst_transfer *t, uint32_t index, mst_frame *frame)
{
    const unsigned char *plain = (const unsigned char *)t->payload->data +
                                 (size_t)index * MST_BULK_CHUNK;
    mst_writer w = mst_writer_of(frame->head, sizeof(frame->head));

    frame->len = mst_bulk_length(t->payload->len, index);
    frame->body = plain;
    memset(frame->head, 0, sizeof(frame->head));
    mst_write_u64(&w, t->id);
    mst_write_u32(&w, index);
    mst_write_u32(&w, (uint32_t)frame->len);
    if (t->seal == NULL)
        return true;
    if (t->chunks[index].body == NULL &&
        !seal_chunk(t, index, plain, frame->len))
        return false;
    frame->body = t->chunks[index].body;
    mst_write_bytes(&w, t->chunks[index].tag, MST_SEAL_TAG);
    return true;
}

void mst_transfer_settle(mst_transfer *t)
{
    mst_flow *flow;

    if (LIST_EMPTY(&t->flows)) {
        destroy(t);
        return;
    }
    if (t->chunks == NULL)
        return;
    /* as long as that one waits, nothing can be given back: with many who say
     * GOT one after the other, few have to look at all of them */
    if (t->slowest != NULL && t->slowest->got <= t->first)
        return;
    t->slowest = LIST_FIRST(&t->flows);
    LIST_FOREACH(flow, &t->flows, of_transfer)
    if (flow->got < t->slowest->got)
        t->slowest = flow;
    give_back(t, t->slowest->got);
}
