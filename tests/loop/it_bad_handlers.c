/* it_bad_handlers.c - handlers that crash, leave, hang, or say too much. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* Worker 2 of 3 runs it and is lost; the verdict is the call's error. */
static void ends_its_worker(const char *name, const char *body,
                            const char *verdict)
{
    rig *r = rig_up(3);
    int64_t began = rig_now_ms();
    muster_info info;

    assert_code(rig_call(r, 2, name, body, 0), MUSTER_ELOST, r->err);
    assert_within(verdict, began, 2000);
    assert_words(r->err.text, verdict);
    assert_int_equal(r->err.rank, 2);
    assert_non_null(rig_event_to(r, 2, MUSTER_LOST, RIG_WAIT_MS));
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.state, MUSTER_LOST);
    assert_words(info.verdict, verdict);
    rig_alive(r, 2);
    rig_launch(r, 1);
    rig_alive(r, 3);
    rig_down(&r);
}

static void it_crashes(void **state)
{
    (void)state;
    ends_its_worker("crash", "",
                    "worker 2 was killed by SIGSEGV in handler crash");
}

static void it_aborts(void **state)
{
    (void)state;
    ends_its_worker("give_up", "",
                    "worker 2 was killed by SIGABRT in handler give_up");
}

static void it_overflows_its_stack(void **state)
{
    (void)state;
    if (RIG_SLOW > 1) {
        print_message("           skipped: the sanitizer has the stack\n");
        skip();
    }
    ends_its_worker("overflow", "",
                    "worker 2 was killed by SIGSEGV in handler overflow");
}

static void it_exits(void **state)
{
    (void)state;
    ends_its_worker("leave", "7", "worker 2: handler leave called exit(7)");
    ends_its_worker("leave", "0", "worker 2: handler leave called exit(0)");
}

/* A crash on several workers at once, in one broadcast. */
static void it_crashes_everywhere(void **state)
{
    rig *r = rig_up(3);
    muster_results *all = NULL;
    const int64_t began = rig_now_ms();
    const muster_err rc =
        muster_broadcast(r->m, NULL, "crash", "", 0, 0, &all, &r->err);

    (void)state;
    assert_code(rc, MUSTER_EPARTIAL, r->err);
    assert_within("crash on all of a broadcast", began, 2000);
    assert_int_equal(all->nfailed, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(all->items[i].code, MUSTER_ELOST);
        assert_words(all->items[i].text, "SIGSEGV in handler crash");
    }
    muster_results_destroy(&all);
    rig_launch(r, 2);
    rig_alive(r, 2);
    rig_down(&r);
}

static void it_never_returns(void **state)
{
    muster_options o = rig_options();
    int64_t began;
    rig *r;

    (void)state;
    o.grace_ms = 1000;
    r = rig_up_with(&o, 2);
    began = rig_now_ms();
    assert_code(rig_call(r, 1, "never", "", 200), MUSTER_ETIMEOUT, r->err);
    assert_within("never returns, deadline 0.2 s", began, 600);
    assert_words(r->err.text, "handler never on worker 1", "deadline");
    /* its worker is busy with it: what comes behind has a deadline too */
    assert_code(rig_call(r, 1, "echo", "", 200), MUSTER_ETIMEOUT, r->err);
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_OK, r->err);
    assert_int_equal(muster_size(r->m), 2);
    began = rig_now_ms();
    rig_down(&r);
    assert_within("close, a handler never returns", began, 2000);
}

/* A worker whose handler computes for longer than the heartbeat time-out is
 * not silent. */
static void it_takes_long(void **state)
{
    muster_options o = rig_options();
    char ms[16];
    rig *r;

    (void)state;
    o.heartbeat_timeout_ms = 500 * RIG_SLOW;
    r = rig_up_with(&o, 2);
    snprintf(ms, sizeof(ms), "%d", 1500 * RIG_SLOW);
    assert_code(rig_call(r, 1, "nap", ms, MUSTER_FOREVER), MUSTER_OK, r->err);
    assert_null(rig_event_to(r, 1, MUSTER_LOST, 0));
    rig_alive(r, 2);
    rig_down(&r);
}

