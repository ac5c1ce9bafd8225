/* it_map_failures.c - items that fail, and workers that an item ends. */
#include <poll.h>

#include <muster/worker.h>

#include "map_rig.h"

static int nap_here(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    poll(NULL, 0, 50);
    return 0;
}
MUSTER_HANDLER(nap_here);

static void a_failure_ends_the_map(void **state)
{
    rig *r = map_rig(2);
    muster_map_options o = map_over(MAP_MOST);
    muster_results *none = NULL;

    (void)state;
    o.per_worker = 1;
    assert_code(muster_map(r->m, "seventh_fails", &o, &none, &r->err),
                MUSTER_EREMOTE, r->err);
    assert_null(none);
    assert_words(r->err.text, "item ", "not ");
    assert_true(r->err.remote >= 40 && r->err.remote < 50);
    rig_alive(r, 2);
    rig_down(&r);
}

static void failures_can_be_collected(void **state)
{
    rig *r = map_rig(2);
    muster_map_options o = map_over(MAP_MOST);
    muster_results *all = NULL;

    (void)state;
    o.on_failure = MUSTER_FAIL_COLLECT;
    o.batch = 10;
    assert_code(muster_map(r->m, "seventh_fails", &o, &all, &r->err),
                MUSTER_EPARTIAL, r->err);
    assert_words(r->err.text, "item 3: not 3");
    assert_int_equal(all->n, MAP_MOST);
    assert_int_equal(all->nfailed, (MAP_MOST + 3) / 7);
    for (int64_t i = 0; i < MAP_MOST; i++) {
        if (i % 7 == 3) {
            assert_int_equal(all->items[i].code, MUSTER_EREMOTE);
            assert_int_equal(all->items[i].remote, 40 + i % 10);
        } else {
            assert_int_equal(map_value(&all->items[i]), i);
        }
    }
    muster_results_destroy(&all);
    rig_down(&r);
}

/* One a call or in batches: the same words. */
static void a_failure_without_words_is_described(void **state)
{
    rig *r = map_rig(1);

    (void)state;
    for (uint32_t batch = 1; batch <= 10; batch += 9) {
        muster_map_options o = map_over(10);

        o.batch = batch;
        assert_code(muster_map(r->m, "silent", &o, NULL, &r->err),
                    MUSTER_EREMOTE, r->err);
        assert_words(r->err.text, "item 3: handler silent returned 43");
        assert_int_equal(r->err.remote, 43);
    }
    rig_down(&r);
}

/* Of 100 items every seventh fails with that code, and no other. */
static void assert_sevenths(rig *r, const char *name, uint32_t batch,
                            muster_err code, int64_t (*want)(int64_t n))
{
    muster_map_options o = map_over(100);
    muster_results *all = NULL;

    o.on_failure = MUSTER_FAIL_COLLECT;
    o.batch = batch;
    assert_code(muster_map(r->m, name, &o, &all, &r->err), MUSTER_EPARTIAL,
                r->err);
    for (int64_t i = 0; i < 100; i++) {
        if (i % 7 == 3)
            assert_int_equal(all->items[i].code, code);
        else
            assert_int_equal(map_value(&all->items[i]), want(i));
    }
    muster_results_destroy(&all);
}

static int64_t twice_or_itself(int64_t n)
{
    return n % 7 == 4 ? n : 2 * n;
}

static void what_a_failed_item_passed_on_is_dropped(void **state)
{
    rig *r = map_rig(1);

    (void)state;
    for (uint32_t batch = 1; batch <= 10; batch += 9) {
        assert_sevenths(r, "passes_on", batch, MUSTER_EREMOTE, twice_or_itself);
        assert_words(r->err.text, "item 3: not 3");
    }
    rig_down(&r);
}

static int64_t itself(int64_t n)
{
    return n;
}

