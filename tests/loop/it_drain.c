/* it_drain.c - SIGTERM to workers: what runs may finish, what has not begun
 * goes to others and runs once, and they end with 0. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#include "session/session.h"

#define CALLS 200

static rig *up(uint32_t n, int64_t grace_ms)
{
    muster_options o = rig_options();
    rig *r;

    o.grace_ms = grace_ms;
    r = rig_up_with(&o, n);
    assert_code(muster_module_ship(r->m, DRAIN_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    return r;
}

static void assert_end(rig *r, uint32_t rank, muster_state to, int status,
                       const char *words)
{
    muster_info info;

    assert_non_null(rig_event_to(r, rank, to, RIG_WAIT_MS));
    assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                r->err);
    assert_words(info.verdict, words);
    assert_int_equal(info.exit_status, status);
}

static void the_idle_end_at_once(void **state)
{
    rig *r = up(2, 2000);
    const int64_t began = rig_now_ms();

    (void)state;
    kill(rig_pid(r, 1), SIGTERM);
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    assert_within("an idle worker drains", began, 500);
    assert_words(rig_event_to(r, 1, MUSTER_LEAVING, 0)->text, "SIGTERM");
    /* its modules ended in order */
    assert_non_null(rig_take_line(r, 1, "module ended", RIG_WAIT_MS));
    rig_alive(r, 1);
    rig_down(&r);
}

static void what_runs_may_finish(void **state)
{
    rig *r = up(2, 5000);
    muster_future *running = rig_start(r, 1, "nap", "300");

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 1), SIGTERM);
    assert_non_null(rig_event_to(r, 1, MUSTER_LEAVING, RIG_WAIT_MS));
    /* nothing new */
    assert_code(rig_call(r, 1, "echo", "", 0), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "worker 1 is leaving");
    assert_code(rig_result(r, &running), MUSTER_OK, r->err);
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    rig_down(&r);
}

static int64_t size_of(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* Calls for anybody, half of them behind one that runs on worker 1. */
static void what_waits_goes_to_others_once(void **state)
{
    char path[] = "/tmp/it_drain.XXXXXX";
    const int fd = mkstemp(path);
    muster_future *calls[CALLS], *running, *mine;
    rig *r = up(2, 5000);

    (void)state;
    assert_true(fd >= 0);
    running = rig_start(r, 1, "nap", "400");
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    mine = rig_start(r, 1, "echo", "for worker 1 only");
    for (size_t i = 0; i < CALLS; i++)
        calls[i] = rig_start(r, MUSTER_ANY, "mark", path);
    kill(rig_pid(r, 1), SIGTERM);
    for (size_t i = 0; i < CALLS; i++)
        assert_code(rig_result(r, &calls[i]), MUSTER_OK, r->err);
    assert_int_equal(size_of(path), CALLS);
    assert_code(rig_result(r, &mine), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "worker 1 drains", "echo", "did not begin");
    assert_code(rig_result(r, &running), MUSTER_OK, r->err);
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    close(fd);
    unlink(path);
    rig_down(&r);
}

static void a_payload_on_its_way_goes_to_another(void **state)
{
    const size_t len = 64 * RIG_MIB;
    char *body = calloc(1, len);
    muster_future *large[4];
    muster_reply *reply = NULL;
    char want[64] = "";
    rig *r = up(2, 5000);

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < 4; i++)
        assert_code(muster_call_start(r->m, MUSTER_ANY, "checksum", body, len,
                                      4 * RIG_WAIT_MS, &large[i], &r->err),
                    MUSTER_OK, r->err);
    kill(rig_pid(r, 1), SIGTERM);
    for (size_t i = 0; i < 4; i++) {
        assert_true(muster_future_wait(large[i], 4 * RIG_WAIT_MS));
        assert_code(muster_future_result(large[i], &reply, &r->err), MUSTER_OK,
                    r->err);
        if (i == 0)
            snprintf(want, sizeof(want), "%s", (const char *)reply->data);
        assert_string_equal((const char *)reply->data, want);
        muster_reply_destroy(&reply);
        muster_future_destroy(&large[i]);
    }
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    free(body);
    rig_alive(r, 1);
    rig_down(&r);
}

/* The launcher's notice comes while all of the request is there and the loop
 * has not read yet that it is: the handler is at work. */
static void notice_when_sent(muster *m, void *arg)
{
    bool *given = (bool *)arg;
    mst_member *w = mst_member_get(m, 1);
    const mst_call *call = TAILQ_LAST(&w->calls, mst_call_list);

    if (call == NULL || !call->out.queued || call->out.flow == NULL ||
        call->out.flow->sent < call->out.flow->transfer->count)
        return;
    poll(NULL, 0, 300);
    mst_drain(w, false, "its node goes away");
    *given = true;
}

static void what_has_begun_is_not_handed_back(void **state)
{
    char path[] = "/tmp/it_drain.XXXXXX";
    const int fd = mkstemp(path);
    const size_t len = (size_t)256 << 10;
    char *body = calloc(1, len);
    bool given = false;
    int64_t ncalls = 0;
    rig *r = up(1, 5000);

    (void)state;
    assert_true(fd >= 0);
    assert_non_null(body);
    memcpy(body, path, sizeof(path));
    rig_launch(r, 1);
    while (!given && ncalls < 2000) {
        muster_future *f = NULL;

        ncalls++;
        assert_code(muster_call_start(r->m, ncalls % 2 == 0 ? MUSTER_ANY : 1,
                                      "mark", body, len, 0, &f, &r->err),
                    MUSTER_OK, r->err);
        while (!given && !muster_future_wait(f, 0))
            assert_true(mst_session_run(r->m, notice_when_sent, &given));
        assert_code(muster_future_result(f, NULL, &r->err), MUSTER_OK, r->err);
        muster_future_destroy(&f);
    }
    assert_true(given);
    assert_int_equal(size_of(path), ncalls);
    free(body);
    close(fd);
    unlink(path);
    rig_down(&r);
}

