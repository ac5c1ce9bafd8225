/* it_carrier.c - large payloads between two carriers in one process, through a
 * man in the middle who has every byte of the stream in his hands. */
#include "unit.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "bulk/bulk.h"

#define MOST 64u
#define FRAME (MST_BULK_HEAD + MST_BULK_CHUNK)

typedef struct side {
    mst_lane lane;
    mst_bulk bulk;
    mst_carrier carrier;
    struct side *far;
    zmq_msg_t box[4096]; /* messages for it */
    unsigned from, to;
    mst_assembly in;
    unsigned by_stream, by_lane, aborts, wants;
    uint64_t arrived[MOST];
    unsigned narrived;
    mst_incoming *coming[MOST];
} side;

typedef enum deed {
    NOTHING,
    FLIP,
    CUT,
    REPEAT,
    SPLICE,
    SHUT,
    STALL, /* from then on he passes nothing */
    STALLED
} deed;

/* Two sides, and the man between their streams. */
typedef struct rig {
    mst_poll poll;
    side a, b;
    int ends[2]; /* his, of a's stream and of b's */
    unsigned char frames[3 * FRAME];
    size_t have;
    unsigned passed; /* frames of a */
    deed deed;
    unsigned when, times; /* at this frame; so many times */
    uint8_t session[MST_SESSION_BYTES];
} rig;

typedef struct parcel {
    mst_out out;
    bool gone;
} parcel;

static unsigned char byte_of(uint64_t id, size_t i)
{
    return (unsigned char)(i * 31 + (i >> 18) + id);
}

static void check(const unsigned char *data, size_t len, uint64_t id)
{
    assert_non_null(data);
    for (size_t i = 0; i < len; i += 509)
        if (data[i] != byte_of(id, i))
            fail_msg("payload %llu differs at %zu", (unsigned long long)id, i);
    assert_int_equal(data[len], 0);
}

static void head(mst_out *out, mst_record *record)
{
    record->kind = MST_CALL;
    record->id = out->id;
    record->text = (mst_span){"echo", 4};
}

static void gone(mst_out *out)
{
    MST_OF(parcel, out, out)->gone = true;
}

static parcel *parcel_of(uint64_t id, size_t len)
{
    parcel *p = calloc(1, sizeof(*p));
    unsigned char *data = malloc(len);

    assert_non_null(p);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_of(id, i);
    p->out = (mst_out){.head = head, .gone = gone, .id = id};
    p->out.payload = mst_payload_own(data, len);
    return p;
}

static void parcel_free(parcel *p)
{
    mst_payload_unref(&p->out.payload);
    free(p);
}

static void want(void *arg)
{
    ((side *)arg)->wants++;
}

static void dirty(void *arg)
{
    (void)arg; /* the rig flushes each round */
}

static const mst_carrier_calls calls = {want, dirty, NULL, NULL};

static bool send_message(void *arg, zmq_msg_t *message)
{
    side *far = ((side *)arg)->far;
    zmq_msg_t *place = &far->box[far->to++ % 4096];

    assert_true(far->to - far->from <= 4096);
    zmq_msg_init(place);
    zmq_msg_move(place, message);
    zmq_msg_close(message);
    return true;
}

static void came(side *s, uint64_t id)
{
    assert_true(s->narrived < MOST);
    s->arrived[s->narrived++] = id;
}

static void arrived(mst_incoming *in)
{
    side *s = (side *)in->owner;
    unsigned char *data = mst_incoming_take(in);

    check(data, (size_t)in->total, in->id);
    s->by_stream++;
    came(s, in->id);
    mst_free(data);
}

static void assembled(side *s)
{
    unsigned char *data;

    if (s->in.open)
        return;
    data = mst_assembly_take(&s->in);
    check(data, (size_t)s->in.total, s->in.id);
    mst_free(data);
    s->by_lane++;
    came(s, s->in.id);
}

static void on_call(side *s, const mst_record *r)
{
    muster_err rc;
    mst_incoming *in;

    if ((r->flags & MST_FLAG_BULK) == 0) {
        mst_lane_earn(&s->lane, mst_wire_window(r), mst_wire_cost(r->body.len));
        assert_int_equal(mst_assembly_begin(&s->in, r->id, r->total, r->body.at,
                                            r->body.len),
                         MUSTER_OK);
        assembled(s);
        return;
    }
    assert_true(mst_incoming_expect(&s->carrier, r, s->far->bulk.rank,
                                    &s->coming[r->id % MOST], &rc));
    in = s->coming[r->id % MOST];
    in->owner = s;
    in->arrived = arrived;
    mst_pipe_resume(&s->carrier.pipe);
}