static void an_item_without_memory_fails_alone(void **state)
{
    rig *r = map_rig(1);

    (void)state;
    for (uint32_t batch = 1; batch <= 10; batch += 9) {
        assert_sevenths(r, "no_room", batch, MUSTER_ENOMEM, itself);
        assert_words(r->err.text, "item 3: no memory for the result of handler "
                                  "no_room");
    }
    rig_down(&r);
}

static void failures_can_be_tried_again(void **state)
{
    rig *r = map_rig(1);
    muster_map_options o = map_over(50);
    muster_results *all = NULL;

    (void)state;
    o.on_failure = MUSTER_FAIL_RETRY;
    o.retries = 2;
    assert_code(muster_map(r->m, "third_time", &o, &all, &r->err), MUSTER_OK,
                r->err);
    for (int64_t i = 0; i < 50; i++)
        assert_int_equal(map_value(&all->items[i]), i);
    muster_results_destroy(&all);
    rig_down(&r);
}

static void a_handler_that_is_not_there_fails_the_items(void **state)
{
    rig *r = map_rig(1);
    muster_map_options o = map_over(10);

    (void)state;
    assert_code(muster_map(r->m, "nowhere", &o, NULL, &r->err),
                MUSTER_ENOHANDLER, r->err);
    assert_words(r->err.text, "item 0", "nowhere");
    rig_down(&r);
}

static void items_of_a_lost_worker_go_to_another(void **state)
{
    static const uint32_t batches[] = {1, 16};

    (void)state;
    for (size_t b = 0; b < 2; b++) {
        rig *r = map_rig(4);
        muster_map_options o = map_over(200);
        muster_results *all = NULL;

        o.batch = batches[b];
        o.lost_retries = 4;
        assert_code(muster_map(r->m, "deadly", &o, &all, &r->err), MUSTER_OK,
                    r->err);
        for (int64_t i = 0; i < 200; i++)
            assert_int_equal(map_value(&all->items[i]), i);
        assert_int_equal(all->items[20].rank, 1);
        muster_results_destroy(&all);
        rig_down(&r);
    }
}

static void an_item_that_ends_workers_has_a_budget(void **state)
{
    rig *r = map_rig(4);
    muster_map_options o = map_over(100);

    (void)state;
    o.lost_retries = 1;
    assert_code(muster_map(r->m, "always_deadly", &o, NULL, &r->err),
                MUSTER_ELOST, r->err);
    assert_words(r->err.text, "item 20", "SIGABRT", "always_deadly");
    assert_true(muster_size(r->m) >= 2);
    rig_down(&r);
}

/* While handlers wait, others begin in their place: these have a budget, too.
 */
static void an_item_behind_one_that_waits_has_a_budget(void **state)
{
    rig *r = map_rig(6);
    muster_map_options o = map_over(60);

    (void)state;
    o.batch = 1;
    o.per_worker = 2;
    o.lost_retries = 1;
    assert_code(muster_map(r->m, "wait_or_kill", &o, NULL, &r->err),
                MUSTER_ELOST, r->err);
    assert_true(muster_size(r->m) >= 3);
    rig_down(&r);
}

static void without_workers_it_ends(void **state)
{
    rig *r = map_rig(2);
    muster_map_options o = map_over(100);

    (void)state;
    o.lost_retries = 1000;
    assert_code(muster_map(r->m, "always_deadly", &o, NULL, &r->err),
                MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "no worker is left");
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_failure_ends_the_map),
        rig_test(failures_can_be_collected),
        rig_test(a_failure_without_words_is_described),
        rig_test(what_a_failed_item_passed_on_is_dropped),
        rig_test(an_item_without_memory_fails_alone),
        rig_test(failures_can_be_tried_again),
        rig_test(a_handler_that_is_not_there_fails_the_items),
        rig_test(items_of_a_lost_worker_go_to_another),
        rig_test(an_item_that_ends_workers_has_a_budget),
        rig_test(an_item_behind_one_that_waits_has_a_budget),
        rig_test(without_workers_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
