/* it_map.c - many items over real workers, and early ends. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "map_rig.h"

static void results_come_in_the_items_order(void **state)
{
    static const uint32_t batches[] = {1, 7, 0};
    rig *r = map_rig(3);

    (void)state;
    for (size_t b = 0; b < 3; b++) {
        muster_map_options o = map_over(MAP_MOST);
        muster_results *all = NULL;

        o.batch = batches[b];
        assert_code(muster_map(r->m, "twice", &o, &all, &r->err), MUSTER_OK,
                    r->err);
        assert_int_equal(all->n, MAP_MOST);
        assert_int_equal(all->nfailed, 0);
        for (int64_t i = 0; i < MAP_MOST; i++)
            assert_int_equal(map_value(&all->items[i]), 2 * i);
        muster_results_destroy(&all);
    }
    rig_down(&r);
}

static void no_items_are_no_error(void **state)
{
    rig *r = map_rig(1);
    muster_map_options o = map_over(0);
    muster_results *none = NULL;

    (void)state;
    assert_code(muster_map(r->m, "twice", &o, &none, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(none->n, 0);
    muster_results_destroy(&none);
    rig_down(&r);
}

static void every_worker_gets_some(void **state)
{
    rig *r = map_rig(4);
    muster_map_options o = map_over(MAP_MOST);
    muster_results *all = NULL;
    size_t had[5] = {0};

    (void)state;
    assert_code(muster_map(r->m, "who_am_i", &o, &all, &r->err), MUSTER_OK,
                r->err);
    for (size_t i = 0; i < MAP_MOST; i++) {
        assert_int_equal(map_value(&all->items[i]), all->items[i].rank);
        had[all->items[i].rank]++;
    }
    for (size_t rank = 1; rank <= 4; rank++)
        assert_true(had[rank] > 0);
    muster_results_destroy(&all);
    rig_down(&r);
}

/* ----------------------------------------------------- source and sink -- */

typedef struct flow {
    int64_t number, last, given, told;
    int64_t most; /* between source and sink */
    bool in_order;
    int64_t end_at; /* the sink ends it here; -1: never */
} flow;

static int give(void *arg, size_t index, muster_item *item)
{
    flow *f = (flow *)arg;

    if ((int64_t)index == f->last)
        return 0;
    f->number = (int64_t)index;
    f->given++;
    if (f->given - f->told > f->most)
        f->most = f->given - f->told;
    *item = (muster_item){&f->number, sizeof(f->number)};
    return 1;
}

static int take(void *arg, size_t index, const muster_result *result)
{
    flow *f = (flow *)arg;

    assert_int_equal(result->code, MUSTER_OK);
    assert_int_equal(map_value(result), 2 * (int64_t)index);
    if ((int64_t)index != f->told)
        f->in_order = false;
    f->told++;
    return f->told == f->end_at;
}

static void a_source_and_a_sink_are_bounded_and_in_order(void **state)
{
    rig *r = map_rig(3);
    flow f = {.last = 5000, .in_order = true, .end_at = -1};
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;

    (void)state;
    o.source = give;
    o.sink = take;
    o.arg = &f;
    o.max_items = 64;
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(f.told, 5000);
    assert_true(f.in_order);
    assert_true(f.most <= 64);
    o.as_they_come = true;
    f = (flow){.last = 5000, .in_order = true, .end_at = -1};
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(f.told, 5000);
    rig_down(&r);
}

static void a_sink_can_end_it(void **state)
{
    rig *r = map_rig(2);
    flow f = {.last = 5000, .in_order = true, .end_at = 10};
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;

    (void)state;
    o.source = give;
    o.sink = take;
    o.arg = &f;
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_ECANCELED,
                r->err);
    assert_int_equal(f.told, 10);
    rig_alive(r, 2);
    rig_down(&r);
}

static void long_results_fit(void **state)
{
    static int64_t lengths[] = {0, 1, 15, 16, 17, 1 << 20, 3 << 20};
    const size_t n = sizeof(lengths) / sizeof(lengths[0]);
    muster_item some[sizeof(lengths) / sizeof(lengths[0])];
    rig *r = map_rig(2);
    muster_map_options o = map_over(n);
    muster_results *all = NULL;

    (void)state;
    for (size_t i = 0; i < n; i++)
        some[i] = (muster_item){&lengths[i], sizeof(lengths[i])};
    o.items = some;
    o.batch = 4;
    assert_code(muster_map(r->m, "long_one", &o, &all, &r->err), MUSTER_OK,
                r->err);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *bytes = all->items[i].data;

        assert_int_equal(all->items[i].len, lengths[i]);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t k = 0; k < all->items[i].len; k++)
            if (bytes[k] != (lengths[i] & 0xff))
                fail_msg("item %zu byte %zu is %u", i, k, bytes[k]);
    }
    muster_results_destroy(&all);
    rig_down(&r);
}

