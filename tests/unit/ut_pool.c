/* ut_pool.c - blocks that are used over and over, by several threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "unit.h"

#include "base/alloc.h"
#include "base/pool.h"

#define BLOCKS 6000
#define THREADS 3
#define ROUNDS 60000
#define HELD 64

static void a_block_comes_back(void **state)
{
    mst_pool *pool = mst_pool_create();
    void *first, *second;

    (void)state;
    assert_non_null(pool);
    first = mst_pool_alloc(pool, 100);
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % _Alignof(max_align_t), 0);
    memset(first, 1, 100);
    mst_pool_free(pool, first);
    second = mst_pool_alloc(pool, 128);
    if (mst_pool_is_on())
        assert_ptr_equal(second, first);
    mst_pool_free(pool, second);
    mst_pool_free(pool, NULL);
    mst_pool_unref(&pool);
    assert_null(pool);
}

/* Every size, all at once: more than the slab has. */
static void blocks_do_not_overlap(void **state)
{
    static unsigned char *blocks[BLOCKS];
    mst_pool *pool = mst_pool_create();
    uint64_t seed = 1;

    (void)state;
    assert_true(BLOCKS * (size_t)MST_POOL_MOST > 2 * MST_POOL_BYTES);
    for (int round = 0; round < 2; round++) {
        size_t bytes[BLOCKS];

        for (size_t i = 0; i < BLOCKS; i++) {
            bytes[i] = unit_random(&seed) % (MST_POOL_MOST + 64);
            blocks[i] = mst_pool_alloc(pool, bytes[i]);
            assert_non_null(blocks[i]);
            memset(blocks[i], (int)(i & 0xff), bytes[i]);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            for (size_t k = 0; k < bytes[i]; k++)
                if (blocks[i][k] != (i & 0xff))
                    fail_msg("block %zu, byte %zu of %zu", i, k, bytes[i]);
            mst_pool_free(pool, blocks[i]);
        }
    }
    mst_pool_unref(&pool);
}

static void no_pool_is_the_heap(void **state)
{
    mst_pool *pool = mst_pool_create();
    void *p = mst_pool_alloc(NULL, 10);

    (void)state;
    assert_non_null(p);
    mst_pool_free(NULL, p);
    p = mst_alloc(10);
    assert_non_null(p);
    mst_pool_free(pool, p); /* told apart by its address */
    p = mst_pool_alloc(pool, (size_t)MST_POOL_MOST + 1);
    assert_non_null(p);
    mst_pool_free(pool, p);
    mst_pool_unref(&pool);
    mst_pool_unref(&pool);
    assert_null(mst_pool_ref(NULL));
}

static void who_holds_a_reference_keeps_the_blocks(void **state)
{
    mst_pool *pool = mst_pool_create();
    mst_pool *mine = mst_pool_ref(pool);
    unsigned char *p = mst_pool_alloc(pool, 2000);

    (void)state;
    assert_non_null(p);
    mst_pool_unref(&pool);
    memset(p, 7, 2000);
    assert_int_equal(p[1999], 7);
    mst_pool_free(mine, p);
    mst_pool_unref(&mine);
}

static void without_memory(void **state)
{
    mst_pool *pool = mst_pool_create();
    void *p;

    (void)state;
    mst_alloc_fail_after(1);
    p = mst_pool_alloc(pool, 10);
    mst_alloc_fail_after(0);
    assert_null(p);
    for (int n = 1; n <= (mst_pool_is_on() ? 2 : 1); n++) {
        mst_pool *none;

        mst_alloc_fail_after(n);
        none = mst_pool_create();
        mst_alloc_fail_after(0);
        assert_null(none);
    }
    mst_pool_unref(&pool);
}

/* ------------------------------------------------------------- threads -- */

typedef struct shared {
    mst_pool *pool;
    _Atomic(uint64_t *) table[HELD]; /* blocks that any thread may take */
    atomic_uint wrong;
} shared;

static uint64_t *fill(mst_pool *pool, size_t n)
{
    uint64_t *block = mst_pool_alloc(pool, n * sizeof(*block));

    for (size_t i = 0; block != NULL && i < n; i++)
        block[i] = i == 0 ? n : (uintptr_t)block + i;
    return block;
}

static bool is_whole(const uint64_t *block)
{
    for (size_t i = 1; i < block[0]; i++)
        if (block[i] != (uintptr_t)block + i)
            return false;
    return true;
}

/* One thread's block is checked and given back by another. */
static void *exchange(void *arg)
{
    shared *s = (shared *)arg;
    uint64_t seed = (uintptr_t)&seed;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t *block = fill(s->pool, 1 + unit_random(&seed) % 40);
        uint64_t *other;

        if (block == NULL) {
            atomic_fetch_add(&s->wrong, 1);
            continue;
        }
        other = atomic_exchange(&s->table[unit_random(&seed) % HELD], block);
        if (other != NULL && !is_whole(other))
            atomic_fetch_add(&s->wrong, 1);
        mst_pool_free(s->pool, other);
    }
    return NULL;
}

static void threads_do_not_get_the_same_block(void **state)
{
    static shared s;
    pthread_t threads[THREADS];

    (void)state;
    s.pool = mst_pool_create();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < HELD; i++)
        mst_pool_free(s.pool, s.table[i]);
    mst_pool_unref(&s.pool);
    assert_int_equal(s.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_comes_back),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(no_pool_is_the_heap),
        cmocka_unit_test(who_holds_a_reference_keeps_the_blocks),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(threads_do_not_get_the_same_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
