/* it_inner_posts.c - posts that handlers make: as the program's own. */
#include <muster/worker.h>

#include "rig.h"

static rig *up(uint32_t n)
{
    rig *r = rig_up(n);

    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    return r;
}

static void a_failed_one_is_logged(void **state)
{
    rig *r = up(2);

    (void)state;
    assert_code(rig_call(r, 1, "post_on", "2 fail 3 in vain", 0), MUSTER_OK,
                r->err);
    assert_true(rig_logged(
        r, "POST-FAILED", "rank=2 by=1 handler=fail why=in vain", RIG_WAIT_MS));
    assert_code(rig_call(r, 1, "post_on", "7 echo", 0), MUSTER_OK, r->err);
    assert_true(rig_logged(r, "POST-FAILED", "no worker 7", RIG_WAIT_MS));
    rig_alive(r, 2);
    rig_down(&r);
}

/* It waits at another when the one that made it is told to go. */
static void it_outlives_its_worker(void **state)
{
    rig *r = up(2);
    muster_future *busy = rig_start(r, 2, "until_canceled", "");
    const uint32_t first = 1;

    (void)state;
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    assert_code(rig_call(r, 1, "post_on", "2 note left behind", 0), MUSTER_OK,
                r->err);
    assert_code(muster_remove(r->m, &first, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    muster_future_cancel(busy);
    assert_code(rig_result(r, &busy), MUSTER_ECANCELED, r->err);
    assert_code(rig_call(r, 2, "notes", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "left behind");
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_failed_one_is_logged),
        rig_test(it_outlives_its_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
