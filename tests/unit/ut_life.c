/* ut_life.c - the table of a worker's life. */
#include "unit.h"

#include "link/life.h"

static void the_end_is_the_end(void **state)
{
    (void)state;
    for (int ev = 0; ev < MST_LIFE_EVENTS; ev++) {
        assert_int_equal(mst_life_next(MUSTER_GONE, (mst_life_event)ev),
                         MUSTER_GONE);
        assert_int_equal(mst_life_next(MUSTER_LOST, (mst_life_event)ev),
                         MUSTER_LOST);
    }
    assert_true(mst_life_over(MUSTER_GONE) && mst_life_over(MUSTER_LOST));
}

static void nothing_goes_back_to_the_start(void **state)
{
    (void)state;
    for (int s = MUSTER_BOOTING; s < (int)MST_LIFE_STATES; s++)
        for (int ev = 0; ev < MST_LIFE_EVENTS; ev++)
            assert_int_not_equal(
                mst_life_next((muster_state)s, (mst_life_event)ev),
                MUSTER_ASKED);
}

static void every_live_state_can_end(void **state)
{
    (void)state;
    for (int s = MUSTER_ASKED; s < MUSTER_GONE; s++) {
        assert_int_equal(mst_life_next((muster_state)s, MST_EV_FAILED),
                         MUSTER_LOST);
        assert_int_equal(mst_life_next((muster_state)s, MST_EV_ENDED),
                         MUSTER_LOST);
        assert_true(
            mst_life_over(mst_life_next((muster_state)s, MST_EV_ENDED_OK)));
        assert_int_equal(mst_life_next((muster_state)s, MST_EV_STOP),
                         MUSTER_LEAVING);
    }
}

static void only_who_was_told_is_gone(void **state)
{
    (void)state;
    for (int s = MUSTER_ASKED; s < MUSTER_GONE; s++)
        assert_int_equal(mst_life_next((muster_state)s, MST_EV_ENDED_OK),
                         s == MUSTER_LEAVING ? MUSTER_GONE : MUSTER_LOST);
}

static void the_usual_life(void **state)
{
    static const struct {
        mst_life_event event;
        muster_state to;
    } life[] = {
        {MST_EV_STARTED, MUSTER_BOOTING}, {MST_EV_HELLO, MUSTER_JOINING},
        {MST_EV_LOADED, MUSTER_READY},    {MST_EV_CUT, MUSTER_CUT},
        {MST_EV_HELLO, MUSTER_JOINING},   {MST_EV_CUT, MUSTER_CUT},
        {MST_EV_STARTED, MUSTER_CUT},     {MST_EV_HELLO, MUSTER_JOINING},
        {MST_EV_RESUMED, MUSTER_JOINING}, {MST_EV_LOADED, MUSTER_READY},
        {MST_EV_CUT, MUSTER_CUT},         {MST_EV_RESUMED, MUSTER_READY},
        {MST_EV_HELLO, MUSTER_READY},     {MST_EV_RESUMED, MUSTER_READY},
        {MST_EV_STOP, MUSTER_LEAVING},    {MST_EV_CUT, MUSTER_LEAVING},
        {MST_EV_ENDED_OK, MUSTER_GONE},
    };
    muster_state now = MUSTER_ASKED;

    (void)state;
    for (size_t i = 0; i < sizeof(life) / sizeof(life[0]); i++) {
        now = mst_life_next(now, life[i].event);
        assert_string_equal(muster_state_name(now),
                            muster_state_name(life[i].to));
    }
    /* a connection may come before the launcher says that it runs */
    assert_int_equal(mst_life_next(MUSTER_ASKED, MST_EV_HELLO), MUSTER_JOINING);
}

static void states_have_names(void **state)
{
    (void)state;
    for (int a = 0; a < (int)MST_LIFE_STATES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(muster_state_name((muster_state)a),
                                    muster_state_name((muster_state)b));
    assert_string_equal(muster_state_name((muster_state)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_the_end),
        cmocka_unit_test(nothing_goes_back_to_the_start),
        cmocka_unit_test(every_live_state_can_end),
        cmocka_unit_test(only_who_was_told_is_gone),
        cmocka_unit_test(the_usual_life),
        cmocka_unit_test(states_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
