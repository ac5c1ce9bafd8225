/* it_blobs.c - named data on all workers: put, got in place, dropped. */
#include "rig.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/worker.h>

static int blob_here(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    char name[64] = "";
    const char *data;
    size_t n;

    memcpy(name, in, len < 63 ? len : 63);
    data = muster_get(ctx, name, &n);
    if (data == NULL)
        return muster_fail(ctx, 2, "no blob %s", name);
    return muster_out_printf(out, "%zu %.*s", n, (int)n, data);
}
MUSTER_HANDLER(blob_here);

static atomic_int until_no_node; /* 1: the next one has no memory */

/* The linker puts it before the one of the system. */
void *__real_tsearch(const void *key, void **root,
                     int (*order)(const void *a, const void *b));
void *__wrap_tsearch(const void *key, void **root,
                     int (*order)(const void *a, const void *b));

void *__wrap_tsearch(const void *key, void **root,
                     int (*order)(const void *a, const void *b))
{
    if (atomic_load(&until_no_node) > 0 &&
        atomic_fetch_sub(&until_no_node, 1) == 1)
        return NULL;
    return __real_tsearch(key, root, order);
}

static rig *up(uint32_t n)
{
    rig *r = rig_up(n);
    muster_error err;

    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

static void put(rig *r, const char *name, const char *text)
{
    assert_code(muster_put(r->m, name, text, strlen(text), &r->err), MUSTER_OK,
                r->err);
}

static void assert_blob(rig *r, uint32_t rank, const char *name,
                        const char *want)
{
    assert_code(rig_call(r, rank, rank == 0 ? "blob_here" : "blob", name, 0),
                want != NULL ? MUSTER_OK : MUSTER_EREMOTE, r->err);
    if (want != NULL)
        assert_string_equal(r->answer, want);
}

static void all_workers_have_what_was_put(void **state)
{
    rig *r = up(2);

    (void)state;
    put(r, "greeting", "hello");
    put(r, "empty", "");
    for (uint32_t rank = 0; rank <= 2; rank++) {
        assert_blob(r, rank, "greeting", "5 hello");
        assert_blob(r, rank, "empty", "0 ");
        assert_blob(r, rank, "nothing", NULL);
    }
    rig_launch(r, 1);
    assert_blob(r, 3, "greeting", "5 hello");
    rig_down(&r);
}

static void a_dropped_blob_is_gone_everywhere(void **state)
{
    rig *r = up(2);

    (void)state;
    put(r, "a", "1");
    assert_code(muster_drop(r->m, "a", &r->err), MUSTER_OK, r->err);
    for (uint32_t rank = 0; rank <= 2; rank++)
        assert_blob(r, rank, "a", NULL);
    rig_launch(r, 1);
    assert_blob(r, 3, "a", NULL);
    put(r, "a", "22");
    for (uint32_t rank = 0; rank <= 3; rank++)
        assert_blob(r, rank, "a", "2 22");
    rig_down(&r);
}

static void one_name_is_one_blob(void **state)
{
    rig *r = up(1);

    (void)state;
    put(r, "a", "1");
    put(r, "a", "1"); /* the same bytes */
    assert_code(muster_put(r->m, "a", "2", 1, &r->err), MUSTER_EEXIST, r->err);
    assert_words(r->err.text, "a", "drop");
    assert_blob(r, 1, "a", "1 1");
    assert_code(muster_drop(r->m, "b", &r->err), MUSTER_ENOENT, r->err);
    assert_code(muster_put(r->m, "", "2", 1, &r->err), MUSTER_EINVAL, r->err);
    assert_code(muster_put(r->m, "x", NULL, 1, &r->err), MUSTER_EINVAL, r->err);
    assert_code(muster_put(r->m, NULL, "", 0, &r->err), MUSTER_EINVAL, r->err);
    rig_down(&r);
}

static void a_handler_keeps_what_it_got(void **state)
{
    const size_t len = 3 * RIG_MIB;
    char *data = malloc(len), want[64];
    muster_future *f;
    muster_reply *reply = NULL;
    rig *r = up(1);

    (void)state;
    memset(data, 'x', len);
    assert_code(muster_put(r->m, "big", data, len, &r->err), MUSTER_OK, r->err);
    free(data);
    f = rig_start(r, 1, "hold_blob", "big");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(muster_drop(r->m, "big", &r->err), MUSTER_OK, r->err);
    assert_code(muster_future_result(f, &reply, &r->err), MUSTER_OK, r->err);
    snprintf(want, sizeof(want), "%zu x same", len);
    assert_string_equal(reply->data, want);
    muster_reply_destroy(&reply);
    muster_future_destroy(&f);
    assert_blob(r, 1, "big", NULL);
    rig_down(&r);
}

/* A handler that fails with more words than a record holds. */
static void a_long_reason_is_cut(void **state)
{
    char name[400] = "";
    rig *r = up(1);

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    assert_code(rig_call(r, 1, "blob", name, 0), MUSTER_EREMOTE, r->err);
    assert_words(r->err.text, "no blob nnn", "nnn");
    put(r, "a", "1");
    assert_blob(r, 1, "a", "1 1");
    rig_down(&r);
}

static void without_workers_it_is_kept_for_later(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    put(r, "a", "1");
    put(r, "b", "1");
    assert_code(muster_drop(r->m, "b", &r->err), MUSTER_OK, r->err);
    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    rig_launch(r, 1);
    assert_blob(r, 1, "a", "1 1");
    assert_blob(r, 1, "b", NULL);
    rig_down(&r);
}

static void a_lost_worker_does_not_fail_a_put(void **state)
{
    rig *r = up(2);

    (void)state;
    kill(rig_pid(r, 2), SIGKILL);
    put(r, "a", "1");
    assert_blob(r, 1, "a", "1 1");
    rig_down(&r);
}

/* At its deadline it is taken back from those who have it already. */
static void a_put_that_fails_leaves_nothing(void **state)
{
    muster_options o = rig_options();
    rig *r;

    (void)state;
    o.call_timeout_ms = 300 * RIG_SLOW;
    r = rig_up_with(&o, 2);
    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    rig_stop(rig_pid(r, 1));
    assert_code(muster_put(r->m, "b", "first", 5, &r->err), MUSTER_ETIMEOUT,
                r->err);
    kill(rig_pid(r, 1), SIGCONT);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        assert_code(rig_call(r, rank, "blob", "b", RIG_WAIT_MS), MUSTER_EREMOTE,
                    r->err);
        assert_words(r->err.text, "no blob");
    }
    put(r, "b", "second"); /* the name is free */
    assert_code(rig_call(r, 1, "blob", "b", RIG_WAIT_MS), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "6 second");
    rig_down(&r);
}

