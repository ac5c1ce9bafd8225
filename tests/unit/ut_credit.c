/* ut_credit.c - bytes that may be under way. */
#include "unit.h"

#include "bulk/credit.h"
#include "link/wire.h"

/* Whatever the sizes, once all is dealt with a full record can go. */
static void a_sender_never_starves(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 200; round++) {
        mst_credit sender, receiver;
        uint64_t under_way = 0;

        mst_credit_init(&sender, MST_WIRE_WINDOW);
        mst_credit_init(&receiver, MST_WIRE_WINDOW);
        for (int i = 0; i < 500; i++) {
            const uint32_t cost =
                mst_wire_cost(unit_random(&seed) % MST_WIRE_MESSAGE);

            if (sender.left >= cost) {
                mst_credit_pay(&sender, cost);
                under_way += cost;
            } else {
                const uint32_t part =
                    under_way > UINT32_MAX ? UINT32_MAX : (uint32_t)under_way;
                const uint32_t give = mst_credit_earn(&receiver, part);

                assert_true(mst_credit_get(&sender, give));
                under_way = 0;
                assert_true(sender.left >= mst_wire_cost(MST_WIRE_MESSAGE));
            }
            assert_int_equal(sender.left + under_way + receiver.due,
                             MST_WIRE_WINDOW);
        }
    }
}

static void more_than_was_used_is_refused(void **state)
{
    mst_credit c;

    (void)state;
    mst_credit_init(&c, 1000);
    assert_false(mst_credit_get(&c, 1));
    mst_credit_pay(&c, 400);
    assert_false(mst_credit_get(&c, 401));
    assert_false(mst_credit_get(&c, UINT32_MAX));
    assert_true(mst_credit_get(&c, 400));
    assert_int_equal(c.left, 1000);
}

static void it_is_given_back_in_lumps(void **state)
{
    mst_credit c;

    (void)state;
    mst_credit_init(&c, 800);
    assert_int_equal(mst_credit_earn(&c, 99), 0);
    assert_int_equal(mst_credit_earn(&c, 1), 100);
    assert_int_equal(mst_credit_earn(&c, 250), 250);
    assert_int_equal(c.due, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_never_starves),
        cmocka_unit_test(more_than_was_used_is_refused),
        cmocka_unit_test(it_is_given_back_in_lumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
