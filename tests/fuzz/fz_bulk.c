/* fz_bulk.c - a carrier, and a peer that sends frames and records as it likes.
 *
 * The bytes are steps: one says what to do, those behind it with what. The
 * stream is a socket pair; what the carrier answers is thrown away.
 */
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "carrier.h"
#include "fuzz.h"

#define SLOTS 4u
#define PARCELS 3u

typedef struct peer {
    mst_poll poll;
    mst_lane lane;
    mst_bulk bulk;
    mst_carrier carrier;
    mst_incoming *slots[SLOTS];
    int far; /* its end of the stream; -1: closed */
    uint64_t announced;
    mst_out outs[PARCELS];
    mst_payload *payloads[PARCELS];
} peer;

static void arrived(mst_incoming *in)
{
    must(in->have == in->count && in->data[in->total] == '\0');
    if (in->total % 2 == 0) {
        void *data = mst_incoming_take(in);

        mst_free(data);
    }
}

static void head(mst_out *out, mst_record *record)
{
    record->kind = MST_CALL;
    record->id = out->id;
    record->text = (mst_span){"echo", 4};
}

static void close_stream(peer *p)
{
    if (p->far >= 0)
        close(p->far);
    p->far = -1;
}

static void open_stream(peer *p)
{
    int pair[2];
    muster_error err;

    close_stream(p);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    p->far = pair[1];
    must(mst_carrier_open(&p->carrier, pair[0], &err) == MUSTER_OK);
}

/* What the carrier wrote goes away, and what was written to it is read. */
static void settle(peer *p)
{
    char bytes[4096];

    if (p->far >= 0)
        while (recv(p->far, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
            ;
    mst_poll_wait(&p->poll, 0);
}

static void write_all(peer *p, const void *data, size_t len)
{
    const char *at = (const char *)data;

    while (p->far >= 0 && len > 0) {
        const ssize_t n = send(p->far, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        settle(p);
        if (p->carrier.pipe.fd < 0 || p->carrier.pipe.paused)
            return; /* it will not read on */
    }
}

static void announce(peer *p, mst_reader *r)
{
    const uint8_t slot = mst_read_u8(r) % SLOTS;
    const uint8_t what = mst_read_u8(r);
    mst_record record = {.kind = MST_CALL, .flags = MST_FLAG_BULK};
    muster_err rc;

    if (p->slots[slot] != NULL)
        return;
    record.total = MST_BULK_MIN + mst_read_u8(r) * (MST_BULK_CHUNK / 87) -
                   ((what & 1) != 0 ? 1 : 0);
    record.transfer = (what & 2) != 0 ? what >> 4 : ++p->announced;
    record.seal = (what & 4) != 0 ? what >> 5 : (uint8_t)p->carrier.kind;
    if ((what & 8) != 0)
        (void)mst_incoming_refuse(&p->carrier, &record);
    else if (mst_incoming_expect(&p->carrier, &record, 7, &p->slots[slot], &rc))
        p->slots[slot]->arrived = arrived;
    mst_pipe_resume(&p->carrier.pipe);
}

static void good_frame(peer *p, mst_reader *r)
{
    static carrier_frame frame;
    const mst_incoming *in = p->slots[mst_read_u8(r) % SLOTS];
    const uint8_t how = mst_read_u8(r);

    if (in != NULL)
        write_all(p, frame, carrier_good_frame(in, how, frame));
}

static void say(peer *p, mst_reader *r)
{
    const uint8_t what = mst_read_u8(r);
    const mst_record record = {.transfer = mst_read_u8(r),
                               .count = mst_read_u8(r)};

    if (what % 2 == 0)
        (void)mst_carrier_got(&p->carrier, &record);
    else
        (void)mst_carrier_again(&p->carrier, &record);
}

static void send_or_drop(peer *p, mst_reader *r)
{
    const uint8_t i = mst_read_u8(r) % PARCELS;
    mst_out *out = &p->outs[i];

    if (out->queued)
        mst_lane_drop(&p->lane, out);
    else
        mst_lane_queue(&p->lane, out);
}

static void drop_incoming(peer *p, mst_reader *r)
{
    const uint8_t what = mst_read_u8(r);

    if ((what & 4) != 0)
        mst_incoming_forget(&p->slots[what % SLOTS]);
    else
        mst_incoming_abort(&p->slots[what % SLOTS]);
}

static void step(peer *p, uint8_t what, mst_reader *r)
{
    size_t len;

    switch (what % 10) {
    case 0:
        announce(p, r);
        break;
    case 1:
    case 2:
        good_frame(p, r);
        break;
    case 3:
        len = mst_read_u8(r);
        if (len <= r->left)
            write_all(p, mst_read_bytes(r, len), len);
        break;
    case 4:
        say(p, r);
        break;
    case 5:
        send_or_drop(p, r);
        break;
    case 6:
        drop_incoming(p, r);
        break;
    case 7:
        if ((what & 16) != 0)
            close_stream(p);
        else
            open_stream(p);
        break;
    case 8:
        mst_lane_flush(&p->lane);
        break;
    default:
        (void)mst_carrier_tick(&p->carrier, mst_now_ms(), 1);
        if (what > 240)
            mst_carrier_off(&p->carrier, what % 4 == 0 ? NULL : "no");
        break;
    }
    settle(p);
}

static void set_up(peer *p, mst_seal_kind kind)
{
    static const uint8_t session[MST_SESSION_BYTES] = {1};
    static unsigned char bytes[3 * MST_BULK_CHUNK];
    muster_error err;

    must(sodium_init() >= 0);
    memset(p, 0, sizeof(*p));
    p->far = -1;
    must(mst_poll_init(&p->poll, &err) == MUSTER_OK);
    mst_lane_init(&p->lane, carrier_swallow, p);
    must(mst_lane_up(&p->lane, 0));
    mst_bulk_init(&p->bulk, &p->poll, 0, session);
    mst_carrier_init(&p->carrier, &p->bulk, &p->lane, &carrier_calls, p);
    p->carrier.kind = kind;
    p->carrier.on = true;
    for (size_t i = 0; i < PARCELS; i++) {
        p->payloads[i] =
            mst_payload_borrow(bytes, sizeof(bytes) - i * MST_BULK_CHUNK);
        must(p->payloads[i] != NULL);
        p->outs[i] =
            (mst_out){.head = head, .payload = p->payloads[i], .id = 1 + i};
    }
    open_stream(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_reader r = mst_reader_of(data, size);
    const uint8_t first = mst_read_u8(&r);
    peer p;

    set_up(&p, first % 2 == 0 ? MST_SEAL_NONE : MST_SEAL_CHACHA);
    while (r.ok && r.left > 0)
        step(&p, mst_read_u8(&r), &r);
    mst_carrier_fini(&p.carrier);
    for (size_t i = 0; i < SLOTS; i++)
        must(p.slots[i] == NULL);
    mst_lane_fini(&p.lane);
    for (size_t i = 0; i < PARCELS; i++) {
        must(!p.outs[i].queued && LIST_EMPTY(&p.payloads[i]->transfers));
        mst_payload_unref(&p.payloads[i]);
    }
    close_stream(&p);
    mst_bulk_fini(&p.bulk);
    mst_poll_fini(&p.poll);
    return 0;
}
