/* it_link.c - links that are cut, and links that stand still. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"
#include "rig.h"

#define CALLS 1000
#define GARBLES 20

static relay *way;
static char relay_env[64], worker_env[512];
static const char *env[] = {relay_env, worker_env, NULL};

static uint16_t port_of(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');

    assert_non_null(colon);
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

/* n workers whose links go through the relay. */
static rig *relayed(uint32_t n, int64_t heartbeat_ms)
{
    muster_options o = rig_options();
    rig *r;

    o.port = relay_free_port();
    assert_true(o.port != 0);
    o.worker = RELAY_WORKER_PROGRAM;
    o.env = env;
    o.heartbeat_timeout_ms = heartbeat_ms;
    way = relay_create(o.port);
    assert_non_null(way);
    snprintf(relay_env, sizeof(relay_env), "RELAY=tcp://127.0.0.1:%u",
             relay_port(way));
    snprintf(worker_env, sizeof(worker_env), "RELAY_WORKER=%s", TRUE_WORKER);
    r = rig_up_with(&o, n);
    assert_int_equal(port_of(muster_endpoint(r->m)), o.port);
    return r;
}

static int relay_teardown(void **state)
{
    const int rc = rig_teardown(state);

    relay_destroy(&way);
    return rc;
}

static muster_state state_of(rig *r, uint32_t rank)
{
    muster_info info;

    assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                r->err);
    return info.state;
}

/* It was cut, and is ready again: the same process. */
static void assert_back(rig *r, uint32_t rank, pid_t pid)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info;

    assert_non_null(rig_event_to(r, rank, MUSTER_CUT, RIG_WAIT_MS));
    while (state_of(r, rank) != MUSTER_READY && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                r->err);
    if (info.state != MUSTER_READY)
        fail_msg("worker %u is %s: %s", rank, muster_state_name(info.state),
                 info.verdict);
    assert_int_equal(rig_pid(r, rank), pid);
    assert_code(rig_call(r, rank, "echo", "back", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "back");
}

