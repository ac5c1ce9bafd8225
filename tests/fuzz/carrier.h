/* carrier.h - a carrier alone in the world: its lane leads nowhere, and it can
 * be sent frames. For fz_bulk and fz_relay. */
#ifndef CARRIER_H
#define CARRIER_H

#include "base/bytes.h"
#include "bulk/bulk.h"

static inline bool carrier_swallow(void *arg, zmq_msg_t *message)
{
    (void)arg;
    zmq_msg_close(message);
    return true;
}

static inline void carrier_ignore(void *arg)
{
    (void)arg;
}

static const mst_carrier_calls carrier_calls = {carrier_ignore, carrier_ignore,
                                                NULL, NULL};

typedef unsigned char carrier_frame[MST_BULK_HEAD + MST_BULK_CHUNK];

/* A frame whose head makes sense, for once: the next one or, by `how`, another.
 * Returns how many bytes of it to send: sometimes it is torn. */
static inline size_t carrier_good_frame(const mst_incoming *in, uint8_t how,
                                        carrier_frame frame)
{
    mst_writer w = mst_writer_of(frame, MST_BULK_HEAD);
    const uint32_t index = how < 200 ? in->have : how % in->count;
    const size_t len = mst_bulk_length(in->total, index);

    mst_write_u64(&w, in->transfer);
    mst_write_u32(&w, index);
    mst_write_u32(&w, (uint32_t)len);
    return MST_BULK_HEAD + (how % 7 == 6 ? len / 2 : len);
}

#endif
