/* incoming.c - a transfer that comes in: each chunk to its place, opened there.
 */
#include <string.h>

#include "base/alloc.h"
#include "bulk/relay.h"

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

/* So many chunks are there, or not wanted. */
static void say_got(mst_carrier *carrier, uint64_t transfer, uint32_t count)
{
    const mst_record got = {
        .kind = MST_GOT, .transfer = transfer, .count = count};

    mst_lane_put(carrier->lane, &got);
    carrier->calls->dirty(carrier->arg);
}

static void earn(mst_carrier *carrier, unsigned window, uint32_t cost)
{
    mst_lane_earn(carrier->lane, window, cost);
    carrier->calls->dirty(carrier->arg);
}

bool mst_incoming_refuse(mst_carrier *carrier, const mst_record *record)
{
    if (carrier->bulk == NULL || record->seal != carrier->kind ||
        record->total > MST_BULK_MOST || record->total < MST_BULK_MIN ||
        record->transfer <= carrier->last_in)
        return false;
    carrier->last_in = record->transfer;
    if (carrier->relay != NULL)
        mst_relay_refused(carrier->relay, record->transfer);
    say_got(carrier, record->transfer, mst_bulk_count(record->total));
    earn(carrier, mst_wire_window(record), mst_wire_bulk_cost(record->total));
    return true;
}

static void destroy(mst_incoming *in)
{
    if (in->seal != NULL)
        mst_seal_destroy(&in->seal);
    mst_free(in->data);
    mst_free(in);
}

static mst_incoming *make(mst_carrier *carrier, const mst_record *record,
                          uint32_t sender)
{
    mst_incoming *in = mst_calloc(1, sizeof(*in));

    if (in == NULL)
        return NULL;
    in->carrier = carrier;
    in->transfer = record->transfer;
    in->id = record->id;
    in->total = record->total;
    in->count = mst_bulk_count(record->total);
    in->window = mst_wire_window(record);
    in->cost = mst_wire_bulk_cost(record->total);
    in->data = mst_alloc_large((size_t)in->total + 1);
    if (in->data != NULL && prepare_seal(in, record, sender) == MUSTER_OK)
        return in;
    destroy(in);
    return NULL;
}

bool mst_incoming_expect(mst_carrier *carrier, const mst_record *record,
                         uint32_t sender, mst_incoming **slot, muster_err *rc)
{
    mst_incoming *in;

    *rc = MUSTER_EPROTO;
    if (carrier->bulk == NULL || record->seal != carrier->kind ||
        record->total > MST_BULK_MOST || record->total < MST_BULK_MIN ||
        record->transfer <= carrier->last_in)
        return false;
    *rc = MUSTER_ENOMEM;
    in = make(carrier, record, sender);
    if (in == NULL) {
        (void)mst_incoming_refuse(carrier, record);
        return false;
    }
    carrier->last_in = record->transfer;
    LIST_INSERT_HEAD(&carrier->incoming, in, link);
    in->slot = slot;
    *slot = in;
    *rc = MUSTER_OK;
    if (carrier->relay != NULL)
        mst_relay_expected(carrier->relay, in);
    if (carrier->opened > 1) { /* frames of it may have been lost already */
        const mst_record again = {.kind = MST_AGAIN, .transfer = in->transfer};

        mst_lane_put(carrier->lane, &again);
        carrier->calls->dirty(carrier->arg);
    }
    if (carrier->on && carrier->pipe.fd < 0)
        carrier->calls->want(carrier->arg);
    return true;
}

mst_incoming *mst_incoming_find(mst_carrier *carrier, uint64_t transfer)
{
    mst_incoming *in;

    LIST_FOREACH(in, &carrier->incoming, link)
    if (in->transfer == transfer)
        return in;
    return NULL;
}

/* Off the list: frames of it are thrown away. */
static void leave(mst_incoming *in)
{
    if (in->pull != NULL)
        mst_pull_end(in->pull);
    if (in->kept != NULL) /* nobody gets the rest of it from here */
        mst_kept_end(in->kept);
    LIST_REMOVE(in, link);
    *in->slot = NULL;
    mst_pipe_away(&in->carrier->pipe, in);
}

void mst_incoming_free(mst_incoming *in)
{
    leave(in);
    destroy(in);
}

void mst_incoming_abort(mst_incoming **inp)
{
    mst_incoming *in = *inp;

    if (in == NULL)
        return;
    earn(in->carrier, in->window, in->cost);
    mst_incoming_free(in);
}

void mst_incoming_forget(mst_incoming **inp)
{
    mst_incoming *in = *inp;

    if (in == NULL)
        return;
    say_got(in->carrier, in->transfer, in->count);
    mst_incoming_abort(inp);
}

void *mst_incoming_take(mst_incoming *in)
{
    void *data = in->data;

    in->data = NULL;
    return data;
}

uint32_t mst_incoming_take_cost(mst_incoming *in)
{
    const uint32_t cost = in->cost;

    in->cost = 0;
    return cost;
}

/* The last chunk is there. It is on no list while its owner has its turn, who
 * may end the carrier. */
static void complete(mst_incoming *in)
{
    LIST_REMOVE(in, link);
    *in->slot = NULL;
    if (in->pull != NULL)
        mst_pull_end(in->pull);
    if (in->kept != NULL)
        mst_kept_complete(in->kept);
    in->data[in->total] = '\0';
    in->arrived(in);
    if (in->carrier->bulk != NULL && in->cost > 0)
        earn(in->carrier, in->window, in->cost);
    destroy(in);
}

void mst_incoming_tell(mst_incoming *in)
{
    if (in->have == in->told)
        return;
    in->told = in->have;
    say_got(in->carrier, in->transfer, in->have);
}

void mst_incoming_orphan(mst_incoming *in, uint8_t flags)
{
    const mst_record again = {.kind = MST_AGAIN,
                              .flags = (uint8_t)(MST_FLAG_RELAY | flags),
                              .transfer = in->transfer,
                              .count = in->have};

    in->told = in->have;
    mst_lane_put(in->carrier->lane, &again);
    in->carrier->calls->dirty(in->carrier->arg);
}

bool mst_incoming_chunk(mst_incoming *in, uint32_t index,
                        const uint8_t tag[MST_SEAL_TAG])
{
    unsigned char *at = in->data + (size_t)index * MST_BULK_CHUNK;
    const size_t len = mst_bulk_length(in->total, index);
    void *copy = in->kept != NULL ? mst_kept_copy(in->kept, at, len) : NULL;

    if (in->seal != NULL && !mst_seal_open(in->seal, index, at, len, tag, at)) {
        mst_bulk_spare(in->carrier->bulk, copy);
        return false;
    }
    if (copy != NULL)
        mst_kept_add(in->kept, tag, copy, len);
    in->have++;
    if (in->have == in->count || in->have - in->told >= TELL)
        mst_incoming_tell(in);
    if (in->have == in->count)
        complete(in);
    return true;
}
