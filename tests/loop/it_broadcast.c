/* it_broadcast.c - one request to many workers. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* A broadcast with a string; its outcome in r->err. */
static muster_err cast(rig *r, const muster_set *set, const char *name,
                       const char *body, muster_results **results)
{
    r->err = (muster_error){0};
    return muster_broadcast(r->m, set, name, body,
                            body != NULL ? strlen(body) : 0, 0, results,
                            &r->err);
}

static void every_worker_answers_in_rank_order(void **state)
{
    rig *r = rig_up(4);
    muster_results *all = NULL;

    (void)state;
    assert_code(cast(r, NULL, "who", "x", &all), MUSTER_OK, r->err);
    assert_int_equal(all->n, 4);
    assert_int_equal(all->nfailed, 0);
    for (size_t i = 0; i < all->n; i++) {
        char want[64];

        assert_int_equal(all->items[i].rank, i + 1);
        assert_int_equal(all->items[i].code, MUSTER_OK);
        assert_string_equal(all->items[i].text, "");
        snprintf(want, sizeof(want), "%zu 1 4 %zu 4 ", i + 1, i);
        assert_words(all->items[i].data, want);
    }
    muster_results_destroy(&all);
    assert_null(all);
    muster_results_destroy(&all);
    rig_down(&r);
}

static void a_list_is_numbered_densely(void **state)
{
    static const uint32_t ranks[] = {4, 2};
    const muster_set set = {MUSTER_SET_LIST, ranks, 2};
    rig *r = rig_up(4);
    muster_results *both = NULL;

    (void)state;
    assert_code(cast(r, &set, "who", "x", &both), MUSTER_OK, r->err);
    assert_int_equal(both->n, 2);
    assert_int_equal(both->items[0].rank, 2);
    assert_words(both->items[0].data, "2 1 4 0 2 ");
    assert_int_equal(both->items[1].rank, 4);
    assert_words(both->items[1].data, "4 1 4 1 2 ");
    muster_results_destroy(&both);
    rig_down(&r);
}

static void some_may_fail(void **state)
{
    rig *r = rig_up(4);
    muster_results *all = NULL;

    (void)state;
    assert_code(cast(r, NULL, "fail_on", "4 2", &all), MUSTER_EPARTIAL, r->err);
    assert_words(r->err.text, "fail_on", "rank 2 fails");
    assert_int_equal(r->err.rank, 2);
    assert_int_equal(r->err.remote, 32);
    assert_int_equal(all->n, 4);
    assert_int_equal(all->nfailed, 2);
    for (size_t i = 0; i < 4; i++) {
        const muster_result *item = &all->items[i];

        assert_int_equal(item->rank, i + 1);
        if (i % 2 == 0) {
            assert_int_equal(item->code, MUSTER_OK);
            assert_words(item->data, "is well");
            continue;
        }
        assert_int_equal(item->code, MUSTER_EREMOTE);
        assert_int_equal(item->remote, 31 + i);
        assert_null(item->data);
        assert_words(item->text, "fails");
    }
    muster_results_destroy(&all);
    /* the results may be left, the error too */
    assert_int_equal(
        muster_broadcast(r->m, NULL, "fail_on", "1", 1, 0, NULL, NULL),
        MUSTER_EPARTIAL);
    rig_alive(r, 4);
    rig_down(&r);
}

static void only_the_idle_are_asked(void **state)
{
    const muster_set idle = {MUSTER_SET_IDLE, NULL, 0};
    rig *r = rig_up(3);
    muster_future *busy = rig_start(r, 2, "until_canceled", "");
    muster_results *some = NULL;

    (void)state;
    assert_code(cast(r, &idle, "who", "x", &some), MUSTER_OK, r->err);
    assert_int_equal(some->n, 2);
    assert_int_equal(some->items[0].rank, 1);
    assert_int_equal(some->items[1].rank, 3);
    assert_words(some->items[1].data, "3 1 3 1 2 ");
    muster_results_destroy(&some);
    muster_future_cancel(busy);
    assert_code(rig_result(r, &busy), MUSTER_ECANCELED, r->err);
    rig_down(&r);
}

