/* it_futures.c - calls that are started now and waited for later. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <muster/worker.h>

#include "rig.h"

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

static void a_future_is_polled_and_read(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "nap", "300");
    muster_reply *reply = NULL;
    muster_err rc;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_false(muster_future_wait(f, 0));
    assert_true(muster_future_wait(f, RIG_WAIT_MS));
    assert_true(muster_future_wait(f, 0));
    /* looking does not take the reply */
    rc = muster_future_result(f, NULL, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    rc = muster_future_result(f, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_string_equal((const char *)reply->data, "slept");
    muster_reply_destroy(&reply);
    /* it can be had once */
    rc = muster_future_result(f, &reply, &r->err);
    assert_code(rc, MUSTER_EINVAL, r->err);
    assert_null(reply);
    muster_future_destroy(&f);
    assert_null(f);
    muster_future_destroy(&f);
    rig_down(&r);
}

static void a_failure_can_be_read_again(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "fail", "9 for good");

    (void)state;
    for (int i = 0; i < 2; i++) {
        muster_reply *reply = NULL;
        const muster_err rc = muster_future_result(f, &reply, &r->err);

        assert_code(rc, MUSTER_EREMOTE, r->err);
        assert_int_equal(r->err.remote, 9);
        assert_words(r->err.text, "for good");
        assert_null(reply);
    }
    muster_future_destroy(&f);
    rig_down(&r);
}

static void a_wait_has_its_own_end(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    const int64_t began = rig_now_ms();

    (void)state;
    assert_false(muster_future_wait(f, 100));
    assert_true(rig_now_ms() - began >= 100);
    assert_within("wait of 100 ms", began, 400);
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    rig_down(&r);
}

static void one_of_several_is_waited_for(void **state)
{
    rig *r = rig_up(3);
    muster_future *f[4] = {NULL};
    muster_future *const none[2] = {NULL, NULL};

    (void)state;
    assert_int_equal(muster_future_wait_any(none, 2, 50), 2);
    f[1] = rig_start(r, 1, "until_canceled", "");
    f[2] = rig_start(r, 2, "nap", "100");
    f[3] = rig_start(r, 3, "until_canceled", "");
    assert_int_equal(muster_future_wait_any(f, 4, 0), 4);
    assert_int_equal(muster_future_wait_any(f, 4, RIG_WAIT_MS), 2);
    assert_code(rig_result(r, &f[2]), MUSTER_OK, r->err);
    assert_int_equal(muster_future_wait_any(f, 4, 50), 4);
    muster_future_cancel(f[3]);
    assert_int_equal(muster_future_wait_any(f, 4, RIG_WAIT_MS), 3);
    assert_code(rig_result(r, &f[3]), MUSTER_ECANCELED, r->err);
    muster_future_cancel(f[1]);
    assert_int_equal(muster_future_wait_any(f, 4, RIG_WAIT_MS), 1);
    assert_code(rig_result(r, &f[1]), MUSTER_ECANCELED, r->err);
    rig_alive(r, 3);
    rig_down(&r);
}