static void on_record(side *s, const mst_record *r)
{
    switch (r->kind) {
    case MST_CALL:
        on_call(s, r);
        break;
    case MST_CHUNK:
        mst_lane_earn(&s->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
        assert_int_equal(
            mst_assembly_add(&s->in, r->id, r->offset, r->body.at, r->body.len),
            MUSTER_OK);
        assembled(s);
        break;
    case MST_ABORT:
        s->aborts++;
        mst_incoming_abort(&s->coming[r->id % MOST]);
        break;
    case MST_CREDIT:
        assert_true(mst_lane_credit(&s->lane, r));
        break;
    case MST_ACK:
        assert_true(mst_lane_ack(&s->lane, r->got));
        break;
    case MST_GOT:
        assert_true(mst_carrier_got(&s->carrier, r));
        break;
    case MST_AGAIN:
        assert_true(mst_carrier_again(&s->carrier, r));
        break;
    case MST_NOBULK:
        mst_carrier_off(&s->carrier, NULL);
        break;
    default:
        fail_msg("%s", mst_kind_name(r->kind));
    }
}

static void deliver(side *s)
{
    while (s->from != s->to) {
        zmq_msg_t *m = &s->box[s->from++ % 4096];
        mst_reader r = mst_reader_of(zmq_msg_data(m), zmq_msg_size(m));
        mst_record record;

        assert_int_equal(mst_lane_heard(&s->lane, zmq_msg_data(m), r.left),
                         MST_HEARD_NEXT);
        while (r.left > 0) {
            assert_int_equal(mst_wire_get(&r, &record), MUSTER_OK);
            on_record(s, &record);
        }
        zmq_msg_close(m);
    }
}

/* ------------------------------------------------------------------ the man */

static void pass(int fd, const unsigned char *data, size_t len, rig *r)
{
    while (len > 0) {
        const ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            mst_poll_wait(&r->poll, mst_now_ms() + 1);
            if (r->ends[1] != fd)
                return;
        } else {
            return; /* b has closed it */
        }
    }
}

static void close_ends(rig *r)
{
    for (int i = 0; i < 2; i++) {
        if (r->ends[i] >= 0)
            close(r->ends[i]);
        r->ends[i] = -1;
    }
    r->have = 0;
}

static size_t frame_len(const unsigned char *frame)
{
    return MST_BULK_HEAD + ((size_t)frame[12] << 24 | (size_t)frame[13] << 16 |
                            (size_t)frame[14] << 8 | frame[15]);
}

static void one_frame(rig *r, unsigned char *frame, size_t len)
{
    const bool now = r->deed != NOTHING && r->times > 0 && r->passed == r->when;

    if (!now) {
        r->passed++;
        pass(r->ends[1], frame, len, r);
        return;
    }
    if (r->deed == STALL) {
        r->deed = STALLED;
        return;
    }
    if (--r->times == 0)
        r->passed++;
    if (r->deed == FLIP)
        frame[len / 2] ^= 1;
    if (r->deed == SPLICE) /* it says to be the frame behind */
        frame[11]--;
    pass(r->ends[1], frame, r->deed == CUT ? len / 2 : len, r);
    if (r->deed == REPEAT && r->ends[1] >= 0)
        pass(r->ends[1], frame, len, r);
    if (r->deed == CUT || r->deed == SHUT)
        close_ends(r);
}

static void man_works(rig *r)
{
    ssize_t n;

    if (r->ends[0] < 0 || r->deed == STALLED)
        return;
    n = recv(r->ends[0], r->frames + r->have, sizeof(r->frames) - r->have,
             MSG_DONTWAIT);
    if (n > 0)
        r->have += (size_t)n;
    while (r->ends[0] >= 0 && r->have >= MST_BULK_HEAD &&
           r->have >= frame_len(r->frames)) {
        const size_t len = frame_len(r->frames);

        assert_true(len <= FRAME);
        one_frame(r, r->frames, len);
        if (r->ends[0] < 0)
            return;
        r->have -= len;
        memmove(r->frames, r->frames + len, r->have);
    }
}

/* A stream, when there is none on one of the sides. */
static void connect_sides(rig *r)
{
    int a[2], b[2];
    muster_error err;

    close_ends(r);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    r->ends[0] = a[1];
    r->ends[1] = b[1];
    assert_int_equal(mst_carrier_open(&r->a.carrier, a[0], &err), MUSTER_OK);
    assert_int_equal(mst_carrier_open(&r->b.carrier, b[0], &err), MUSTER_OK);
}

/* -------------------------------------------------------------------- rig --
 */

