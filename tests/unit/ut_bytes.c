/* ut_bytes.c - big-endian numbers, and what happens when the bytes run out. */
#include "unit.h"

#include "base/bytes.h"

static const unsigned char golden[] = {0x01, 0x02, 0x03, 0x04, 0x05,
                                       0x06, 0x07, 0x08, 0x09, 0x0a,
                                       0x0b, 0x0c, 0x0d, 0x0e, 0x0f};

static void numbers_are_read_big_end_first(void **state)
{
    mst_reader r = mst_reader_of(golden, sizeof(golden));

    (void)state;
    assert_int_equal(mst_read_u8(&r), 0x01);
    assert_int_equal(mst_read_u16(&r), 0x0203);
    assert_int_equal(mst_read_u32(&r), 0x04050607);
    assert_int_equal(mst_read_u64(&r), 0x08090a0b0c0d0e0f);
    assert_true(r.ok);
    assert_int_equal(r.left, 0);
}

static void numbers_are_written_big_end_first(void **state)
{
    unsigned char bytes[sizeof(golden)];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));

    (void)state;
    mst_write_u8(&w, 0x01);
    mst_write_u16(&w, 0x0203);
    mst_write_u32(&w, 0x04050607);
    mst_write_u64(&w, 0x08090a0b0c0d0e0f);
    assert_true(w.ok);
    assert_int_equal(w.left, 0);
    assert_int_equal(mst_written(&w), sizeof(golden));
    assert_memory_equal(bytes, golden, sizeof(golden));
}

static void the_ends_of_each_range_come_back(void **state)
{
    static const uint64_t values[] = {
        0, 1, 0x7f, 0x80, 0xff, UINT16_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        unsigned char bytes[15];
        mst_writer w = mst_writer_of(bytes, sizeof(bytes));
        mst_reader r = mst_reader_of(bytes, sizeof(bytes));

        mst_write_u8(&w, (uint8_t)values[i]);
        mst_write_u16(&w, (uint16_t)values[i]);
        mst_write_u32(&w, (uint32_t)values[i]);
        mst_write_u64(&w, values[i]);
        assert_int_equal(mst_read_u8(&r), (uint8_t)values[i]);
        assert_int_equal(mst_read_u16(&r), (uint16_t)values[i]);
        assert_int_equal(mst_read_u32(&r), (uint32_t)values[i]);
        assert_int_equal(mst_read_u64(&r), values[i]);
    }
}

static void a_failed_read_gives_zero_and_is_latched(void **state)
{
    mst_reader r = mst_reader_of(golden, 3);

    (void)state;
    assert_int_equal(mst_read_u32(&r), 0);
    assert_false(r.ok);
    /* three bytes are there, but nothing is read after a failure */
    assert_int_equal(mst_read_u8(&r), 0);
    assert_int_equal(mst_read_u16(&r), 0);
    assert_null(mst_read_bytes(&r, 1));
    assert_null(mst_read_bytes(&r, 0));
    assert_false(r.ok);
    assert_int_equal(r.left, 3);
}

static void a_failed_write_leaves_the_bytes_alone(void **state)
{
    unsigned char bytes[4] = {9, 9, 9, 9};
    static const unsigned char want[4] = {0, 7, 9, 9};
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));

    (void)state;
    mst_write_u16(&w, 7);
    mst_write_u32(&w, UINT32_MAX);
    assert_false(w.ok);
    mst_write_u8(&w, 1); /* would fit */
    assert_false(w.ok);
    assert_int_equal(mst_written(&w), 2);
    assert_memory_equal(bytes, want, sizeof(want));
}

static void bytes_are_given_where_they_stand(void **state)
{
    mst_reader r = mst_reader_of(golden, sizeof(golden));

    (void)state;
    assert_ptr_equal(mst_read_bytes(&r, 4), golden);
    assert_ptr_equal(mst_read_bytes(&r, 0), golden + 4);
    assert_ptr_equal(mst_read_bytes(&r, 11), golden + 4);
    assert_true(r.ok);
    assert_int_equal(r.left, 0);
    /* a length near the top of its type does not wrap round */
    r = mst_reader_of(golden, sizeof(golden));
    assert_null(mst_read_bytes(&r, SIZE_MAX));
    assert_false(r.ok);
}

static void nothing_can_be_read_and_written(void **state)
{
    mst_reader r = mst_reader_of(NULL, 0);
    mst_writer w = mst_writer_of(NULL, 0);

    (void)state;
    (void)mst_read_bytes(&r, 0);
    mst_write_bytes(&w, NULL, 0);
    assert_true(r.ok);
    assert_true(w.ok);
    assert_int_equal(mst_written(&w), 0);
    assert_int_equal(mst_read_u8(&r), 0);
    mst_write_u8(&w, 1);
    assert_false(r.ok);
    assert_false(w.ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_big_end_first),
        cmocka_unit_test(numbers_are_written_big_end_first),
        cmocka_unit_test(the_ends_of_each_range_come_back),
        cmocka_unit_test(a_failed_read_gives_zero_and_is_latched),
        cmocka_unit_test(a_failed_write_leaves_the_bytes_alone),
        cmocka_unit_test(bytes_are_given_where_they_stand),
        cmocka_unit_test(nothing_can_be_read_and_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
