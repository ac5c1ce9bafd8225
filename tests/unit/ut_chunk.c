/* ut_chunk.c - payloads put together again. */
#include "unit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "bulk/chunk.h"

static const char bytes[] = "abcdefghijklmnopqrstuvwxyz";

static void pieces_of_any_size_come_together(void **state)
{
    (void)state;
    for (size_t total = 0; total <= 26; total++)
        for (size_t step = 1; step <= 26; step++) {
            mst_assembly a = {0};
            size_t at = total < step ? total : step;
            char *whole;

            assert_int_equal(mst_assembly_begin(&a, 7, total, bytes, at),
                             MUSTER_OK);
            while (a.open) {
                const size_t n = total - at < step ? total - at : step;

                assert_int_equal(mst_assembly_add(&a, 7, at, bytes + at, n),
                                 MUSTER_OK);
                at += n;
            }
            assert_int_equal(at, total);
            whole = mst_assembly_take(&a);
            assert_memory_equal(whole, bytes, total);
            assert_int_equal(whole[total], 0);
            mst_free(whole);
            mst_assembly_fini(&a);
        }
}

static void what_is_not_the_next_chunk_is_refused(void **state)
{
    mst_assembly a = {0};

    (void)state;
    assert_int_equal(mst_assembly_add(&a, 7, 0, bytes, 1), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_abort(&a, 7), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_begin(&a, 7, 3, bytes, 4), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_begin(&a, 7, 10, bytes, 4), MUSTER_OK);
    assert_int_equal(mst_assembly_begin(&a, 8, 10, bytes, 4), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 8, 4, bytes, 1), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 7, 3, bytes, 1), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 7, 5, bytes, 1), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 7, 4, bytes, 0), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 7, 4, bytes, 7), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_abort(&a, 8), MUSTER_EPROTO);
    assert_int_equal(mst_assembly_add(&a, 7, 4, bytes + 4, 6), MUSTER_OK);
    assert_false(a.open);
    assert_int_equal(mst_assembly_add(&a, 7, 10, bytes, 1), MUSTER_EPROTO);
    mst_assembly_fini(&a);
}

static void an_aborted_one_makes_room_for_the_next(void **state)
{
    mst_assembly a = {0};

    (void)state;
    assert_int_equal(mst_assembly_begin(&a, 7, 10, bytes, 4), MUSTER_OK);
    assert_int_equal(mst_assembly_abort(&a, 7), MUSTER_OK);
    assert_int_equal(mst_assembly_begin(&a, 8, 4, bytes, 4), MUSTER_OK);
    assert_false(a.open);
    mst_assembly_fini(&a);
}

static void a_forgotten_one_is_counted_and_thrown_away(void **state)
{
    mst_assembly a = {0};

    (void)state;
    assert_int_equal(mst_assembly_begin(&a, 7, 10, bytes, 4), MUSTER_OK);
    mst_assembly_forget(&a, 8);
    assert_non_null(a.data);
    mst_assembly_forget(&a, 7);
    assert_int_equal(mst_assembly_add(&a, 7, 4, bytes, 6), MUSTER_OK);
    assert_false(a.open);
    assert_null(mst_assembly_take(&a));
    mst_assembly_fini(&a);
}

static void without_memory_the_stream_goes_on(void **state)
{
    mst_assembly a = {0};

    (void)state;
    mst_alloc_fail_after(1);
    assert_int_equal(mst_assembly_begin(&a, 7, 10, bytes, 4), MUSTER_ENOMEM);
    mst_alloc_fail_after(0);
    assert_true(a.open);
    assert_int_equal(mst_assembly_add(&a, 7, 4, bytes, 6), MUSTER_OK);
    assert_false(a.open);
    assert_null(mst_assembly_take(&a));
    assert_int_equal(mst_assembly_begin(&a, 8, 4, bytes, 4), MUSTER_OK);
    mst_assembly_fini(&a);
    assert_int_equal(mst_assembly_begin(&a, 9, UINT64_MAX, bytes, 4),
                     MUSTER_ENOMEM);
    mst_assembly_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_come_together),
        cmocka_unit_test(what_is_not_the_next_chunk_is_refused),
        cmocka_unit_test(an_aborted_one_makes_room_for_the_next),
        cmocka_unit_test(a_forgotten_one_is_counted_and_thrown_away),
        cmocka_unit_test(without_memory_the_stream_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
