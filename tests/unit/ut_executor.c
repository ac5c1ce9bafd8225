/* ut_executor.c - who runs when: places, handlers that wait, threads. */
#include "unit.h"

#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "call/executor.h"
#include "call/registry.h"

#include "no_threads.h"

#define PATIENCE_MS 10000
#define ROUNDS 200

typedef struct shop {
    mst_loop loop;
    mst_executor executor;
    mst_await waits; /* what the one that waits waits for */
    mst_await ended; /* a job */
} shop;

static shop *the_shop;
static atomic_int together, waiting;
static bool work(void *arg)
{
    (void)arg;
    return false;
}

static void spin_until(atomic_int *number, int least)
{
    const int64_t until = mst_now_ms() + PATIENCE_MS;

    while (atomic_load(number) < least && mst_now_ms() < until)
        sched_yield();
}

/* Waits for a call, as it were: its place is free meanwhile. */
static int waits(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    atomic_fetch_add(&waiting, 1);
    mst_loop_await(&the_shop->loop, &the_shop->waits, MST_NEVER, false);
    return 0;
}
MUSTER_HANDLER(waits);

/* Has its place until another job has come. */
static int waits_late(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    atomic_fetch_add(&waiting, 1);
    spin_until(&together, 1);
    return waits(ctx, in, len, out);
}
MUSTER_HANDLER(waits_late);

/* 0 when another one of these runs at the same time. */
static int meets(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    atomic_fetch_add(&together, 1);
    spin_until(&together, 2);
    return atomic_load(&together) == 2 ? 0 : muster_fail(ctx, 1, "alone");
}
MUSTER_HANDLER(meets);

static void job_done(mst_cmd *cmd, void *arg)
{
    mst_job *job = MST_OF(mst_job, done, cmd);

    (void)arg;
    pthread_mutex_lock(&the_shop->loop.lock); /* is_over reads it so */
    job->running = false;
    pthread_mutex_unlock(&the_shop->loop.lock);
    mst_loop_done(&the_shop->loop, &the_shop->ended);
}

static void submit_at(mst_job *job, const char *name, unsigned depth)
{
    *job = (mst_job){.name = name,
                     .name_len = strlen(name),
                     .body = "",
                     .done = {.run = job_done},
                     .ctx = {.until_ms = MST_NEVER, .depth = depth}};
    mst_executor_submit(&the_shop->executor, job, false);
}

static void submit(mst_job *job, const char *name)
{
    submit_at(job, name, 0);
}

static bool is_over(void *arg)
{
    return !((const mst_job *)arg)->running;
}

static void assert_ends(mst_job *job)
{
    assert_true(mst_loop_wait_for(&the_shop->loop, &the_shop->ended, is_over,
                                  job, mst_now_ms() + 2 * PATIENCE_MS));
}

static void assert_ends_well(mst_job *job)
{
    assert_ends(job);
    assert_string_equal(job->ctx.text, "");
    assert_int_equal(job->code, MUSTER_OK);
}

static void assert_finds_no_thread(mst_job *job)
{
    assert_ends(job);
    assert_int_equal(job->code, MUSTER_ENOMEM);
    assert_non_null(strstr(job->ctx.text, "no thread"));
    assert_non_null(strstr(job->ctx.text, job->name));
}

static muster_err try_to_open(shop *s, unsigned nplaces, bool limited)
{
    static const mst_thread_calls none = {NULL, NULL, NULL};
    muster_error err;

    the_shop = s;
    atomic_store(&no_threads, false);
    atomic_store(&together, 0);
    atomic_store(&waiting, 0);
    mst_await_init(&s->waits);
    mst_await_init(&s->ended);
    assert_int_equal(mst_loop_init(&s->loop, work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(&s->loop, &err), MUSTER_OK);
    atomic_store(&no_threads, limited);
    return mst_executor_start(&s->executor, &s->loop, nplaces, &none, &err);
}

static void open_shop(shop *s, unsigned nplaces)
{
    assert_int_equal(try_to_open(s, nplaces, false), MUSTER_OK);
}

static void close_shop(shop *s)
{
    assert_true(mst_executor_stop(&s->executor, mst_now_ms() + PATIENCE_MS));
    mst_loop_stop(&s->loop);
    mst_loop_fini(&s->loop);
    mst_await_fini(&s->waits);
    mst_await_fini(&s->ended);
}

static void two_places_run_two(void **state)
{
    mst_job jobs[2];
    shop s;

    (void)state;
    open_shop(&s, 2);
    for (int i = 0; i < 2; i++)
        submit(&jobs[i], "meets");
    for (int i = 0; i < 2; i++)
        assert_ends_well(&jobs[i]);
    close_shop(&s);
}

/* Of two threads one waits: two jobs that come at once are told to the other
 * one, and the second job needs a third thread. */
static void the_place_of_one_that_waits_is_used(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        mst_job waiter, jobs[2];
        shop s;

        open_shop(&s, 2);
        submit(&waiter, "waits");
        spin_until(&waiting, 1);
        for (int i = 0; i < 2; i++)
            submit(&jobs[i], "meets");
        for (int i = 0; i < 2; i++)
            assert_ends_well(&jobs[i]);
        mst_loop_done(&s.loop, &s.waits);
        assert_ends_well(&waiter);
        close_shop(&s);
    }
}

/* Nobody can run it: it says so, and the next one tries again. */
static void without_a_thread_a_job_fails(void **state)
{
    mst_job job;
    shop s;

    (void)state;
    assert_int_equal(try_to_open(&s, 2, true), MUSTER_ESYS);
    submit(&job, "meets");
    assert_finds_no_thread(&job);
    submit(&job, "meets");
    assert_finds_no_thread(&job);
    atomic_store(&no_threads, false);
    atomic_store(&together, 1);
    submit(&job, "meets");
    assert_ends_well(&job);
    close_shop(&s);
}

/* The only thread may wait for one that is deeper, but for no other. */
static void a_job_somebody_may_wait_for_fails_without_a_thread(void **state)
{
    mst_job waiter, deeper, other;
    shop s;

    (void)state;
    open_shop(&s, 1);
    submit(&waiter, "waits");
    spin_until(&waiting, 1);
    atomic_store(&no_threads, true);
    submit_at(&deeper, "meets", 1);
    assert_finds_no_thread(&deeper);
    atomic_store(&together, 1);
    submit(&other, "meets");
    mst_loop_done(&s.loop, &s.waits);
    assert_ends_well(&other);
    assert_ends_well(&waiter);
    close_shop(&s);
}

/* The deeper one is there already when the thread begins to wait. */
static void a_job_fails_when_the_last_thread_waits(void **state)
{
    mst_job waiter, deeper;
    shop s;

    (void)state;
    open_shop(&s, 1);
    atomic_store(&no_threads, true);
    submit(&waiter, "waits_late");
    spin_until(&waiting, 1);
    submit_at(&deeper, "meets", 1);
    atomic_store(&together, 1);
    assert_finds_no_thread(&deeper);
    mst_loop_done(&s.loop, &s.waits);
    assert_ends_well(&waiter);
    close_shop(&s);
}

static int collect(void **state)
{
    muster_error err;

    (void)state;
    return mst_registry_collect("this test", NULL, &err) == MUSTER_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_places_run_two),
        cmocka_unit_test(the_place_of_one_that_waits_is_used),
        cmocka_unit_test(without_a_thread_a_job_fails),
        cmocka_unit_test(a_job_somebody_may_wait_for_fails_without_a_thread),
        cmocka_unit_test(a_job_fails_when_the_last_thread_waits),
    };

    return cmocka_run_group_tests(tests, collect, NULL);
}
