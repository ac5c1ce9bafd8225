/* ut_lane.c - what one epoch of a connection sends, and in which order. */
#include "unit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bulk/lane.h"

/* The other end: takes messages apart and puts payloads together. */
typedef struct far_end {
    mst_lane lane;
    mst_assembly in;
    int messages, records, aborts, beats;
    size_t longest, bytes; /* bytes: of calls */
    size_t passed;         /* of chunks */
    uint64_t acked;
    uint64_t done[64]; /* ids in the order they were complete */
    size_t lengths[64];
    int ndone;
    bool fail;
    uint16_t number; /* of the last message */
    int last;        /* messages before it fails; 0: any number */
} far_end;

typedef struct parcel {
    mst_out out;
    bool gone;
} parcel;

static void complete(far_end *f)
{
    unsigned char *data = mst_assembly_take(&f->in);

    for (uint64_t i = 0; i < f->in.total; i += 997)
        assert_int_equal(data[i], (unsigned char)(i * 31 + f->in.id));
    f->done[f->ndone] = f->in.id;
    f->lengths[f->ndone++] = (size_t)f->in.total;
    mst_free(data);
}

static void on_record(far_end *f, const mst_record *r)
{
    f->records++;
    if (r->kind == MST_OUTPUT)
        return;
    if (r->kind == MST_ACK) {
        f->acked = r->got;
    } else if (r->kind == MST_HEARTBEAT) {
        f->beats++;
    } else if (r->kind == MST_ABORT) {
        f->aborts++;
        assert_int_equal(mst_assembly_abort(&f->in, r->id), MUSTER_OK);
    } else if (r->kind == MST_CALL) {
        assert_int_equal(mst_assembly_begin(&f->in, r->id, r->total, r->body.at,
                                            r->body.len),
                         MUSTER_OK);
        f->bytes += mst_wire_cost(r->body.len);
        if (!f->in.open)
            complete(f);
    } else {
        assert_int_equal(r->kind, MST_CHUNK);
        assert_int_equal(
            mst_assembly_add(&f->in, r->id, r->offset, r->body.at, r->body.len),
            MUSTER_OK);
        f->passed += mst_wire_cost(r->body.len);
        if (!f->in.open)
            complete(f);
    }
}

static bool arrive(void *arg, zmq_msg_t *message)
{
    far_end *f = (far_end *)arg;
    mst_reader r = mst_reader_of(zmq_msg_data(message), zmq_msg_size(message));
    mst_record record;

    if (f->fail)
        return false;
    if (f->last > 0 && f->messages == f->last) {
        zmq_msg_close(message); /* taken, and never seen by anybody */
        return true;
    }
    f->messages++;
    f->number = mst_wire_number(zmq_msg_data(message));
    if (r.left > f->longest)
        f->longest = r.left;
    while (r.left > 0) {
        assert_int_equal(mst_wire_get(&r, &record), MUSTER_OK);
        on_record(f, &record);
    }
    zmq_msg_close(message);
    return true;
}

static void head(mst_out *out, mst_record *record)
{
    (void)out;
    record->kind = MST_CALL;
    record->text = (mst_span){"echo", 4};
}

static void gone(mst_out *out)
{
    MST_OF(parcel, out, out)->gone = true;
}

static parcel *parcel_of(uint64_t id, size_t len)
{
    parcel *p = calloc(1, sizeof(*p));
    unsigned char *data = malloc(len + 1);

    assert_non_null(p);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(i * 31 + id);
    p->out.head = head;
    p->out.gone = gone;
    p->out.id = id;
    p->out.payload = mst_payload_own(data, len);
    return p;
}

static void drop(parcel *p)
{
    mst_payload_unref(&p->out.payload);
    free(p);
}

static far_end *set_out(void)
{
    far_end *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    mst_lane_init(&f->lane, arrive, f);
    assert_true(mst_lane_up(&f->lane, 0));
    return f;
}

static void done_with(far_end *f)
{
    mst_lane_fini(&f->lane);
    mst_assembly_fini(&f->in);
    free(f);
}

