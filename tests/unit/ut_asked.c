/* ut_asked.c - how much a worker's handlers may have outstanding. */
#include "unit.h"

#include "call/asked.h"

/* However many there are: what they wait for finds a place. */
static void deeper_calls_find_a_place(void **state)
{
    mst_asked a = {0};

    (void)state;
    for (unsigned depth = 1; depth <= MST_DEPTH_MAX; depth++) {
        unsigned n = 0;

        for (; mst_asked_fits(&a, depth, 1); n++)
            mst_asked_add(&a, depth, 1);
        assert_true(n >= 16);
    }
    assert_int_equal(a.calls, MST_WIRE_CALLS);
    for (unsigned depth = MST_DEPTH_MAX; depth > 0; depth--)
        while (a.at[depth] > 0)
            mst_asked_remove(&a, depth, 1);
    assert_int_equal(a.calls, 0);
    assert_int_equal(a.bytes, 0);
}

static void a_large_one_goes_when_none_is_as_deep(void **state)
{
    const size_t large = 2 * MST_WIRE_ASKED;
    mst_asked a = {0};

    (void)state;
    assert_true(mst_asked_fits(&a, 2, large));
    mst_asked_add(&a, 2, large);
    assert_false(mst_asked_fits(&a, 1, 1));
    assert_false(mst_asked_fits(&a, 2, 1));
    assert_true(mst_asked_fits(&a, 3, large));
    mst_asked_add(&a, 3, large);
    assert_false(mst_asked_fits(&a, 3, 0));
    assert_true(mst_asked_fits(&a, MST_DEPTH_MAX, UINT64_MAX));
    mst_asked_remove(&a, 2, large);
    mst_asked_remove(&a, 3, large);
    mst_asked_add(&a, 1, MST_WIRE_ASKED - 1);
    assert_true(mst_asked_fits(&a, 1, 1));
    assert_false(mst_asked_fits(&a, 1, 2));
    assert_false(mst_asked_fits(&a, 1, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeper_calls_find_a_place),
        cmocka_unit_test(a_large_one_goes_when_none_is_as_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