static void side_init(side *s, side *far, rig *r, uint32_t rank,
                      mst_seal_kind kind)
{
    s->far = far;
    mst_lane_init(&s->lane, send_message, s);
    assert_true(mst_lane_up(&s->lane, 0));
    mst_bulk_init(&s->bulk, &r->poll, rank, r->session);
    mst_carrier_init(&s->carrier, &s->bulk, &s->lane, &calls, s);
    s->carrier.kind = kind;
    s->carrier.on = true;
}

static rig *rig_up(mst_seal_kind kind)
{
    rig *r = calloc(1, sizeof(*r));
    muster_error err;

    assert_non_null(r);
    assert_int_equal(mst_poll_init(&r->poll, &err), MUSTER_OK);
    r->ends[0] = r->ends[1] = -1;
    side_init(&r->a, &r->b, r, 1, kind);
    side_init(&r->b, &r->a, r, 2, kind);
    return r;
}

static void side_fini(side *s)
{
    mst_carrier_fini(&s->carrier);
    mst_lane_fini(&s->lane);
    mst_assembly_fini(&s->in);
    mst_bulk_fini(&s->bulk);
    for (; s->from != s->to; s->from++)
        zmq_msg_close(&s->box[s->from % 4096]);
}

static void rig_down(rig *r)
{
    side_fini(&r->a);
    side_fini(&r->b);
    close_ends(r);
    mst_poll_fini(&r->poll);
    free(r);
}

static void turn(rig *r)
{
    mst_lane_flush(&r->a.lane);
    mst_lane_flush(&r->b.lane);
    if ((r->a.wants > 0 || r->b.wants > 0) &&
        (r->a.carrier.on && r->b.carrier.on)) {
        r->a.wants = r->b.wants = 0;
        connect_sides(r);
    }
    deliver(&r->a);
    deliver(&r->b);
    mst_poll_wait(&r->poll, mst_now_ms());
    man_works(r);
}

static void until_arrived(rig *r, unsigned n)
{
    const int64_t until_ms = mst_now_ms() + 10000;

    while (r->b.narrived < n || !TAILQ_EMPTY(&r->a.lane.queue) ||
           !TAILQ_EMPTY(&r->a.carrier.flows)) {
        turn(r);
        if (mst_now_ms() > until_ms)
            fail_msg("%u of %u arrived, %u frames passed", r->b.narrived, n,
                     r->passed);
    }
    assert_int_equal(r->b.narrived, n);
}

/* ------------------------------------------------------------------ tests --
 */

static const size_t lengths[] = {
    MST_BULK_MIN - 1,       MST_BULK_MIN,       MST_BULK_CHUNK - 1,
    MST_BULK_CHUNK,         MST_BULK_CHUNK + 1, 5 * MST_BULK_CHUNK + 77,
    20 * MST_BULK_CHUNK + 1};
#define NLENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void all_lengths_by(mst_seal_kind kind)
{
    parcel *p[NLENGTHS];
    uint64_t bytes = 0;
    rig *r = rig_up(kind);

    for (size_t i = 0; i < NLENGTHS; i++) {
        p[i] = parcel_of(i + 1, lengths[i]);
        mst_lane_queue(&r->a.lane, &p[i]->out);
        bytes += i > 0 ? lengths[i] : 0;
    }
    until_arrived(r, NLENGTHS);
    assert_int_equal(r->b.by_stream, NLENGTHS - 1);
    assert_int_equal(r->a.bulk.sealed, kind == MST_SEAL_NONE ? 0 : bytes);
    for (size_t i = 0; i < NLENGTHS; i++) {
        assert_true(p[i]->gone);
        assert_null(p[i]->out.flow);
        parcel_free(p[i]);
    }
    rig_down(r);
}

static void payloads_of_all_lengths_arrive(void **state)
{
    (void)state;
    all_lengths_by(MST_SEAL_NONE);
    all_lengths_by(MST_SEAL_CHACHA);
    if (mst_seal_has_aes())
        all_lengths_by(MST_SEAL_AES);
}

/* What he does to one frame costs at most that it is sent again. */
static void he_does(deed what, unsigned when)
{
    parcel *p = parcel_of(1, 12 * MST_BULK_CHUNK + 5);
    parcel *q = parcel_of(2, 3 * MST_BULK_CHUNK);
    rig *r = rig_up(MST_SEAL_CHACHA);

    r->deed = what;
    r->when = when;
    r->times = 1;
    mst_lane_queue(&r->a.lane, &p->out);
    mst_lane_queue(&r->a.lane, &q->out);
    until_arrived(r, 2);
    assert_int_equal(r->times, 0);
    assert_int_equal(r->b.by_stream, 2);
    assert_int_equal(r->b.by_lane, 0);
    assert_int_equal(r->a.bulk.sealed,
                     p->out.payload->len + q->out.payload->len);
    parcel_free(p);
    parcel_free(q);
    rig_down(r);
}

