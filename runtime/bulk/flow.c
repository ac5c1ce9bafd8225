/* flow.c - a transfer on its way to one peer, and what the peer says of it. */
#include <string.h>

#include "base/alloc.h"
#include "bulk/bulk.h"

#define FAILURES 3u /* AGAIN at one place, until it takes the lane */

bool mst_flow_begin(mst_carrier *carrier, mst_out *out, mst_record *record)
{
    mst_transfer *transfer;
    mst_flow *flow;

    if (!carrier->on || out->by_lane)
        return false;
    flow = mst_calloc(1, sizeof(*flow));
    if (flow == NULL)
        return false;
    transfer = mst_transfer_of(carrier->bulk, out->payload, carrier->kind,
                               carrier->last_out);
    if (transfer == NULL) {
        mst_free(flow);
        return false;
    }
    flow->transfer = transfer;
    flow->carrier = carrier;
    flow->out = out;
    carrier->last_out = transfer->id;
    transfer->begun++;
    out->flow = flow;
    LIST_INSERT_HEAD(&transfer->flows, flow, of_transfer);
    TAILQ_INSERT_TAIL(&carrier->flows, flow, of_carrier);
    record->flags |= MST_FLAG_BULK;
    record->transfer = transfer->id;
    record->seal = (uint8_t)transfer->kind;
    if (transfer->seal != NULL)
        memcpy(record->key, mst_seal_key(transfer->seal), sizeof(record->key));
    if (carrier->calls->plan != NULL)
        carrier->calls->plan(carrier->arg, flow, record);
    if (carrier->pipe.fd < 0)
        carrier->calls->want(carrier->arg);
    return true;
}

/* Off the chain. */
static void unchain(mst_flow *flow)
{
    if (flow->feed != NULL)
        flow->feed->next = NULL;
    if (flow->next != NULL)
        flow->next->feed = NULL;
    flow->feed = flow->next = NULL;
}

void mst_flow_direct(mst_flow *flow)
{
    if (!flow->relayed)
        return;
    if (flow->feed != NULL)
        flow->feed->next = NULL;
    flow->feed = NULL;
    flow->relayed = false;
    flow->still_ms = 0;
    flow->sent = flow->got;
    mst_pipe_kick(&flow->carrier->pipe);
}

void mst_flow_drop(mst_flow *flow)
{
    mst_transfer *transfer = flow->transfer;

    unchain(flow);

    mst_pipe_keep(&flow->carrier->pipe, flow);
    flow->out->flow = NULL;
    LIST_REMOVE(flow, of_transfer);
    if (transfer->slowest == flow)
        transfer->slowest = NULL;
    TAILQ_REMOVE(&flow->carrier->flows, flow, of_carrier);
    mst_free(flow);
    mst_transfer_settle(transfer);
}

/* The payload takes the lane from its first byte on. */
static void take_lane(mst_flow *flow)
{
    mst_carrier *carrier = flow->carrier;
    mst_out *out = flow->out;

    const mst_record again = {
        .kind = MST_ABORT, .flags = MST_FLAG_AGAIN, .id = out->id};

    mst_flow_drop(flow);
    mst_lane_put(carrier->lane, &again);
    out->window = MST_WINDOW_PASSING; /* others wait for it already */
    mst_lane_queue(carrier->lane, out);
    out->by_lane = out->retry = true;
    carrier->calls->dirty(carrier->arg);
}

static mst_flow *find(mst_carrier *carrier, uint64_t transfer)
{
    mst_flow *flow;

    TAILQ_FOREACH (flow, &carrier->flows, of_carrier)
        if (flow->transfer->id == transfer)
            return flow;
    return NULL;
}

static void complete(mst_flow *flow)
{
    mst_out *out = flow->out;

    mst_flow_drop(flow);
    out->queued = false;
    if (out->gone != NULL)
        out->gone(out);
}

/* The peer has the chunks below `count`, which may be more than it needs to
 * have: those it does not want. */
static void advance(mst_flow *flow, uint32_t count)
{
    if (count <= flow->got)
        return;
    if (flow->sent < count) {
        mst_pipe_keep(&flow->carrier->pipe, flow);
        flow->sent = count;
    }
    flow->got = count;
    flow->failures = 0;
    flow->carrier->progress++;
}

bool mst_carrier_got(mst_carrier *carrier, const mst_record *record)
{
    mst_flow *flow = find(carrier, record->transfer);

    if (flow == NULL &&
        mst_share_got(carrier, record->transfer, record->count > 0))
        return true;
    if (flow == NULL) /* it was dropped meanwhile */
        return record->transfer <= carrier->last_out;
    if (record->count > flow->transfer->count)
        return false;
    advance(flow, record->count);
    if (flow->got == flow->transfer->count)
        complete(flow);
    else
        mst_transfer_settle(flow->transfer);
    return true;
}

/* Its own stream has nothing to do with it until it is direct. */
static void orphaned(mst_flow *flow, uint8_t flags)
{
    mst_carrier *carrier = flow->carrier;

    if ((flags & MST_FLAG_RELAY) == 0)
        return;
    carrier->calls->orphan(carrier->arg, flow,
                           (flags & MST_FLAG_UNREACHED) != 0);
    mst_transfer_settle(flow->transfer);
    mst_flow_direct(flow);
}

