/* it_nomem.c - the n-th allocation of the manager fails, and all after it, for
 * every n: an operation ends, with success or an error, and when there is
 * memory again everything works again. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/worker.h>

#include "base/alloc.h"
#include "forked.h"
#include "rig.h"

#define MOST 1000 /* steps of a sweep */
#define CALL_MS (3000 * RIG_SLOW)

static void on_event(void *arg, const muster_event *event)
{
    (void)arg;
    (void)event;
}

static atomic_uint nmade;

/* What "big" says before it returns. */
static void on_output(void *arg, uint32_t rank, int stream, const char *line,
                      size_t len)
{
    (void)arg;
    (void)rank;
    (void)stream;
    if (len == 4 && memcmp(line, "made", 4) == 0)
        atomic_fetch_add(&nmade, 1);
}

static muster *up(uint32_t n)
{
    muster_options o = rig_options();
    muster_error err = {0};
    muster *m = NULL;
    muster_err rc;

    o.on_event = on_event;
    o.on_output = on_output;
    o.pending_timeout_ms = 3000;
    rc = muster_open(&o, &m, &err);
    forked_check(rc == MUSTER_OK, "open: %s", err.text);
    if (n == 0)
        return m;
    rc = muster_launch(m, n, 0, NULL, &err);
    forked_check(rc == MUSTER_OK, "launch: %s", err.text);
    rc = muster_module_ship(m, RIG_HANDLERS, &err);
    forked_check(rc == MUSTER_OK, "ship: %s", err.text);
    return m;
}

/* As it was before: two workers, and they answer. */
static void assert_well(muster *m, int n)
{
    const uint32_t have = muster_size(m);
    muster_error err = {0};
    muster_err rc = MUSTER_OK;

    if (have < 2)
        rc = muster_launch(m, 2 - have, 0, NULL, &err);
    forked_check(rc == MUSTER_OK, "launch after %d: %s", n, err.text);
    rc = muster_broadcast(m, NULL, "echo", "x", 1, CALL_MS, NULL, &err);
    forked_check(rc == MUSTER_OK, "broadcast after %d: %s", n, err.text);
}

static void assert_ended(const char *what, int n, muster_err rc,
                         const muster_error *err, int64_t began)
{
    const int64_t took = rig_now_ms() - began;

    forked_check(took < 1500 * RIG_SLOW, "%s, allocation %d: %lld ms, %s", what,
                 n, (long long)took, muster_strerror(rc));
    forked_check(rc == MUSTER_OK || (err->code == rc && err->text[0] != '\0'),
                 "%s, allocation %d: %d, but the error is %d \"%s\"", what, n,
                 rc, err->code, err->text);
}

/* Run `what` with fewer and fewer failures: `least` times, and then until
 * nothing fails. How many allocations it needs is a matter of time, too. */
static int sweep(const char *what, int least,
                 muster_err (*fn)(muster *m, muster_error *err), muster *m)
{
    int nfailed = 0;
    muster_err rc = MUSTER_OK;
    muster_error err = {0};

    for (int n = 1; n <= least || (rc != MUSTER_OK && n <= MOST); n++) {
        const int64_t began = rig_now_ms();

        err = (muster_error){0};
        mst_alloc_fail_after(n);
        rc = fn(m, &err);
        mst_alloc_fail_after(0);
        assert_ended(what, n, rc, &err, began);
        nfailed += rc != MUSTER_OK;
        if (m != NULL)
            assert_well(m, n);
    }
    forked_check(nfailed > 0, "%s never failed", what);
    forked_check(rc == MUSTER_OK, "%s still fails after %d allocations: %s",
                 what, MOST, err.text);
    return 0;
}

/* ----------------------------------------------------------------- sweeps --
 */

static muster_err do_open(muster *unused, muster_error *err)
{
    muster_options o = rig_options();
    muster *m = NULL;
    const muster_err rc = muster_open(&o, &m, err);

    (void)unused;
    mst_alloc_fail_after(0);
    muster_close(&m);
    return rc;
}

static int sweep_open(void *arg)
{
    (void)arg;
    return sweep("open", 60, do_open, NULL);
}

static muster_err do_launch(muster *m, muster_error *err)
{
    return muster_launch(m, 1, 0, NULL, err);
}

static int sweep_launch(void *arg)
{
    muster *m = up(2);

    (void)arg;
    sweep("launch", 40, do_launch, m);
    muster_close(&m);
    return 0;
}

static unsigned char body[200000];

