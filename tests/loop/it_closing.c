/* it_closing.c - the end of a runtime, with and without work going on. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

/* A thread in a blocking operation. */
typedef struct waiter {
    pthread_t thread;
    rig *r;
    muster_err rc;
    muster_error err;
} waiter;

static void *call(void *arg)
{
    waiter *w = (waiter *)arg;

    w->rc = muster_call(w->r->m, 1, "until_canceled", NULL, 0, MUSTER_FOREVER,
                        NULL, &w->err);
    return NULL;
}

static void *broadcast(void *arg)
{
    waiter *w = (waiter *)arg;
    muster_results *all = NULL;

    w->rc = muster_broadcast(w->r->m, NULL, "until_canceled", NULL, 0,
                             MUSTER_FOREVER, &all, &w->err);
    if (w->rc == MUSTER_EPARTIAL && all->nfailed == all->n &&
        all->items[0].code == MUSTER_ECLOSED)
        w->rc = MUSTER_ECLOSED;
    muster_results_destroy(&all);
    return NULL;
}

static void *launch(void *arg)
{
    waiter *w = (waiter *)arg;

    w->rc = muster_launch(w->r->m, 1, 1, NULL, &w->err);
    return NULL;
}

static void *drain(void *arg)
{
    waiter *w = (waiter *)arg;
    const uint32_t first = 1;

    w->rc = muster_remove(w->r->m, &first, 1, MUSTER_FOREVER, &w->err);
    return NULL;
}

static void begin(waiter *w, rig *r, void *(*what)(void *))
{
    *w = (waiter){.r = r};
    assert_int_equal(pthread_create(&w->thread, NULL, what, w), 0);
}

static void assert_closed(waiter *w)
{
    pthread_join(w->thread, NULL);
    assert_code(w->rc, MUSTER_ECLOSED, w->err);
    assert_words(w->err.text, "closed");
}

static void shutdown_ends_what_is_outstanding(void **state)
{
    rig *r = rig_up(2);
    waiter calling, casting;
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    const int64_t began = rig_now_ms();

    (void)state;
    begin(&calling, r, call);
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    begin(&casting, r, broadcast);
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    muster_shutdown(r->m);
    assert_closed(&calling);
    assert_closed(&casting);
    assert_within("shutdown with calls outstanding", began, 500);
    assert_code(rig_result(r, &f), MUSTER_ECLOSED, r->err);
    /* what is asked for afterwards ends so, too */
    assert_code(rig_call(r, 1, "echo", "", 0), MUSTER_ECLOSED, r->err);
    assert_code(muster_broadcast(r->m, NULL, "echo", "", 0, 0, NULL, &r->err),
                MUSTER_ECLOSED, r->err);
    assert_code(muster_launch(r->m, 1, 1, NULL, &r->err), MUSTER_ECLOSED,
                r->err);
    assert_code(muster_remove(r->m, NULL, 0, 0, &r->err), MUSTER_ECLOSED,
                r->err);
    assert_code(muster_module_ship(r->m, RIG_HANDLERS, &r->err), MUSTER_ECLOSED,
                r->err);
    muster_shutdown(r->m);
    rig_down(&r);
}

static void close_ends_what_is_outstanding(void **state)
{
    rig *r = rig_up(2);
    waiter calling, casting, draining;
    const int64_t began = rig_now_ms();

    (void)state;
    begin(&calling, r, call);
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    begin(&casting, r, broadcast);
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    begin(&draining, r, drain);
    assert_non_null(rig_event_to(r, 1, MUSTER_LEAVING, RIG_WAIT_MS));
    rig_down(&r);
    assert_closed(&calling);
    assert_closed(&casting);
    assert_closed(&draining);
    assert_within("close with calls outstanding", began, 1000);
}

static void shutdown_ends_a_drain(void **state)
{
    rig *r = rig_up(2);
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    waiter draining;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    begin(&draining, r, drain);
    assert_non_null(rig_event_to(r, 1, MUSTER_LEAVING, RIG_WAIT_MS));
    muster_shutdown(r->m);
    assert_closed(&draining);
    assert_code(rig_result(r, &f), MUSTER_ECLOSED, r->err);
    rig_down(&r);
}

static void shutdown_ends_a_launch(void **state)
{
    muster_options o = rig_options();
    waiter launching;
    rig *r;

    (void)state;
    o.worker = RIG_SILENT_WORKER;
    r = rig_open(&o);
    begin(&launching, r, launch);
    assert_non_null(rig_event_to(r, 1, MUSTER_BOOTING, RIG_WAIT_MS));
    muster_shutdown(r->m);
    assert_closed(&launching);
    rig_down(&r);
}

