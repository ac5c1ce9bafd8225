/* ut_json.c - JSON by path, and what is set in it. */
#include "unit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "launch/kube/json.h"

static cJSON *parse(const char *text)
{
    return mst_json_parse(text, strlen(text));
}

static const char sample[] =
    "{\"status\":{\"phase\":\"Running\",\"ready\":true,\"restarts\":3,"
    "\"list\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"none\":null},"
    "\"half\":1.5,\"huge\":1e300,\"least\":-9223372036854775808,"
    "\"beyond\":9223372036854775808,\"0\":\"zero\",\"stat\":1}";

static void a_path_finds_what_is_there(void **state)
{
    MST_AUTO(mst_drop_json) cJSON *json = parse(sample);

    (void)state;
    assert_non_null(json);
    assert_string_equal(mst_json_str(json, "status.phase"), "Running");
    assert_true(mst_json_bool(json, "status.ready", false));
    assert_int_equal(mst_json_int(json, "status.restarts", -1), 3);
    assert_string_equal(mst_json_str(json, "status.list.1.name"), "b");
    assert_string_equal(mst_json_str(json, "0"), "zero");
    assert_int_equal(cJSON_GetArraySize(mst_json_list(json, "status.list")), 2);
    assert_non_null(mst_json_object(json, "status"));
    assert_true(cJSON_IsNull(mst_json_at(json, "status.none")));
    assert_true(mst_json_int(json, "least", 0) == INT64_MIN);
}

static void what_is_absent_or_of_another_type_is_the_default(void **state)
{
    static const char *const absent[] = {"",
                                         "status.",
                                         ".status",
                                         "status..phase",
                                         "stat.x",
                                         "statu",
                                         "status.list",
                                         "status.list.2",
                                         "status.list.x",
                                         "Status",
                                         "status.list.",
                                         "status.list.-1",
                                         "status.list.00000000001",
                                         "status.phase.0"};
    MST_AUTO(mst_drop_json) cJSON *json = parse(sample);

    (void)state;
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (mst_json_str(json, absent[i]) != NULL)
            fail_msg("%s is there", absent[i]);
        assert_int_equal(mst_json_int(json, absent[i], 7), 7);
        assert_true(mst_json_bool(json, absent[i], true));
        assert_null(mst_json_object(json, absent[i]));
    }
    assert_int_equal(mst_json_int(json, "half", 7), 7);
    assert_int_equal(mst_json_int(json, "huge", 7), 7);
    assert_int_equal(mst_json_int(json, "beyond", 7), 7);
    assert_int_equal(mst_json_int(json, "status.phase", 7), 7);
    assert_int_equal(cJSON_GetArraySize(mst_json_list(json, "status")), 0);
    assert_null(mst_json_str(NULL, "x"));
    assert_int_equal(cJSON_GetArraySize(mst_json_list(NULL, "x")), 0);
}

static void only_a_whole_text_is_json(void **state)
{
    static const char *const wrong[] = {
        "", " ", "{", "{}{}", "{} x", "{\"a\"}", "[1,]", "nul", "'a'"};
    char deep[4096];
    cJSON *json;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if ((json = parse(wrong[i])) != NULL) {
            cJSON_Delete(json);
            fail_msg("%s is JSON", wrong[i]);
        }
    memset(deep, '[', sizeof(deep));
    assert_null(mst_json_parse(deep, sizeof(deep)));
    assert_null(mst_json_parse("{}\0", 3));
    assert_null(mst_json_parse(NULL, 0));
    json = parse(" {} \r\n\t");
    assert_non_null(json);
    cJSON_Delete(json);
    json = mst_json_parse("12345", 3); /* it need not be terminated */
    assert_int_equal(json->valueint, 123);
    cJSON_Delete(json);
}

static void what_is_set_stands_where_it_was(void **state)
{
    MST_AUTO(mst_drop_json)
    cJSON *json = parse("{\"a\":1,\"b\":null,\"c\":[]}");
    char *text;

    (void)state;
    assert_true(mst_json_set_str(json, "a", "x"));
    assert_true(mst_json_set_int(json, "a", 999999999999999));
    assert_true(mst_json_set_bool(mst_json_make(json, "b"), "yes", true));
    assert_non_null(mst_json_make(json, "d"));
    assert_ptr_equal(mst_json_make(json, "d"), mst_json_object(json, "d"));
    assert_null(mst_json_make(json, "c"));
    assert_null(mst_json_make(json, "a"));
    text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"a\":999999999999999,\"b\":{\"yes\":true},"
                              "\"c\":[],\"d\":{}}");
    cJSON_free(text);
}

static bool fill(cJSON *json)
{
    cJSON *made = mst_json_make(json, "made");

    return made != NULL && mst_json_set_str(made, "text", "one") &&
           mst_json_set_str(made, "text", "two") &&
           mst_json_set_int(made, "number", 5) &&
           mst_json_set_bool(json, "old", true);
}

static void without_memory_nothing_breaks(void **state)
{
    cJSON_Hooks hooks = {mst_alloc, mst_free};
    bool done = false;
    int failures = 0;

    (void)state;
    cJSON_InitHooks(&hooks);
    for (long n = 1; !done; n++) {
        MST_AUTO(mst_drop_json) cJSON *json = parse("{\"old\":\"text\"}");
        char *text;

        mst_alloc_fail_after(n);
        done = fill(json);
        mst_alloc_fail_after(0);
        failures += !done;
        text = cJSON_PrintUnformatted(json);
        assert_non_null(text);
        if (done)
            assert_string_equal(text, "{\"old\":true,\"made\":{\"text\":"
                                      "\"two\",\"number\":5}}");
        cJSON_free(text);
    }
    for (long n = 1; n < 12; n++) {
        mst_alloc_fail_after(n);
        cJSON_Delete(parse(sample));
        mst_alloc_fail_after(0);
    }
    cJSON_InitHooks(NULL);
    assert_true(failures > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_what_is_there),
        cmocka_unit_test(what_is_absent_or_of_another_type_is_the_default),
        cmocka_unit_test(only_a_whole_text_is_json),
        cmocka_unit_test(what_is_set_stands_where_it_was),
        cmocka_unit_test(without_memory_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