static bool credit(far_end *f, unsigned window, size_t bytes)
{
    const mst_record record = {.kind = MST_CREDIT,
                               .credit = (uint32_t)bytes,
                               .depth = (uint16_t)window};

    return mst_lane_credit(&f->lane, &record);
}

static void payloads_of_any_size_arrive_in_order(void **state)
{
    static const size_t sizes[] = {
        0,       1, 65535, 65536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1,
        5 << 20, 0, 17};
    const int n = sizeof(sizes) / sizeof(sizes[0]);
    parcel *parcels[sizeof(sizes) / sizeof(sizes[0])];
    far_end *f = set_out();
    size_t given = 0, passed = 0;

    (void)state;
    for (int i = 0; i < n; i++) {
        parcels[i] = parcel_of((uint64_t)i + 1, sizes[i]);
        mst_lane_queue(&f->lane, &parcels[i]->out);
    }
    while (mst_lane_flush(&f->lane)) {
        assert_true(f->bytes - given <= MST_WIRE_WINDOW);
        assert_true(f->passed - passed <= MST_WIRE_WINDOW);
        assert_true(credit(f, 0, f->bytes - given));
        assert_true(credit(f, MST_WINDOW_PASSING, f->passed - passed));
        given = f->bytes;
        passed = f->passed;
    }
    assert_int_equal(f->ndone, n);
    assert_true(f->longest <= MST_WIRE_MESSAGE);
    for (int i = 0; i < n; i++) {
        assert_int_equal(f->done[i], i + 1);
        assert_int_equal(f->lengths[i], sizes[i]);
        assert_true(parcels[i]->gone);
        drop(parcels[i]);
    }
    done_with(f);
}

static void nothing_goes_beyond_the_credit(void **state)
{
    far_end *f = set_out();
    parcel *p = parcel_of(1, 16 << 20);

    (void)state;
    mst_lane_queue(&f->lane, &p->out);
    mst_lane_flush(&f->lane);
    assert_true(f->passed <= MST_WIRE_WINDOW);
    assert_true(f->passed > MST_WIRE_WINDOW - (128 << 10));
    assert_false(mst_lane_flush(&f->lane));
    assert_true(credit(f, MST_WINDOW_PASSING, 1 << 20));
    assert_true(mst_lane_flush(&f->lane));
    assert_false(credit(f, MST_WINDOW_PASSING, UINT32_MAX));
    assert_false(credit(f, MST_WINDOWS, 0));
    mst_lane_drop(&f->lane, &p->out);
    drop(p);
    done_with(f);
}

/* Enough of them to fill a window, and one more. */
static void fill(far_end *f, unsigned window, parcel *parcels[5])
{
    for (unsigned i = 0; i < 5; i++) {
        parcels[i] = parcel_of(100 * window + i + 1, (1 << 20) - 1024);
        parcels[i]->out.window = (uint16_t)window;
        mst_lane_queue(&f->lane, &parcels[i]->out);
    }
}

/* What was queued behind them is what the others wait for. */
static void each_depth_has_a_window_and_the_deeper_go_first(void **state)
{
    static const unsigned windows[] = {0, 2, 1, MST_WINDOW_PASSING};
    static const uint64_t want[] = {6501, 6502, 6503, 6504, 201, 202, 203,
                                    204,  101,  102,  103,  104, 1,   2,
                                    3,    4,    6505, 205,  105, 5};
    parcel *parcels[4][5];
    far_end *f = set_out();

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        fill(f, windows[i], parcels[i]);
    mst_lane_flush(&f->lane);
    assert_int_equal(f->ndone, 16);
    assert_true(credit(f, MST_WINDOW_PASSING, 1 << 20));
    assert_true(mst_lane_flush(&f->lane));
    assert_true(credit(f, 2, 1 << 20));
    assert_true(mst_lane_flush(&f->lane));
    assert_true(credit(f, 0, 1 << 20));
    assert_true(credit(f, 1, 1 << 20));
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->ndone, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(f->done[i], want[i]);
    for (unsigned i = 0; i < 20; i++)
        drop(parcels[i / 5][i % 5]);
    done_with(f);
}

