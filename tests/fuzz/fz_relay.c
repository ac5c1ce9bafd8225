/* fz_relay.c - a worker that passes transfers on: a manager, a giver and a
 * taker that send and say what they like.
 *
 * The bytes are steps: one says what to do, those behind it with what. All
 * streams are socket pairs; what is answered by the lane is thrown away.
 */
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "bulk/relay.h"
#include "carrier.h"
#include "fuzz.h"

#define SLOTS 4u

typedef enum stream { LINK, GIVER, TAKER, STREAMS } stream;

typedef struct rig {
    mst_loop loop;
    mst_lane lane;
    mst_bulk bulk;
    mst_carrier carrier;
    mst_relay relay;
    mst_incoming *slots[SLOTS];
    int far[STREAMS]; /* the ends of the others; -1: closed */
    uint64_t announced;
    int64_t now_ms;
} rig;

static bool no_work(void *arg)
{
    (void)arg;
    return false;
}

static void arrived(mst_incoming *in)
{
    must(in->have == in->count && in->pull == NULL && in->kept == NULL);
    must(in->data[in->total] == '\0');
}

static void close_far(rig *g, stream s)
{
    if (g->far[s] >= 0)
        close(g->far[s]);
    g->far[s] = -1;
}

/* Ours of a new pair; the other end is theirs. */
static int open_far(rig *g, stream s)
{
    int pair[2];

    close_far(g, s);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    g->far[s] = pair[1];
    return pair[0];
}

static void look(rig *g)
{
    const mst_kept *k;
    const mst_pull *p;

    LIST_FOREACH(k, &g->relay.kept, link)
    {
        must(k->first <= k->have && k->have - k->first <= MST_KEPT);
        must(k->in == NULL || (k->in->kept == k && k->in->have == k->have));
    }
    LIST_FOREACH(p, &g->relay.pulls, link)
    must(p->in == NULL || (p->in->pull == p && !p->over));
}

