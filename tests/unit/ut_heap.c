/* ut_heap.c - deadlines against a plain search. */
#include "unit.h"

#include "base/heap.h"

#define N 300

static void the_nearest_comes_first(void **state)
{
    static mst_timed items[N];
    mst_heap heap = {0};
    uint64_t seed = 1;
    size_t in = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        mst_timed *item = &items[unit_random(&seed) % N];
        const mst_timed *first;
        int64_t least = INT64_MAX;

        if (item->place != 0) {
            mst_heap_remove(&heap, item);
            in--;
        } else {
            item->at_ms = (int64_t)(unit_random(&seed) % 1000);
            assert_true(mst_heap_add(&heap, item));
            in++;
        }
        assert_int_equal(heap.n, in);
        for (size_t i = 0; i < N; i++)
            if (items[i].place != 0 && items[i].at_ms < least)
                least = items[i].at_ms;
        first = mst_heap_first(&heap);
        assert_int_equal(first != NULL ? first->at_ms : INT64_MAX, least);
    }
    mst_heap_fini(&heap);
}

static void removing_what_is_not_there_changes_nothing(void **state)
{
    mst_heap heap = {0};
    mst_timed a = {5, 0}, b = {7, 0};

    (void)state;
    assert_null(mst_heap_first(&heap));
    assert_true(mst_heap_add(&heap, &a));
    mst_heap_remove(&heap, &b);
    assert_ptr_equal(mst_heap_first(&heap), &a);
    mst_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_comes_first),
        cmocka_unit_test(removing_what_is_not_there_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
