/* ut_pending.c - outstanding calls by id. */
#include "unit.h"

#include "base/alloc.h"
#include "call/pending.h"

#define N 5000

static void ids_find_their_items(void **state)
{
    mst_pending table = {0};
    static int items[N];
    static uint64_t ids[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        ids[i] = mst_pending_add(&table, &items[i]);
        assert_int_not_equal(ids[i], 0);
    }
    assert_int_equal(table.n, N);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(mst_pending_get(&table, ids[i]), &items[i]);
    for (int i = 0; i < N; i += 2)
        assert_ptr_equal(mst_pending_remove(&table, ids[i]), &items[i]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(mst_pending_get(&table, ids[i]),
                         i % 2 == 0 ? NULL : &items[i]);
    mst_pending_fini(&table);
}

static void a_late_answer_meets_nobody(void **state)
{
    mst_pending table = {0};
    int item;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const uint64_t id = mst_pending_add(&table, &item);

        assert_ptr_equal(mst_pending_remove(&table, id), &item);
        assert_null(mst_pending_remove(&table, id));
        assert_null(mst_pending_get(&table, id));
    }
    assert_true(table.room <= 64);
    assert_null(mst_pending_get(&table, 0));
    assert_null(mst_pending_get(&table, UINT64_MAX));
    assert_null(mst_pending_get(&table, 1));
    mst_pending_fini(&table);
}

static void without_memory_it_says_so(void **state)
{
    mst_pending table = {0};
    int item;
    uint64_t id;

    (void)state;
    mst_alloc_fail_after(1);
    assert_int_equal(mst_pending_add(&table, &item), 0);
    mst_alloc_fail_after(0);
    id = mst_pending_add(&table, &item);
    assert_ptr_equal(mst_pending_get(&table, id), &item);
    mst_pending_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_find_their_items),
        cmocka_unit_test(a_late_answer_meets_nobody),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
