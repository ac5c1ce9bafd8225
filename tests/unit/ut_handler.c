/* ut_handler.c - what a handler can do with its context and its result. */
#include "unit.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "call/handler.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

static void a_result_grows_as_it_is_written(void **state)
{
    muster_out out = {0};
    unsigned char bytes[97];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    for (int i = 0; i < 2000; i++) {
        const size_t n = (size_t)i % (sizeof(bytes) + 1);

        assert_int_equal(muster_out_write(&out, bytes, n), 0);
        len += n;
        assert_int_equal(out.len, len);
        assert_in_range(out.room, len, SIZE_MAX);
    }
    len = 0;
    for (int i = 0; i < 2000; i++) {
        const size_t n = (size_t)i % (sizeof(bytes) + 1);

        assert_memory_equal(out.data + len, bytes, n);
        len += n;
    }
    mst_out_fini(&out);
    assert_null(out.data);
    assert_int_equal(out.len, 0);
}

static void nothing_can_be_written(void **state)
{
    muster_out out = {0};

    (void)state;
    assert_int_equal(muster_out_write(&out, NULL, 0), 0);
    assert_non_null(muster_out_reserve(&out, 0));
    assert_int_equal(muster_out_printf(&out, "%s", ""), 0);
    assert_int_equal(out.len, 0);
    assert_false(out.broken);
    mst_out_fini(&out);
}

static void printed_text_has_no_nul_behind_it(void **state)
{
    muster_out out = {0};
    char line[512], want[32];

    (void)state;
    assert_int_equal(muster_out_printf(&out, "%d-%s", 7, "up"), 0);
    assert_int_equal(muster_out_write(&out, "|", 1), 0);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "7-up|", 5);
    /* one that ends exactly where the room does, and one beyond it */
    memset(line, 'x', sizeof(line));
    for (size_t n = 240; n < 270; n++) {
        mst_out_fini(&out);
        assert_int_equal(muster_out_printf(&out, "%.*s", (int)n, line), 0);
        assert_int_equal(out.len, n);
        snprintf(want, sizeof(want), "<%zu>", n);
        assert_int_equal(muster_out_printf(&out, "<%zu>", n), 0);
        assert_int_equal(out.len, n + strlen(want));
        assert_memory_equal(out.data, line, n);
        assert_memory_equal(out.data + n, want, strlen(want));
    }
    mst_out_fini(&out);
}

static void the_first_reserve_is_aligned_for_any_type(void **state)
{
    static const size_t sizes[] = {1, 8, 255, 256, 257, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        muster_out out = {0};
        unsigned char *at = muster_out_reserve(&out, sizes[i]);

        assert_non_null(at);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        memset(at, 0xa5, sizes[i]);
        assert_int_equal(out.len, sizes[i]);
        mst_out_fini(&out);
    }
}

/* A handler that ignores one failure must not send a result with a hole. */
static void without_memory_a_result_is_broken_for_good(void **state)
{
    muster_out out = {0};
    char big[1024] = "";
    int wrote, printed;
    void *reserved;

    (void)state;
    assert_int_equal(muster_out_write(&out, "ok", 2), 0);
    mst_alloc_fail_after(1);
    wrote = muster_out_write(&out, big, sizeof(big));
    mst_alloc_fail_after(0);
    assert_int_equal(wrote, MUSTER_ENOMEM);
    assert_true(out.broken);
    wrote = muster_out_write(&out, "x", 1);
    printed = muster_out_printf(&out, "x");
    reserved = muster_out_reserve(&out, 1);
    assert_int_equal(wrote, MUSTER_ENOMEM);
    assert_int_equal(printed, MUSTER_ENOMEM);
    assert_null(reserved);
    assert_int_equal(out.len, 2);
    mst_out_fini(&out);
}

static void more_than_there_can_be_is_refused(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        muster_out out = {0};

        assert_int_equal(muster_out_write(&out, "abc", 3), 0);
        assert_null(muster_out_reserve(&out, sizes[i]));
        assert_true(out.broken);
        assert_int_equal(out.len, 3);
        mst_out_fini(&out);
    }
}

static void a_failure_keeps_its_words_and_its_number(void **state)
{
    muster_ctx ctx = {0};
    char words[MUSTER_ERROR_TEXT + 88];

    (void)state;
    assert_false(ctx.failed);
    assert_int_equal(muster_fail(&ctx, 42, "no file %s", "a.txt"), 42);
    assert_true(ctx.failed);
    assert_string_equal(ctx.text, "no file a.txt");
    assert_int_equal(muster_fail(&ctx, 0, "zero"), 1);
    assert_string_equal(ctx.text, "zero");
    assert_int_equal(muster_fail(&ctx, -3, "%s", ""), -3);
    assert_string_equal(ctx.text, "");
    memset(words, 'w', sizeof(words));
    words[sizeof(words) - 1] = 0;
    assert_int_equal(muster_fail(&ctx, 2, "%s", words), 2);
    assert_int_equal(strlen(ctx.text), MUSTER_ERROR_TEXT - 1);
    assert_memory_equal(ctx.text, words, MUSTER_ERROR_TEXT - 1);
}

static void a_deadline_that_passed_cancels(void **state)
{
    muster_ctx ctx = {.until_ms = MST_NEVER};

    (void)state;
    assert_true(muster_ctx_remaining_ms(&ctx) == INT64_MAX);
    assert_false(muster_ctx_canceled(&ctx));
    ctx.until_ms = mst_until_ms(DAY_MS);
    assert_in_range(muster_ctx_remaining_ms(&ctx), 1, DAY_MS);
    assert_false(muster_ctx_canceled(&ctx));
    ctx.until_ms = mst_now_ms();
    assert_int_equal(muster_ctx_remaining_ms(&ctx), 0);
    assert_true(muster_ctx_canceled(&ctx));
    ctx.until_ms = 0;
    assert_int_equal(muster_ctx_remaining_ms(&ctx), 0);
    assert_true(muster_ctx_canceled(&ctx));
}

static void a_caller_that_gave_up_cancels(void **state)
{
    muster_ctx ctx = {.until_ms = MST_NEVER};

    (void)state;
    atomic_store(&ctx.canceled, true);
    assert_true(muster_ctx_canceled(&ctx));
    assert_true(muster_ctx_remaining_ms(&ctx) == INT64_MAX);
}

static void a_context_says_who_we_are(void **state)
{
    const muster_ctx ctx = {.rank = 1,
                            .incarnation = 2,
                            .size = 3,
                            .index = 4,
                            .count = 5,
                            .session = "session"};

    (void)state;
    assert_int_equal(muster_ctx_rank(&ctx), 1);
    assert_int_equal(muster_ctx_incarnation(&ctx), 2);
    assert_int_equal(muster_ctx_size(&ctx), 3);
    assert_int_equal(muster_ctx_index(&ctx), 4);
    assert_int_equal(muster_ctx_count(&ctx), 5);
    assert_string_equal(muster_ctx_session(&ctx), "session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_grows_as_it_is_written),
        cmocka_unit_test(nothing_can_be_written),
        cmocka_unit_test(printed_text_has_no_nul_behind_it),
        cmocka_unit_test(the_first_reserve_is_aligned_for_any_type),
        cmocka_unit_test(without_memory_a_result_is_broken_for_good),
        cmocka_unit_test(more_than_there_can_be_is_refused),
        cmocka_unit_test(a_failure_keeps_its_words_and_its_number),
        cmocka_unit_test(a_deadline_that_passed_cancels),
        cmocka_unit_test(a_caller_that_gave_up_cancels),
        cmocka_unit_test(a_context_says_who_we_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
