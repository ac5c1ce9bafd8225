/* it_faults.c - workers that are killed or stopped, at every moment. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lame.h"
#include "rig.h"

#define BIG_TEXT (RIG_SLOW > 1 ? "50331648" : "268435456")

/* What is known of a process that has ended, or all that is known in time. */
static muster_info wait_for_end(rig *r, uint32_t rank)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info;

    do
        assert_int_equal(muster_worker_info(r->m, rank, &info, &r->err),
                         MUSTER_OK);
    while (info.exit_status < 0 && info.exit_signal == 0 &&
           rig_now_ms() < until);
    return info;
}

/* The one that is lost, and the verdict. */
static void assert_lost(rig *r, uint32_t rank, const char *words,
                        const char *what, int64_t began)
{
    const rig_event *e = rig_event_to(r, rank, MUSTER_LOST, RIG_WAIT_MS);

    assert_non_null(e);
    assert_within(what, began, 2000);
    assert_words(e->text, words);
    assert_words(wait_for_end(r, rank).verdict, words);
}

/* ----------------------------------------------------------- before HELLO --
 */

typedef struct launching {
    pthread_t thread;
    rig *r;
    uint32_t n, min, nready;
    muster_err rc;
    muster_error err;
} launching;

static void *launch(void *arg)
{
    launching *l = (launching *)arg;

    l->rc = muster_launch(l->r->m, l->n, l->min, &l->nready, &l->err);
    return NULL;
}

/* All but one are ready. */
static bool somebody_boots(rig *r, void *arg)
{
    const rig_event *e;
    uint32_t nready = 0;

    STAILQ_FOREACH (e, &r->events, link)
        nready += e->event.to == MUSTER_READY;
    return nready == *(const uint32_t *)arg;
}

/* Kill the one of three that does not connect. */
static void kill_before_hello(rig *r)
{
    uint32_t rank = 1, others = 2;
    muster_info info;

    assert_true(rig_wait(r, somebody_boots, &others, RIG_WAIT_MS));
    for (; rank <= 3; rank++) {
        assert_int_equal(muster_worker_info(r->m, rank, &info, NULL),
                         MUSTER_OK);
        if (info.state == MUSTER_BOOTING)
            break;
    }
    assert_in_range(rank, 1, 3);
    kill((pid_t)info.pid, SIGKILL);
}

static void killed_before_hello(rig *r, const lame *hang, launching *l)
{
    int64_t began;

    l->r = r;
    assert_int_equal(pthread_create(&l->thread, NULL, launch, l), 0);
    kill_before_hello(r);
    began = rig_now_ms();
    pthread_join(l->thread, NULL);
    assert_within("killed before HELLO", began, 1000);
    lame_forget(hang);
}

static void killed_before_hello_fails_the_launch(void **state)
{
    lame hang;
    const muster_options o = lame_options(&hang, "1", "exec sleep 1000");
    launching l = {.n = 3, .min = 3};
    rig *r = rig_open(&o);

    (void)state;
    killed_before_hello(r, &hang, &l);
    assert_code(l.rc, MUSTER_EQUORUM, l.err);
    assert_words(l.err.text, "was killed by SIGKILL", "3 are needed");
    assert_int_equal(l.nready, 0);
    rig_down(&r);
}