/* -------------------------------------------------- early ends, members -- */

static void a_deadline_ends_it(void **state)
{
    rig *r = map_rig(2);
    muster_map_options o = map_over(100);
    const int64_t began = rig_now_ms();

    (void)state;
    o.timeout_ms = 200;
    assert_code(muster_map(r->m, "stubborn", &o, NULL, &r->err),
                MUSTER_ETIMEOUT, r->err);
    assert_within("the deadline", began, 1000);
    rig_alive(r, 2);
    rig_down(&r);
}

typedef struct other {
    rig *r;
    muster_token *token;
    muster_err rc;
    muster_error err;
} other;

static void *map_stubborn(void *arg)
{
    other *o = (other *)arg;
    muster_map_options options = map_over(100);

    options.token = o->token;
    o->rc = muster_map(o->r->m, "stubborn", &options, NULL, &o->err);
    return NULL;
}

/* Wait until a worker has something to do. */
static void wait_until_busy(rig *r)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info = {0};

    while (info.calls == 0 && rig_now_ms() < until)
        assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK,
                    r->err);
    assert_true(info.calls > 0);
}

static void a_token_ends_it_from_another_thread(void **state)
{
    rig *r = map_rig(2);
    other o = {.r = r, .token = muster_token_create(r->m)};
    muster_map_options again = map_over(10);
    pthread_t thread;

    (void)state;
    assert_non_null(o.token);
    assert_int_equal(pthread_create(&thread, NULL, map_stubborn, &o), 0);
    wait_until_busy(r);
    muster_token_cancel(o.token);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(o.rc, MUSTER_ECANCELED, o.err);
    again.token = o.token;
    assert_code(muster_map(r->m, "twice", &again, NULL, &r->err),
                MUSTER_ECANCELED, r->err);
    muster_token_destroy(&o.token);
    rig_alive(r, 2);
    rig_down(&r);
}

static void shutdown_ends_it(void **state)
{
    rig *r = map_rig(2);
    other o = {.r = r};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, map_stubborn, &o), 0);
    wait_until_busy(r);
    muster_shutdown(r->m);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(o.rc, MUSTER_ECLOSED, o.err);
    rig_down(&r);
}

static int launch_at_item_100(void *arg, size_t index, muster_item *item)
{
    rig *r = (rig *)arg;
    static int64_t n;

    if (index == 100)
        rig_launch(r, 1);
    n = (int64_t)index;
    *item = (muster_item){&n, sizeof(n)};
    return index < 3000;
}

static void a_worker_that_joins_is_used(void **state)
{
    rig *r = map_rig(1);
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_results *all = NULL;
    bool used = false;

    (void)state;
    o.source = launch_at_item_100;
    o.arg = r;
    o.max_items = 50;
    assert_code(muster_map(r->m, "who_am_i", &o, &all, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(all->n, 3000);
    for (size_t i = 0; i < all->n; i++)
        used = used || all->items[i].rank == 2;
    assert_true(used);
    muster_results_destroy(&all);
    rig_down(&r);
}

static void impossible_options_are_named(void **state)
{
    rig *r = map_rig(1);
    muster_map_options o = map_over(1);

    (void)state;
    o.source = give;
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_EINVAL,
                r->err);
    o = map_over(1);
    o.items = NULL;
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_EINVAL,
                r->err);
    o = map_over(1);
    o.batch = 100000;
    assert_code(muster_map(r->m, "twice", &o, NULL, &r->err), MUSTER_EINVAL,
                r->err);
    assert_words(r->err.text, "batch", "100000");
    o = map_over(1);
    assert_code(muster_map(r->m, "", &o, NULL, &r->err), MUSTER_EINVAL, r->err);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(results_come_in_the_items_order),
        rig_test(no_items_are_no_error),
        rig_test(every_worker_gets_some),
        rig_test(a_source_and_a_sink_are_bounded_and_in_order),
        rig_test(a_sink_can_end_it),
        rig_test(long_results_fit),
        rig_test(a_deadline_ends_it),
        rig_test(a_token_ends_it_from_another_thread),
        rig_test(shutdown_ends_it),
        rig_test(a_worker_that_joins_is_used),
        rig_test(impossible_options_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
