/* ut_large.c - large blocks are kept for the next ones, but not for ever. */
#include <stdint.h>
#include <string.h>

#include "unit.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/large.h"

#define MIB ((size_t)1 << 20)

static void a_block_is_used_again(void **state)
{
    void *first = mst_alloc_large(8 * MIB), *second;

    (void)state;
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % MST_LARGE_ALIGN, 0);
    memset(first, 1, 8 * MIB);
    mst_free(first);
    assert_int_equal(mst_large_kept() >= 8 * MIB, mst_large_is_on());
    second = mst_alloc_large(6 * MIB);
    if (mst_large_is_on())
        assert_ptr_equal(second, first);
    assert_int_equal(mst_large_kept(), 0);
    mst_free(second);
    second = mst_alloc_large(2 * MIB); /* that would be a waste */
    if (mst_large_is_on())
        assert_ptr_not_equal(second, first);
    mst_free(second);
    mst_large_tick(mst_now_ms() + MST_LARGE_MS);
    assert_int_equal(mst_large_kept(), 0);
}

static void what_is_small_is_not_kept(void **state)
{
    void *p = mst_alloc_large(MST_LARGE - 1);

    (void)state;
    assert_non_null(p);
    mst_free(p);
    mst_free(NULL);
    assert_int_equal(mst_large_kept(), 0);
    p = mst_alloc_large(MST_LARGE_KEPT + 1); /* nor what is too large */
    assert_non_null(p);
    mst_free(p);
    assert_int_equal(mst_large_kept(), 0);
}

static void no_more_than_so_much_is_kept(void **state)
{
    void *blocks[40];

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        blocks[i] = mst_alloc_large((16 + i) * MIB);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < 40; i++) {
        mst_free(blocks[i]);
        assert_true(mst_large_kept() <= MST_LARGE_KEPT);
    }
    if (mst_large_is_on())
        assert_true(mst_large_kept() > MST_LARGE_KEPT / 2);
    for (size_t i = 0; i < 40; i++) { /* more than there are places */
        blocks[i] = mst_alloc_large(MST_LARGE);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < 40; i++)
        mst_free(blocks[i]);
    mst_large_tick(mst_now_ms() + MST_LARGE_MS - 5000); /* too early */
    assert_int_equal(mst_large_kept() > 0, mst_large_is_on());
    mst_large_tick(mst_now_ms() + MST_LARGE_MS);
    assert_int_equal(mst_large_kept(), 0);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    mst_alloc_fail_after(1);
    assert_null(mst_alloc_large(8 * MIB));
    mst_alloc_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_used_again),
        cmocka_unit_test(what_is_small_is_not_kept),
        cmocka_unit_test(no_more_than_so_much_is_kept),
        cmocka_unit_test(without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