static void the_second_one_interrupts(void **state)
{
    rig *r = up(2, 60000);
    muster_future *running = rig_start(r, 1, "until_canceled", "");
    const pid_t pid = rig_pid(r, 1);
    int64_t began;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    kill(pid, SIGTERM);
    assert_non_null(rig_event_to(r, 1, MUSTER_LEAVING, RIG_WAIT_MS));
    assert_false(muster_future_wait(running, 100));
    began = rig_now_ms();
    kill(pid, SIGTERM);
    assert_code(rig_result(r, &running), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "until_canceled", "interrupted", "SIGTERM");
    assert_within("a second SIGTERM", began, 600);
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    r->grace_ms = 500;
    rig_down(&r);
}

static void the_grace_has_an_end(void **state)
{
    rig *r = up(2, 300);
    muster_future *stuck = rig_start(r, 1, "never", "");
    muster_future *heeds = rig_start(r, 2, "until_canceled", "");
    const int64_t began = rig_now_ms();

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_non_null(rig_take_line(r, 2, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 1), SIGTERM);
    kill(rig_pid(r, 2), SIGTERM);
    assert_code(rig_result(r, &heeds), MUSTER_ELOST, r->err);
    assert_code(rig_result(r, &stuck), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "drained on SIGTERM", "never", "did not return");
    assert_within("a handler that ignores the grace", began, 300 + 500 + 700);
    assert_end(r, 1, MUSTER_LOST, 77, "did not return");
    assert_end(r, 2, MUSTER_GONE, 0, "drained on SIGTERM");
    rig_down(&r);
}

static void a_map_is_whole(void **state)
{
    static int64_t numbers[2000];
    static muster_item items[2000];
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_results *all = NULL;
    rig *r = up(3, 2000);
    pid_t pid[3];

    (void)state;
    for (int64_t i = 0; i < 2000; i++) {
        numbers[i] = i;
        items[i] = (muster_item){&numbers[i], sizeof(numbers[i])};
    }
    o.items = items;
    o.nitems = 2000;
    o.lost_retries = 0; /* nothing may be lost */
    for (uint32_t i = 0; i < 2; i++)
        pid[i] = rig_pid(r, i + 1);
    if (fork() == 0) {
        for (int i = 0; i < 2; i++) {
            poll(NULL, 0, 200);
            kill(pid[i], SIGTERM);
        }
        _exit(0);
    }
    assert_code(muster_map(r->m, "slow_twice", &o, &all, &r->err), MUSTER_OK,
                r->err);
    for (int64_t i = 0; i < 2000; i++) {
        int64_t n = -1;

        assert_int_equal(all->items[i].len, sizeof(n));
        memcpy(&n, all->items[i].data, sizeof(n));
        assert_int_equal(n, 2 * i);
    }
    muster_results_destroy(&all);
    assert_end(r, 1, MUSTER_GONE, 0, "drained on SIGTERM");
    assert_end(r, 2, MUSTER_GONE, 0, "drained on SIGTERM");
    rig_alive(r, 1);
    rig_down(&r);
}

/* What was accepted before a removal is finished, sent or not. */
static void removed_while_it_gets_a_payload(void **state)
{
    const size_t len = 32 * RIG_MIB;
    const uint32_t first = 1;
    char *body = calloc(1, len);
    muster_future *large, *behind;
    rig *r = up(2, 500);

    (void)state;
    assert_non_null(body);
    assert_code(muster_call_start(r->m, 1, "checksum", body, len,
                                  MUSTER_DEFAULT_MS, &large, &r->err),
                MUSTER_OK, r->err);
    behind = rig_start(r, 1, "echo", "behind");
    assert_code(muster_remove(r->m, &first, 1, 2 * RIG_WAIT_MS, &r->err),
                MUSTER_OK, r->err);
    assert_code(rig_result(r, &large), MUSTER_OK, r->err);
    assert_code(rig_result(r, &behind), MUSTER_OK, r->err);
    assert_end(r, 1, MUSTER_GONE, 0, "as it was told");
    free(body);
    rig_down(&r);
}

static void removed_and_terminated(void **state)
{
    const uint32_t first = 1;
    rig *r = up(2, 2000);
    muster_future *running = rig_start(r, 1, "nap", "200");

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 1), SIGTERM);
    assert_non_null(rig_event_to(r, 1, MUSTER_LEAVING, RIG_WAIT_MS));
    assert_code(muster_remove(r->m, &first, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    assert_code(rig_result(r, &running), MUSTER_OK, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(the_idle_end_at_once),
        rig_test(what_runs_may_finish),
        rig_test(what_waits_goes_to_others_once),
        rig_test(a_payload_on_its_way_goes_to_another),
        rig_test(what_has_begun_is_not_handed_back),
        rig_test(the_second_one_interrupts),
        rig_test(the_grace_has_an_end),
        rig_test(a_map_is_whole),
        rig_test(removed_while_it_gets_a_payload),
        rig_test(removed_and_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
