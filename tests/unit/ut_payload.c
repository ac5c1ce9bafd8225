/* ut_payload.c - bytes with a count of those who read them. */
#include "unit.h"

#include <pthread.h>

#include "base/alloc.h"
#include "bulk/payload.h"

#define READERS 4
#define ROUNDS 10000

static void a_copy_does_not_follow_the_original(void **state)
{
    char bytes[] = "first";
    mst_payload *p = mst_payload_copy(bytes, sizeof(bytes));

    (void)state;
    assert_non_null(p);
    memcpy(bytes, "later", sizeof(bytes));
    assert_string_equal(p->data, "first");
    assert_int_equal(p->len, sizeof(bytes));
    assert_int_equal(p->refs, 1);
    mst_payload_unref(&p);
    assert_null(p);
}

static void what_is_borrowed_stays_where_it_is(void **state)
{
    const char bytes[] = "borrowed";
    mst_payload *p = mst_payload_borrow(bytes, sizeof(bytes));

    (void)state;
    assert_non_null(p);
    assert_ptr_equal(p->data, bytes);
    assert_null(p->owned);
    mst_payload_unref(&p);
    assert_string_equal(bytes, "borrowed");
}

/* The leak checker sees a block that the last one does not free, and a second
 * free. */
static void what_is_owned_ends_with_the_last_reference(void **state)
{
    char *bytes = mst_strdup("owned");
    mst_payload *p, *q;

    (void)state;
    assert_non_null(bytes);
    p = mst_payload_own(bytes, 5);
    assert_non_null(p);
    q = mst_payload_ref(p);
    assert_ptr_equal(q, p);
    assert_int_equal(p->refs, 2);
    mst_payload_unref(&p);
    assert_null(p);
    assert_int_equal(q->refs, 1);
    assert_string_equal(q->data, "owned");
    mst_payload_unref(&q);
}

static void no_bytes_are_a_payload_too(void **state)
{
    mst_payload *p = mst_payload_copy(NULL, 0);

    (void)state;
    assert_non_null(p);
    assert_int_equal(p->len, 0);
    assert_non_null(p->data);
    mst_payload_unref(&p);
    mst_payload_unref(&p);
    assert_null(p);
}

static void without_memory_the_block_stays_the_callers(void **state)
{
    char *bytes = mst_strdup("mine");
    mst_payload *made[3];

    (void)state;
    mst_alloc_fail_after(1);
    made[0] = mst_payload_copy("x", 1);
    made[1] = mst_payload_borrow("x", 1);
    made[2] = mst_payload_own(bytes, 4);
    mst_alloc_fail_after(0);
    for (int i = 0; i < 3; i++)
        assert_null(made[i]);
    assert_string_equal(bytes, "mine");
    mst_free(bytes);
}

static void *read_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        mst_payload *p = mst_payload_ref((mst_payload *)arg);

        mst_payload_unref(&p);
    }
    mst_payload_unref((mst_payload **)&arg);
    return NULL;
}

static void threads_share_the_count(void **state)
{
    mst_payload *p = mst_payload_copy("shared", 7);
    pthread_t threads[READERS];

    (void)state;
    assert_non_null(p);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, read_often, mst_payload_ref(p)),
            0);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(p->refs, 1);
    mst_payload_unref(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_does_not_follow_the_original),
        cmocka_unit_test(what_is_borrowed_stays_where_it_is),
        cmocka_unit_test(what_is_owned_ends_with_the_last_reference),
        cmocka_unit_test(no_bytes_are_a_payload_too),
        cmocka_unit_test(without_memory_the_block_stays_the_callers),
        cmocka_unit_test(threads_share_the_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
