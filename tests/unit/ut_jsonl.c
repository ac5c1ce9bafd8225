/* ut_jsonl.c - lines of JSON: what any parser takes, whatever a text holds. */
#include "unit.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "cli/jsonl.h"

static void assert_line(const char *value, const char *want)
{
    char text[256], all[300];
    mst_jsonl j;

    mst_jsonl_begin(&j, text, sizeof(text));
    mst_jsonl_str(&j, "t", value);
    assert_true(mst_jsonl_end(&j));
    snprintf(all, sizeof(all), "{\"t\":\"%s\"}\n", want);
    assert_int_equal(j.len, strlen(all));
    assert_memory_equal(text, all, j.len);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_line("", "");
    assert_line("plain", "plain");
    assert_line("a\"b\\c/", "a\\\"b\\\\c/");
    assert_line("\n\t\x01\x1f\x7f", "\\u000a\\u0009\\u0001\\u001f\\u007f");
    assert_line("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    assert_line("\xff", "\\ufffd");
    assert_line("a\xc3", "a\\ufffd");          /* cut */
    assert_line("\xc3(", "\\ufffd(");          /* not continued */
    assert_line("\xc0\xaf", "\\ufffd\\ufffd"); /* longer than needed */
    assert_line("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd");
    assert_line("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    assert_line("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd");
    assert_line("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    assert_line("\x80z", "\\ufffdz");
}

static void members_and_objects(void **state)
{
    char text[256];
    mst_jsonl j;

    (void)state;
    mst_jsonl_begin(&j, text, sizeof(text));
    mst_jsonl_int(&j, "a", INT64_MIN);
    mst_jsonl_open(&j, "o");
    mst_jsonl_uint(&j, "b", UINT64_MAX);
    mst_jsonl_str(&j, "c", "x");
    mst_jsonl_close(&j);
    mst_jsonl_int(&j, "d", 0);
    assert_true(mst_jsonl_end(&j));
    text[j.len] = '\0';
    assert_string_equal(text, "{\"a\":-9223372036854775808,\"o\":{\"b\":"
                              "18446744073709551615,\"c\":\"x\"},\"d\":0}\n");
}

static void what_does_not_fit_is_no_line(void **state)
{
    char text[20];

    (void)state;
    for (size_t room = 1; room <= 9; room++) {
        mst_jsonl j;

        memset(text, '#', sizeof(text));
        mst_jsonl_begin(&j, text, room);
        mst_jsonl_int(&j, "a", 7); /* {"a":7} and the newline: 8 */
        assert_int_equal(mst_jsonl_end(&j), room >= 8);
        assert_int_equal(text[room], '#');
    }
}

/* Random bytes: another parser reads them, and no newline is within. */
static void any_bytes_are_one_line(void **state)
{
    uint64_t seed = 20;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char value[24], text[256];
        size_t n = unit_random(&seed) % (sizeof(value) - 1);
        cJSON *parsed;
        mst_jsonl j;

        value[n] = '\0';
        while (n-- > 0) {
            const uint64_t r = unit_random(&seed);

            value[n] = (char)(1 + (r % 2 == 0 ? r / 2 % 255 : r / 2 % 127));
        }
        mst_jsonl_begin(&j, text, sizeof(text));
        mst_jsonl_str(&j, "t", value);
        assert_true(mst_jsonl_end(&j));
        assert_ptr_equal(memchr(text, '\n', j.len), text + j.len - 1);
        parsed = cJSON_ParseWithLength(text, j.len);
        assert_non_null(parsed);
        assert_true(cJSON_IsString(cJSON_GetObjectItem(parsed, "t")));
        cJSON_Delete(parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(members_and_objects),
        cmocka_unit_test(what_does_not_fit_is_no_line),
        cmocka_unit_test(any_bytes_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
