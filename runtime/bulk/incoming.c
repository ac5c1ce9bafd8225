/* incoming.c - a transfer that comes in: each chunk to its place, opened there.
 */
#include <string.h>

#include "base/alloc.h"
#include "bulk/bulk.h"

#define TELL 8u /* chunks, between two GOT */

static muster_err prepare_seal(mst_incoming *in, const mst_record *record,
                               uint32_t sender)
{
    const mst_seal_about about = {in->carrier->bulk->session, in->transfer,
                                  sender, in->total};

    if (record->seal == MST_SEAL_NONE)
        return MUSTER_OK;
    in->seal =
        mst_seal_create((mst_seal_kind)record->seal, &about, record->key);
    return in->seal != NULL ? MUSTER_OK : MUSTER_ENOMEM;
}

mst_incoming *mst_incoming_expect(mst_carrier *carrier,
                                  const mst_record *record, uint32_t sender,
                                  muster_err *rc)
{
    mst_incoming *in;

    *rc = MUSTER_EPROTO;
    if (record->seal != carrier->kind || record->total > MST_BULK_MOST ||
        record->total < MST_BULK_MIN || record->transfer <= carrier->last_in)
        return NULL;
    carrier->last_in = record->transfer;
    *rc = MUSTER_ENOMEM;
    in = mst_calloc(1, sizeof(*in));
    if (in == NULL)
        return NULL;
    in->carrier = carrier;
    in->transfer = record->transfer;
    in->id = record->id;
    in->total = record->total;
    in->count = mst_bulk_count(record->total);
    if (prepare_seal(in, record, sender) != MUSTER_OK) {
        mst_free(in);
        return NULL;
    }
    in->data = mst_alloc_large((size_t)in->total + 1);
    LIST_INSERT_HEAD(&carrier->incoming, in, link);
    *rc = MUSTER_OK;
    return in;
}

mst_incoming *mst_incoming_find(mst_carrier *carrier, uint64_t transfer)
{
    mst_incoming *in;

    LIST_FOREACH(in, &carrier->incoming, link)
    if (in->transfer == transfer)
        return in;
    return NULL;
}

static void destroy(mst_incoming *in)
{
    if (in->seal != NULL)
        mst_seal_destroy(&in->seal);
    mst_free(in->data);
    mst_free(in);
}

void mst_incoming_free(mst_incoming *in)
{
    LIST_REMOVE(in, link);
    mst_pipe_away(&in->carrier->pipe, in);
    destroy(in);
}

/* So many chunks are there, or not wanted. */
static void say_got(mst_incoming *in, uint32_t count)
{
    const mst_record got = {
        .kind = MST_GOT, .transfer = in->transfer, .count = count};

    in->told = count;
    mst_lane_put(in->carrier->lane, &got);
    in->carrier->calls->dirty(in->carrier->arg);
}

void mst_incoming_forget(mst_incoming **inp)
{
    mst_incoming *in = *inp;

    *inp = NULL;
    if (in == NULL)
        return;
    say_got(in, in->count);
    mst_incoming_free(in);
}

void *mst_incoming_take(mst_incoming *in)
{
    void *data = in->data;

    in->data = NULL;
    return data;
}

/* The last chunk is there. It is on no list while its owner has its turn, who
 * may end the carrier. */
static void complete(mst_incoming *in)
{
    LIST_REMOVE(in, link);
    if (in->data != NULL)
        in->data[in->total] = '\0';
    in->arrived(in);
    destroy(in);
}

bool mst_incoming_chunk(mst_incoming *in, uint32_t index,
                        const uint8_t tag[MST_SEAL_TAG])
{
    if (in->data != NULL && in->seal != NULL) {
        unsigned char *at = in->data + (size_t)index * MST_BULK_CHUNK;

        if (!mst_seal_open(in->seal, index, at,
                           mst_bulk_length(in->total, index), tag, at))
            return false;
    }
    in->have++;
    if (in->have == in->count || in->have - in->told >= TELL)
        say_got(in, in->have);
    if (in->have == in->count)
        complete(in);
    return true;
}