static void nothing_comes_between_the_pieces_of_one(void **state)
{
    far_end *f = set_out();
    parcel *filling[5], *large = parcel_of(1, 9 << 20);
    parcel *answer = parcel_of(2, 10);

    (void)state;
    fill(f, 1, filling);
    mst_lane_queue(&f->lane, &large->out); /* goes past the last of those */
    mst_lane_flush(&f->lane);
    assert_true(f->in.open);
    answer->out.window = MST_WINDOW_PASSING;
    mst_lane_queue(&f->lane, &answer->out);
    assert_true(credit(f, 1, 1 << 20));
    assert_true(credit(f, MST_WINDOW_PASSING, MST_WIRE_WINDOW / 2));
    assert_true(mst_lane_flush(&f->lane));
    assert_true(f->in.open);
    assert_int_equal(f->ndone, 4);
    while (f->ndone < 7) {
        assert_true(credit(f, MST_WINDOW_PASSING, MST_WIRE_WINDOW / 4));
        assert_true(mst_lane_flush(&f->lane));
    }
    assert_int_equal(f->done[4], 1);
    assert_int_equal(f->done[5], 2);
    assert_int_equal(f->done[6], 105);
    for (unsigned i = 0; i < 5; i++)
        drop(filling[i]);
    drop(large);
    drop(answer);
    done_with(f);
}

static void small_records_share_a_message(void **state)
{
    const mst_record beat = {.kind = MST_HEARTBEAT};
    parcel *parcels[50];
    far_end *f = set_out();

    (void)state;
    for (int i = 0; i < 50; i++) {
        parcels[i] = parcel_of((uint64_t)i, 64);
        mst_lane_queue(&f->lane, &parcels[i]->out);
        mst_lane_put(&f->lane, &beat);
    }
    assert_int_equal(f->messages, 0);
    mst_lane_flush(&f->lane);
    assert_int_equal(f->messages, 1);
    assert_int_equal(f->records, 100);
    for (int i = 0; i < 50; i++)
        drop(parcels[i]);
    done_with(f);
}

/* A heartbeat does not wait for credit, and fits between two chunks. */
static void control_goes_past_a_payload_that_waits(void **state)
{
    const mst_record beat = {.kind = MST_HEARTBEAT};
    far_end *f = set_out();
    parcel *p = parcel_of(1, 16 << 20);

    (void)state;
    mst_lane_queue(&f->lane, &p->out);
    mst_lane_flush(&f->lane);
    mst_lane_put(&f->lane, &beat);
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->beats, 1);
    assert_true(f->in.open);
    mst_lane_drop(&f->lane, &p->out);
    drop(p);
    done_with(f);
}

static void what_was_not_begun_is_dropped_without_a_word(void **state)
{
    far_end *f = set_out();
    parcel *first = parcel_of(1, 8 << 20), *second = parcel_of(2, 10);

    (void)state;
    mst_lane_queue(&f->lane, &first->out);
    mst_lane_queue(&f->lane, &second->out);
    mst_lane_flush(&f->lane);
    assert_true(mst_lane_drop(&f->lane, &second->out));
    assert_false(mst_lane_drop(&f->lane, &second->out));
    mst_lane_flush(&f->lane);
    assert_int_equal(f->aborts, 0);
    assert_false(mst_lane_drop(&f->lane, &first->out));
    mst_lane_flush(&f->lane);
    assert_int_equal(f->aborts, 1);
    assert_false(f->in.open);
    assert_int_equal(f->ndone, 0);
    drop(first);
    drop(second);
    done_with(f);
}

static void a_link_that_is_gone_is_noticed(void **state)
{
    const mst_record beat = {.kind = MST_HEARTBEAT};
    far_end *f = set_out();

    (void)state;
    f->fail = true;
    mst_lane_put(&f->lane, &beat);
    mst_lane_flush(&f->lane);
    assert_false(f->lane.up);
    assert_false(f->lane.broken);
    mst_lane_put(&f->lane, &beat);
    assert_false(mst_lane_flush(&f->lane));
    done_with(f);
}

