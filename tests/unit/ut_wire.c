/* ut_wire.c - the format on the wire, byte by byte. */
#include "unit.h"

#include <stdlib.h>

#include "link/wire.h"
#include "wire_golden.h"

#define NVECTORS (sizeof(vectors) / sizeof(vectors[0]))

static size_t from_hex(const char *hex, unsigned char *bytes)
{
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++) {
        const char digits[3] = {hex[2 * n], hex[2 * n + 1], '\0'};
        char *end;

        bytes[n] = (unsigned char)strtoul(digits, &end, 16);
        assert_ptr_equal(end, digits + 2);
    }
    return n;
}

static void each_kind_is_written_as_described(void **state)
{
    (void)state;
    assert_int_equal(NVECTORS,
                     MST_KINDS - 1 + 3); /* HEARTBEAT, CALL, RESULT: two */
    for (size_t i = 0; i < NVECTORS; i++) {
        unsigned char want[256], got[256];
        const size_t len = from_hex(vectors[i].hex, want);
        mst_writer w = mst_writer_of(got, sizeof(got));

        mst_wire_put(&w, &vectors[i].record);
        if (!w.ok || mst_written(&w) != len || memcmp(got, want, len) != 0)
            print_message("%s differs\n",
                          mst_kind_name(vectors[i].record.kind));
        assert_true(w.ok);
        assert_int_equal(mst_written(&w), len);
        assert_memory_equal(got, want, len);
        if (vectors[i].record.kind == MST_CALL ||
            vectors[i].record.kind == MST_RESULT ||
            vectors[i].record.kind == MST_CHUNK)
            assert_int_equal(mst_wire_fields(&vectors[i].record) +
                                 vectors[i].record.body.len,
                             len);
    }
}

static void assert_span(mst_span got, mst_span want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0)
        assert_memory_equal(got.at, want.at, want.len);
}

static void each_kind_is_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < NVECTORS; i++) {
        const mst_record *want = &vectors[i].record;
        unsigned char bytes[256];
        mst_reader r = mst_reader_of(bytes, from_hex(vectors[i].hex, bytes));
        mst_record got;

        assert_int_equal(mst_wire_get(&r, &got), MUSTER_OK);
        assert_int_equal(r.left, 0);
        assert_int_equal(got.kind, want->kind);
        assert_int_equal(got.flags, want->flags);
        assert_int_equal(got.id, want->id);
        assert_int_equal(got.total, want->total);
        assert_int_equal(got.offset, want->offset);
        assert_int_equal(got.code, want->code);
        assert_int_equal(got.remote, want->remote);
        assert_int_equal(got.instance, want->instance);
        assert_int_equal(got.heartbeat_ms, want->heartbeat_ms);
        assert_int_equal(got.credit, want->credit);
        assert_int_equal(got.got, want->got);
        assert_int_equal(got.turn, want->turn);
        assert_int_equal(got.mode, want->mode);
        assert_int_equal(got.peer, want->peer);
        assert_int_equal(got.depth, want->depth);
        assert_int_equal(got.signal_ms, want->signal_ms);
        assert_int_equal(got.end_ms, want->end_ms);
        assert_memory_equal(&got.usage, &want->usage, sizeof(got.usage));
        assert_int_equal(got.running, want->running);
        assert_int_equal(got.running_ms, want->running_ms);
        assert_memory_equal(got.session, want->session, MST_SESSION_BYTES);
        assert_span(got.text, want->text);
        assert_span(got.body, want->body);
        assert_span(got.side.build, want->side.build);
    }
}

static void a_cut_record_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NVECTORS; i++) {
        unsigned char bytes[256];
        const size_t len = from_hex(vectors[i].hex, bytes);

        for (size_t cut = 0; cut < len; cut++) {
            mst_reader r = mst_reader_of(bytes, cut);
            mst_record got;

            assert_int_equal(mst_wire_get(&r, &got), MUSTER_EPROTO);
        }
    }
}

/* The length says less than the fields need: never read beyond it. */
static void a_short_length_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NVECTORS; i++) {
        const mst_kind kind = vectors[i].record.kind;
        unsigned char bytes[256];
        const size_t len = from_hex(vectors[i].hex, bytes);
        mst_reader r = mst_reader_of(bytes, len);
        mst_record got;

        if (kind == MST_CALL || kind == MST_CHUNK || kind == MST_OUTPUT)
            continue; /* there it is a shorter body */
        bytes[3]--;
        assert_int_equal(mst_wire_get(&r, &got), MUSTER_EPROTO);
        bytes[3] = (unsigned char)(bytes[3] + 2);
        r = mst_reader_of(bytes, len);
        assert_int_equal(mst_wire_get(&r, &got), MUSTER_EPROTO);
    }
}

