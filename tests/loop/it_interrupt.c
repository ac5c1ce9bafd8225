/* it_interrupt.c - handlers that are to give up: told, signalled, ended; and
 * everything that is cancelled at once. */
#include "rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <muster/worker.h>

static atomic_bool runs_here;

/* A handler of this program, rank 0. */
static int until_told(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    (void)in;
    (void)len;
    atomic_store(&runs_here, true);
    while (!muster_ctx_canceled(ctx))
        sched_yield();
    return muster_out_printf(out, "told here");
}
MUSTER_HANDLER(until_told);

static rig *up(uint32_t n)
{
    rig *r = rig_up(n);
    muster_error err;

    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

static muster_future *begun(rig *r, uint32_t rank, const char *name,
                            const char *body, const char *line)
{
    muster_future *f = rig_start(r, rank, name, body);

    assert_non_null(rig_take_line(r, rank, line, RIG_WAIT_MS));
    return f;
}

static void interrupt(rig *r, uint32_t rank, int64_t signal_ms, int64_t end_ms)
{
    const muster_set set = {MUSTER_SET_LIST, &rank, 1};
    muster_error err;

    assert_code(muster_interrupt(r->m, &set, signal_ms, end_ms, &err),
                MUSTER_OK, err);
}

static void assert_text(rig *r, muster_future **f, const char *want)
{
    muster_reply *reply;

    assert_code(muster_future_result(*f, &reply, &r->err), MUSTER_OK, r->err);
    assert_string_equal(reply->data, want);
    muster_reply_destroy(&reply);
    muster_future_destroy(f);
}

/* ---------------------------------------------------------------- tests -- */

static void first_it_is_told(void **state)
{
    rig *r = up(1);
    muster_future *f = begun(r, 1, "looks", "", "looking");

    (void)state;
    interrupt(r, 1, MUSTER_FOREVER, MUSTER_FOREVER);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_words(r->err.text, "I was told");
    rig_alive(r, 1);
    rig_down(&r);
}

static void then_a_signal_ends_what_blocks(void **state)
{
    rig *r = up(2);
    muster_future *f = begun(r, 1, "blocked", "", "blocked");

    (void)state;
    interrupt(r, 1, 20, MUSTER_FOREVER);
    assert_text(r, &f, "interrupted");
    rig_alive(r, 2);
    rig_down(&r);
}

static void then_the_worker_ends(void **state)
{
    rig *r = up(2);
    muster_future *f = begun(r, 1, "blocked", "deaf", "blocked");
    muster_future *behind = rig_start(r, 1, "echo", "behind");
    const int64_t began = rig_now_ms();

    (void)state;
    interrupt(r, 1, 10, 100);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "handler blocked", "interrupted",
                 "did not return");
    assert_within("the end of a deaf handler", began, 1000);
    assert_code(rig_result(r, &behind), MUSTER_ELOST, r->err);
    assert_non_null(rig_event_to(r, 1, MUSTER_LOST, RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
}

static void who_waits_behind_runs_as_usual(void **state)
{
    rig *r = up(1);
    muster_future *f = begun(r, 1, "looks", "", "looking");
    muster_future *behind = rig_start(r, 1, "echo", "behind");

    (void)state;
    interrupt(r, 1, MUSTER_FOREVER, 5000);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_text(r, &behind, "behind");
    rig_down(&r);
}

static void idle_workers_ignore_it(void **state)
{
    rig *r = up(2);
    muster_error err;

    (void)state;
    assert_code(muster_interrupt(r->m, NULL, 0, 0, &err), MUSTER_OK, err);
    rig_alive(r, 2);
    assert_code(rig_call(r, 1, "echo", "still here", 0), MUSTER_OK, r->err);
    /* one from outside does not end a local worker either */
    kill(rig_pid(r, 1), SIGINT);
    assert_code(rig_call(r, 1, "echo", "still here", 0), MUSTER_OK, r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

static void one_of_several_can_be_meant(void **state)
{
    muster_options o = rig_options();
    muster_future *a, *b;
    muster_error err;
    rig *r;

    (void)state;
    o.threads = 2;
    r = rig_up_with(&o, 1);
    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    a = begun(r, 1, "blocked", "", "blocked");
    b = begun(r, 1, "blocked", "", "blocked");
    muster_future_interrupt(a, 0, MUSTER_FOREVER);
    assert_text(r, &a, "interrupted");
    assert_false(muster_future_wait(b, 100));
    muster_future_interrupt(b, 0, MUSTER_FOREVER);
    assert_text(r, &b, "interrupted");
    rig_down(&r);
}

static void what_has_not_begun_is_cancelled(void **state)
{
    rig *r = up(1);
    muster_future *f = begun(r, 1, "looks", "", "looking");
    muster_future *behind = rig_start(r, 1, "note", "must not run");

    (void)state;
    muster_future_interrupt(behind, 0, 0);
    interrupt(r, 1, MUSTER_FOREVER, MUSTER_FOREVER);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_code(rig_result(r, &behind), MUSTER_ECANCELED, r->err);
    assert_code(rig_call(r, 1, "notes", "", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "");
    rig_alive(r, 1);
    rig_down(&r);
}

static void a_handler_here_is_told(void **state)
{
    rig *r = up(1);
    muster_future *f = rig_start(r, 0, "until_told", "");

    (void)state;
    for (int i = 0; !atomic_load(&runs_here); i++) {
        assert_true(i < RIG_WAIT_MS);
        poll(NULL, 0, 1);
    }
    assert_false(muster_future_wait(f, 50));
    muster_future_interrupt(f, 0, 0);
    assert_text(r, &f, "told here");
    rig_down(&r);
}

static void calls_it_waits_for_end_too(void **state)
{
    rig *r = up(2);
    muster_future *f = rig_start(r, 1, "pass", "2 looks");

    (void)state;
    assert_non_null(rig_take_line(r, 2, "looking", RIG_WAIT_MS));
    interrupt(r, 1, MUSTER_FOREVER, MUSTER_FOREVER);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

static void calls_it_makes_afterwards_end_at_once(void **state)
{
    rig *r = up(1);
    muster_future *f = begun(r, 1, "too_late", "", "looking");

    (void)state;
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_non_null(rig_take_line(r, 1, "late: cancelled", RIG_WAIT_MS));
    rig_down(&r);
}

static void a_wrong_set_is_said(void **state)
{
    const uint32_t ranks[] = {7, 1};
    const muster_set list = {MUSTER_SET_LIST, ranks, 2};
    const muster_set idle = {MUSTER_SET_IDLE, NULL, 0};
    rig *r = up(1);
    muster_future *f = begun(r, 1, "looks", "", "looking");
    muster_error err;

    (void)state;
    assert_code(muster_interrupt(r->m, &idle, 0, 0, &err), MUSTER_EINVAL, err);
    assert_code(muster_interrupt(r->m, &list, -1, -1, &err), MUSTER_EWORKER,
                err);
    assert_int_equal(err.rank, 7);
    assert_words(err.text, "no worker 7");
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err); /* all the same */
    rig_down(&r);
}

/* ------------------------------------------------------ everything at once --
 */

typedef struct mapper {
    rig *r;
    pthread_t thread;
    muster_err rc;
} mapper;

static void *map_forever(void *arg)
{
    mapper *p = (mapper *)arg;
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    const muster_item items[8] = {{"", 0}};

    o.items = items;
    o.nitems = 8;
    p->rc = muster_map(p->r->m, "looks", &o, NULL, NULL);
    return NULL;
}

static void *launch_more(void *arg)
{
    mapper *p = (mapper *)arg;

    p->rc = muster_launch(p->r->m, 20, 20, NULL, NULL);
    return NULL;
}

static void all_can_be_cancelled_at_once(void **state)
{
    rig *r = up(2);
    mapper map = {.r = r}, launch = {.r = r};
    muster_future *here = rig_start(r, 0, "until_told", "");
    muster_error err;
    muster_future *take;

    (void)state;
    assert_code(muster_channel_open(r->m, "c", 1, &err), MUSTER_OK, err);
    take = rig_start(r, 2, "take_one", "c");
    pthread_create(&map.thread, NULL, map_forever, &map);
    assert_non_null(rig_take_line(r, 1, "looking", RIG_WAIT_MS));
    pthread_create(&launch.thread, NULL, launch_more, &launch);
    assert_non_null(rig_event_to(r, 3, MUSTER_BOOTING, RIG_WAIT_MS));
    muster_cancel(r->m);
    assert_code(rig_result(r, &here), MUSTER_ECANCELED, r->err);
    assert_code(rig_result(r, &take), MUSTER_ECANCELED, r->err);
    pthread_join(map.thread, NULL);
    pthread_join(launch.thread, NULL);
    assert_int_equal(map.rc, MUSTER_ECANCELED);
    assert_int_equal(launch.rc, MUSTER_ECANCELED);
    rig_alive(r, 2);
    assert_code(rig_call(r, 1, "echo", "goes on", 0), MUSTER_OK, r->err);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(first_it_is_told),
        rig_test(then_a_signal_ends_what_blocks),
        rig_test(then_the_worker_ends),
        rig_test(who_waits_behind_runs_as_usual),
        rig_test(idle_workers_ignore_it),
        rig_test(one_of_several_can_be_meant),
        rig_test(what_has_not_begun_is_cancelled),
        rig_test(a_handler_here_is_told),
        rig_test(calls_it_waits_for_end_too),
        rig_test(calls_it_makes_afterwards_end_at_once),
        rig_test(a_wrong_set_is_said),
        rig_test(all_can_be_cancelled_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
