/* it_channels.c - bounded queues that any process uses by name. */
#include "rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static rig *up(uint32_t n)
{
    rig *r = rig_up(n);
    muster_error err;

    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

static void open_channel(rig *r, const char *name, uint32_t capacity)
{
    assert_code(muster_channel_open(r->m, name, capacity, &r->err), MUSTER_OK,
                r->err);
}

static void put(rig *r, const char *name, const char *item)
{
    assert_code(muster_channel_put(r->m, name, item, strlen(item), 0, &r->err),
                MUSTER_OK, r->err);
}

static void assert_take(rig *r, const char *name, const char *want)
{
    muster_reply *reply = NULL;

    assert_code(muster_channel_take(r->m, name, 0, &reply, &r->err), MUSTER_OK,
                r->err);
    assert_string_equal(reply->data, want);
    assert_int_equal(reply->len, strlen(want));
    muster_reply_destroy(&reply);
}

static muster_err take(rig *r, const char *name, int64_t timeout_ms)
{
    return muster_channel_take(r->m, name, timeout_ms, NULL, &r->err);
}

static void items_come_out_in_order(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    open_channel(r, "c", 3);
    open_channel(r, "c", 3); /* it is there */
    put(r, "c", "one");
    put(r, "c", "");
    put(r, "c", "three");
    assert_take(r, "c", "one");
    assert_take(r, "c", "");
    put(r, "c", "four");
    assert_take(r, "c", "three");
    assert_take(r, "c", "four");
    rig_down(&r);
}

static void a_full_channel_makes_puts_wait(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    open_channel(r, "c", 1);
    put(r, "c", "one");
    assert_code(muster_channel_put(r->m, "c", "two", 3, 50, &r->err),
                MUSTER_ETIMEOUT, r->err);
    assert_take(r, "c", "one");
    assert_code(take(r, "c", 50), MUSTER_ETIMEOUT, r->err); /* no "two" */
    put(r, "c", "three");
    assert_take(r, "c", "three");
    rig_down(&r);
}

static void a_closed_channel_gives_what_it_has(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    open_channel(r, "c", 2);
    put(r, "c", "one");
    assert_code(muster_channel_close(r->m, "c", &r->err), MUSTER_OK, r->err);
    assert_code(muster_channel_put(r->m, "c", "x", 1, 0, &r->err), MUSTER_EEND,
                r->err);
    assert_code(muster_channel_open(r->m, "c", 2, &r->err), MUSTER_EEXIST,
                r->err);
    assert_take(r, "c", "one");
    assert_code(take(r, "c", 0), MUSTER_EEND, r->err);
    assert_code(take(r, "c", 0), MUSTER_EEND, r->err);
    open_channel(r, "c", 5); /* anew */
    put(r, "c", "again");
    assert_take(r, "c", "again");
    rig_down(&r);
}

static void names_and_sizes_are_checked(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    open_channel(r, "c", 1);
    assert_code(muster_channel_open(r->m, "c", 2, &r->err), MUSTER_EEXIST,
                r->err);
    assert_code(muster_channel_open(r->m, "d", 0, &r->err), MUSTER_EINVAL,
                r->err);
    assert_code(muster_channel_open(r->m, "", 1, &r->err), MUSTER_EINVAL,
                r->err);
    assert_code(take(r, "d", 0), MUSTER_ENOENT, r->err);
    assert_words(r->err.text, "d");
    assert_code(muster_channel_put(r->m, "d", "", 0, 0, &r->err), MUSTER_ENOENT,
                r->err);
    assert_code(muster_channel_put(r->m, "c", NULL, 1, 0, &r->err),
                MUSTER_EINVAL, r->err);
    assert_code(muster_channel_close(r->m, "d", &r->err), MUSTER_ENOENT,
                r->err);
    /* by hand, what the functions would not send */
    assert_code(rig_call(r, 0, "muster.channel.open", "abc", 0), MUSTER_EPROTO,
                r->err);
    assert_code(rig_call(r, 0, "muster.channel.take", "", 0), MUSTER_EPROTO,
                r->err);
    assert_code(rig_call(r, 0, "muster.channel.put", "c", 0), MUSTER_EPROTO,
                r->err);
    rig_down(&r);
}

/* Two produce, two consume: each item once. */
static void workers_talk_through_it(void **state)
{
    muster_future *producers[2], *consumers[2];
    long n = 0, sum = 0;
    rig *r = up(4);

    (void)state;
    open_channel(r, "c", 10);
    for (uint32_t i = 0; i < 2; i++) {
        producers[i] = rig_start(r, 1 + i, "produce", "c 500");
        consumers[i] = rig_start(r, 3 + i, "consume", "c");
    }
    for (size_t i = 0; i < 2; i++)
        assert_code(rig_result(r, &producers[i]), MUSTER_OK, r->err);
    assert_code(muster_channel_close(r->m, "c", &r->err), MUSTER_OK, r->err);
    for (size_t i = 0; i < 2; i++) {
        muster_reply *reply = NULL;
        char *end;

        assert_code(muster_future_result(consumers[i], &reply, &r->err),
                    MUSTER_OK, r->err);
        n += strtol(reply->data, &end, 10);
        sum += strtol(end, NULL, 10);
        muster_reply_destroy(&reply);
        muster_future_destroy(&consumers[i]);
    }
    assert_int_equal(n, 1000);
    assert_int_equal(sum, 2 * 499 * 500 / 2);
    rig_down(&r);
}

/* A handler that waits in a take leaves its place. */
static void a_wait_leaves_the_place(void **state)
{
    rig *r = up(1);
    muster_future *f;

    (void)state;
    open_channel(r, "c", 1);
    f = rig_start(r, 1, "take_one", "c");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(rig_call(r, 1, "produce", "c 1", 0), MUSTER_OK, r->err);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    rig_down(&r);
}

/* What a canceled or lost taker did not get, the next one gets. */
static void nothing_goes_to_one_that_is_gone(void **state)
{
    rig *r = up(2);
    muster_future *f, *g;

    (void)state;
    open_channel(r, "c", 1);
    f = rig_start(r, 1, "take_one", "c");
    g = rig_start(r, 2, "take_one", "c");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_code(rig_call(r, 1, "echo", "", 0), MUSTER_OK, r->err);
    kill(rig_pid(r, 2), SIGKILL);
    assert_code(rig_result(r, &g), MUSTER_ELOST, r->err);
    put(r, "c", "still here");
    assert_take(r, "c", "still here");
    rig_down(&r);
}

static void closing_ends_those_who_wait(void **state)
{
    rig *r = up(1);
    muster_future *f, *g;

    (void)state;
    open_channel(r, "full", 1);
    open_channel(r, "empty", 1);
    put(r, "full", "x");
    f = rig_start(r, 1, "produce", "full 1");
    g = rig_start(r, 1, "take_one", "empty");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(muster_channel_close(r->m, "full", &r->err), MUSTER_OK, r->err);
    assert_code(rig_result(r, &f), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_EEND);
    rig_down(&r);
    assert_true(muster_future_wait(g, 0));
    muster_future_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(items_come_out_in_order),
        rig_test(a_full_channel_makes_puts_wait),
        rig_test(a_closed_channel_gives_what_it_has),
        rig_test(names_and_sizes_are_checked),
        rig_test(workers_talk_through_it),
        rig_test(a_wait_leaves_the_place),
        rig_test(nothing_goes_to_one_that_is_gone),
        rig_test(closing_ends_those_who_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
