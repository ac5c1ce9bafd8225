/* ut_payload.c - bytes with a count of those who read them. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

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

static unsigned char *filled(size_t len)
{
    unsigned char *data = malloc(len);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(i * 7 + i / 4096);
    return data;
}

static void what_is_shared_nobody_can_change(void **state)
{
    const size_t len = 2 * MST_PAYLOAD_SHARED + 3;
    unsigned char *data = filled(len);
    const struct iovec parts[] = {{(void *)"head", 4}, {NULL, 0}, {data, len}};
    mst_payload *p = mst_payload_shared(parts, 3);
    const char *bytes;
    int fd;

    (void)state;
    assert_non_null(p);
    fd = p->fd;
    bytes = p->data;
    assert_int_equal(p->len, len + 4);
    assert_memory_equal(bytes, "head", 4);
    assert_memory_equal(bytes + 4, data, len);
    assert_int_equal(bytes[len + 4], 0);
    assert_ptr_equal(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_true(pwrite(fd, "x", 1, 0) < 0);
    assert_int_not_equal(mprotect(p->mapped, len, PROT_READ | PROT_WRITE), 0);
    mst_payload_unref(&p);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    free(data);
}

static void only_so_many_are_shared(void **state)
{
    mst_payload *some[MST_PAYLOADS_SHARED];
    unsigned char *data = filled(MST_PAYLOAD_SHARED);
    const struct iovec all = {data, MST_PAYLOAD_SHARED};
    const struct iovec less = {data, MST_PAYLOAD_SHARED - 1};

    (void)state;
    assert_null(mst_payload_shared(&less, 1));
    mst_alloc_fail_after(1);
    assert_null(mst_payload_shared(&all, 1));
    mst_alloc_fail_after(2);
    assert_null(mst_payload_shared(&all, 1));
    mst_alloc_fail_after(0);
    for (int i = 0; i < MST_PAYLOADS_SHARED; i++) {
        some[i] = mst_payload_shared(&all, 1);
        assert_non_null(some[i]);
    }
    assert_null(mst_payload_shared(&all, 1));
    mst_payload_unref(&some[3]);
    some[3] = mst_payload_shared(&all, 1);
    assert_non_null(some[3]);
    for (int i = 0; i < MST_PAYLOADS_SHARED; i++)
        mst_payload_unref(&some[i]);
    free(data);
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
        cmocka_unit_test(what_is_shared_nobody_can_change),
        cmocka_unit_test(only_so_many_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