static void a_wrong_set_sends_nothing(void **state)
{
    static const uint32_t unknown[] = {1, 9}, twice[] = {2, 1, 2};
    const muster_set with_unknown = {MUSTER_SET_LIST, unknown, 2};
    const muster_set with_twice = {MUSTER_SET_LIST, twice, 3};
    const muster_set empty = {MUSTER_SET_LIST, NULL, 0};
    muster_results *none = NULL;
    rig *r = rig_up(2);

    (void)state;
    assert_code(cast(r, &with_unknown, "count", "", &none), MUSTER_EWORKER,
                r->err);
    assert_words(r->err.text, "no worker 9");
    assert_int_equal(r->err.rank, 9);
    assert_code(cast(r, &with_twice, "count", "", &none), MUSTER_EWORKER,
                r->err);
    assert_words(r->err.text, "worker 2", "twice");
    assert_code(cast(r, &empty, "count", "", &none), MUSTER_EWORKER, r->err);
    assert_null(none);
    assert_code(rig_call(r, 1, "count", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "101");
    rig_down(&r);

    r = rig_open(NULL);
    assert_code(cast(r, NULL, "count", "", &none), MUSTER_EWORKER, r->err);
    rig_down(&r);
}

static void a_handler_may_be_missing(void **state)
{
    rig *r = rig_up(2);
    muster_results *all = NULL;

    (void)state;
    assert_code(cast(r, NULL, "nothing", "", &all), MUSTER_EPARTIAL, r->err);
    assert_int_equal(all->nfailed, 2);
    assert_int_equal(all->items[0].code, MUSTER_ENOHANDLER);
    assert_words(all->items[1].text, "nothing");
    muster_results_destroy(&all);
    assert_code(muster_broadcast(r->m, NULL, "", NULL, 0, 0, NULL, &r->err),
                MUSTER_EINVAL, r->err);
    assert_code(muster_broadcast(r->m, NULL, "echo", NULL, 1, 0, NULL, &r->err),
                MUSTER_EINVAL, r->err);
    rig_down(&r);
}

static void an_empty_request_is_a_barrier(void **state)
{
    rig *r = rig_up(3);
    muster_results *all = NULL;
    muster_future *f = rig_start(r, 2, "nap", "200");

    (void)state;
    /* behind the nap on worker 2: the barrier waits for it */
    assert_code(cast(r, NULL, "echo", NULL, &all), MUSTER_OK, r->err);
    assert_true(muster_future_wait(f, 0));
    assert_int_equal(all->n, 3);
    for (size_t i = 0; i < all->n; i++) {
        assert_int_equal(all->items[i].len, 0);
        assert_non_null(all->items[i].data);
    }
    muster_results_destroy(&all);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    rig_down(&r);
}

static void the_deadline_ends_those_who_are_late(void **state)
{
    rig *r = rig_up(3);
    muster_future *busy = rig_start(r, 2, "until_canceled", "");
    muster_results *all = NULL;
    const int64_t began = rig_now_ms();
    muster_err rc;

    (void)state;
    rc = muster_broadcast(r->m, NULL, "echo", "x", 1, 300 * RIG_SLOW, &all,
                          &r->err);
    assert_code(rc, MUSTER_EPARTIAL, r->err);
    assert_within("broadcast with a deadline of 0.3 s", began, 900);
    assert_int_equal(all->items[0].code, MUSTER_OK);
    assert_int_equal(all->items[1].code, MUSTER_ETIMEOUT);
    assert_int_equal(all->items[2].code, MUSTER_OK);
    assert_words(r->err.text, "worker 2", "deadline");
    muster_results_destroy(&all);
    muster_future_cancel(busy);
    assert_code(rig_result(r, &busy), MUSTER_ECANCELED, r->err);
    rig_alive(r, 3);
    rig_down(&r);
}

static void a_large_request_reaches_all(void **state)
{
    const size_t n = (RIG_SLOW > 1 ? 2 : 16) * RIG_MIB + 13;
    rig *r = rig_up(3);
    char *data = malloc(n), want[64];
    muster_results *all = NULL;
    muster_err rc;

    (void)state;
    assert_non_null(data);
    memset(data, 'x', n);
    rc = muster_broadcast(r->m, NULL, "checksum", data, n, 0, &all, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    snprintf(want, sizeof(want), "%zu ", n);
    for (size_t i = 0; i < 3; i++) {
        assert_words(all->items[i].data, want);
        assert_string_equal(all->items[i].data, all->items[0].data);
    }
    muster_results_destroy(&all);
    rc = muster_broadcast(r->m, NULL, "echo", data, n, 0, &all, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(all->items[i].len, n);
        assert_memory_equal(all->items[i].data, data, n);
    }
    muster_results_destroy(&all);
    free(data);
    rig_down(&r);
}

/* -------------------------------------------------------------- threads -- */

typedef struct caster {
    pthread_t thread;
    rig *r;
    int wrong;
} caster;

static void *cast_often(void *arg)
{
    caster *c = (caster *)arg;

    for (int i = 0; i < 100 / (RIG_SLOW > 1 ? 4 : 1); i++) {
        muster_results *all = NULL;

        if (muster_broadcast(c->r->m, NULL, "echo", "x", 1, 0, &all, NULL) !=
                MUSTER_OK ||
            all->n != 3)
            c->wrong++;
        muster_results_destroy(&all);
    }
    return NULL;
}

static void several_threads_broadcast(void **state)
{
    caster casters[8];
    rig *r = rig_up(3);

    (void)state;
    for (int i = 0; i < 8; i++) {
        casters[i] = (caster){.r = r};
        assert_int_equal(
            pthread_create(&casters[i].thread, NULL, cast_often, &casters[i]),
            0);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(casters[i].thread, NULL);
    for (int i = 0; i < 8; i++)
        assert_int_equal(casters[i].wrong, 0);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(every_worker_answers_in_rank_order),
        rig_test(a_list_is_numbered_densely),
        rig_test(some_may_fail),
        rig_test(only_the_idle_are_asked),
        rig_test(a_wrong_set_sends_nothing),
        rig_test(a_handler_may_be_missing),
        rig_test(an_empty_request_is_a_barrier),
        rig_test(the_deadline_ends_those_who_are_late),
        rig_test(a_large_request_reaches_all),
        rig_test(several_threads_broadcast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
