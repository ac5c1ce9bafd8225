/* ut_lines.c - bytes into lines. */
#include "unit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "launch/lines.h"

typedef struct heard {
    char text[65536];
    size_t used;
    int lines;
} heard;

static void hear(void *arg, const char *line, size_t len)
{
    heard *h = (heard *)arg;

    assert_true(h->used + len + 1 < sizeof(h->text));
    memcpy(h->text + h->used, line, len);
    h->used += len;
    h->text[h->used++] = '|';
    h->text[h->used] = '\0';
    h->lines++;
}

static void pieces_make_whole_lines(void **state)
{
    static const char bytes[] = "one\ntwo\n\nthree and no end";

    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) {
        mst_lines lines = {0};
        heard *h = calloc(1, sizeof(*h));

        for (size_t at = 0; at < sizeof(bytes) - 1; at += step) {
            const size_t left = sizeof(bytes) - 1 - at;

            mst_lines_feed(&lines, bytes + at, left < step ? left : step, hear,
                           h);
        }
        assert_string_equal(h->text, "one|two||");
        mst_lines_end(&lines, hear, h);
        assert_string_equal(h->text, "one|two||three and no end|");
        free(h);
    }
}

static void a_long_line_comes_in_pieces(void **state)
{
    static char bytes[3 * MST_LINE_BYTES + 5];
    mst_lines lines = {0};
    heard *h = calloc(1, sizeof(*h));

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    mst_lines_feed(&lines, bytes, sizeof(bytes), hear, h);
    assert_int_equal(h->lines, 3);
    mst_lines_end(&lines, hear, h);
    assert_int_equal(h->lines, 4);
    assert_int_equal(h->used - 4, sizeof(bytes));
    free(h);
}

/* The newline may come later than a piece of exactly the longest length. */
static void a_long_line_has_no_empty_line_after_it(void **state)
{
    static char bytes[2 * MST_LINE_BYTES + 3];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t len = MST_LINE_BYTES - 1; len < sizeof(bytes); len++) {
        const size_t pieces = (len + MST_LINE_BYTES - 1) / MST_LINE_BYTES;
        mst_lines lines = {0};
        heard *h;

        if (len == MST_LINE_BYTES + 2)
            len = sizeof(bytes) - 5;
        h = calloc(1, sizeof(*h));
        mst_lines_feed(&lines, bytes, len, hear, h);
        mst_lines_feed(&lines, "\nnext\n", 6, hear, h);
        assert_int_equal(h->lines, pieces + 1);
        mst_lines_feed(&lines, "\n", 1, hear, h);
        assert_int_equal(h->lines, pieces + 2);
        mst_lines_end(&lines, hear, h);
        assert_int_equal(h->lines, pieces + 2);
        assert_string_equal(h->text + h->used - 6, "next||");
        free(h);
    }
}

static void without_memory_no_byte_is_lost(void **state)
{
    mst_lines lines = {0};
    heard *h = calloc(1, sizeof(*h));

    (void)state;
    mst_alloc_fail_after(1);
    mst_lines_feed(&lines, "one\ntw", 6, hear, h);
    mst_lines_feed(&lines, "o\nthree\n", 8, hear, h);
    mst_alloc_fail_after(0);
    mst_lines_end(&lines, hear, h);
    assert_string_equal(h->text, "one|tw|o|three|");
    free(h);
}

static void an_end_without_bytes_is_no_line(void **state)
{
    mst_lines lines = {0};
    heard *h = calloc(1, sizeof(*h));

    (void)state;
    mst_lines_end(&lines, hear, h);
    mst_lines_feed(&lines, "", 0, hear, h);
    mst_lines_feed(&lines, "x\n", 2, hear, h);
    mst_lines_end(&lines, hear, h);
    assert_string_equal(h->text, "x|");
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_whole_lines),
        cmocka_unit_test(a_long_line_comes_in_pieces),
        cmocka_unit_test(a_long_line_has_no_empty_line_after_it),
        cmocka_unit_test(without_memory_no_byte_is_lost),
        cmocka_unit_test(an_end_without_bytes_is_no_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
