/* it_calls.c - calls that wait, and posts. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static void a_call_is_answered(void **state)
{
    rig *r = rig_up(2);
    const int64_t pair[2] = {40, 2};
    muster_reply *reply = NULL;
    muster_err rc;

    (void)state;
    rc = muster_call(r->m, 2, "add", pair, sizeof(pair), 0, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(reply->rank, 2);
    assert_int_equal(reply->len, sizeof(int64_t));
    assert_int_equal(*(const int64_t *)reply->data, 42);
    assert_int_equal(((const char *)reply->data)[reply->len], 0);
    muster_reply_destroy(&reply);
    assert_null(reply);
    /* nobody wants the answer, or the error */
    assert_int_equal(muster_call(r->m, 1, "echo", "x", 1, 0, NULL, NULL),
                     MUSTER_OK);
    assert_int_equal(muster_call(r->m, 9, "echo", "x", 1, 0, NULL, NULL),
                     MUSTER_EWORKER);
    rig_down(&r);
}

static void a_handler_knows_where_it_is(void **state)
{
    rig *r = rig_up(3);
    char want[128];
    long left;

    (void)state;
    assert_code(rig_call(r, 2, "who", NULL, 60000), MUSTER_OK, r->err);
    snprintf(want, sizeof(want), "2 1 3 0 1 %s ", muster_session(r->m));
    assert_words(r->answer, want);
    left = strtol(r->answer + strlen(want), NULL, 10);
    assert_in_range(left, 60000 - RIG_WAIT_MS, 60000);
    assert_code(rig_call(r, 3, "who", NULL, MUSTER_FOREVER), MUSTER_OK, r->err);
    assert_words(r->answer, "3 1 3 0 1 ", " -1");
    /* 0 is what the options say */
    assert_code(rig_call(r, 1, "who", NULL, MUSTER_DEFAULT_MS), MUSTER_OK,
                r->err);
    left = strtol(strrchr(r->answer, ' '), NULL, 10);
    assert_in_range(left, 1, RIG_WAIT_MS);
    rig_down(&r);
}

