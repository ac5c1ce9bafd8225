/* ut_fail.c - errors and their sentences. */
#include "unit.h"

#include <errno.h>

#include "base/fail.h"

static void every_code_has_its_own_words(void **state)
{
    (void)state;
    for (int a = 0; a < MUSTER_ERRORS; a++) {
        assert_string_not_equal(muster_strerror((muster_err)a),
                                "unknown error");
        for (int b = 0; b < a; b++)
            assert_string_not_equal(muster_strerror((muster_err)a),
                                    muster_strerror((muster_err)b));
    }
    assert_string_equal(muster_strerror(MUSTER_ERRORS), "unknown error");
    assert_string_equal(muster_strerror((muster_err)-1), "unknown error");
}

static void layers_put_their_words_in_front(void **state)
{
    muster_error err;

    (void)state;
    assert_int_equal(mst_fail_sys(&err, ENOENT, "open %s", "x"), MUSTER_ESYS);
    assert_string_equal(err.text, "open x: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(mst_because(&err, MUSTER_EMODULE, "worker %d", 3),
                     MUSTER_EMODULE);
    assert_string_equal(err.text,
                        "worker 3: open x: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(err.code, MUSTER_EMODULE);
    assert_int_equal(mst_fail(NULL, MUSTER_EINVAL, "x"), MUSTER_EINVAL);
    assert_int_equal(mst_because(NULL, MUSTER_EINVAL, "x"), MUSTER_EINVAL);
}

static void a_text_is_one_line_and_whole_characters(void **state)
{
    char longer[MUSTER_ERROR_TEXT + 88];
    muster_error err;

    (void)state;
    mst_fail(&err, MUSTER_EINVAL, "a\nb\tc\x1b[1md\x7f");
    assert_string_equal(err.text, "a b c [1md ");
    for (size_t shift = 0; shift < 3; shift++) {
        memset(longer, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(longer); i += 3)
            memcpy(longer + i, "\xe2\x82\xac", 4);
        mst_fail(&err, MUSTER_EINVAL, "%s", longer);
        assert_true(strlen(err.text) > MUSTER_ERROR_TEXT - 4);
        assert_int_equal((strlen(err.text) - shift) % 3, 0);
    }
    for (int i = 0; i < 50; i++)
        mst_because(&err, MUSTER_EINVAL, "layer %d", i);
    assert_true(strlen(err.text) < MUSTER_ERROR_TEXT);
}

/* Words in front push the end of a text out: whole characters go, no part. */
static void a_nested_text_loses_whole_characters(void **state)
{
    char longer[MUSTER_ERROR_TEXT + 88];

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(longer); i += 3)
        memcpy(longer + i, "\xe2\x82\xac", 4);
    for (size_t shift = 0; shift < 6; shift++) {
        static const char front[] = "worker";
        muster_error err;
        size_t words;

        mst_fail(&err, MUSTER_EINVAL, "%s", longer);
        mst_because(&err, MUSTER_ELOST, "%.*s", (int)shift, front);
        words = shift + 2;
        assert_memory_equal(err.text, front, shift);
        assert_memory_equal(err.text + shift, ": ", 2);
        assert_true(strlen(err.text) > MUSTER_ERROR_TEXT - 4);
        assert_int_equal((strlen(err.text) - words) % 3, 0);
    }
}

static void a_system_error_that_has_no_words_still_has_its_number(void **state)
{
    muster_error err;

    (void)state;
    assert_int_equal(mst_fail_sys(&err, 99999, "read"), MUSTER_ESYS);
    assert_int_equal(err.code, MUSTER_ESYS);
    assert_int_equal(err.sys, 99999);
    assert_string_equal(err.text, "read: error");
    assert_int_equal(mst_fail_sys(NULL, EPIPE, "x"), MUSTER_ESYS);
    /* a later failure leaves nothing of the one before */
    assert_int_equal(mst_fail(&err, MUSTER_EPROTO, "y"), MUSTER_EPROTO);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_words),
        cmocka_unit_test(layers_put_their_words_in_front),
        cmocka_unit_test(a_text_is_one_line_and_whole_characters),
        cmocka_unit_test(a_nested_text_loses_whole_characters),
        cmocka_unit_test(a_system_error_that_has_no_words_still_has_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
