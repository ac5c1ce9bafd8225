/* it_inner_credit.c - more calls than may be under way, whose handlers call
 * again: what these wait for is not behind what waits for them to end. */
#include "rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <muster/worker.h>

#define MOST 5000

static int triple(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[32] = "";

    if (len >= sizeof(text))
        return muster_fail(ctx, 7, "too long");
    memcpy(text, in, len);
    return muster_out_printf(out, "%ld", 3 * strtol(text, NULL, 10));
}
MUSTER_HANDLER(triple);

static rig *up(const char *bulk, uint32_t n)
{
    muster_options o = rig_options();
    muster_error err;
    rig *r;

    o.threads = 1;
    o.bulk = bulk;
    r = rig_up_with(&o, n);
    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

/* So many at once to ranks 1 to `ranks` in turn, each with `len` bytes that
 * begin with `text`. */
static void all_are_answered(rig *r, uint32_t ranks, const char *name,
                             const char *text, size_t n, size_t len,
                             const char *want)
{
    static muster_future *futures[MOST];
    char *body = calloc(1, len);

    assert_non_null(body);
    memcpy(body, text, strlen(text));
    for (size_t i = 0; i < n; i++)
        assert_code(muster_call_start(r->m, 1 + (uint32_t)i % ranks, name, body,
                                      len, MUSTER_DEFAULT_MS, &futures[i],
                                      &r->err),
                    MUSTER_OK, r->err);
    for (size_t i = 0; i < n; i++) {
        muster_reply *reply = NULL;

        assert_code(muster_future_result(futures[i], &reply, &r->err),
                    MUSTER_OK, r->err);
        assert_string_equal(reply->data, want);
        muster_reply_destroy(&reply);
        muster_future_destroy(&futures[i]);
    }
    free(body);
}

/* Four large ones fill the window, and each waits for the manager. */
static void large_calls_that_call(void **state)
{
    static const char *const ways[] = {"off", "auto"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig *r = up(ways[i], 1);

        all_are_answered(r, 1, "weigh", "", 8, RIG_MIB, "3145728");
        rig_alive(r, 1);
        rig_down(&r);
    }
}

static void small_calls_that_call(void **state)
{
    rig *r = up(NULL, 1);

    (void)state;
    all_are_answered(r, 1, "weigh", "", RIG_VALGRIND ? 4500 : MOST, 1024,
                     "3072");
    rig_alive(r, 1);
    rig_down(&r);
}

static void rings_end_where_the_window_is_full(void **state)
{
    rig *r = up("off", 2);

    (void)state;
    all_are_answered(r, 2, "ring", "6", 16, RIG_MIB, "round");
    all_are_answered(r, 2, "ring", "4", 1200, 8192, "round");
    rig_alive(r, 2);
    rig_down(&r);
}

/* Each depth has a window of its own, and this fills that of the second. */
static void large_calls_within_calls_that_call(void **state)
{
    rig *r = up("off", 2);

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        assert_code(rig_call(r, 1 + i, "many_weigh", "12", 0), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, "12");
    }
    rig_alive(r, 2);
    rig_down(&r);
}

/* More than a worker may have outstanding, and what they wait for are more
 * calls of that worker's. */
static void more_rings_than_may_be_outstanding(void **state)
{
    rig *r = up(NULL, 2);

    (void)state;
    assert_code(rig_call(r, 1, "many_rings", "4500", RIG_WAIT_MS * RIG_SLOW),
                MUSTER_OK, r->err);
    assert_string_equal(r->answer, "4500");
    rig_alive(r, 2);
    rig_down(&r);
}

/* What waits for credit goes back, also where a deeper call went past it. */
static void a_drain_hands_back_what_waits_for_credit(void **state)
{
    char *body = calloc(1, RIG_MIB);
    muster_future *futures[8], *inner;
    rig *r = up("off", 2);

    (void)state;
    assert_non_null(body);
    memcpy(body, "300", 3);
    for (size_t i = 0; i < 8; i++)
        assert_code(muster_call_start(r->m, 1, "idle", body, RIG_MIB,
                                      MUSTER_DEFAULT_MS, &futures[i], &r->err),
                    MUSTER_OK, r->err);
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    inner = rig_start(r, 2, "pass", "1 idle 300");
    assert_code(rig_call(r, 2, "pass", "1 echo past them", 0), MUSTER_OK,
                r->err);
    kill(rig_pid(r, 1), SIGTERM);
    for (size_t i = 0; i < 8; i++) {
        const muster_err rc = rig_result(r, &futures[i]);

        if (i > 1 || rc != MUSTER_OK)
            assert_code(rc, MUSTER_EWORKER, r->err);
    }
    (void)rig_result(r, &inner);
    free(body);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(large_calls_that_call),
        rig_test(small_calls_that_call),
        rig_test(rings_end_where_the_window_is_full),
        rig_test(large_calls_within_calls_that_call),
        rig_test(more_rings_than_may_be_outstanding),
        rig_test(a_drain_hands_back_what_waits_for_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