static void settle(rig *g)
{
    char bytes[4096];

    if (g->far[LINK] >= 0)
        while (recv(g->far[LINK], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
            ;
    mst_poll_wait(&g->loop.poll, 0);
    look(g);
}

static void write_all(rig *g, stream s, const void *data, size_t len)
{
    const char *at = (const char *)data;
    int in_vain = 0;

    while (g->far[s] >= 0 && len > 0 && in_vain < 3) {
        const ssize_t n = send(g->far[s], at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            at += n;
            len -= (size_t)n;
            in_vain = 0;
            continue;
        }
        settle(g);
        in_vain++;
    }
}

static void announce(rig *g, mst_reader *r)
{
    mst_incoming **slot = &g->slots[mst_read_u8(r) % SLOTS];
    const uint8_t size = mst_read_u8(r);
    mst_record record = {.kind = MST_CALL, .flags = MST_FLAG_BULK};
    muster_err rc;

    if (*slot != NULL)
        return;
    record.total = MST_BULK_MIN + size * (MST_BULK_CHUNK / 87);
    record.transfer = ++g->announced;
    record.seal = (uint8_t)g->carrier.kind;
    if (mst_incoming_expect(&g->carrier, &record, 0, slot, &rc))
        (*slot)->arrived = arrived;
    mst_pipe_resume(&g->carrier.pipe);
}

static void good_frame(rig *g, mst_reader *r)
{
    static carrier_frame frame;
    const mst_incoming *in = g->slots[mst_read_u8(r) % SLOTS];
    const uint8_t how = mst_read_u8(r);

    if (in != NULL)
        write_all(g, how % 2 == 0 ? LINK : GIVER, frame,
                  carrier_good_frame(in, how, frame));
}

static void say(rig *g, mst_reader *r)
{
    static const char address[] = "127.0.0.1";
    const uint8_t mode = mst_read_u8(r);
    const mst_record record = {
        .kind = MST_RELAY,
        .mode = mode % MST_RELAY_MODES,
        .transfer = (mode & 128) != 0 ? mst_read_u8(r) : g->announced + 1,
        .rank = 1,
        .bulk_port = 1,
        .text = {address, mode % 3 == 0 ? sizeof(address) - 1 : mode % 64}};

    if (record.text.len < sizeof(address) && record.mode != MST_RELAY_LISTEN)
        (void)mst_relay_record(&g->relay, &record, "tcp://127.0.0.1:1");
}

/* As if the giver had been reached. */
static void reach(rig *g, mst_reader *r)
{
    const mst_incoming *in = g->slots[mst_read_u8(r) % SLOTS];
    muster_error err;

    if (in == NULL || in->pull == NULL || in->pull->pipe.fd >= 0)
        return;
    mst_knock_stop(&in->pull->knock);
    in->pull->again_ms = 0;
    must(mst_pipe_open(&in->pull->pipe, open_far(g, GIVER), &err) == MUSTER_OK);
}

static void come(rig *g, mst_reader *r)
{
    mst_kept *k = mst_kept_find(&g->relay, mst_read_u8(r));

    if (k != NULL)
        mst_kept_came(k, open_far(g, TAKER));
}

/* It reads, says something or goes. */
static void take(rig *g, uint8_t how)
{
    static char bytes[1 << 16];

    if (g->far[TAKER] < 0)
        return;
    if (how % 8 == 7)
        close_far(g, TAKER);
    else if (how % 8 == 6)
        (void)send(g->far[TAKER], "?", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        (void)recv(g->far[TAKER], bytes, sizeof(bytes), MSG_DONTWAIT);
}

static void streams(rig *g, uint8_t how)
{
    muster_error err;

    if (how % 4 == 0)
        must(mst_carrier_open(&g->carrier, open_far(g, LINK), &err) ==
             MUSTER_OK);
    else
        close_far(g, how % 4 == 1 ? LINK : GIVER);
}

static void noise(rig *g, mst_reader *r)
{
    const size_t len = mst_read_u8(r);

    if (len <= r->left)
        write_all(g, len % 2 == 0 ? LINK : GIVER, mst_read_bytes(r, len), len);
}

static void drop(rig *g, uint8_t what)
{
    if ((what & 4) != 0)
        mst_incoming_forget(&g->slots[what % SLOTS]);
    else
        mst_incoming_abort(&g->slots[what % SLOTS]);
}

static void step(rig *g, uint8_t what, mst_reader *r)
{
    switch (what % 10) {
    case 0:
        announce(g, r);
        break;
    case 1:
    case 2:
        good_frame(g, r);
        break;
    case 3:
        say(g, r);
        break;
    case 4:
        reach(g, r);
        break;
    case 5:
        come(g, r);
        break;
    case 6:
        take(g, mst_read_u8(r));
        break;
    case 7:
        streams(g, mst_read_u8(r));
        break;
    case 8:
        if (what < 128)
            noise(g, r);
        else
            drop(g, mst_read_u8(r));
        break;
    default:
        g->now_ms += 20 * mst_read_u8(r);
        mst_relay_tick(&g->relay, g->now_ms);
        mst_lane_flush(&g->lane);
        break;
    }
    settle(g);
}

static void set_up(rig *g, mst_seal_kind kind)
{
    static const uint8_t session[MST_SESSION_BYTES] = {1};
    muster_error err;

    must(sodium_init() >= 0);
    memset(g, 0, sizeof(*g));
    for (int s = 0; s < STREAMS; s++)
        g->far[s] = -1;
    g->now_ms = mst_now_ms();
    must(mst_loop_init(&g->loop, no_work, g, &err) == MUSTER_OK);
    mst_lane_init(&g->lane, carrier_swallow, g);
    must(mst_lane_up(&g->lane, 0));
    mst_bulk_init(&g->bulk, &g->loop.poll, 1, session);
    mst_carrier_init(&g->carrier, &g->bulk, &g->lane, &carrier_calls, g);
    mst_relay_init(&g->relay, &g->loop, &g->carrier, (mst_proof_name){1, 1, 0});
    g->carrier.kind = kind;
    g->carrier.on = true;
    must(mst_carrier_open(&g->carrier, open_far(g, LINK), &err) == MUSTER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_reader r = mst_reader_of(data, size);
    const uint8_t first = mst_read_u8(&r);
    rig g;

    set_up(&g, first % 4 == 3 ? MST_SEAL_CHACHA : MST_SEAL_NONE);
    while (r.ok && r.left > 0)
        step(&g, mst_read_u8(&r), &r);
    mst_carrier_fini(&g.carrier);
    mst_relay_fini(&g.relay);
    for (size_t i = 0; i < SLOTS; i++)
        must(g.slots[i] == NULL);
    must(LIST_EMPTY(&g.relay.kept) && LIST_EMPTY(&g.relay.pulls));
    mst_lane_fini(&g.lane);
    for (int s = 0; s < STREAMS; s++)
        close_far(&g, (stream)s);
    mst_bulk_fini(&g.bulk);
    mst_loop_fini(&g.loop);
    return 0;
}
