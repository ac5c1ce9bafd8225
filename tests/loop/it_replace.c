/* it_replace.c - successors of workers that were lost or drain. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define ITEMS 1500

static rig *up(uint32_t n, uint32_t budget)
{
    muster_options o = rig_options();
    rig *r;

    o.replace = budget;
    r = rig_up_with(&o, n);
    assert_code(muster_module_ship(r->m, DRAIN_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    return r;
}

typedef struct wanted {
    uint32_t rank, incarnation;
    muster_state to;
} wanted;

static bool seen(rig *r, void *arg)
{
    const wanted *w = (const wanted *)arg;
    const rig_event *e;

    STAILQ_FOREACH (e, &r->events, link)
        if (e->event.rank == w->rank &&
            e->event.incarnation == w->incarnation && e->event.to == w->to)
            return true;
    return false;
}

static bool comes(rig *r, uint32_t rank, uint32_t incarnation, muster_state to)
{
    wanted w = {rank, incarnation, to};

    return rig_wait(r, seen, &w, 2 * RIG_WAIT_MS);
}

static int64_t ms_of_plain_launch(rig *r)
{
    const int64_t began = rig_now_ms();

    rig_launch(r, 1);
    return rig_now_ms() - began;
}

static void it_has_all_before_its_first_call(void **state)
{
    rig *r = up(2, 4);
    muster_future *running;
    muster_info info;
    int64_t began, noticed, ready, plain;

    (void)state;
    assert_code(muster_put(r->m, "greeting", "hello", 5, &r->err), MUSTER_OK,
                r->err);
    plain = ms_of_plain_launch(r);
    running = rig_start(r, 1, "until_canceled", "");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(rig_call(r, 2, "count", "", 0), MUSTER_OK, r->err);
    began = rig_now_ms();
    kill(rig_pid(r, 1), SIGKILL);
    assert_true(comes(r, 1, 1, MUSTER_LOST));
    noticed = rig_now_ms() - began;
    assert_true(comes(r, 1, 2, MUSTER_READY));
    ready = rig_now_ms() - began - noticed;
    print_message("noticed after %d ms; ready %d ms later; a plain launch %d "
                  "ms\n",
                  (int)noticed, (int)ready, (int)plain);
    assert_true(noticed <= 50 * RIG_SLOW);
    /* the dead one's call ended with its verdict */
    assert_code(rig_result(r, &running), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1", "SIGKILL", "until_canceled");
    assert_code(rig_call(r, 1, "greet", "", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "1.2 hello");
    /* its module began anew */
    assert_code(rig_call(r, 1, "count", "", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "101");
    assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.incarnation, 2);
    assert_string_equal(info.verdict, "");
    rig_alive(r, 3);
    rig_down(&r);
}

/* With one worker, calls for anybody wait for its successor. */
static void calls_for_anybody_wait(void **state)
{
    rig *r = up(1, 4);
    muster_future *f;

    (void)state;
    kill(rig_pid(r, 1), SIGKILL);
    assert_true(comes(r, 1, 1, MUSTER_LOST));
    f = rig_start(r, MUSTER_ANY, "echo", "later");
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

static void the_successor_of_one_that_drains_starts_first(void **state)
{
    rig *r = up(1, 4);
    muster_future *running = rig_start(r, 1, "nap", "400");
    muster_future *behind;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    behind = rig_start(r, MUSTER_ANY, "echo", "behind");
    kill(rig_pid(r, 1), SIGTERM);
    assert_true(comes(r, 1, 2, MUSTER_READY));
    /* the old one still runs its handler */
    assert_false(muster_future_wait(running, 0));
    assert_code(rig_result(r, &behind), MUSTER_OK, r->err);
    assert_code(rig_result(r, &running), MUSTER_OK, r->err);
    assert_true(comes(r, 1, 1, MUSTER_GONE));
    rig_alive(r, 1);
    rig_down(&r);
}

/* ------------------------------------------------------------------ map -- */

typedef struct killer {
    pthread_t thread;
    rig *r;
    unsigned seed, kills;
    atomic_bool stop;
} killer;

static uint32_t next_random(killer *k)
{
    k->seed = k->seed * 1103515245u + 12345u;
    return k->seed >> 16;
}

static void *kill_now_and_then(void *arg)
{
    killer *k = (killer *)arg;
    muster_info info;

    while (!atomic_load(&k->stop)) {
        const uint32_t rank = 1 + next_random(k) % 3;

        poll(NULL, 0, 30 + (int)(next_random(k) % 60));
        if (muster_worker_info(k->r->m, rank, &info, NULL) != MUSTER_OK ||
            info.state != MUSTER_READY || info.pid <= 1)
            continue;
        kill((pid_t)info.pid, k->kills % 3 == 2 ? SIGTERM : SIGKILL);
        k->kills++;
    }
    return NULL;
}

static void a_map_is_exact_whoever_is_killed(void **state)
{
    static int64_t numbers[ITEMS];
    static muster_item items[ITEMS];

    (void)state;
    for (int64_t i = 0; i < ITEMS; i++) {
        numbers[i] = i;
        items[i] = (muster_item){&numbers[i], sizeof(numbers[i])};
    }
    for (unsigned seed = 1; seed <= 3; seed++) {
        muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
        muster_results *all = NULL;
        killer k = {.r = up(3, 1000), .seed = seed};
        muster_err rc;

        o.timeout_ms = 6 * RIG_WAIT_MS; /* on a machine that has much to do */
        o.items = items;
        o.nitems = ITEMS;
        o.lost_retries = 1000;
        assert_int_equal(pthread_create(&k.thread, NULL, kill_now_and_then, &k),
                         0);
        rc = muster_map(k.r->m, "slow_twice", &o, &all, &k.r->err);
        atomic_store(&k.stop, true);
        pthread_join(k.thread, NULL);
        assert_code(rc, MUSTER_OK, k.r->err);
        print_message("seed %u: %u workers ended\n", seed, k.kills);
        assert_true(k.kills > 0);
        assert_int_equal(all->n, ITEMS);
        for (int64_t i = 0; i < ITEMS; i++) {
            int64_t n = -1;

            assert_int_equal(all->items[i].len, sizeof(n));
            memcpy(&n, all->items[i].data, sizeof(n));
            assert_int_equal(n, 2 * i);
        }
        muster_results_destroy(&all);
        rig_down(&k.r);
    }
}

/* --------------------------------------------------------------- budget -- */

static void the_budget_ends_the_run(void **state)
{
    rig *r = up(2, 2);
    muster_future *last;
    int64_t at[4];

    (void)state;
    for (uint32_t inc = 1; inc <= 3; inc++) {
        if (inc > 1)
            assert_true(comes(r, 1, inc, MUSTER_READY));
        last = rig_start(r, 2, "until_canceled", "");
        at[inc] = rig_now_ms();
        kill(rig_pid(r, 1), SIGKILL);
        assert_true(comes(r, 1, inc, MUSTER_LOST));
        if (inc < 3) {
            muster_future_cancel(last);
            assert_code(rig_result(r, &last), MUSTER_ECANCELED, r->err);
        }
    }
    /* all that is outstanding ends, on other workers, too */
    assert_code(rig_result(r, &last), MUSTER_EQUORUM, r->err);
    assert_words(r->err.text, "budget of 2", "worker 1", "SIGKILL");
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_EQUORUM, r->err);
    assert_words(r->err.text, "budget of 2", "worker 1", "SIGKILL");
    assert_code(muster_launch(r->m, 1, 0, NULL, &r->err), MUSTER_EQUORUM,
                r->err);
    assert_code(muster_broadcast(r->m, NULL, "echo", "", 0, 0, NULL, &r->err),
                MUSTER_EQUORUM, r->err);
    assert_words(r->err.text, "budget of 2", "worker 1", "SIGKILL");
    assert_code(muster_put(r->m, "late", "x", 1, &r->err), MUSTER_EQUORUM,
                r->err);
    assert_true(rig_logged(r, "REPLACE-SPENT", "rank=1", 0));
    /* the second successor waited */
    assert_true(at[3] - at[2] >= 100);
    assert_true(rig_logged(r, "REPLACE",
                           "incarnation=3 used=2 budget=2 "
                           "wait_ms=100",
                           0));
    rig_down(&r);
}

static void a_map_ends_with_the_reason(void **state)
{
    static const char bodies[][4] = {"1", "2"};
    const muster_item items[] = {{bodies[0], 1}, {bodies[1], 1}};
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    rig *r = up(1, 3);

    (void)state;
    o.items = items;
    o.nitems = 2;
    o.lost_retries = 100;
    assert_code(muster_map(r->m, "crash", &o, NULL, &r->err), MUSTER_EQUORUM,
                r->err);
    assert_words(r->err.text, "budget of 3", "worker 1", "crash");
    assert_true(rig_logged(r, "REPLACE", "wait_ms=0", 0));
    assert_true(rig_logged(r, "REPLACE", "wait_ms=100", 0));
    assert_true(rig_logged(r, "REPLACE", "wait_ms=200", 0));
    rig_down(&r);
}

static void who_is_removed_is_not_replaced(void **state)
{
    const uint32_t first = 1;
    rig *r = up(2, 4);

    (void)state;
    assert_code(muster_remove(r->m, &first, 1, 0, &r->err), MUSTER_OK, r->err);
    rig_alive(r, 1);
    assert_false(rig_logged(r, "REPLACE", "", 0));
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(it_has_all_before_its_first_call),
        rig_test(calls_for_anybody_wait),
        rig_test(the_successor_of_one_that_drains_starts_first),
        rig_test(a_map_is_exact_whoever_is_killed),
        rig_test(the_budget_ends_the_run),
        rig_test(a_map_ends_with_the_reason),
        rig_test(who_is_removed_is_not_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
