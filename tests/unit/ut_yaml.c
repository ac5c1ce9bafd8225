/* ut_yaml.c - YAML as JSON, and what of it is refused. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "launch/kube/json.h"
#include "launch/kube/yaml.h"

/* As JSON text, or the error. The caller's, free. */
static char *convert(const char *yaml)
{
    MST_AUTO(mst_drop_json) cJSON *json = NULL;
    muster_error err = {0};
    muster_err rc = mst_yaml_parse(yaml, strlen(yaml), "f", &json, &err);
    char *text;

    if (rc != MUSTER_OK) {
        assert_int_equal(rc, MUSTER_EINVAL);
        assert_int_equal(err.code, rc);
        assert_null(json);
        return strdup(err.text);
    }
    text = cJSON_PrintUnformatted(json);
    assert_non_null(text);
    return text;
}

typedef struct pair {
    const char *yaml, *gives;
} pair;

static void check(const pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *text = convert(pairs[i].yaml);

        if (strcmp(text, pairs[i].gives) != 0)
            fail_msg("%s\n  gives %s\n  not %s", pairs[i].yaml, text,
                     pairs[i].gives);
        free(text);
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void plain_scalars_have_types(void **state)
{
    static const pair pairs[] = {
        {"[~, null, Null, NULL, ]", "[null,null,null,null]"},
        {"a:\nb: ~", "{\"a\":null,\"b\":null}"},
        {"[true, True, TRUE, false, False, FALSE]",
         "[true,true,true,false,false,false]"},
        {"[yes, no, on, Off, y, tRue]",
         "[\"yes\",\"no\",\"on\",\"Off\",\"y\",\"tRue\"]"},
        {"[0, 7, -7, +7, 0x1F, 0o17, 0440, -010, 999999999999999]",
         "[0,7,-7,7,31,15,288,-8,999999999999999]"},
        {"[1.5, -.5, 5., 1e3, +1.5E-1, 0.0]", "[1.5,-0.5,5,1000,0.15,0]"},
        {"[1.2.3, 1e, 0x, 0xg, 0o8, --1, ., -, 1_000, 4Gi, 1:2]",
         "[\"1.2.3\",\"1e\",\"0x\",\"0xg\",\"0o8\",\"--1\",\".\",\"-\","
         "\"1_000\",\"4Gi\",\"1:2\"]"},
        {"['1', \"true\", '~', '', \"0440\"]",
         "[\"1\",\"true\",\"~\",\"\",\"0440\"]"},
        {"2024-01-01", "\"2024-01-01\""},
        {"|\n  1\n", "\"1\\n\""},
        {">-\n  a\n  b\n", "\"a b\""},
        {"[!!str 1, !!int 7, !!float 1, !!int '7', !!bool true, !!null ~]",
         "[\"1\",7,1,7,true,null]"},
        {"", "null"},
        {"# nothing\n", "null"},
        {"---\n...\n", "null"},
    };

    (void)state;
    check(pairs, COUNT(pairs));
}

static void collections_and_aliases_become_json(void **state)
{
    static const pair pairs[] = {
        {"a: 1\nb: [x, {c: d}]\n", "{\"a\":1,\"b\":[\"x\",{\"c\":\"d\"}]}"},
        {"{\"json\": [1, \"two\", null, {}], \"e\": \"\\u00e9\"}",
         "{\"json\":[1,\"two\",null,{}],\"e\":\"\xc3\xa9\"}"},
        {"8080: a\ntrue: b\n'x y': c",
         "{\"8080\":\"a\",\"true\":\"b\",\"x y\":\"c\"}"},
        {"base: &b {k: v}\ncopy: *b\nlist: [*b, &n 5, *n]",
         "{\"base\":{\"k\":\"v\"},\"copy\":{\"k\":\"v\"},"
         "\"list\":[{\"k\":\"v\"},5,5]}"},
        {"[&a 1, *a, &a 2, *a]", "[1,1,2,2]"},
        {"'<<': x", "{\"<<\":\"x\"}"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"},
    };

    (void)state;
    check(pairs, COUNT(pairs));
}

static void what_json_has_not_is_refused_with_its_line(void **state)
{
    static const pair pairs[] = {
        {"a: 1\nb: 2\na: 3\n", "f:3: the key a is there twice, in line 1 too"},
        {"x:\n  a: .inf", "f:2: JSON has no .inf; quote it"},
        {"-.INF", "f:1: JSON has no -.INF; quote it"},
        {".nan", "f:1: JSON has no .nan; quote it"},
        {"\n\n1000000000000000",
         "f:3: an integer of more than 15 digits; quote it"},
        {"0899", "f:1: a number that begins with 0 is octal, and has no digit "
                 "8; quote it, or leave out the 0"},
        {"1e999", "f:1: a number that is too large"},
        {"? [a]\n: b", "f:1: a key must be a word or a number"},
        {"a: &x b\n*x : c", "f:2: a key must be a word or a number"},
        {"&x a: c", "f:1: a key cannot have an anchor"},
        {"!!int 1: c", "f:1: a key cannot have a tag"},
        {"?\n: c", "f:1: a key is missing"},
        {"a: &x {b: c}\nd:\n  <<: *x",
         "f:3: merge keys (<<) are not supported; write the members out"},
        {"\"a\\0b\"", "f:1: a string with a NUL in it"},
        {"\"a\\0b\": c", "f:1: a key with a NUL in it"},
        {"!Ref x", "f:1: the tag !Ref is not known"},
        {"!!binary aGk=", "f:1: what has the tag !!binary is something else"},
        {"!!int x", "f:1: what has the tag !!int is something else"},
        {"!!int 1.5", "f:1: what has the tag !!int is something else"},
        {"!!set {a: b}", "f:1: the tag tag:yaml.org,2002:set is not known"},
        {"!!omap [a]", "f:1: the tag tag:yaml.org,2002:omap is not known"},
        {"a: *b", "f:1: no anchor &b stands before its alias"},
        {"a: &b\n  - *b", "f:2: the alias *b is within its own anchor"},
        {"a: 1\n---\nb: 2", "f:2: a second document (---)"},
        {"a: b: c", "f:1: mapping values are not allowed in this context"},
        {"a:\n\t- b", "f:2: found character that cannot start any token while "
                      "scanning for the next token"},
        {"a: 1\nb: \x01", "f:2: control characters are not allowed"},
    };

    (void)state;
    check(pairs, COUNT(pairs));
}

static void repeat(char *to, const char *text, int n)
{
    for (*to = '\0'; n > 0; n--)
        to = stpcpy(to, text);
}

static void limits_hold(void **state)
{
    static char text[5 << 20];
    static char bomb[4096];
    char *said, *at = bomb;

    (void)state;
    repeat(text, "[", MST_YAML_DEPTH - 1);
    repeat(text + strlen(text), "]", MST_YAML_DEPTH - 1);
    said = convert(text);
    assert_string_equal(said, text);
    free(said);
    repeat(text, "[", 100000);
    said = convert(text);
    assert_string_equal(said, "f:1: nested deeper than 64");
    free(said);

    repeat(text, "- x\n", MST_YAML_NODES);
    said = convert(text);
    assert_non_null(strstr(said, "more than 100000 values"));
    free(said);

    at += sprintf(at, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++)
        at += sprintf(at, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                      i - 1, i - 1, i - 1);
    said = convert(bomb);
    assert_non_null(strstr(said, "by its aliases it grows too large"));
    free(said);

    at = bomb + sprintf(bomb, "[&a0 [x]");
    for (int i = 1; i < 100; i++)
        at += sprintf(at, ",&a%d [*a%d]", i, i - 1);
    strcpy(at, "]");
    said = convert(bomb);
    assert_string_equal(said, "f:1: nested deeper than 64");
    free(said);

    /* long strings, repeated */
    strcpy(text, "- &a ");
    repeat(text + strlen(text), "x", 1 << 20);
    strcat(text, "\n");
    repeat(text + strlen(text), "- *a\n", 10);
    said = convert(text);
    assert_string_equal(said, "f:6: by its aliases it grows too large");
    free(said);

    repeat(text, "- &a x\n", MST_YAML_ANCHORS + 1);
    said = convert(text);
    assert_string_equal(said, "f:257: more than 256 anchors");
    free(said);
}

/* Two of 50,000 keys are the same: found, and not by comparing all pairs. */
static void many_keys_are_compared(void **state)
{
    static char text[1 << 20];
    char *at = text, *said;

    (void)state;
    for (int i = 0; i < 49000; i++)
        at += sprintf(at, "key%d: 1\n", i);
    said = convert(text);
    assert_int_equal(said[0], '{');
    free(said);
    strcpy(at, "key20000: 2\n");
    said = convert(text);
    assert_string_equal(said, "f:49001: the key key20000 is there twice, in "
                              "line 20001 too");
    free(said);
}

static void files_are_read(void **state)
{
    char path[] = "/tmp/ut_yaml.XXXXXX";
    const int fd = mkstemp(path);
    MST_AUTO(mst_drop_json) cJSON *json = NULL;
    muster_error err;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: [1, 2]\n", 10), 10);
    assert_int_equal(mst_yaml_read(path, &json, &err), MUSTER_OK);
    assert_int_equal(mst_json_int(json, "a.1", 0), 2);
    cJSON_Delete(MST_MOVE(json));
    assert_int_equal(ftruncate(fd, MST_YAML_BYTES + 1), 0);
    assert_int_equal(mst_yaml_read(path, &json, &err), MUSTER_EINVAL);
    assert_non_null(strstr(err.text, "has more than 4194304 bytes"));
    close(fd);
    unlink(path);
    assert_int_equal(mst_yaml_read(path, &json, &err), MUSTER_ESYS);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(mst_yaml_read("/tmp", &json, NULL), MUSTER_ESYS);
    assert_null(json);
}

static void without_memory_it_says_so(void **state)
{
    static const char text[] =
        "a: &a {b: [1, 2.5, yes, ~, true], c: 'd'}\ne: *a\n8: !!int '7'\n";
    cJSON_Hooks hooks = {mst_alloc, mst_free};
    muster_err rc = MUSTER_ENOMEM;
    int failures = 0;

    (void)state;
    cJSON_InitHooks(&hooks);
    for (long n = 1; rc != MUSTER_OK; n++) {
        MST_AUTO(mst_drop_json) cJSON *json = NULL;
        muster_error err = {0};

        mst_alloc_fail_after(n);
        rc = mst_yaml_parse(text, strlen(text), "f", &json, &err);
        mst_alloc_fail_after(0);
        if (rc == MUSTER_OK)
            continue;
        failures++;
        if (rc != MUSTER_ENOMEM)
            fail_msg("allocation %ld: %s", n, err.text);
        assert_int_equal(err.code, MUSTER_ENOMEM);
        assert_null(json);
    }
    cJSON_InitHooks(NULL);
    assert_true(failures > 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_have_types),
        cmocka_unit_test(collections_and_aliases_become_json),
        cmocka_unit_test(what_json_has_not_is_refused_with_its_line),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(many_keys_are_compared),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