static void a_worker_keeps_its_state(void **state)
{
    rig *r = rig_up(2);

    (void)state;
    for (int i = 1; i <= 3; i++) {
        char want[16];

        assert_code(rig_call(r, 2, "count", NULL, 0), MUSTER_OK, r->err);
        snprintf(want, sizeof(want), "%d", 200 + i);
        assert_string_equal(r->answer, want);
    }
    assert_code(rig_call(r, 1, "count", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "101");
    rig_down(&r);
}

static void a_handler_fails_in_its_own_words(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(rig_call(r, 1, "fail", "42 no such file: /x", 0),
                MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.code, MUSTER_EREMOTE);
    assert_int_equal(r->err.remote, 42);
    assert_int_equal(r->err.rank, 1);
    assert_words(r->err.text, "no such file: /x");
    assert_code(rig_call(r, 1, "fail", "-5", 0), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, -5);
    assert_words(r->err.text, "handler fail returned -5");
    /* the words of the last failure are not those of the next */
    assert_code(rig_call(r, 1, "add", "short", 0), MUSTER_EREMOTE, r->err);
    assert_int_equal(r->err.remote, 1);
    assert_words(r->err.text, "want 16 bytes, got 5");
    rig_alive(r, 1);
    rig_down(&r);
}

static void a_missing_handler_is_named(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(rig_call(r, 1, "nothing", "", 0), MUSTER_ENOHANDLER, r->err);
    assert_words(r->err.text, "nothing");
    assert_code(rig_call(r, 1, "muster.", "", 0), MUSTER_ENOHANDLER, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

static void an_unknown_rank_is_refused(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(rig_call(r, 0, "echo", "", 0), MUSTER_ENOHANDLER, r->err);
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "no worker 2");
    assert_code(rig_call(r, UINT32_MAX - 1, "echo", "", 0), MUSTER_EWORKER,
                r->err);
    rig_down(&r);

    r = rig_open(NULL);
    assert_code(rig_call(r, MUSTER_ANY, "echo", "", 0), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "no worker");
    rig_down(&r);
}

static void bad_arguments_are_refused(void **state)
{
    rig *r = rig_up(1);
    char name[300];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_code(rig_call(r, 1, name, "", 0), MUSTER_EINVAL, r->err);
    assert_words(r->err.text, "name");
    assert_code(rig_call(r, 1, "", "", 0), MUSTER_EINVAL, r->err);
    assert_code(muster_call(r->m, 1, NULL, "", 0, 0, NULL, &r->err),
                MUSTER_EINVAL, r->err);
    assert_code(muster_call(r->m, 1, "echo", NULL, 8, 0, NULL, &r->err),
                MUSTER_EINVAL, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

static void the_deadline_ends_a_call(void **state)
{
    rig *r = rig_up(2);
    const int64_t began = rig_now_ms();

    (void)state;
    assert_code(rig_call(r, 1, "past_deadline", "", 50), MUSTER_ETIMEOUT,
                r->err);
    assert_within("deadline of 50 ms", began, 350);
    assert_true(rig_now_ms() - began >= 50);
    assert_words(r->err.text, "past_deadline", "worker 1", "deadline");
    /* the handler was told and the worker goes on */
    assert_non_null(rig_take_line(r, 1, "canceled", RIG_WAIT_MS));
    rig_alive(r, 2);
    rig_down(&r);
}

/* Handler and caller give up at the same time: the answer is no news. */
static void an_answer_that_comes_late_is_not_logged(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    for (int i = 0; i < 50; i++)
        assert_code(rig_call(r, 1, "until_canceled", "in vain", 5),
                    MUSTER_ETIMEOUT, r->err);
    rig_alive(r, 1);
    assert_false(rig_logged(r, "POST-FAILED", "", 0));
    rig_down(&r);
}

static void any_is_whoever_has_least_to_do(void **state)
{
    rig *r = rig_up(3);
    muster_future *busy[2];

    (void)state;
    busy[0] = rig_start(r, 1, "until_canceled", "");
    busy[1] = rig_start(r, 3, "until_canceled", "");
    for (int i = 0; i < 5; i++) {
        assert_code(rig_call(r, MUSTER_ANY, "who", NULL, 0), MUSTER_OK, r->err);
        assert_int_equal(strtol(r->answer, NULL, 10), 2);
    }
    for (int i = 0; i < 2; i++) {
        muster_future_cancel(busy[i]);
        assert_code(rig_result(r, &busy[i]), MUSTER_ECANCELED, r->err);
    }
    rig_down(&r);
}

static void posts_begin_in_their_order(void **state)
{
    rig *r = rig_up(1);
    char want[4096] = "";

    (void)state;
    for (int i = 0; i < 300; i++) {
        char word[16];

        snprintf(word, sizeof(word), "%d,", i);
        strcat(want, word);
        assert_code(muster_post(r->m, 1, "note", word, strlen(word), &r->err),
                    MUSTER_OK, r->err);
    }
    assert_code(rig_call(r, 1, "notes", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, want);
    rig_down(&r);
}

static void a_failed_post_is_logged(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(muster_post(r->m, 1, "fail", "3 in vain", 9, &r->err),
                MUSTER_OK, r->err);
    assert_true(rig_logged(r, "POST-FAILED", "in vain", RIG_WAIT_MS));
    assert_code(muster_post(r->m, 7, "echo", "", 0, &r->err), MUSTER_OK,
                r->err);
    assert_true(rig_logged(r, "POST-FAILED", "no worker 7", RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
}

/* ---------------------------------------------------------------- sizes -- */

static uint64_t fnv(const unsigned char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static unsigned char *pattern(size_t n)
{
    unsigned char *data = malloc(n > 0 ? n : 1);

    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(7 * i + i / 256);
    return data;
}

static void there_and_back(rig *r, size_t n)
{
    unsigned char *data = pattern(n);
    char text[64], want[64];
    muster_reply *reply = NULL;
    muster_err rc;

    snprintf(want, sizeof(want), "%zu %016llx", n,
             (unsigned long long)fnv(data, n));
    rc = muster_call(r->m, 1, "checksum", data, n, 0, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_string_equal((const char *)reply->data, want);
    muster_reply_destroy(&reply);

    snprintf(text, sizeof(text), "%zu", n);
    rc = muster_call(r->m, 1, "big", text, strlen(text), 0, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(reply->len, n);
    assert_memory_equal(reply->data, data, n);
    assert_int_equal(((const char *)reply->data)[n], 0);
    muster_reply_destroy(&reply);

    rc = muster_call(r->m, 1, "echo", data, n, 0, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(reply->len, n);
    assert_memory_equal(reply->data, data, n);
    muster_reply_destroy(&reply);
    free(data);
}

static void payloads_of_all_sizes_pass(void **state)
{
    static const size_t sizes[] = {
        0,           1,       65535,       65536,       65537,
        RIG_MIB - 1, RIG_MIB, RIG_MIB + 1, 5 * RIG_MIB, 64 * RIG_MIB};
    const size_t n = sizeof(sizes) / sizeof(sizes[0]) - (RIG_SLOW > 1);
    rig *r = rig_up(1);

    (void)state;
    for (size_t i = 0; i < n; i++)
        there_and_back(r, sizes[i]);
    rig_down(&r);
}

/* -------------------------------------------------------------- threads -- */

#define THREADS 16
#define CALLS (2000 / (RIG_SLOW > 1 ? 10 : 1))

typedef struct caller {
    pthread_t thread;
    rig *r;
    int64_t id;
    int wrong;
    muster_error err;
} caller;

static void *call_often(void *arg)
{
    caller *c = (caller *)arg;

    for (int64_t i = 0; i < CALLS; i++) {
        const int64_t pair[2] = {c->id * 1000000, i};
        const uint32_t rank = i % 3 == 0 ? MUSTER_ANY : (uint32_t)(i % 2 + 1);
        muster_reply *reply = NULL;

        if (muster_call(c->r->m, rank, "add", pair, sizeof(pair), 0, &reply,
                        &c->err) != MUSTER_OK) {
            c->wrong++;
            continue;
        }
        if (reply->len != sizeof(int64_t) ||
            *(const int64_t *)reply->data != pair[0] + pair[1])
            c->wrong++;
        muster_reply_destroy(&reply);
    }
    return NULL;
}

static void many_threads_call_at_once(void **state)
{
    rig *r = rig_up(2);
    caller callers[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){.r = r, .id = i};
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, call_often, &callers[i]),
            0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(callers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        if (callers[i].wrong > 0)
            print_error("thread %d: %d wrong, last %s\n", i, callers[i].wrong,
                        callers[i].err.text);
        assert_int_equal(callers[i].wrong, 0);
    }
    rig_alive(r, 2);
    rig_down(&r);
}

static void handlers_run_side_by_side(void **state)
{
    muster_options o = rig_options();
    muster_future *both[2];
    rig *r;

    (void)state;
    o.threads = 2;
    r = rig_up_with(&o, 1);
    for (int i = 0; i < 2; i++)
        both[i] = rig_start(r, 1, "until_canceled", "");
    for (int i = 0; i < 2; i++)
        assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    for (int i = 0; i < 2; i++) {
        muster_future_cancel(both[i]);
        assert_code(rig_result(r, &both[i]), MUSTER_ECANCELED, r->err);
    }
    rig_alive(r, 1);
    rig_down(&r);
}

/* A lone call needs no other thread; when it takes long, the connection is in
 * other hands meanwhile. */
static void a_handler_runs_where_its_call_was_read(void **state)
{
    muster_options o = rig_options();
    muster_future *f;
    int nmain = 0;
    rig *r;

    (void)state;
    o.threads = 2;
    r = rig_up_with(&o, 1);
    for (int i = 0; i < 100; i++) { /* one may come before another is over */
        assert_code(rig_call(r, 1, "on_main", "", 0), MUSTER_OK, r->err);
        nmain += strcmp(r->answer, "yes") == 0;
    }
    assert_in_range(nmain, 1, 100);
    f = rig_start(r, 1, "until_canceled", "");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(rig_call(r, 1, "on_main", "", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "no");
    assert_false(muster_future_wait(f, 0));
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_call_is_answered),
        rig_test(a_handler_knows_where_it_is),
        rig_test(a_worker_keeps_its_state),
        rig_test(a_handler_fails_in_its_own_words),
        rig_test(a_missing_handler_is_named),
        rig_test(an_unknown_rank_is_refused),
        rig_test(bad_arguments_are_refused),
        rig_test(the_deadline_ends_a_call),
        rig_test(an_answer_that_comes_late_is_not_logged),
        rig_test(any_is_whoever_has_least_to_do),
        rig_test(posts_begin_in_their_order),
        rig_test(a_failed_post_is_logged),
        rig_test(payloads_of_all_sizes_pass),
        rig_test(many_threads_call_at_once),
        rig_test(handlers_run_side_by_side),
        rig_test(a_handler_runs_where_its_call_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
