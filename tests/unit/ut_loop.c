/* ut_loop.c - who drives, under pressure: nothing is lost, nobody waits for
 * ever. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/loop.h"

#define THREADS 8
#define ROUNDS 2000

static bool no_work(void *arg)
{
    (void)arg;
    return false;
}

typedef struct ping {
    mst_cmd cmd;
    mst_await await;
    mst_loop *loop;
    long *ran; /* driver only: no lock */
} ping;

static void answer(mst_cmd *cmd, void *arg)
{
    ping *p = (ping *)(void *)((char *)cmd - offsetof(ping, cmd));

    (void)arg;
    ++*p->ran;
    mst_loop_done(p->loop, &p->await);
}

typedef struct caller {
    mst_loop *loop;
    long *ran;
    int number;
} caller;

static void *call(void *arg)
{
    const caller *c = (const caller *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        const bool drive = (i + c->number) % 3 != 0;
        ping p = {.cmd = {.run = answer}, .loop = c->loop, .ran = c->ran};

        mst_await_init(&p.await);
        if (!mst_loop_post(c->loop, &p.cmd, drive) ||
            !mst_loop_await(c->loop, &p.await, MST_NEVER, drive))
            abort();
        mst_await_fini(&p.await);
    }
    return NULL;
}

static void many_threads_are_all_answered(void **state)
{
    pthread_t threads[THREADS];
    caller callers[THREADS];
    mst_loop loop;
    muster_error err;
    long ran = 0;

    (void)state;
    assert_int_equal(mst_loop_init(&loop, no_work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(&loop, &err), MUSTER_OK);
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){&loop, &ran, i};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mst_loop_stop(&loop);
    assert_int_equal(ran, (long)THREADS * ROUNDS);
    mst_loop_fini(&loop);
}

/* One caller that drives, while another's commands must not wait for it. */
static void a_caller_that_drives_long_serves_the_others(void **state)
{
    pthread_t thread;
    mst_loop loop;
    muster_error err;
    mst_await never;
    long ran = 0;
    caller c = {&loop, &ran, 1};

    (void)state;
    assert_int_equal(mst_loop_init(&loop, no_work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(&loop, &err), MUSTER_OK);
    mst_await_init(&never);
    assert_int_equal(pthread_create(&thread, NULL, call, &c), 0);
    assert_false(mst_loop_await(&loop, &never, mst_until_ms(300), true));
    pthread_join(thread, NULL);
    assert_int_equal(ran, ROUNDS);
    mst_await_fini(&never);
    mst_loop_stop(&loop);
    mst_loop_fini(&loop);
}

typedef struct alarm_list {
    mst_loop *loop;
    mst_await done;
    int order[3], n;
} alarm_list;

static alarm_list alarms;
static mst_timer timers[3];

static void ring(void *arg, mst_timer *timer)
{
    (void)arg;
    alarms.order[alarms.n++] = (int)(timer - timers);
    if (alarms.n == 3)
        mst_loop_done(alarms.loop, &alarms.done);
}

static void set_alarms(mst_cmd *cmd, void *arg)
{
    const int64_t now = mst_now_ms();

    (void)cmd;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        timers[i].fn = ring;
        if (!mst_loop_time(alarms.loop, &timers[i], now + 60 - 20 * i))
            abort();
    }
}

static void timers_ring_in_order(void **state)
{
    mst_cmd cmd = {.run = set_alarms};
    mst_loop loop;
    muster_error err;

    (void)state;
    assert_int_equal(mst_loop_init(&loop, no_work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(&loop, &err), MUSTER_OK);
    alarms = (alarm_list){.loop = &loop};
    mst_await_init(&alarms.done);
    assert_true(mst_loop_post(&loop, &cmd, false));
    assert_true(mst_loop_await(&loop, &alarms.done, mst_until_ms(5000), false));
    assert_int_equal(alarms.order[0], 2);
    assert_int_equal(alarms.order[1], 1);
    assert_int_equal(alarms.order[2], 0);
    mst_await_fini(&alarms.done);
    mst_loop_stop(&loop);
    mst_loop_fini(&loop);
}

static void after_the_end_nothing_is_taken(void **state)
{
    ping p = {.cmd = {.run = answer}};
    mst_loop loop;
    muster_error err;

    (void)state;
    assert_int_equal(mst_loop_init(&loop, no_work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(&loop, &err), MUSTER_OK);
    mst_loop_stop(&loop);
    assert_false(mst_loop_post(&loop, &p.cmd, false));
    mst_loop_fini(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_are_all_answered),
        cmocka_unit_test(a_caller_that_drives_long_serves_the_others),
        cmocka_unit_test(timers_ring_in_order),
        cmocka_unit_test(after_the_end_nothing_is_taken),
    };

    alarm(25); /* a lost wake-up is an end, not a wait */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