static muster_err do_call(muster *m, muster_error *err)
{
    muster_reply *reply = NULL;
    const muster_err rc = muster_call(m, MUSTER_ANY, "echo", body, sizeof(body),
                                      CALL_MS, &reply, err);

    if (rc == MUSTER_OK)
        forked_check(reply->len == sizeof(body), "%zu bytes", reply->len);
    muster_reply_destroy(&reply);
    return rc;
}

static muster_err do_future(muster *m, muster_error *err)
{
    muster_future *future = NULL;
    muster_reply *reply = NULL;
    muster_err rc =
        muster_call_start(m, MUSTER_ANY, "echo", "x", 1, CALL_MS, &future, err);

    if (rc == MUSTER_OK)
        rc = muster_future_result(future, &reply, err);
    muster_reply_destroy(&reply);
    muster_future_destroy(&future);
    return rc;
}

static int sweep_calls(void *arg)
{
    muster *m = up(2);

    (void)arg;
    sweep("call", 30, do_call, m);
    sweep("started call", 30, do_future, m);
    muster_close(&m);
    return 0;
}

static muster_err do_broadcast(muster *m, muster_error *err)
{
    muster_results *all = NULL;
    const muster_err rc = muster_broadcast(m, NULL, "echo", body, sizeof(body),
                                           CALL_MS, &all, err);

    if (rc == MUSTER_OK)
        forked_check(all->n == 2, "%zu results", all->n);
    muster_results_destroy(&all);
    return rc;
}

static muster_err do_ship(muster *m, muster_error *err)
{
    return muster_module_ship(m, RIG_HANDLERS, err);
}

static int sweep_broadcasts(void *arg)
{
    muster *m = up(2);

    (void)arg;
    sweep("broadcast", 40, do_broadcast, m);
    sweep("ship", 30, do_ship, m);
    muster_close(&m);
    return 0;
}

static muster_err do_remove(muster *m, muster_error *err)
{
    return muster_remove(m, NULL, 0, CALL_MS, err);
}

static int sweep_remove(void *arg)
{
    muster *m = up(2);

    (void)arg;
    for (int n = 1; n <= 20; n++) {
        const int64_t began = rig_now_ms();
        muster_error err = {0};
        muster_err rc;

        mst_alloc_fail_after(n);
        rc = do_remove(m, &err);
        mst_alloc_fail_after(0);
        assert_ended("remove", n, rc, &err, began);
        assert_well(m, n);
    }
    muster_close(&m);
    return 0;
}

/* A worker that ends: the call, the verdict and the list of workers. */
static int sweep_lost(void *arg)
{
    FILE *null = fopen("/dev/null", "we");
    muster *m = up(2);

    (void)arg;
    forked_check(null != NULL, "/dev/null");
    for (int n = 1; n <= 25; n++) {
        const int64_t began = rig_now_ms();
        muster_error err = {0};
        uint32_t rank = 0;
        muster_err rc;

        forked_check(muster_ranks(m, &rank, 1) == 2, "ranks");
        mst_alloc_fail_after(n);
        rc = muster_call(m, rank, "leave", "7", 1, CALL_MS, NULL, &err);
        (void)muster_print_list(m, null);
        mst_alloc_fail_after(0);
        assert_ended("lost", n, rc, &err, began);
        forked_check(rc != MUSTER_OK, "a worker that has ended answers");
        forked_check(muster_print_list(m, null), "no list");
        /* it is known by then whether that one lives */
        (void)muster_call(m, rank, "echo", "x", 1, CALL_MS, NULL, &err);
        assert_well(m, n);
    }
    fclose(null);
    muster_close(&m);
    return 0;
}

static int sweep_close(void *arg)
{
    (void)arg;
    for (int n = 1; n <= 20; n++) {
        muster *m = up(2);
        muster_future *future = NULL;
        muster_error err = {0};
        muster_err rc = muster_call_start(m, 1, "until_canceled", NULL, 0, 0,
                                          &future, &err);
        int64_t began;

        forked_check(rc == MUSTER_OK, "start: %s", err.text);
        began = rig_now_ms();
        mst_alloc_fail_after(n);
        muster_close(&m);
        mst_alloc_fail_after(0);
        rc = muster_future_result(future, NULL, &err);
        assert_ended("close", n, rc, &err, began);
        forked_check(rc == MUSTER_ECLOSED || rc == MUSTER_ELOST,
                     "the call after close: %s", err.text);
        muster_future_destroy(&future);
    }
    return 0;
}

/* Requests of all lengths that are copied into a message. */
static muster_err do_small(muster *m, muster_error *err)
{
    muster_err rc = MUSTER_OK;

    for (size_t len = 1000; len <= 32000 && rc == MUSTER_OK; len *= 2)
        rc = muster_call(m, 1, "echo", body, len, CALL_MS, NULL, err);
    return rc;
}

