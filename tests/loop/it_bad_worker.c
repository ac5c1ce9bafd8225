/* it_bad_worker.c - workers that have a key but no manners, beside one that
 * has both. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

/* Sanitizers: what is too large is NULL, as it is without them. */
MUSTER_API const char *__asan_default_options(void);
MUSTER_API const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}

static char how_env[64], good_env[512], keep_env[600];
static const char *env[] = {how_env, good_env, keep_env, NULL};

static rig *bad_rig(const char *how)
{
    muster_options o = rig_options();

    snprintf(how_env, sizeof(how_env), "BAD=%s", how);
    snprintf(good_env, sizeof(good_env), "BAD_BUT_FIRST=%s", TRUE_WORKER);
    o.worker = BAD_WORKER;
    o.env = env;
    o.heartbeat_timeout_ms = 1500 * RIG_SLOW;
    o.pending_timeout_ms = RIG_WAIT_MS;
    return rig_open(&o);
}

static void assert_good_one_answers(rig *r)
{
    /* no module is shipped: the bad one would have to load it, too */
    assert_code(rig_call(r, 1, "echo", "", 0), MUSTER_ENOHANDLER, r->err);
}

/* Launch two, of which the second is refused with these words. */
static void assert_refused(const char *how, const char *word, const char *more)
{
    rig *r = bad_rig(how);
    const int64_t began = rig_now_ms();
    uint32_t nready;
    muster_info info;

    assert_code(muster_launch(r->m, 2, 1, &nready, &r->err), MUSTER_OK, r->err);
    assert_int_equal(nready, 1);
    assert_within(how, began, 2000);
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.state, MUSTER_LOST);
    assert_words(info.verdict, "worker 2", word, more);
    assert_good_one_answers(r);
    rig_down(&r);
}

static void another_build_is_refused_with_both_sides(void **state)
{
    (void)state;
    assert_refused("other-wire", "wire version 3 and 2", MUSTER_VERSION);
    assert_refused("other-word", "pointer bytes 8 and 4", MUSTER_VERSION);
    assert_refused("other-release", "9.9.9", MUSTER_VERSION);
}

static void who_does_not_say_hello_is_sent_away(void **state)
{
    (void)state;
    /* it ends with 76 only if it was told GOAWAY */
    assert_refused("no-hello", "status 76", "refused");
}

/* Both are ready; the second one misbehaves at its first call. */
static rig *two_up(const char *how)
{
    rig *r = bad_rig(how);
    uint32_t nready;

    assert_code(muster_launch(r->m, 2, 2, &nready, &r->err), MUSTER_OK, r->err);
    return r;
}

static void what_is_no_protocol_costs_that_worker(void **state)
{
    static const char *const ways[] = {"garbage", "cut", "chunk", "credit",
                                       "orders"};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        rig *r = two_up(ways[i]);
        const int64_t began = rig_now_ms();

        assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_ELOST, r->err);
        assert_words(r->err.text, "worker 2 broke the protocol");
        assert_within(ways[i], began, 1000);
        assert_good_one_answers(r);
        rig_down(&r);
    }
}

static void a_second_answer_meets_nobody(void **state)
{
    rig *r = two_up("twice");

    (void)state;
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "ok");
    assert_code(rig_call(r, 2, "echo", "x", 300), MUSTER_ETIMEOUT, r->err);
    assert_good_one_answers(r);
    rig_down(&r);
}

static void a_result_without_end_is_no_memory(void **state)
{
    rig *r = two_up("endless");

    (void)state;
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_ENOMEM, r->err);
    assert_words(r->err.text, "1152921504606846976 bytes");
    assert_good_one_answers(r);
    rig_down(&r);
}

static void a_second_connection_is_refused_and_the_first_lives(void **state)
{
    rig *r = two_up("second");

    (void)state;
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "ok");
    assert_true(
        rig_logged(r, "HELLO-REFUSED", "connected already", RIG_WAIT_MS));
    rig_down(&r);
}