/* Names come back, and so does their memory; the long form is in the bench. */
static void many_come_and_go(void **state)
{
    const int many = 5000 / RIG_SLOW;
    long before[2], after[2];
    char name[32];
    rig *r = up(1);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < many; i++) {
            snprintf(name, sizeof(name), "blob %d", i % 100);
            put(r, name, "some bytes");
            assert_code(muster_drop(r->m, name, &r->err), MUSTER_OK, r->err);
        }
        after[0] = rig_resident_kib(getpid());
        after[1] = rig_resident_kib(rig_pid(r, 1));
        if (round == 0)
            memcpy(before, after, sizeof(before));
    }
    print_message("           manager %ld -> %ld KiB, worker %ld -> %ld KiB\n",
                  before[0], after[0], before[1], after[1]);
    if (RIG_SLOW == 1) { /* sanitizers keep what was freed */
        assert_true(after[0] - before[0] < 512);
        assert_true(after[1] - before[1] < 512);
    }
    rig_down(&r);
}

/* Neither where handlers here look nor where it is kept for workers. */
static void a_put_without_memory_leaves_nothing(void **state)
{
    rig *r = up(1);

    (void)state;
    for (int i = 1; i <= 2; i++) {
        atomic_store(&until_no_node, i);
        assert_code(muster_put(r->m, "a", "first", 5, &r->err), MUSTER_ENOMEM,
                    r->err);
        assert_int_equal(atomic_load(&until_no_node), 0);
        assert_blob(r, 0, "a", NULL);
        assert_blob(r, 1, "a", NULL);
    }
    put(r, "a", "second");
    assert_blob(r, 0, "a", "6 second");
    assert_blob(r, 1, "a", "6 second");
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(all_workers_have_what_was_put),
        rig_test(a_dropped_blob_is_gone_everywhere),
        rig_test(one_name_is_one_blob),
        rig_test(a_handler_keeps_what_it_got),
        rig_test(a_long_reason_is_cut),
        rig_test(without_workers_it_is_kept_for_later),
        rig_test(a_lost_worker_does_not_fail_a_put),
        rig_test(a_put_that_fails_leaves_nothing),
        rig_test(a_put_without_memory_leaves_nothing),
        rig_test(many_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
