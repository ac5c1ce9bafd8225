/* ut_loop_stop.c - the end of a loop: what was taken runs, nothing after it. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "link/loop.h"

#define POSTERS 4
#define TIMES 40
#define BACKLOG 500 /* posted and not run, at most so many */

static bool no_work(void *arg)
{
    (void)arg;
    return false;
}

static void up(mst_loop *loop)
{
    muster_error err;

    assert_int_equal(mst_loop_init(loop, no_work, NULL, &err), MUSTER_OK);
    assert_int_equal(mst_loop_start(loop, &err), MUSTER_OK);
}

/* ------------------------------------------------- a caller that drives -- */

typedef struct slow {
    mst_cmd cmd;
    mst_await await;
    mst_loop *loop;
    pthread_t owner;
    atomic_bool entered, left;
} slow;

static bool is_stopping(mst_loop *loop)
{
    bool stop;

    pthread_mutex_lock(&loop->lock);
    stop = loop->stop;
    pthread_mutex_unlock(&loop->lock);
    return stop;
}

/* Only on its owner's turn: begins, and is in the midst of it when the loop is
 * stopped. */
static void dawdle(mst_cmd *cmd, void *arg)
{
    slow *s = MST_OF(slow, cmd, cmd);

    (void)arg;
    if (pthread_equal(pthread_self(), s->owner)) {
        atomic_store(&s->entered, true);
        while (!is_stopping(s->loop))
            sched_yield();
        for (int i = 0; i < 2000; i++)
            sched_yield();
        atomic_store(&s->left, true);
    }
    mst_loop_done(s->loop, &s->await);
}

static void *drive_slowly(void *arg)
{
    slow *s = (slow *)arg;

    s->owner = pthread_self();
    while (!atomic_load(&s->entered)) {
        mst_await_init(&s->await);
        s->cmd.run = dawdle;
        if (!mst_loop_post(s->loop, &s->cmd, true) ||
            !mst_loop_await(s->loop, &s->await, MST_NEVER, true))
            abort();
        mst_await_fini(&s->await);
    }
    return NULL;
}

static void a_stop_waits_for_the_caller_that_drives(void **state)
{
    mst_loop loop;

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        slow s = {.loop = &loop};
        pthread_t thread;
        bool left;

        up(&loop);
        assert_int_equal(pthread_create(&thread, NULL, drive_slowly, &s), 0);
        while (!atomic_load(&s.entered))
            sched_yield();
        mst_loop_stop(&loop);
        left = atomic_load(&s.left);
        pthread_join(thread, NULL);
        assert_true(left);
        mst_loop_fini(&loop);
    }
}

/* ----------------------------------------------- posts beside the end -- */

typedef struct posted {
    mst_cmd cmd;
    atomic_long *ran;
} posted;

typedef struct poster {
    mst_loop *loop;
    atomic_long *ran, *begun;
    long taken;
    bool soon;
} poster;

static void count(mst_cmd *cmd, void *arg)
{
    posted *p = MST_OF(posted, cmd, cmd);

    (void)arg;
    atomic_fetch_add(p->ran, 1);
    free(p);
}

static void *post_until_refused(void *arg)
{
    poster *me = (poster *)arg;

    atomic_fetch_add(me->begun, 1);
    for (;;) {
        posted *p = calloc(1, sizeof(*p));

        if (p == NULL)
            abort();
        p->cmd.run = count;
        p->ran = me->ran;
        if (!mst_loop_post(me->loop, &p->cmd, me->soon)) {
            free(p);
            return NULL;
        }
        me->taken++;
        while (me->taken > atomic_load(me->ran) + BACKLOG &&
               !is_stopping(me->loop))
            sched_yield();
    }
}

/* Nobody waits for these; each that was taken runs, each other is refused. */
static void what_was_taken_runs_and_nothing_else(void **state)
{
    mst_loop loop;

    (void)state;
    for (int round = 0; round < TIMES; round++) {
        atomic_long ran = 0, begun = 0;
        poster posters[POSTERS];
        pthread_t threads[POSTERS];
        long taken = 0;

        up(&loop);
        for (int i = 0; i < POSTERS; i++) {
            posters[i] = (poster){&loop, &ran, &begun, 0, i % 2 == 1};
            assert_int_equal(pthread_create(&threads[i], NULL,
                                            post_until_refused, &posters[i]),
                             0);
        }
        while (atomic_load(&begun) < POSTERS)
            sched_yield();
        mst_loop_stop(&loop);
        for (int i = 0; i < POSTERS; i++) {
            pthread_join(threads[i], NULL);
            taken += posters[i].taken;
        }
        assert_int_equal(atomic_load(&ran), taken);
        mst_loop_fini(&loop);
    }
}

/* ------------------------------------------------------------ deadlines -- */

static void a_wait_ends_at_its_deadline(void **state)
{
    mst_loop loop;

    (void)state;
    up(&loop);
    for (int drive = 0; drive < 2; drive++) {
        const int64_t began = mst_now_ms();
        mst_await never;

        mst_await_init(&never);
        assert_false(
            mst_loop_await(&loop, &never, mst_until_ms(50), drive == 1));
        assert_in_range(mst_now_ms() - began, 50, 5000);
        mst_await_fini(&never);
    }
    mst_loop_stop(&loop);
    mst_loop_fini(&loop);
}

typedef struct level {
    mst_cmd cmd;
    mst_loop *loop;
    mst_await await;
    int water, wanted; /* with the loop's lock */
} level;

static bool is_high(void *arg)
{
    const level *l = (const level *)arg;

    return l->water >= l->wanted;
}

static void rise(mst_cmd *cmd, void *arg)
{
    level *l = MST_OF(level, cmd, cmd);

    (void)arg;
    pthread_mutex_lock(&l->loop->lock);
    l->water++;
    pthread_mutex_unlock(&l->loop->lock);
    mst_loop_done(l->loop, &l->await);
    if (l->water < 100)
        mst_inbox_post(&l->loop->inbox, &l->cmd);
}

static void a_condition_is_asked_at_each_wake_up(void **state)
{
    mst_loop loop;
    level l = {.cmd = {.run = rise}, .loop = &loop, .wanted = 100};

    (void)state;
    up(&loop);
    mst_await_init(&l.await);
    assert_true(mst_loop_post(&loop, &l.cmd, false));
    assert_true(mst_loop_wait_for(&loop, &l.await, is_high, &l, MST_NEVER));
    assert_int_equal(l.water, 100);
    l.wanted = 101;
    assert_false(
        mst_loop_wait_for(&loop, &l.await, is_high, &l, mst_until_ms(50)));
    mst_loop_stop(&loop);
    mst_await_fini(&l.await);
    mst_loop_fini(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_waits_for_the_caller_that_drives),
        cmocka_unit_test(what_was_taken_runs_and_nothing_else),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(a_condition_is_asked_at_each_wake_up),
    };

    alarm(25); /* a lost wake-up is an end, not a wait */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