/* It ran as the `nth`. */
static void assert_counted(rig *r, muster_future **future, int nth)
{
    muster_reply *reply = NULL;
    char *end;

    assert_code(muster_future_result(*future, &reply, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(strtol((const char *)reply->data, &end, 10), nth);
    muster_reply_destroy(&reply);
    muster_future_destroy(future);
}

static void no_call_is_lost_or_run_twice_when_the_link_is_cut(void **state)
{
    static muster_future *futures[CALLS];
    rig *r = relayed(2, 10000);
    const pid_t pid = rig_pid(r, 1);
    const int64_t began = rig_now_ms();

    (void)state;
    for (int i = 0; i < CALLS; i++)
        futures[i] = rig_start(r, 1, "count", "");
    relay_cut(way);
    for (int i = 0; i < CALLS; i++)
        assert_counted(r, &futures[i], 101 + i);
    assert_within("1,000 calls on a cut link", began, 5000);
    assert_back(r, 1, pid);
    assert_back(r, 2, rig_pid(r, 2));
    rig_down(&r);
}

static muster_err move(rig *r, const char *name, size_t len)
{
    char *body = calloc(1, len + 1);
    muster_err rc;

    assert_non_null(body);
    r->err = (muster_error){0};
    rc = muster_call(r->m, 1, name, body, len, RIG_WAIT_MS, NULL, &r->err);
    free(body);
    return rc;
}

static void a_cut_in_a_long_request_is_nothing(void **state)
{
    rig *r = relayed(1, 10000);
    const pid_t pid = rig_pid(r, 1);

    (void)state;
    relay_cut_after(way, 6 * RIG_MIB);
    assert_code(move(r, "checksum", 16 * RIG_MIB), MUSTER_OK, r->err);
    assert_back(r, 1, pid);
    rig_down(&r);
}

static void a_cut_in_a_long_result_is_nothing(void **state)
{
    rig *r = relayed(1, 10000);
    const pid_t pid = rig_pid(r, 1);

    (void)state;
    relay_cut_after(way, 6 * RIG_MIB);
    assert_code(rig_call(r, 1, "big", "16777216", 0), MUSTER_OK, r->err);
    assert_back(r, 1, pid);
    rig_down(&r);
}

static void a_broadcast_does_not_notice_a_cut(void **state)
{
    rig *r = relayed(3, 10000);
    char *body = calloc(1, 8 * RIG_MIB);
    muster_results *all = NULL;

    (void)state;
    assert_non_null(body);
    relay_cut_after(way, 6 * RIG_MIB);
    assert_code(muster_broadcast(r->m, NULL, "checksum", body, 8 * RIG_MIB,
                                 RIG_WAIT_MS, &all, &r->err),
                MUSTER_OK, r->err);
    assert_int_equal(all->n, 3);
    muster_results_destroy(&all);
    free(body);
    for (uint32_t rank = 1; rank <= 3; rank++)
        assert_back(r, rank, rig_pid(r, rank));
    rig_down(&r);
}

static void a_link_that_stands_still_too_long_is_a_lost_worker(void **state)
{
    rig *r = relayed(1, 1000 * RIG_SLOW);
    const pid_t pid = rig_pid(r, 1);
    const int64_t began = rig_now_ms();
    char proc[64];

    (void)state;
    relay_freeze(way);
    assert_code(rig_call(r, 1, "echo", "x", 0), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1", "silent");
    assert_within("a silent worker", began, 2000);
    snprintf(proc, sizeof(proc), "/proc/%d", (int)pid);
    for (int i = 0; i < 3000 && access(proc, F_OK) == 0; i++)
        poll(NULL, 0, 1);
    assert_int_not_equal(access(proc, F_OK), 0);
    relay_thaw(way);
    rig_down(&r);
}

static void a_link_that_stands_still_for_a_moment_is_nothing(void **state)
{
    rig *r = relayed(1, 4000 * RIG_SLOW);
    muster_future *f;

    (void)state;
    relay_freeze(way);
    f = rig_start(r, 1, "echo", "late");
    assert_false(muster_future_wait(f, 500));
    relay_thaw(way);
    assert_code(rig_result(r, &f), MUSTER_OK, r->err);
    assert_string_equal(muster_state_name(state_of(r, 1)), "ready");
    rig_down(&r);
}

/* Nobody says that it is gone: the worker does not wait until it is lost. */
static void a_connection_that_stands_still_is_left_for_another(void **state)
{
    rig *r = relayed(2, 3500 + 500 * RIG_SLOW);
    const pid_t pids[] = {rig_pid(r, 1), rig_pid(r, 2)};
    const int before = relay_connections(way);
    const int64_t began = rig_now_ms();
    muster_future *futures[6];

    (void)state;
    relay_stick(way);
    for (int i = 0; i < 6; i++)
        futures[i] = rig_start(r, 1 + (uint32_t)i % 2, "count", "");
    for (int i = 0; i < 6; i++)
        assert_counted(r, &futures[i], 100 * (1 + i % 2) + 1 + i / 2);
    assert_within("calls on connections that stand still", began, 3500);
    printf("           %d connections for 2 workers\n",
           relay_connections(way) - before);
    assert_int_equal(relay_connections(way), before + 2);
    assert_back(r, 1, pids[0]);
    assert_back(r, 2, pids[1]);
    rig_down(&r);
}

/* It tries again at once, and then less and less often. */
static void a_worker_does_not_storm_where_it_is_cut_at_once(void **state)
{
    rig *r = relayed(1, 10000);
    const pid_t pid = rig_pid(r, 1);
    const int before = relay_connections(way);
    int after;

    (void)state;
    relay_hold(way);
    assert_non_null(rig_event_to(r, 1, MUSTER_CUT, RIG_WAIT_MS));
    poll(NULL, 0, 1500);
    after = relay_connections(way);
    relay_release(way);
    printf("           %d attempts in 1.5 s\n", after - before);
    assert_in_range(after - before, 1, 15);
    assert_back(r, 1, pid);
    rig_down(&r);
}

/* Either way it is a cut at once, long before silence would tell; and the
 * connection that was garbled is closed. */
static void a_bit_that_flips_is_a_cut_and_no_more(void **state)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    rig *r = relayed(1, 60000);
    const pid_t pid = rig_pid(r, 1);
    const int fds = rig_descriptors();

    (void)state;
    for (int i = 0; i < GARBLES; i++) {
        const int64_t began = rig_now_ms();

        relay_garble(way);
        assert_code(rig_call(r, 1, "echo", "hello", RIG_WAIT_MS), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, "hello");
        assert_within("a call on a garbled link", began, 5000);
    }
    assert_int_equal(rig_pid(r, 1), pid);
    assert_true(relay_connections(way) > GARBLES / 2);
    while (rig_descriptors() > fds && rig_now_ms() < until)
        poll(NULL, 0, 5);
    assert_int_equal(rig_descriptors(), fds);
    rig_down(&r);
}

/* Marked so, a message is read together with the next one: both count. */
static void a_mark_that_nobody_made_changes_nothing(void **state)
{
    rig *r = relayed(1, 1200 * RIG_SLOW);

    (void)state;
    for (int i = 0; i < 3; i++) {
        relay_mark(way);
        assert_code(rig_call(r, 1, "echo", "marked", RIG_WAIT_MS), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, "marked");
        relay_cut(way); /* now both sides compare what they have */
        assert_code(rig_call(r, 1, "echo", "behind", RIG_WAIT_MS), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, "behind");
    }
    rig_down(&r);
}

/* Three calls, one message each, of which the one behind `after` more that go
 * there is taken out, or its answer. `ran` did before. */
static void delete_one(rig *r, bool of_worker, unsigned after, int ran)
{
    const int64_t began = rig_now_ms();
    const int before = relay_deleted(way);
    muster_future *futures[3];

    relay_delete(way, of_worker, after);
    for (int i = 0; i < 3; i++) {
        futures[i] = rig_start(r, 1, "count", "");
        poll(NULL, 0, 10);
    }
    for (int i = 0; i < 3; i++) {
        assert_counted(r, &futures[i], 101 + ran + i);
    }
    printf("           message %u of the %s: answered after %d ms\n", after + 1,
           of_worker ? "worker" : "manager", (int)(rig_now_ms() - began));
    assert_int_equal(relay_deleted(way), before + 1);
    assert_within("calls, and a message that was deleted", began, 3000);
}

static void assert_anew(rig *r, int connections)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    while (relay_connections(way) == connections && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_true(relay_connections(way) > connections);
    rig_alive(r, 1);
}

/* CURVE takes gaps: the lane must not. With nothing behind it a message is
 * missed when the next heartbeat comes. */
static void a_message_that_is_deleted_is_sent_again(void **state)
{
    rig *r = relayed(1, 3500 + 500 * RIG_SLOW);
    const pid_t pid = rig_pid(r, 1);
    int ran = 0;

    (void)state;
    for (int i = 0; i < 6; i++, ran += 3) {
        const int connections = relay_connections(way);

        delete_one(r, i % 2 == 1, (unsigned)i / 2, ran);
        assert_anew(r, connections);
        assert_back(r, 1, pid);
    }
    assert_true(rig_logged(r, "MESSAGE-MISSED", "by=worker", RIG_WAIT_MS));
    assert_true(rig_logged(r, "MESSAGE-MISSED", "by=manager", RIG_WAIT_MS));
    rig_down(&r);
}

/* A part of a long one, a heartbeat, and WELCOME. */
static void it_need_not_be_a_call(void **state)
{
    rig *r = relayed(1, 1500 + 500 * RIG_SLOW);
    const pid_t pid = rig_pid(r, 1);
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    (void)state;
    relay_delete(way, false, 5);
    assert_code(move(r, "checksum", 16 * RIG_MIB), MUSTER_OK, r->err);
    relay_delete(way, true, 5);
    assert_code(rig_call(r, 1, "big", "16777216", 0), MUSTER_OK, r->err);
    assert_int_equal(relay_deleted(way), 2);
    for (int i = 0; i < 2; i++) {
        const int connections = relay_connections(way);

        relay_delete(way, i == 1, 0);
        while (relay_deleted(way) < 3 + i && rig_now_ms() < until)
            poll(NULL, 0, 1);
        assert_int_equal(relay_deleted(way), 3 + i);
        assert_anew(r, connections);
        assert_back(r, 1, pid);
    }
    relay_cut(way);
    relay_delete(way, false, 0);
    assert_code(rig_call(r, 1, "echo", "behind", RIG_WAIT_MS), MUSTER_OK,
                r->err);
    assert_int_equal(relay_deleted(way), 5);
    assert_int_equal(rig_pid(r, 1), pid);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define relay_test(fn) cmocka_unit_test_teardown(fn, relay_teardown)
        relay_test(no_call_is_lost_or_run_twice_when_the_link_is_cut),
        relay_test(a_cut_in_a_long_request_is_nothing),
        relay_test(a_cut_in_a_long_result_is_nothing),
        relay_test(a_broadcast_does_not_notice_a_cut),
        relay_test(a_link_that_stands_still_too_long_is_a_lost_worker),
        relay_test(a_link_that_stands_still_for_a_moment_is_nothing),
        relay_test(a_connection_that_stands_still_is_left_for_another),
        relay_test(a_worker_does_not_storm_where_it_is_cut_at_once),
        relay_test(a_bit_that_flips_is_a_cut_and_no_more),
        relay_test(a_mark_that_nobody_made_changes_nothing),
        relay_test(a_message_that_is_deleted_is_sent_again),
        relay_test(it_need_not_be_a_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