static void who_is_silent_is_lost(void **state)
{
    rig *r = two_up("sulk");
    const int64_t began = rig_now_ms();

    (void)state;
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 2 was silent");
    assert_within("silence", began, 3000);
    assert_good_one_answers(r);
    rig_down(&r);
}

static void assert_lost(const char *how, const char *why)
{
    rig *r = two_up(how);

    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_ELOST, r->err);
    print_message("%s\n", how);
    assert_words(r->err.text, "worker 2 broke the protocol", why);
    assert_good_one_answers(r);
    rig_down(&r);
}

static void calls_of_its_own_have_their_limits(void **state)
{
    (void)state;
    assert_lost("same-id", "a call that is none");
    assert_lost("many-calls", "a call that is none");
    assert_lost("many-bytes", "a call that is none");
    assert_lost("output", "more output than it may send");
}

/* What loads modules is the manager's to call, in no process but workers. */
static void it_brings_no_code_into_others(void **state)
{
    rig *r;

    (void)state;
    unlink(CANARY_TRACE);
    snprintf(keep_env, sizeof(keep_env), "CANARY=%s", CANARY_MODULE);
    r = two_up("push-code");
    keep_env[0] = '\0';
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "10 10 10 10"); /* MUSTER_ENOHANDLER */
    assert_int_equal(access(CANARY_TRACE, F_OK), -1);
    assert_good_one_answers(r);
    rig_down(&r);
}

static void its_words_move_no_cursor(void **state)
{
    rig *r = two_up("words");

    (void)state;
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_EREMOTE, r->err);
    assert_string_equal(r->err.text, " [2J ]0;t     5n?evil");
    rig_down(&r);
}

/* Whether it is silent there, or talks without a HELLO. */
static void another_connection_of_it_is_shut_down(void **state)
{
    static const char *const ways[] = {"lodger-talks", "lodger-is-silent"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig *r = two_up(ways[i]);
        const int64_t began = rig_now_ms();

        assert_code(rig_call(r, 2, "echo", "x", 60000), MUSTER_OK, r->err);
        assert_string_equal(r->answer, "out");
        assert_within(ways[i], began, 8000);
        assert_true(rig_logged(r, "SHUT-OUT", "connections=1", RIG_WAIT_MS));
        assert_good_one_answers(r);
        rig_down(&r);
    }
}

/* The cookie of a worker that was lost opens nothing any more. */
static void an_old_incarnation_is_refused(void **state)
{
    char dir[] = "/tmp/muster-old-XXXXXX", path[64];
    const int64_t began = rig_now_ms();
    int status;
    pid_t pid;
    rig *r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/cookie", dir);
    snprintf(keep_env, sizeof(keep_env), "COOKIE_OUT=%s", path);
    r = two_up("garbage");
    keep_env[0] = '\0';
    assert_code(rig_call(r, 2, "echo", "x", 0), MUSTER_ELOST, r->err);
    pid = fork();
    if (pid == 0) {
        execl(TRUE_WORKER, "muster-worker", "--cookie", path, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 76);
    assert_within("an old incarnation", began, 3000);
    assert_good_one_answers(r);
    unlink(path);
    rmdir(dir);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(another_build_is_refused_with_both_sides),
        rig_test(who_does_not_say_hello_is_sent_away),
        rig_test(what_is_no_protocol_costs_that_worker),
        rig_test(a_second_answer_meets_nobody),
        rig_test(a_result_without_end_is_no_memory),
        rig_test(a_second_connection_is_refused_and_the_first_lives),
        rig_test(who_is_silent_is_lost),
        rig_test(calls_of_its_own_have_their_limits),
        rig_test(it_brings_no_code_into_others),
        rig_test(its_words_move_no_cursor),
        rig_test(another_connection_of_it_is_shut_down),
        rig_test(an_old_incarnation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