static void records_share_a_message(void **state)
{
    unsigned char bytes[1024];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    mst_reader r;
    mst_record got;

    (void)state;
    for (size_t i = 0; i < NVECTORS; i++)
        mst_wire_put(&w, &vectors[i].record);
    assert_true(w.ok);
    r = mst_reader_of(bytes, mst_written(&w));
    for (size_t i = 0; i < NVECTORS; i++) {
        assert_int_equal(mst_wire_get(&r, &got), MUSTER_OK);
        assert_int_equal(got.kind, vectors[i].record.kind);
    }
    assert_int_equal(r.left, 0);
}

static void a_record_that_does_not_fit_is_latched(void **state)
{
    unsigned char bytes[16];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));

    (void)state;
    mst_wire_put(&w, &vectors[0].record);
    assert_false(w.ok);
}

static void nonsense_is_refused(void **state)
{
    static const char *const hex[] = {
        "00000004"
        "00000000", /* kind 0        */
        "00000004"
        "10000000", /* kind 16       */
        "00000004"
        "ff000000", /* kind 255      */
        "00000003"
        "050000", /* no header     */
        "ffffffff"
        "05000000", /* endless       */
        "00000005"
        "0c000000"
        "03", /* no such STOP  */
        "00000027"
        "01000000"
        "6d75737465720a" /* other magic   */
        "00010801"
        "0005302e312e30"
        "0102030405060708"
        "00001267"
        "000468",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
        unsigned char bytes[256];
        mst_reader r = mst_reader_of(bytes, from_hex(hex[i], bytes));
        mst_record got;

        assert_int_equal(mst_wire_get(&r, &got), MUSTER_EPROTO);
    }
}

static muster_err put_and_get(const mst_record *record)
{
    static unsigned char bytes[4096];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    mst_reader r;
    mst_record got;

    mst_wire_put(&w, record);
    assert_true(w.ok);
    r = mst_reader_of(bytes, mst_written(&w));
    return mst_wire_get(&r, &got);
}

static void limits_are_kept(void **state)
{
    char name[300];
    mst_record call = {.kind = MST_CALL, .total = 4, .text = {name, 255}};
    mst_record result = {.kind = MST_RESULT, .text = {name, 255}};

    (void)state;
    memset(name, 'n', sizeof(name));
    assert_int_equal(put_and_get(&call), MUSTER_OK);
    call.text.len = 256;
    assert_int_equal(put_and_get(&call), MUSTER_EPROTO);
    call.text.len = 0;
    assert_int_equal(put_and_get(&call), MUSTER_EPROTO);
    call.text.len = 4;
    call.body = (mst_span){name, 5};
    assert_int_equal(put_and_get(&call), MUSTER_EPROTO);
    assert_int_equal(put_and_get(&result), MUSTER_OK);
    result.text.len = 256;
    assert_int_equal(put_and_get(&result), MUSTER_EPROTO);
}

/* A mismatch must stay readable whatever follows in the other version. */
static void another_version_still_says_who_it_is(void **state)
{
    static const char hex[] = "0000001b"
                              "01"
                              "00"
                              "0000" MUSTER_HEX "0004"
                              "04"
                              "02"
                              "0005"
                              "392e392e39"
                              "ffffffffffff";
    unsigned char bytes[256];
    mst_reader r = mst_reader_of(bytes, from_hex(hex, bytes));
    mst_record got;

    (void)state;
    assert_int_equal(mst_wire_get(&r, &got), MUSTER_OK);
    assert_int_equal(got.kind, MST_HELLO);
    assert_int_equal(got.side.wire, 4);
    assert_int_equal(got.side.word, 4);
    assert_int_equal(got.side.order, 2);
    assert_span(got.side.build, (mst_span)SPAN("9.9.9"));
}

static void this_process_knows_itself(void **state)
{
    const mst_build here = mst_build_here();

    (void)state;
    assert_int_equal(here.wire, MST_WIRE_VERSION);
    assert_int_equal(here.word, sizeof(void *));
    assert_span(here.build, (mst_span)SPAN(MUSTER_VERSION));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_written_as_described),
        cmocka_unit_test(each_kind_is_read_back),
        cmocka_unit_test(a_cut_record_is_refused),
        cmocka_unit_test(a_short_length_is_refused),
        cmocka_unit_test(records_share_a_message),
        cmocka_unit_test(a_record_that_does_not_fit_is_latched),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(another_version_still_says_who_it_is),
        cmocka_unit_test(this_process_knows_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
