/* it_cut.c - a link that is cut: for how long, and what is said meanwhile. */
#include <poll.h>
#include <string.h>

#include "resume_rig.h"

static void a_cut_of_half_the_time_out(void **state)
{
    const int64_t heartbeat = 2000 * RIG_SLOW;
    rig *r = resume_up(2, heartbeat);
    const int64_t began = rig_now_ms();
    muster_future *lingers, *waits, *late;
    muster_info info;

    (void)state;
    lingers = rig_start(r, 1, "linger", "");
    assert_non_null(rig_take_line(r, 1, "lingers", RIG_WAIT_MS));
    relay_hold(at.way);
    for (uint32_t rank = 1; rank <= 2; rank++)
        assert_non_null(rig_event_to(r, rank, MUSTER_CUT, RIG_WAIT_MS));
    /* one that is cut counts, and what is asked of it waits */
    assert_int_equal(muster_size(r->m), 2);
    resume_start(2, "tick", resume_take(1), 10, 10, 0, &waits);
    resume_start(2, "tick", resume_take(1), 10, 10, 0, &late);
    assert_false(muster_future_wait(waits, 20));
    /* deadlines run on, and who is cancelled is told when it is back */
    assert_code(rig_call(r, 2, "tick", "x", 100), MUSTER_ETIMEOUT, r->err);
    muster_future_cancel(lingers);
    assert_code(rig_result(r, &lingers), MUSTER_ECANCELED, r->err);
    while (rig_now_ms() - began < heartbeat / 2)
        poll(NULL, 0, 10);
    assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.state, MUSTER_CUT);
    relay_release(at.way);
    resume_finish(&waits, 0, 10);
    resume_finish(&late, 1, 10);
    assert_each_once(0, 2);
    assert_non_null(rig_take_line(r, 1, "cancelled", RIG_WAIT_MS));
    assert_true(rig_logged(r, "LINK-RESUMED", "rank=1", RIG_WAIT_MS));
    resume_down();
}

static void a_cut_of_more_than_the_time_out(void **state)
{
    const int64_t heartbeat = 800 * RIG_SLOW;
    rig *r = resume_up(2, heartbeat);
    const int64_t began = rig_now_ms();
    muster_future *f;
    muster_info info;

    (void)state;
    f = rig_start(r, 1, "linger", "");
    assert_non_null(rig_take_line(r, 1, "lingers", RIG_WAIT_MS));
    relay_hold(at.way);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1", "cut", "did not come back");
    assert_within("a link that was cut too long", began, 1500);
    while (rig_now_ms() - began < heartbeat * 3 / 2)
        poll(NULL, 0, 10);
    relay_release(at.way);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        assert_non_null(rig_event_to(r, rank, MUSTER_LOST, RIG_WAIT_MS));
        /* it says why: cut for too long, or the manager's no */
        assert_in_range(resume_status(rank), 75, 77);
    }
    assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK, r->err);
    assert_words(info.verdict, "cut", "ago", "did not come back");
    assert_int_equal(muster_size(r->m), 0);
    resume_down();
}

static void one_that_drains_is_cut(void **state)
{
    const uint32_t one = 1;
    rig *r = resume_up(1, 10000 * RIG_SLOW);
    const uint32_t first = resume_take(100);
    muster_future *futures[100];

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        resume_start(1, "tick", first + i, 100, 50000, 0, &futures[i]);
    relay_cut_after(at.way, 100000);
    assert_code(muster_remove(r->m, &one, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    for (uint32_t i = 0; i < 100; i++)
        resume_finish(&futures[i], first + i, 50000);
    assert_int_equal(resume_status(1), 0);
    resume_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define cut_test(fn) cmocka_unit_test_teardown(fn, resume_teardown)
        cut_test(a_cut_of_half_the_time_out),
        cut_test(a_cut_of_more_than_the_time_out),
        cut_test(one_that_drains_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
