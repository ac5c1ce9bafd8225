/* it_inner.c - calls that handlers make: to the manager, to each other, to
 * themselves, and what becomes of them. */
#include "no_threads.h"
#include "rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <muster/worker.h>

/* ----------------------------------------- handlers of this program, rank 0 */

static int triple(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[32] = "";

    if (len >= sizeof(text))
        return muster_fail(ctx, 7, "too long");
    memcpy(text, in, len);
    return muster_out_printf(out, "%ld", 3 * strtol(text, NULL, 10));
}
MUSTER_HANDLER(triple);

/* The manager's handler calls a worker, whose handler calls the manager. */
static int through(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_reply *reply = NULL;
    muster_error err;

    (void)in;
    (void)len;
    if (muster_call(muster_ctx_muster(ctx), 1, "pass", "0 triple 14", 11, 0,
                    &reply, &err) != MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    muster_out_write(out, reply->data, reply->len);
    muster_reply_destroy(&reply);
    return 0;
}
MUSTER_HANDLER(through);

static int who_here(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    (void)in;
    (void)len;
    return muster_out_printf(out, "%u called by %u", muster_ctx_rank(ctx),
                             muster_ctx_caller(ctx));
}
MUSTER_HANDLER(who_here);

static int hand_on_here(muster_ctx *ctx, const void *in, size_t len,
                        muster_out *out)
{
    muster_future *future = NULL;
    muster_error err;

    if (muster_call_start(muster_ctx_muster(ctx), 1, "pass", in, len, 0,
                          &future, &err) != MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    return muster_out_future(out, &future);
}
MUSTER_HANDLER(hand_on_here);

static int here_until_told(muster_ctx *ctx, const void *in, size_t len,
                           muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    while (!muster_ctx_canceled(ctx))
        sched_yield();
    return muster_fail(ctx, 1, "told");
}
MUSTER_HANDLER(here_until_told);

/* "n": so many calls deeper, a map of one item. */
static int map_below(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    const muster_item item = {"x", 1};
    muster *m = muster_ctx_muster(ctx);
    muster_results *results = NULL;
    muster_error err;
    char text[32] = "";
    muster_err rc;

    memcpy(text, in, len < sizeof(text) ? len : sizeof(text) - 1);
    if (strtol(text, NULL, 10) > 0) {
        snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) - 1);
        rc = muster_call(m, 0, "map_below", text, strlen(text), 0, NULL, &err);
    } else {
        o.items = &item;
        o.nitems = 1;
        rc = muster_map(m, "mirror", &o, &results, &err);
        muster_results_destroy(&results);
    }
    return rc == MUSTER_OK ? muster_out_printf(out, "mapped")
                           : muster_fail(ctx, 1, "%s", err.text);
}
MUSTER_HANDLER(map_below);

/* ----------------------------------------------------------------- rig -- */