static void it_returns_a_quarter_gigabyte(void **state)
{
    const size_t n = (RIG_SLOW > 1 ? 32 : 256) * RIG_MIB;
    rig *r = rig_up(2);
    const int64_t began = rig_now_ms();
    muster_reply *reply = NULL;
    const unsigned char *data;
    char text[32];
    muster_err rc;

    (void)state;
    snprintf(text, sizeof(text), "%zu", n);
    rc =
        muster_call(r->m, 1, "big", text, strlen(text), 30000, &reply, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    assert_within("result of 256 MiB", began, 10000);
    assert_int_equal(reply->len, n);
    data = (const unsigned char *)reply->data;
    for (size_t i = 0; i < n; i++)
        if (data[i] != (unsigned char)(7 * i + i / 256))
            fail_msg("byte %zu is %u", i, data[i]);
    assert_int_equal(data[n], 0);
    muster_reply_destroy(&reply);
    rig_alive(r, 2);
    rig_down(&r);
}

/* ---------------------------------------------------------------- output -- */

/* All that worker `rank` wrote to standard output, line after line. */
static size_t gather(rig *r, uint32_t rank, unsigned char *to, size_t room)
{
    const rig_line *l;
    size_t n = 0;

    pthread_mutex_lock(&r->lock);
    STAILQ_FOREACH (l, &r->lines, link) {
        if (l->rank != rank || l->stream != 1 || l->len > room - n)
            continue;
        memcpy(to + n, l->text, l->len);
        n += l->len;
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void it_prints_junk(void **state)
{
    enum { N = 3000007 };
    const uint32_t first = 1;
    rig *r = rig_up(2);
    unsigned char *junk = malloc(2 * N);
    const char end[] = "module ended at 100";
    size_t n;
    char text[16];

    (void)state;
    assert_non_null(junk);
    snprintf(text, sizeof(text), "%d", N);
    assert_code(rig_call(r, 1, "junk", text, 0), MUSTER_OK, r->err);
    rig_alive(r, 2);
    /* the last part has no end: it is a line when the worker is gone */
    assert_code(muster_remove(r->m, &first, 1, 0, &r->err), MUSTER_OK, r->err);
    assert_non_null(rig_event_to(r, 1, MUSTER_GONE, RIG_WAIT_MS));
    n = gather(r, 1, junk, 2 * N);
    assert_int_equal(n, N + strlen(end));
    for (size_t i = 0; i < N; i++) {
        const unsigned char want = (unsigned char)(i * 31);

        if (junk[i] != (want == '\n' ? want + 1 : want))
            fail_msg("byte %zu is %u", i, junk[i]);
    }
    assert_memory_equal(junk + N, end, strlen(end));
    free(junk);
    rig_alive(r, 1);
    rig_down(&r);
}

/* Lines of both streams, each in its order. */
static void it_prints_lines(void **state)
{
    enum { N = 2000 };
    rig *r = rig_up(2);
    const rig_line *l;
    long line = 0, note = 0;
    char last[32], text[16];

    (void)state;
    snprintf(text, sizeof(text), "%d", N);
    assert_code(rig_call(r, 2, "lines", text, 0), MUSTER_OK, r->err);
    snprintf(last, sizeof(last), "line %d", N - 1);
    assert_non_null(rig_take_line(r, 2, last, RIG_WAIT_MS));
    snprintf(last, sizeof(last), "note %d", N - 1);
    assert_non_null(rig_take_line(r, 2, last, RIG_WAIT_MS));
    pthread_mutex_lock(&r->lock);
    STAILQ_FOREACH (l, &r->lines, link) {
        if (l->rank != 2)
            continue;
        snprintf(last, sizeof(last), "%s %ld", l->stream == 1 ? "line" : "note",
                 l->stream == 1 ? line++ : note++);
        assert_string_equal(l->text, last);
    }
    pthread_mutex_unlock(&r->lock);
    assert_int_equal(line, N);
    assert_int_equal(note, N);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(it_crashes),
        rig_test(it_aborts),
        rig_test(it_overflows_its_stack),
        rig_test(it_exits),
        rig_test(it_crashes_everywhere),
        rig_test(it_never_returns),
        rig_test(it_takes_long),
        rig_test(it_returns_a_quarter_gigabyte),
        rig_test(it_prints_junk),
        rig_test(it_prints_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