static void one_bad_frame_is_sent_again(void **state)
{
    (void)state;
    for (unsigned when = 0; when < 15; when += 7) {
        he_does(FLIP, when);
        he_does(CUT, when);
        he_does(REPEAT, when);
        he_does(SHUT, when);
    }
    he_does(SPLICE, 7);
}

static void after_many_failures_it_takes_the_lane(void **state)
{
    parcel *p = parcel_of(1, 12 * MST_BULK_CHUNK + 5);
    rig *r = rig_up(MST_SEAL_CHACHA);

    (void)state;
    r->deed = FLIP;
    r->when = 5;
    r->times = 1000;
    mst_lane_queue(&r->a.lane, &p->out);
    until_arrived(r, 1);
    assert_int_equal(r->b.by_lane, 1);
    assert_int_equal(r->b.aborts, 1);
    assert_true(p->gone);
    parcel_free(p);
    rig_down(r);
}

static void without_a_stream_it_takes_the_lane(void **state)
{
    parcel *p = parcel_of(1, 12 * MST_BULK_CHUNK);
    rig *r = rig_up(MST_SEAL_CHACHA);

    (void)state;
    mst_lane_queue(&r->a.lane, &p->out);
    mst_lane_flush(&r->a.lane);
    assert_int_equal(r->a.wants, 1);
    mst_carrier_off(&r->a.carrier, "nobody is there");
    until_arrived(r, 1);
    assert_int_equal(r->b.by_lane, 1);
    parcel_free(p);
    rig_down(r);
}

/* Nothing moves, and then for long enough. */
static void one_that_stands_still_is_noticed(void **state)
{
    parcel *p = parcel_of(1, 12 * MST_BULK_CHUNK);
    rig *r = rig_up(MST_SEAL_CHACHA);
    int64_t now = mst_now_ms();

    (void)state;
    r->deed = STALL;
    r->when = 3;
    r->times = 1;
    mst_lane_queue(&r->a.lane, &p->out);
    while (r->deed == STALL)
        turn(r);
    for (int i = 0; i < 100; i++) /* what is under way arrives */
        turn(r);
    assert_true(mst_carrier_tick(&r->a.carrier, now, 1000));
    now += 100000; /* this process stood still */
    assert_true(mst_carrier_tick(&r->a.carrier, now, 1000));
    for (int i = 0; i < 2; i++)
        assert_true(mst_carrier_tick(&r->a.carrier, now += 250, 1000));
    mst_lane_down(&r->a.lane); /* nobody could say that it has something */
    assert_true(mst_carrier_tick(&r->a.carrier, now += 250, 1000));
    r->a.lane.up = true;
    for (int i = 0; i < 3; i++)
        assert_true(mst_carrier_tick(&r->a.carrier, now += 250, 1000));
    assert_false(mst_carrier_tick(&r->a.carrier, now += 250, 1000));
    mst_carrier_off(&r->a.carrier, "nothing moves");
    until_arrived(r, 1);
    assert_int_equal(r->b.by_lane, 1);
    assert_true(mst_carrier_tick(&r->a.carrier, now += 100000, 1000));
    parcel_free(p);
    rig_down(r);
}

static void one_that_is_dropped_hinders_nobody(void **state)
{
    rig *r = rig_up(MST_SEAL_CHACHA);

    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        parcel *p = parcel_of(2 * turns + 1, 40 * MST_BULK_CHUNK);
        parcel *q = parcel_of(2 * turns + 2, 2 * MST_BULK_CHUNK);

        mst_lane_queue(&r->a.lane, &p->out);
        mst_lane_queue(&r->a.lane, &q->out);
        mst_lane_flush(&r->a.lane);
        for (unsigned i = 0; i < turns; i++)
            turn(r);
        if (turns % 2 == 0)
            assert_false(mst_lane_drop(&r->a.lane, &p->out));
        else
            mst_incoming_forget(&r->b.coming[p->out.id]);
        until_arrived(r, turns + 1);
        assert_int_equal(r->b.arrived[turns], q->out.id);
        parcel_free(p);
        parcel_free(q);
    }
    rig_down(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_of_all_lengths_arrive),
        cmocka_unit_test(one_bad_frame_is_sent_again),
        cmocka_unit_test(after_many_failures_it_takes_the_lane),
        cmocka_unit_test(without_a_stream_it_takes_the_lane),
        cmocka_unit_test(one_that_stands_still_is_noticed),
        cmocka_unit_test(one_that_is_dropped_hinders_nobody),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