static rig *up(uint32_t n, uint32_t threads)
{
    muster_options o = rig_options();
    muster_error err;
    rig *r;

    o.threads = threads;
    r = rig_up_with(&o, n);
    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

static void assert_answer(rig *r, uint32_t rank, const char *name,
                          const char *body, const char *want)
{
    assert_code(rig_call(r, rank, name, body, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, want);
}

/* ---------------------------------------------------------------- tests -- */

static void everybody_can_call_everybody(void **state)
{
    rig *r = up(2, 1);

    (void)state;
    assert_answer(r, 1, "pass", "0 triple 7", "21");
    assert_answer(r, 1, "pass", "2 echo hello", "hello");
    assert_answer(r, 1, "pass", "1 echo myself", "myself");
    assert_answer(r, 0, "triple", "5", "15");
    assert_answer(r, 0, "through", "", "42");
    assert_answer(r, 2, "pass", "any echo some", "some");
    rig_down(&r);
}

static void each_knows_who_called(void **state)
{
    rig *r = up(2, 1);

    (void)state;
    assert_answer(r, 1, "who_calls", "", "1 called by 0");
    assert_answer(r, 1, "pass", "2 who_calls", "2 called by 1");
    assert_answer(r, 2, "pass", "2 who_calls", "2 called by 2");
    assert_answer(r, 2, "pass", "0 who_here", "0 called by 2");
    assert_answer(r, 0, "who_here", "", "0 called by 0");
    rig_down(&r);
}

/* A handler that waits leaves its place: one thread each is enough. */
static void rings_end(void **state)
{
    rig *r = up(2, 1);

    (void)state;
    assert_answer(r, 1, "ring", "3", "round");
    assert_answer(r, 1, "ring", "64", "round");
    rig_alive(r, 2);
    rig_down(&r);
}

/* More than may be outstanding: who waits for room leaves its place, too, and
 * not for longer than its time. */
static void more_calls_than_may_be_outstanding_end(void **state)
{
    rig *r = up(1, 1);
    const int64_t began = rig_now_ms();

    (void)state;
    assert_code(rig_call(r, 1, "many", "6000", 4000 * RIG_SLOW), MUSTER_OK,
                r->err);
    assert_string_equal(r->answer, "6000");
    assert_within("6,000 calls of its own worker", began, 4000);
    rig_down(&r);
}

static void a_ring_that_is_too_deep_says_so(void **state)
{
    rig *r = up(2, 1);

    (void)state;
    assert_code(rig_call(r, 1, "ring", "65", 0), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_EREMOTE);
    assert_words(r->err.text, "64 deep");
    rig_alive(r, 2);
    rig_down(&r);
}

static void a_map_that_is_too_deep_says_so(void **state)
{
    rig *r = up(1, 1);

    (void)state;
    assert_answer(r, 0, "map_below", "63", "mapped");
    assert_code(rig_call(r, 0, "map_below", "64", 0), MUSTER_EREMOTE, r->err);
    assert_words(r->err.text, "64 deep");
    rig_alive(r, 1);
    rig_down(&r);
}

static void many_rings_at_once_end_too(void **state)
{
    const size_t n = RIG_VALGRIND ? 10 : 100;
    muster_future *futures[100];
    rig *r = up(2, 1);

    (void)state;
    for (size_t i = 0; i < n; i++)
        futures[i] = rig_start(r, 1 + i % 2, "ring", "20");
    for (size_t i = 0; i < n; i++)
        assert_code(rig_result(r, &futures[i]), MUSTER_OK, r->err);
    rig_down(&r);
}

static void bursts_cross(void **state)
{
    muster_future *futures[4];
    rig *r = up(2, 2);

    (void)state;
    for (size_t i = 0; i < 4; i++)
        futures[i] = rig_start(r, 1 + i % 2, "burst", "1000");
    for (size_t i = 0; i < 4; i++) {
        muster_reply *reply = NULL;

        assert_code(muster_future_result(futures[i], &reply, &r->err),
                    MUSTER_OK, r->err);
        assert_string_equal(reply->data, "499500");
        muster_reply_destroy(&reply);
        muster_future_destroy(&futures[i]);
    }
    rig_down(&r);
}

static void large_payloads_go_through(void **state)
{
    const size_t len = 5 * RIG_MIB + 12345;
    unsigned char *data = malloc(len);
    muster_future *futures[2];
    rig *r = up(2, 1);

    (void)state;
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(i * 7 + i / 1000);
    for (uint32_t i = 0; i < 2; i++)
        assert_code(muster_call_start(r->m, i + 1, "big_echo", data, len, 0,
                                      &futures[i], &r->err),
                    MUSTER_OK, r->err);
    for (size_t i = 0; i < 2; i++) {
        muster_reply *reply = NULL;

        assert_code(muster_future_result(futures[i], &reply, &r->err),
                    MUSTER_OK, r->err);
        assert_int_equal(reply->len, len);
        assert_memory_equal(reply->data, data, len);
        muster_reply_destroy(&reply);
        muster_future_destroy(&futures[i]);
    }
    free(data);
    rig_down(&r);
}

static void failures_come_back(void **state)
{
    rig *r = up(2, 1);

    (void)state;
    assert_code(rig_call(r, 1, "pass", "2 fail 42 no such file", 0),
                MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_EREMOTE);
    assert_words(r->err.text, "no such file");
    assert_code(rig_call(r, 1, "pass", "2 nothing", 0), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_ENOHANDLER);
    assert_code(rig_call(r, 1, "pass", "9 echo", 0), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_EWORKER);
    assert_code(rig_call(r, 1, "pass", "0 nothing", 0), MUSTER_EREMOTE, r->err);
    assert_words(r->err.text, "the manager's program has no handler nothing");
    assert_code(rig_call(r, 1, "pass", "0 muster.odd", 0), MUSTER_EREMOTE,
                r->err);
    assert_words(r->err.text, "muster's own");
    assert_answer(r, 1, "launch_here", "", muster_strerror(MUSTER_ENOTMANAGER));
    rig_down(&r);
}

/* The inner call has no more time than the outer one. */
static void a_deadline_reaches_the_inner_call(void **state)
{
    const int64_t began = rig_now_ms();
    rig *r = up(2, 1);

    (void)state;
    assert_code(rig_call(r, 1, "pass", "2 idle 8000", 300), MUSTER_ETIMEOUT,
                r->err);
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    assert_non_null(rig_take_line(r, 2, "gave up", RIG_WAIT_MS));
    rig_alive(r, 2);
    assert_within("a deadline", began, 4000);
    rig_down(&r);
}

static void a_cancel_reaches_the_inner_call(void **state)
{
    rig *r = up(2, 1);
    muster_future *f = rig_start(r, 1, "pass", "2 pass 1 idle 8000");

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_non_null(rig_take_line(r, 1, "gave up", RIG_WAIT_MS));
    rig_alive(r, 2);
    rig_down(&r);
}

static void a_cancel_reaches_handlers_on_the_manager(void **state)
{
    rig *r = up(1, 1);
    muster_future *f = rig_start(r, 1, "pass", "0 here_until_told");
    muster_future *own = rig_start(r, 0, "here_until_told", "");

    (void)state;
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    muster_future_cancel(own);
    assert_code(rig_result(r, &own), MUSTER_ECANCELED, r->err);
    assert_answer(r, 1, "pass", "0 triple 1", "3"); /* its place is free */
    rig_down(&r);
}

static void a_lost_worker_ends_inner_calls(void **state)
{
    rig *r = up(3, 1);
    muster_future *f = rig_start(r, 1, "pass", "2 idle 8000");

    (void)state;
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 2), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 100 + MUSTER_ELOST);
    assert_words(r->err.text, "SIGKILL");

    /* the one that called: what it called is told */
    f = rig_start(r, 1, "pass", "3 idle 8000");
    assert_non_null(rig_take_line(r, 3, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 1), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_non_null(rig_take_line(r, 3, "gave up", RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
}

static void closing_ends_inner_calls(void **state)
{
    rig *r = up(2, 1);
    muster_future *f = rig_start(r, 1, "pass", "2 idle 8000");
    muster_future *g = rig_start(r, 2, "pass", "0 here_until_told");

    (void)state;
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    rig_down(&r);
    muster_future_destroy(&f);
    muster_future_destroy(&g);
}

static void removing_waits_for_inner_calls(void **state)
{
    const uint32_t one = 1;
    rig *r = up(2, 1);
    muster_future *f = rig_start(r, 1, "pass", "2 idle 300");

    (void)state;
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    assert_code(muster_remove(r->m, &one, 1, 0, &r->err), MUSTER_OK, r->err);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

static void a_future_is_a_result(void **state)
{
    const uint32_t two = 2;
    rig *r = up(2, 1);
    muster_future *f;

    (void)state;
    assert_answer(r, 1, "hand_on", "2 echo hello", "hello");
    assert_answer(r, 1, "hand_on", "2 hand_on 1 hand_on 0 triple 4", "12");
    assert_answer(r, 0, "hand_on_here", "2 echo again", "again");
    assert_code(rig_call(r, 1, "hand_on", "2 fail 42 no such file", 0),
                MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 42);
    assert_code(rig_call(r, 0, "hand_on_here", "2 nothing", 0), MUSTER_EREMOTE,
                r->err);
    /* the place is free meanwhile, and a cancel finds the other handler */
    f = rig_start(r, 1, "hand_on", "2 idle 8000");
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    assert_answer(r, 1, "echo", "free", "free");
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_non_null(rig_take_line(r, 2, "gave up", RIG_WAIT_MS));
    /* the one that passed it on is drained when the result is through */
    f = rig_start(r, 2, "hand_on", "1 idle 300");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(muster_remove(r->m, &two, 1, 0, &r->err), MUSTER_OK, r->err);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    /* and the loss of the other is a failure, not a loss of this one */
    rig_launch(r, 1);
    f = rig_start(r, 1, "hand_on", "3 idle 8000");
    assert_non_null(rig_take_line(r, 3, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 3), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_EREMOTE, r->err);
    assert_words(r->err.text, "SIGKILL");
    rig_down(&r);
}

/* The first call of the manager, and each one until there is a thread for it.
 */
static void a_manager_without_threads_says_so(void **state)
{
    rig *r = up(1, 1);

    (void)state;
    atomic_store(&no_threads, true);
    for (int i = 0; i < 2; i++) {
        assert_code(rig_call(r, 0, "triple", "5", 0), MUSTER_ENOMEM, r->err);
        assert_words(r->err.text, "no thread", "triple");
    }
    /* its worker is told as well */
    assert_code(rig_call(r, 1, "pass", "0 triple 5", 0), MUSTER_EREMOTE,
                r->err);
    assert_words(r->err.text, "no thread", "triple");
    atomic_store(&no_threads, false);
    assert_answer(r, 0, "triple", "5", "15");
    assert_answer(r, 1, "pass", "0 triple 5", "15");
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(everybody_can_call_everybody),
        rig_test(each_knows_who_called),
        rig_test(rings_end),
        rig_test(more_calls_than_may_be_outstanding_end),
        rig_test(a_ring_that_is_too_deep_says_so),
        rig_test(a_map_that_is_too_deep_says_so),
        rig_test(many_rings_at_once_end_too),
        rig_test(bursts_cross),
        rig_test(large_payloads_go_through),
        rig_test(failures_come_back),
        rig_test(a_deadline_reaches_the_inner_call),
        rig_test(a_cancel_reaches_the_inner_call),
        rig_test(a_cancel_reaches_handlers_on_the_manager),
        rig_test(a_lost_worker_ends_inner_calls),
        rig_test(closing_ends_inner_calls),
        rig_test(removing_waits_for_inner_calls),
        rig_test(a_future_is_a_result),
        rig_test(a_manager_without_threads_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