/* ------------------------------------------------- calls of a worker's own */

static unsigned char request[5 << 20]; /* begins with the rank, 0 here */
static size_t request_len;

static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror);

static muster_err do_inner(muster *m, muster_error *err)
{
    return muster_call(m, 1, "mirror_on", request, request_len, CALL_MS, NULL,
                       err);
}

/* For want of memory here no worker is lost. */
static void inner_by(const char *bulk, size_t len)
{
    muster_options o = rig_options();
    muster_error err = {0};
    muster_info info;
    muster *m = NULL;

    o.bulk = bulk;
    request_len = len;
    forked_check(muster_open(&o, &m, &err) == MUSTER_OK &&
                     muster_launch(m, 2, 0, NULL, &err) == MUSTER_OK &&
                     muster_module_ship(m, RIG_HANDLERS, &err) == MUSTER_OK &&
                     muster_module_ship(m, BULK_HANDLERS, &err) == MUSTER_OK,
                 "up: %s", err.text);
    sweep("inner call", 24, do_inner, m);
    sweep("inner call again", 24, do_inner, m); /* tables have room now */
    muster_worker_info(m, 1, &info, &err);
    forked_check(info.state == MUSTER_READY,
                 "by %s, %zu bytes: the worker is %s", bulk, len,
                 muster_state_name(info.state));
    muster_close(&m);
}

static int sweep_inner(void *arg)
{
    (void)arg;
    inner_by("auto", 100);
    inner_by("auto", 200000);
    inner_by("off", sizeof(request));
    return 0;
}

/* While a large result waits for credit in the worker, which has to forget it
 * when we have forgotten the link. */
static int sweep_results(void *arg)
{
    muster *m = up(1);
    muster_info before, after = {0};
    uint32_t ncut = 0;

    (void)arg;
    muster_worker_info(m, 1, &before, NULL);
    for (int n = 1; n <= 12; n++) {
        muster_error err = {0};
        muster_future *big = NULL;
        muster_err rc = muster_call_start(m, 1, "big", "33554432", 8,
                                          2 * CALL_MS, &big, &err);

        forked_check(rc == MUSTER_OK, "start: %s", err.text);
        while (atomic_load(&nmade) < (unsigned)n)
            (void)muster_future_wait(big, 1);
        mst_alloc_fail_after(n);
        ncut += do_small(m, &err) == MUSTER_ELOST;
        mst_alloc_fail_after(0);
        rc = muster_future_result(big, NULL, &err);
        forked_check(rc == MUSTER_OK || rc == MUSTER_ELOST ||
                         rc == MUSTER_ENOMEM,
                     "allocation %d, the result: %s", n, err.text);

        muster_future_destroy(&big);
        while (muster_size(m) == 0 && after.state != MUSTER_LOST)
            muster_worker_info(m, 1, &after, NULL);
        muster_worker_info(m, 1, &after, NULL);
        forked_check(after.pid == before.pid && after.state == MUSTER_READY,
                     "allocation %d: the worker is %s: %s", n,
                     muster_state_name(after.state), after.verdict);
    }
    forked_check(ncut > 0, "no link was ever forgotten");
    muster_close(&m);
    return 0;
}

/* ------------------------------------------------------------------ tests --
 */

static void in_open(void **state)
{
    (void)state;
    forked_run(sweep_open, NULL, 20000);
}

static void in_launch(void **state)
{
    (void)state;
    forked_run(sweep_launch, NULL, 20000);
}

static void in_calls(void **state)
{
    (void)state;
    forked_run(sweep_calls, NULL, 20000);
}

static void in_broadcasts(void **state)
{
    (void)state;
    forked_run(sweep_broadcasts, NULL, 20000);
}

static void in_remove(void **state)
{
    (void)state;
    forked_run(sweep_remove, NULL, 20000);
}

static void in_lost(void **state)
{
    (void)state;
    forked_run(sweep_lost, NULL, 20000);
}

static void in_results(void **state)
{
    (void)state;
    forked_run(sweep_results, NULL, 40000);
}

static void in_inner_calls(void **state)
{
    (void)state;
    forked_run(sweep_inner, NULL, 40000);
}

static void in_close(void **state)
{
    (void)state;
    forked_run(sweep_close, NULL, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(in_open),       rig_test(in_launch),  rig_test(in_calls),
        rig_test(in_broadcasts), rig_test(in_remove),  rig_test(in_lost),
        rig_test(in_close),      rig_test(in_results), rig_test(in_inner_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