static void beat(far_end *f)
{
    const mst_record record = {.kind = MST_HEARTBEAT};

    mst_lane_put(&f->lane, &record);
    mst_lane_flush(&f->lane);
}

static void what_did_not_come_is_sent_again(void **state)
{
    far_end *f = set_out();
    parcel *p = parcel_of(1, 3 << 20);

    (void)state;
    beat(f);
    f->last = 2;
    mst_lane_queue(&f->lane, &p->out);
    mst_lane_flush(&f->lane);
    beat(f);
    assert_true(p->gone);
    assert_int_equal(f->messages, 2);
    assert_int_equal(f->ndone, 0);
    drop(p); /* it is in messages */
    mst_lane_down(&f->lane);
    beat(f); /* waits */
    assert_int_equal(f->messages, 2);
    f->last = 0;
    assert_true(mst_lane_up(&f->lane, 2));
    mst_lane_flush(&f->lane);
    assert_int_equal(f->ndone, 1);
    assert_int_equal(f->lengths[0], 3 << 20);
    assert_int_equal(f->beats, 3);
    assert_int_equal(f->messages, f->lane.sent);
    done_with(f);
}

static void what_is_acknowledged_is_not_kept(void **state)
{
    far_end *f = set_out();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        beat(f);
        assert_true(mst_lane_ack(&f->lane, (uint64_t)i / 2));
        assert_int_equal(f->lane.nkept, i + 1 - i / 2);
    }
    assert_false(mst_lane_idle(&f->lane));
    assert_true(mst_lane_ack(&f->lane, 3)); /* from before a cut */
    assert_false(mst_lane_ack(&f->lane, 1001));
    assert_false(mst_lane_up(&f->lane, 498));
    assert_false(mst_lane_up(&f->lane, 1001));
    assert_true(mst_lane_ack(&f->lane, 1000));
    assert_true(mst_lane_idle(&f->lane));
    assert_int_equal(f->lane.kept_bytes, 0);
    done_with(f);
}

/* A message of the peer's, with this number. */
static mst_heard hear(far_end *f, uint64_t number, size_t bytes)
{
    unsigned char message[MST_WIRE_HEADER] = {0};

    mst_wire_set_number(message, number);
    return mst_lane_heard(&f->lane, message, bytes);
}

static void it_acknowledges_now_and_then(void **state)
{
    far_end *f = set_out();

    (void)state;
    for (int i = 0; i < 31; i++)
        assert_int_equal(hear(f, f->lane.got + 1, 100), MST_HEARD_NEXT);
    assert_false(mst_lane_owes(&f->lane));
    assert_false(mst_lane_flush(&f->lane)); /* not alone */
    beat(f);
    assert_int_equal(f->records, 2);
    assert_int_equal(f->acked, 31);
    assert_int_equal(hear(f, 32, 1 << 20), MST_HEARD_NEXT);
    assert_true(mst_lane_owes(&f->lane));
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->acked, 32);
    f->lane.eager = true;
    assert_int_equal(hear(f, 33, 8), MST_HEARD_NEXT);
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->acked, 33);
    assert_false(mst_lane_flush(&f->lane));
    done_with(f);
}

static void only_the_next_message_counts(void **state)
{
    far_end *f = set_out();

    (void)state;
    for (uint64_t i = 1; i <= 200000; i++) { /* past 16 bits, and again */
        assert_int_equal(hear(f, i + 1, 8), MST_HEARD_GAP);
        assert_int_equal(hear(f, i + MST_WIRE_AHEAD, 8), MST_HEARD_GAP);
        if (i > 1)
            assert_int_equal(hear(f, i - 1, 8), MST_HEARD_AGAIN);
        assert_int_equal(f->lane.got, i - 1);
        assert_int_equal(hear(f, i, 8), MST_HEARD_NEXT);
        assert_int_equal(f->lane.got, i);
    }
    done_with(f);
}