static void killed_before_hello_leaves_the_others(void **state)
{
    lame hang;
    const muster_options o = lame_options(&hang, "1", "exec sleep 1000");
    launching l = {.n = 3, .min = 2};
    rig *r = rig_open(&o);

    (void)state;
    killed_before_hello(r, &hang, &l);
    assert_code(l.rc, MUSTER_OK, l.err);
    assert_int_equal(l.nready, 2);
    assert_code(muster_module_ship(r->m, RIG_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

static void one_that_never_says_hello_is_given_up(void **state)
{
    lame hang;
    muster_options o = lame_options(&hang, "1", "exec sleep 1000");
    uint32_t nready;
    int64_t began;
    rig *r;

    (void)state;
    o.pending_timeout_ms = 1000 * RIG_SLOW;
    r = rig_open(&o);
    began = rig_now_ms();
    assert_code(muster_launch(r->m, 3, 0, NULL, &r->err), MUSTER_EQUORUM,
                r->err);
    assert_within("no HELLO within 1 s", began, 2000);
    assert_words(r->err.text, "2 of 3 workers", "booting");
    lame_forget(&hang);
    assert_code(muster_launch(r->m, 2, 0, &nready, &r->err), MUSTER_OK, r->err);
    assert_int_equal(nready, 2);
    rig_down(&r);
}

typedef struct removal {
    rig *r;
    uint32_t rank;
    muster_err rc;
    muster_error err;
} removal;

static void *take_away(void *arg)
{
    removal *away = (removal *)arg;

    away->rc =
        muster_remove(away->r->m, &away->rank, 1, RIG_WAIT_MS, &away->err);
    return NULL;
}

/* A launch ends by its deadline, which is no concern of one that came up and is
 * told to go. */
static void the_end_of_a_launch_leaves_alone_who_drains(void **state)
{
    lame hang;
    muster_options o = lame_options(&hang, "1", "exec sleep 1000");
    launching l = {.n = 4, .min = 2};
    uint32_t others = 3;
    removal away = {.rank = 2};
    muster_future *running;
    pthread_t thread;

    (void)state;
    o.pending_timeout_ms = 2000 * RIG_SLOW;
    o.grace_ms = RIG_WAIT_MS;
    l.r = away.r = rig_open(&o);
    assert_int_equal(pthread_create(&l.thread, NULL, launch, &l), 0);
    assert_true(rig_wait(l.r, somebody_boots, &others, RIG_WAIT_MS));
    if (rig_event_to(l.r, 2, MUSTER_READY, 0) == NULL)
        away.rank = 3;
    assert_code(muster_module_ship(l.r->m, RIG_HANDLERS, &l.r->err), MUSTER_OK,
                l.r->err);
    running = rig_start(l.r, away.rank, "until_canceled", "");
    assert_non_null(rig_take_line(l.r, away.rank, "begun", RIG_WAIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, take_away, &away), 0);
    pthread_join(l.thread, NULL);
    assert_code(l.rc, MUSTER_OK, l.err);
    assert_false(muster_future_wait(running, 0));
    muster_future_cancel(running);
    assert_code(rig_result(l.r, &running), MUSTER_ECANCELED, l.r->err);
    pthread_join(thread, NULL);
    assert_code(away.rc, MUSTER_OK, away.err);
    lame_forget(&hang);
    rig_down(&l.r);
}

static void what_is_no_program_fails_the_launch(void **state)
{
    static const char *const programs[] = {"/bin/false", RIG_HANDLERS, "/"};
    static const char *const words[] = {"status 1", "SIGSEGV", "cannot start"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        muster_options o = rig_options();
        const int64_t began = rig_now_ms();
        rig *r;

        o.worker = programs[i];
        r = rig_open(&o);
        assert_code(muster_launch(r->m, 2, 0, NULL, &r->err), MUSTER_EQUORUM,
                    r->err);
        assert_words(r->err.text, "0 of 2 workers", words[i]);
        rig_down(&r);
        assert_within("launch of no worker", began, 1500);
    }
}

/* ----------------------------------------------------------------- killed --
 */

static void killed_idle(void **state)
{
    rig *r = rig_up(3);
    const int64_t began = rig_now_ms();
    muster_info info;

    (void)state;
    kill(rig_pid(r, 2), SIGKILL);
    assert_lost(r, 2, "worker 2 was killed by SIGKILL", "killed idle", began);
    info = wait_for_end(r, 2);
    assert_int_equal(info.exit_signal, SIGKILL);
    assert_int_equal(info.exit_status, -1);
    assert_int_equal(info.state, MUSTER_LOST);
    assert_true(rig_logged(r, "WORKER-LOST", "rank=2", 0));
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "worker 2 is lost", "SIGKILL");
    rig_alive(r, 2);
    rig_launch(r, 1);
    rig_alive(r, 3);
    rig_down(&r);
}

/* The kernel reaps, and nobody knows how they ended. */
static void killed_where_children_are_ignored(void **state)
{
    rig *r = rig_up(3);
    const uint32_t third = 3;
    muster_info info;

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    kill(rig_pid(r, 2), SIGKILL);
    assert_non_null(rig_event_to(r, 2, MUSTER_LOST, RIG_WAIT_MS));
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_OK, r->err);
    assert_words(info.verdict, "worker 2 ended, nothing is known of how");
    assert_code(muster_remove(r->m, &third, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    assert_non_null(rig_event_to(r, 3, MUSTER_GONE, RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
    signal(SIGCHLD, SIG_DFL);
}

static void terminated_idle(void **state)
{
    rig *r = rig_up(2);
    const int64_t began = rig_now_ms();

    (void)state;
    kill(rig_pid(r, 1), SIGTERM);
    assert_non_null(rig_event_to(r, 1, MUSTER_GONE, RIG_WAIT_MS));
    assert_within("SIGTERM idle", began, 1000);
    assert_int_equal(wait_for_end(r, 1).exit_status, 0);
    assert_string_equal(wait_for_end(r, 1).verdict, "drained on SIGTERM");
    rig_alive(r, 1);
    rig_down(&r);
}

static void killed_in_a_call(void **state)
{
    rig *r = rig_up(3);
    muster_future *running = rig_start(r, 2, "until_canceled", "");
    muster_future *behind = rig_start(r, 2, "echo", "behind");
    int64_t began;

    (void)state;
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    began = rig_now_ms();
    kill(rig_pid(r, 2), SIGKILL);
    assert_code(rig_result(r, &running), MUSTER_ELOST, r->err);
    assert_within("killed in a call", began, 2000);
    assert_words(r->err.text, "worker 2 was killed by SIGKILL",
                 "in handler until_canceled");
    assert_int_equal(r->err.rank, 2);
    assert_code(rig_result(r, &behind), MUSTER_ELOST, r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

typedef struct casting {
    pthread_t thread;
    rig *r;
    muster_results *all;
    muster_err rc;
    muster_error err;
} casting;

static void *cast(void *arg)
{
    casting *c = (casting *)arg;

    c->rc = muster_broadcast(c->r->m, NULL, "nap", "300", 3, RIG_WAIT_MS,
                             &c->all, &c->err);
    return NULL;
}

static void killed_in_a_broadcast(void **state)
{
    casting c = {.r = rig_up(3)};
    int64_t began;

    (void)state;
    assert_int_equal(pthread_create(&c.thread, NULL, cast, &c), 0);
    assert_non_null(rig_take_line(c.r, 2, "begun", RIG_WAIT_MS));
    began = rig_now_ms();
    kill(rig_pid(c.r, 2), SIGKILL);
    pthread_join(c.thread, NULL);
    assert_code(c.rc, MUSTER_EPARTIAL, c.err);
    assert_within("killed in a broadcast of 0.3 s", began, 2000);
    assert_words(c.err.text, "broadcast nap", "worker 2 was killed by SIGKILL");
    assert_int_equal(c.all->n, 3);
    assert_int_equal(c.all->nfailed, 1);
    assert_int_equal(c.all->items[1].code, MUSTER_ELOST);
    assert_words(c.all->items[1].text, "SIGKILL");
    for (int i = 0; i < 3; i += 2) {
        assert_int_equal(c.all->items[i].code, MUSTER_OK);
        assert_string_equal(c.all->items[i].data, "slept");
    }
    muster_results_destroy(&c.all);
    rig_alive(c.r, 2);
    rig_down(&c.r);
}

static void killed_while_a_request_is_on_its_way(void **state)
{
    const size_t n = strtoul(BIG_TEXT, NULL, 10);
    rig *r = rig_up(2);
    char *data = calloc(1, n);
    muster_future *f = NULL;
    int64_t began;
    muster_err rc;

    (void)state;
    assert_non_null(data);
    rc = muster_call_start(r->m, 1, "checksum", data, n, 0, &f, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    free(data);
    assert_false(muster_future_wait(f, 20));
    began = rig_now_ms();
    kill(rig_pid(r, 1), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_within("killed within a large request", began, 2000);
    assert_words(r->err.text, "worker 1 was killed by SIGKILL");
    rig_alive(r, 1);
    rig_down(&r);
}

static void killed_while_a_result_is_on_its_way(void **state)
{
    rig *r = rig_up(2);
    muster_future *f = rig_start(r, 1, "big", BIG_TEXT);
    const pid_t pid = rig_pid(r, 1);
    int64_t began;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "made", RIG_WAIT_MS));
    assert_false(muster_future_wait(f, 10));
    began = rig_now_ms();
    kill(pid, SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_within("killed within a large result", began, 2000);
    assert_words(r->err.text, "worker 1 was killed by SIGKILL");
    rig_alive(r, 1);
    rig_down(&r);
}

/* ---------------------------------------------------------------- stopped --
 */

static void stopped_for_longer_than_the_timeout(void **state)
{
    muster_options o = rig_options();
    muster_future *f;
    pid_t pid;
    int64_t began;
    rig *r;

    (void)state;
    /* long enough for the others, on a machine that has much to do */
    o.heartbeat_timeout_ms = 1500 + 1000 * RIG_SLOW;
    r = rig_up_with(&o, 3);
    pid = rig_pid(r, 2);
    began = rig_now_ms();
    rig_stop(pid);
    f = rig_start(r, 2, "echo", "hello?");
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_within("SIGSTOP, heartbeat time-out 2.5 s", began, 5000);
    assert_words(r->err.text, "worker 2 was silent for");
    kill(pid, SIGCONT);
    /* it is over for good: the process ends, its rank does not come back */
    assert_int_equal(wait_for_end(r, 2).exit_signal, SIGKILL);
    assert_int_equal(wait_for_end(r, 2).state, MUSTER_LOST);
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_EWORKER, r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

static void stopped_for_less_than_the_timeout(void **state)
{
    muster_options o = rig_options();
    muster_future *f;
    pid_t pid;
    rig *r;

    (void)state;
    o.heartbeat_timeout_ms = 4000 * RIG_SLOW;
    r = rig_up_with(&o, 2);
    pid = rig_pid(r, 1);
    rig_stop(pid);
    f = rig_start(r, 1, "echo", "");
    assert_null(rig_event_to(r, 1, MUSTER_LOST, 1500));
    assert_false(muster_future_wait(f, 0));
    kill(pid, SIGCONT);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    assert_null(rig_event_to(r, 1, MUSTER_CUT, 0));
    rig_alive(r, 2);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(killed_before_hello_fails_the_launch),
        rig_test(killed_before_hello_leaves_the_others),
        rig_test(one_that_never_says_hello_is_given_up),
        rig_test(the_end_of_a_launch_leaves_alone_who_drains),
        rig_test(what_is_no_program_fails_the_launch),
        rig_test(killed_idle),
        rig_test(killed_where_children_are_ignored),
        rig_test(terminated_idle),
        rig_test(killed_in_a_call),
        rig_test(killed_in_a_broadcast),
        rig_test(killed_while_a_request_is_on_its_way),
        rig_test(killed_while_a_result_is_on_its_way),
        rig_test(stopped_for_longer_than_the_timeout),
        rig_test(stopped_for_less_than_the_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
