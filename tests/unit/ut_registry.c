/* ut_registry.c - handlers by name, modules as a whole. */
#include "unit.h"

#include "call/handler.h"
#include "call/registry.h"

static char order[16];

static int one(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    return 1;
}

static int start_well(muster_ctx *ctx)
{
    (void)ctx;
    return 0;
}

static int start_badly(muster_ctx *ctx)
{
    return muster_fail(ctx, 5, "no licence");
}

static void end_a(void)
{
    strcat(order, "a");
}

static void end_b(void)
{
    strcat(order, "b");
}

#define HANDLER(name)                                                          \
    {                                                                          \
        MUSTER_MODULE_ABI, 0, name, one, NULL, NULL, NULL                      \
    }

static void handlers_are_found_by_name(void **state)
{
    static muster_entry_ entries[] = {
        HANDLER("alpha"),
        HANDLER("beta"),
        {MUSTER_MODULE_ABI, 1, "start_well", NULL, start_well, NULL, NULL},
        {MUSTER_MODULE_ABI, 2, "end_a", NULL, NULL, end_a, NULL}};
    muster_ctx ctx = {0};
    muster_error err;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        muster_register_(&entries[i]);
    assert_null(mst_registry_find("alpha", 5));
    assert_int_equal(mst_registry_collect("first.so", &ctx, &err), MUSTER_OK);
    assert_ptr_equal(mst_registry_find("alpha", 5), one);
    assert_ptr_equal(mst_registry_find("beta and more", 4), one);
    assert_null(mst_registry_find("alph", 4));
    assert_null(mst_registry_find("gamma", 5));
}

static void a_name_that_is_taken_is_refused(void **state)
{
    static muster_entry_ entries[] = {HANDLER("gamma"), HANDLER("alpha")};
    muster_ctx ctx = {0};
    muster_error err;

    (void)state;
    muster_register_(&entries[0]);
    muster_register_(&entries[1]);
    assert_int_equal(mst_registry_collect("second.so", &ctx, &err),
                     MUSTER_EMODULE);
    assert_non_null(strstr(err.text, "second.so"));
    assert_non_null(strstr(err.text, "alpha"));
    assert_non_null(strstr(err.text, "first.so"));
    assert_null(mst_registry_find("gamma", 5));
}

static void another_abi_is_refused(void **state)
{
    static muster_entry_ entry = {77, 0, "delta", one, NULL, NULL, NULL};
    muster_ctx ctx = {0};
    muster_error err;

    (void)state;
    muster_register_(&entry);
    assert_int_equal(mst_registry_collect("old.so", &ctx, &err),
                     MUSTER_EMODULE);
    assert_non_null(strstr(err.text, "77"));
    assert_null(mst_registry_find("delta", 5));
}

static void a_start_that_fails_fails_the_module(void **state)
{
    static muster_entry_ entries[] = {
        HANDLER("epsilon"),
        {MUSTER_MODULE_ABI, 1, "start_badly", NULL, start_badly, NULL, NULL}};
    muster_ctx ctx = {0};
    muster_error err;

    (void)state;
    muster_register_(&entries[0]);
    muster_register_(&entries[1]);
    assert_int_equal(mst_registry_collect("third.so", &ctx, &err),
                     MUSTER_EMODULE);
    assert_non_null(strstr(err.text, "start_badly returned 5: no licence"));
    assert_null(mst_registry_find("epsilon", 7));
}

static void ends_run_last_module_first_and_once(void **state)
{
    static muster_entry_ entry = {
        MUSTER_MODULE_ABI, 2, "end_b", NULL, NULL, end_b, NULL};
    muster_ctx ctx = {0};
    muster_error err;

    (void)state;
    muster_register_(&entry);
    assert_int_equal(mst_registry_collect("fourth.so", &ctx, &err), MUSTER_OK);
    mst_registry_end();
    assert_string_equal(order, "ba");
    mst_registry_end();
    assert_string_equal(order, "ba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_are_found_by_name),
        cmocka_unit_test(a_name_that_is_taken_is_refused),
        cmocka_unit_test(another_abi_is_refused),
        cmocka_unit_test(a_start_that_fails_fails_the_module),
        cmocka_unit_test(ends_run_last_module_first_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