static void cancel_ends_the_call_and_tells_the_handler(void **state)
{
    rig *r = rig_up(1);
    muster_future *running = rig_start(r, 1, "until_canceled", "");
    muster_future *queued = rig_start(r, 1, "echo", "behind it");
    const int64_t began = rig_now_ms();

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    muster_future_cancel(queued);
    assert_code(rig_result(r, &queued), MUSTER_ECANCELED, r->err);
    assert_false(muster_future_wait(running, 0));
    muster_future_cancel(running);
    muster_future_cancel(running);
    assert_code(rig_result(r, &running), MUSTER_ECANCELED, r->err);
    assert_within("cancel", began, 1000);
    assert_non_null(rig_take_line(r, 1, "canceled", RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
}

static void cancel_after_the_end_changes_nothing(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "echo", "done");

    (void)state;
    assert_true(muster_future_wait(f, RIG_WAIT_MS));
    muster_future_cancel(f);
    rig_alive(r, 1);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    rig_down(&r);
}

static void an_abandoned_call_goes_on(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "note", "kept");

    (void)state;
    muster_future_destroy(&f);
    assert_code(rig_call(r, 1, "notes", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "kept");
    rig_down(&r);
}

/* ------------------------------------------------------------ callbacks -- */

typedef struct told {
    rig *r;
    muster_future *future;
    int times;
    muster_err code, nested;
    pthread_t thread;
} told;

static void on_outcome(void *arg, muster_future *future)
{
    told *t = (told *)arg;
    muster_error err;
    const muster_err code = muster_future_result(future, NULL, &err);
    /* the interface may be used here, waiting included */
    const muster_err nested =
        muster_call(t->r->m, 1, "echo", "x", 1, 0, NULL, &err);

    pthread_mutex_lock(&t->r->lock);
    t->future = future;
    t->code = code;
    t->nested = nested;
    t->thread = pthread_self();
    t->times++;
    pthread_cond_broadcast(&t->r->changed);
    pthread_mutex_unlock(&t->r->lock);
}

static bool was_told(rig *r, void *arg)
{
    (void)r;
    return ((told *)arg)->times > 0;
}

static void a_callback_comes_once(void **state)
{
    rig *r = rig_up(1);
    told t = {.r = r};
    muster_future *f = rig_start(r, 1, "nap", "50");

    (void)state;
    assert_int_equal(muster_future_then(f, NULL, NULL), MUSTER_EINVAL);
    assert_int_equal(muster_future_then(f, on_outcome, &t), MUSTER_OK);
    assert_int_equal(muster_future_then(f, on_outcome, &t), MUSTER_EINVAL);
    assert_true(rig_wait(r, was_told, &t, RIG_WAIT_MS));
    assert_ptr_equal(t.future, f);
    assert_int_equal(t.code, MUSTER_OK);
    assert_int_equal(t.nested, MUSTER_OK);
    assert_false(pthread_equal(t.thread, pthread_self()));
    muster_future_destroy(&f);
    rig_down(&r);
    assert_int_equal(t.times, 1);
}

static void a_callback_on_a_finished_call_comes_at_once(void **state)
{
    rig *r = rig_up(1);
    told t = {.r = r};
    muster_future *f = rig_start(r, 1, "fail", "3");

    (void)state;
    assert_true(muster_future_wait(f, RIG_WAIT_MS));
    assert_int_equal(muster_future_then(f, on_outcome, &t), MUSTER_OK);
    /* given back before it may have come: it comes all the same */
    muster_future_destroy(&f);
    assert_true(rig_wait(r, was_told, &t, RIG_WAIT_MS));
    assert_int_equal(t.code, MUSTER_EREMOTE);
    rig_down(&r);
    assert_int_equal(t.times, 1);
}

static void a_callback_comes_at_the_latest_during_close(void **state)
{
    rig *r = rig_up(1);
    told t = {.r = r};
    muster_future *f = rig_start(r, 1, "until_canceled", "");

    (void)state;
    assert_int_equal(muster_future_then(f, on_outcome, &t), MUSTER_OK);
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    muster_shutdown(r->m);
    assert_true(rig_wait(r, was_told, &t, RIG_WAIT_MS));
    assert_int_equal(t.code, MUSTER_ECLOSED);
    assert_int_equal(t.nested, MUSTER_ECLOSED);
    rig_down(&r);
    assert_int_equal(t.times, 1);
    t.times = 0;
    assert_int_equal(muster_future_then(f, on_outcome, &t), MUSTER_EINVAL);
    muster_future_destroy(&f);
}

/* A thousand at once: each has its own answer, whatever the order. */
static void many_are_outstanding(void **state)
{
    enum { N = 1000 };
    rig *r = rig_up(2);
    muster_future **f = calloc(N, sizeof(*f));

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < N; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        f[i] = rig_start(r, (uint32_t)(i % 2 + 1), "echo", text);
    }
    for (int i = N - 1; i >= 0; i--) {
        muster_reply *reply = NULL;
        muster_err rc;

        assert_true(muster_future_wait(f[i], RIG_WAIT_MS));
        rc = muster_future_result(f[i], &reply, &r->err);
        assert_code(rc, MUSTER_OK, r->err);
        assert_int_equal(strtol(reply->data, NULL, 10), i);
        assert_int_equal(reply->rank, i % 2 + 1);
        muster_reply_destroy(&reply);
        muster_future_destroy(&f[i]);
    }
    free(f);
    rig_down(&r);
}

/* Each by itself, while the worker is at the first: it stays alive. */
static void cancel_very_many(uint32_t rank, void (*end)(muster_future *f))
{
    const size_t n = RIG_SLOW > 1 ? 10000 : 40000;
    muster_future **futures = calloc(n, sizeof(muster_future *));
    rig *r = rig_up(1);
    muster_future *first = rig_start(
        r, rank, rank == 0 ? "here_until_told" : "until_canceled", "");
    int64_t began;

    assert_non_null(futures);
    if (rank != 0)
        assert_non_null(rig_take_line(r, rank, "begun", RIG_WAIT_MS));
    for (size_t i = 0; i < n; i++)
        futures[i] = rig_start(r, rank, "echo", "");
    began = rig_now_ms();
    for (size_t i = n; i-- > 0;)
        end(futures[i]);
    muster_future_cancel(first);
    for (size_t i = 0; i < n; i++)
        assert_code(rig_result(r, &futures[i]), MUSTER_ECANCELED, r->err);
    assert_code(rig_result(r, &first), MUSTER_ECANCELED, r->err);
    assert_code(rig_call(r, 1, "echo", "x", 0), MUSTER_OK, r->err);
    assert_within("very many are cancelled", began, 4000);
    free(futures);
    rig_down(&r);
}

static void very_many_are_cancelled(void **state)
{
    (void)state;
    cancel_very_many(1, muster_future_cancel);
}

static void very_many_are_cancelled_here(void **state)
{
    (void)state;
    cancel_very_many(0, muster_future_cancel);
}

static void interrupt(muster_future *f)
{
    muster_future_interrupt(f, MUSTER_FOREVER, MUSTER_FOREVER);
}

static void very_many_are_interrupted(void **state)
{
    (void)state;
    cancel_very_many(1, interrupt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_future_is_polled_and_read),
        rig_test(a_failure_can_be_read_again),
        rig_test(a_wait_has_its_own_end),
        rig_test(one_of_several_is_waited_for),
        rig_test(cancel_ends_the_call_and_tells_the_handler),
        rig_test(cancel_after_the_end_changes_nothing),
        rig_test(very_many_are_cancelled),
        rig_test(very_many_are_cancelled_here),
        rig_test(very_many_are_interrupted),
        rig_test(an_abandoned_call_goes_on),
        rig_test(a_callback_comes_once),
        rig_test(a_callback_on_a_finished_call_comes_at_once),
        rig_test(a_callback_comes_at_the_latest_during_close),
        rig_test(many_are_outstanding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