bool mst_carrier_again(mst_carrier *carrier, const mst_record *record)
{
    mst_flow *flow = find(carrier, record->transfer);

    if (flow == NULL)
        return record->transfer <= carrier->last_out;
    if (record->count < flow->got || record->count >= flow->transfer->count)
        return false;
    advance(flow, record->count);
    if (flow->relayed) {
        orphaned(flow, record->flags);
        return true;
    }
    if (!flow->torn) /* all of it went to the stream that is open now */
        return true;
    if (++flow->failures > FAILURES) {
        take_lane(flow);
        return true;
    }
    flow->torn = false;
    flow->sent = record->count;
    mst_transfer_settle(flow->transfer);
    mst_pipe_kick(&carrier->pipe);
    return true;
}

/* ------------------------------------------------------------- carrier -- */

void mst_carrier_init(mst_carrier *carrier, mst_bulk *bulk, mst_lane *lane,
                      const mst_carrier_calls *calls, void *arg)
{
    memset(carrier, 0, sizeof(*carrier));
    carrier->bulk = bulk;
    carrier->lane = lane;
    carrier->calls = calls;
    carrier->arg = arg;
    carrier->pipe.carrier = carrier;
    carrier->pipe.fd = carrier->pipe.watch.fd = -1;
    TAILQ_INIT(&carrier->flows);
    LIST_INIT(&carrier->incoming);
    LIST_INIT(&carrier->uses);
    LIST_INSERT_HEAD(&bulk->carriers, carrier, of_bulk);
    lane->carrier = carrier;
}

void mst_carrier_fini(mst_carrier *carrier)
{
    mst_incoming *in;
    mst_flow *flow;

    if (carrier->bulk == NULL)
        return;
    mst_pipe_close(&carrier->pipe);
    carrier->on = false;
    while ((flow = TAILQ_FIRST(&carrier->flows)) != NULL) {
        flow->out->queued = false;
        mst_flow_drop(flow);
    }
    while ((in = LIST_FIRST(&carrier->incoming)) != NULL)
        mst_incoming_free(in);
    mst_share_fini(carrier);
    LIST_REMOVE(carrier, of_bulk);
    carrier->lane->carrier = NULL;
    carrier->bulk = NULL;
}

/* Close the stream, if one is open. The peer says from where on the rest is to
 * come. */
static void tear(mst_carrier *carrier)
{
    mst_flow *flow;

    if (carrier->pipe.fd < 0)
        return;
    mst_pipe_close(&carrier->pipe);
    TAILQ_FOREACH (flow, &carrier->flows, of_carrier) {
        if (!flow->relayed)
            flow->torn = flow->torn || flow->sent > 0 || flow->begun;
        flow->begun = false;
    }
}

static void ask_again(mst_carrier *carrier)
{
    const mst_incoming *in;

    LIST_FOREACH(in, &carrier->incoming, link)
    {
        const mst_record again = {
            .kind = MST_AGAIN, .transfer = in->transfer, .count = in->have};

        mst_lane_put(carrier->lane, &again);
    }
    carrier->calls->dirty(carrier->arg);
}

muster_err mst_carrier_open(mst_carrier *carrier, int fd, muster_error *err)
{
    muster_err rc;

    tear(carrier);
    rc = mst_pipe_open(&carrier->pipe, fd, err);
    if (rc != MUSTER_OK)
        return rc;
    carrier->opened++;
    ask_again(carrier);
    mst_pipe_kick(&carrier->pipe);
    return MUSTER_OK;
}

void mst_carrier_broken(mst_carrier *carrier)
{
    if (carrier->pipe.fd < 0)
        return;
    tear(carrier);
    if (carrier->on)
        carrier->calls->want(carrier->arg);
}

void mst_carrier_off(mst_carrier *carrier, const char *why)
{
    mst_flow *flow;

    if (!carrier->on)
        return;
    carrier->on = false;
    if (why != NULL) {
        const mst_record no = {.kind = MST_NOBULK, .text = {why, strlen(why)}};

        mst_lane_put(carrier->lane, &no);
        carrier->calls->dirty(carrier->arg);
    }
    tear(carrier);
    while ((flow = TAILQ_FIRST(&carrier->flows)) != NULL)
        take_lane(flow);
}

bool mst_carrier_tick(mst_carrier *carrier, int64_t now_ms, int64_t patience_ms)
{
    const int64_t passed_ms = now_ms - carrier->tick_ms;
    const bool busy = !TAILQ_EMPTY(&carrier->flows) || carrier->pipe.paused;

    carrier->tick_ms = now_ms;
    if (!carrier->on)
        return true;
    mst_pipe_kick(&carrier->pipe); /* memory may have been short */
    if (!busy || carrier->progress != carrier->seen || !carrier->lane->up)
        carrier->still_ms = 0;
    else /* no tick was there while this process stood still */
        carrier->still_ms +=
            passed_ms < patience_ms / 4 ? passed_ms : patience_ms / 4;
    carrier->seen = carrier->progress;
    return carrier->still_ms < patience_ms;
}