static void messages_carry_their_numbers(void **state)
{
    far_end *f = set_out();

    (void)state;
    for (int i = 1; i <= 70000; i++) {
        beat(f);
        assert_int_equal(f->number, i & 0xffff);
        assert_true(mst_lane_ack(&f->lane, (uint64_t)i - 1));
    }
    f->last = f->messages;
    beat(f);
    mst_lane_down(&f->lane);
    f->last = 0;
    assert_true(mst_lane_up(&f->lane, 70000));
    assert_int_equal(f->number, 70001 & 0xffff); /* the same again */
    done_with(f);
}

/* So far ahead that 16 bits would not tell, nothing goes but an ACK. */
static void it_waits_for_a_peer_that_is_far_behind(void **state)
{
    far_end *f = set_out();

    (void)state;
    for (unsigned i = 0; i < MST_WIRE_AHEAD; i++)
        beat(f);
    assert_int_equal(f->messages, MST_WIRE_AHEAD);
    beat(f);
    beat(f);
    assert_int_equal(f->messages, MST_WIRE_AHEAD);
    assert_false(mst_lane_owes(&f->lane));
    for (uint64_t i = 1; i <= 32; i++)
        assert_int_equal(hear(f, i, 8), MST_HEARD_NEXT);
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->acked, 32);
    assert_int_equal(f->messages, MST_WIRE_AHEAD + 1);
    beat(f);
    assert_int_equal(f->messages, MST_WIRE_AHEAD + 1);
    assert_true(mst_lane_ack(&f->lane, 32));
    assert_true(mst_lane_owes(&f->lane));
    assert_true(mst_lane_flush(&f->lane));
    assert_int_equal(f->beats, MST_WIRE_AHEAD + 3);
    assert_false(mst_lane_owes(&f->lane));
    done_with(f);
}

/* One that never acknowledges does not fill our memory. */
static void what_is_kept_has_a_bound(void **state)
{
    static const char line[8000];
    const mst_record output = {.kind = MST_OUTPUT,
                               .body = {line, sizeof(line)}};
    far_end *f = set_out();

    (void)state;
    for (long i = 0; i < 200000 && !f->lane.broken; i++) {
        mst_lane_put(&f->lane, &output);
        mst_lane_flush(&f->lane);
    }
    assert_true(f->lane.broken);
    assert_true(f->lane.kept_bytes < (65 << 20));
    done_with(f);
}

static void without_memory_it_is_broken(void **state)
{
    far_end *f = set_out();

    (void)state;
    mst_alloc_fail_after(1);
    for (int i = 0; i < 64; i++)
        beat(f); /* so many need none */
    assert_false(f->lane.broken);
    beat(f);
    mst_alloc_fail_after(0);
    assert_true(f->lane.broken);
    done_with(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_of_any_size_arrive_in_order),
        cmocka_unit_test(nothing_goes_beyond_the_credit),
        cmocka_unit_test(each_depth_has_a_window_and_the_deeper_go_first),
        cmocka_unit_test(nothing_comes_between_the_pieces_of_one),
        cmocka_unit_test(small_records_share_a_message),
        cmocka_unit_test(control_goes_past_a_payload_that_waits),
        cmocka_unit_test(what_was_not_begun_is_dropped_without_a_word),
        cmocka_unit_test(a_link_that_is_gone_is_noticed),
        cmocka_unit_test(what_did_not_come_is_sent_again),
        cmocka_unit_test(what_is_acknowledged_is_not_kept),
        cmocka_unit_test(it_acknowledges_now_and_then),
        cmocka_unit_test(only_the_next_message_counts),
        cmocka_unit_test(messages_carry_their_numbers),
        cmocka_unit_test(it_waits_for_a_peer_that_is_far_behind),
        cmocka_unit_test(what_is_kept_has_a_bound),
        cmocka_unit_test(without_memory_it_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