/* Nobody uses the runtime any more, but futures may be left. */
static void a_future_outlives_its_runtime(void **state)
{
    rig *r = rig_up(2);
    muster_future *open = rig_start(r, 1, "until_canceled", "");
    muster_future *done = rig_start(r, 2, "echo", "kept");
    muster_future *failed = rig_start(r, 2, "fail", "4 as well");
    muster_reply *reply = NULL;
    muster_error err;

    (void)state;
    assert_true(muster_future_wait(done, RIG_WAIT_MS));
    assert_true(muster_future_wait(failed, RIG_WAIT_MS));
    rig_down(&r);
    assert_true(muster_future_wait(open, 0));
    assert_code(muster_future_result(open, NULL, &err), MUSTER_ECLOSED, err);
    assert_code(muster_future_result(done, &reply, &err), MUSTER_OK, err);
    assert_string_equal((const char *)reply->data, "kept");
    assert_int_equal(
        muster_future_wait_any((muster_future *const[]){failed, open}, 2, 0),
        0);
    assert_code(muster_future_result(failed, NULL, &err), MUSTER_EREMOTE, err);
    assert_int_equal(muster_future_then(open, (muster_future_fn)abort, NULL),
                     MUSTER_ECLOSED);
    muster_future_cancel(open);
    muster_reply_destroy(&reply);
    muster_future_destroy(&open);
    muster_future_destroy(&done);
    muster_future_destroy(&failed);
}

static void close_takes_no_longer_than_the_grace(void **state)
{
    rig *r = rig_up(3);
    muster_future *f[2];
    int64_t began;
    pid_t pids[3];

    (void)state;
    f[0] = rig_start(r, 1, "never", "");
    f[1] = rig_start(r, 2, "until_canceled", "");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    for (uint32_t i = 0; i < 3; i++)
        pids[i] = rig_pid(r, i + 1);
    for (int i = 0; i < 2; i++)
        muster_future_destroy(&f[i]);
    began = rig_now_ms();
    rig_down(&r);
    assert_within("close, one handler never returns", began, 2000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kill(pids[i], 0), -1);
        assert_int_equal(errno, ESRCH);
    }
}

static void an_idle_runtime_closes_at_once(void **state)
{
    rig *r = rig_up(4);
    const int64_t began = rig_now_ms();
    muster *none = NULL;

    (void)state;
    rig_down(&r);
    assert_within("close of four idle workers", began, 500);
    muster_close(&none);
    muster_close(NULL);
}

static void the_same_process_opens_again(void **state)
{
    char first[64];
    rig *r = rig_up(1);

    (void)state;
    snprintf(first, sizeof(first), "%s", muster_session(r->m));
    assert_int_equal(strlen(first), 32);
    rig_down(&r);
    for (int i = 0; i < 3; i++) {
        r = rig_up(1);
        assert_string_not_equal(muster_session(r->m), first);
        assert_words(muster_endpoint(r->m), "tcp://127.0.0.1:");
        rig_alive(r, 1);
        rig_down(&r);
    }
}

/* From a callback it would wait for itself: it says so and does nothing. */
static void close_in_callback(void *arg, muster_future *future)
{
    rig *r = (rig *)arg;
    muster *m = r->m;

    (void)future;
    muster_close(&m);
}

static void close_from_a_callback_is_refused(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "echo", "");

    (void)state;
    assert_int_equal(muster_future_then(f, close_in_callback, r), MUSTER_OK);
    assert_true(rig_logged(r, "CLOSE-IN-CALLBACK", "wait", RIG_WAIT_MS));
    muster_future_destroy(&f);
    rig_alive(r, 1);
    rig_down(&r);
}

/* Has this machine the address ::1? */
static bool has_six(void)
{
    struct sockaddr_in6 here = {.sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool has =
        fd >= 0 && bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

static void six_listens_too(void **state)
{
    muster_options o = rig_options();
    rig *r;

    (void)state;
    if (!has_six()) {
        print_message("           skipped: no address ::1 here\n");
        skip();
    }
    o.listen = "::1";
    r = rig_up_with(&o, 2);
    assert_words(muster_endpoint(r->m), "tcp://[::1]:");
    rig_alive(r, 2);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(shutdown_ends_what_is_outstanding),
        rig_test(close_ends_what_is_outstanding),
        rig_test(shutdown_ends_a_drain),
        rig_test(shutdown_ends_a_launch),
        rig_test(a_future_outlives_its_runtime),
        rig_test(close_takes_no_longer_than_the_grace),
        rig_test(an_idle_runtime_closes_at_once),
        rig_test(the_same_process_opens_again),
        rig_test(close_from_a_callback_is_refused),
        rig_test(six_listens_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
