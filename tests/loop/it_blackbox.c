/* it_blackbox.c - what is known of a worker while it lives is in its verdict
 * when it has ended: memory, the handler that ran, and for how long. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/usage.h"
#include "rig.h"

#define LIMIT_MIB (RIG_SLOW > 1 ? 256 : 96)

static muster_options often(void)
{
    muster_options o = rig_options();

    o.heartbeat_timeout_ms = 800 * RIG_SLOW; /* figures 4 times in it */
    return o;
}

/* Its figures with this handler running, or the last in time. */
static muster_info wait_for_handler(rig *r, uint32_t rank, const char *name,
                                    int64_t at_least_ms)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info;

    do
        assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                    r->err);
    while ((strcmp(info.health.handler, name) != 0 ||
            info.health.handler_ms < at_least_ms) &&
           rig_now_ms() < until);
    assert_string_equal(info.health.handler, name);
    return info;
}

static void figures_come_with_heartbeats(void **state)
{
    const muster_options o = often();
    rig *r = rig_up_with(&o, 2);
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    const rig_event *ready = rig_event_to(r, 1, MUSTER_READY, 0);
    char host[256] = "";
    muster_info info;

    (void)state;
    assert_non_null(ready);
    info = wait_for_handler(r, 1, "until_canceled", 100);
    assert_int_equal(info.health.handlers, 1);
    assert_in_range(info.health.age_ms, 0, 10000);
    assert_in_range(info.health.rss_bytes, 1 << 20, UINT64_C(1) << 40);
    assert_in_range(info.health.memory_bytes, 1 << 16, UINT64_C(1) << 50);
    gethostname(host, sizeof(host) - 1);
    assert_string_equal(info.node, host);
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_OK, r->err);
    assert_string_equal(info.health.handler, "");
    assert_int_equal(info.health.handlers, 0);
    assert_true(info.health.age_ms >= 0);
    muster_future_cancel(f);
    muster_future_destroy(&f);
    wait_for_handler(r, 1, "", 0);
    rig_down(&r);
}

/* Where silence is no death, too. */
static void figures_come_without_a_heartbeat_timeout(void **state)
{
    muster_options o = rig_options();
    muster_future *f;
    rig *r;

    (void)state;
    o.heartbeat_timeout_ms = 0;
    r = rig_up_with(&o, 1);
    f = rig_start(r, 1, "until_canceled", "");
    wait_for_handler(r, 1, "until_canceled", 1);
    muster_future_cancel(f);
    muster_future_destroy(&f);
    rig_down(&r);
}

static void the_silent_one_was_in_a_handler(void **state)
{
    const muster_options o = often();
    rig *r = rig_up_with(&o, 1);
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    const pid_t pid = rig_pid(r, 1);

    (void)state;
    wait_for_handler(r, 1, "until_canceled", 100);
    rig_stop(pid);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1 was silent for",
                 "when last heard, handler until_canceled ran for ", "memory ");
    rig_down(&r);
}

static void the_killed_one_was_in_a_handler(void **state)
{
    const muster_options o = often();
    rig *r = rig_up_with(&o, 1);
    muster_future *f = rig_start(r, 1, "until_canceled", "");

    (void)state;
    wait_for_handler(r, 1, "until_canceled", 300);
    kill(rig_pid(r, 1), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text,
                 "worker 1 was killed by SIGKILL in handler until_canceled "
                 "after ",
                 " s (by hand, ");
    rig_down(&r);
}

/* ---------------------------------------------- a group with little memory --
 */

typedef struct group {
    char dir[PATH_MAX], program[64], path[PATH_MAX + 16];
    char text[2 * PATH_MAX];
} group;

static bool put(group *g, const char *name, const char *text)
{
    int fd;
    ssize_t n;

    snprintf(g->path, sizeof(g->path), "%s/%s", g->dir, name);
    fd = open(g->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text);
}

/* A control group below ours, and a program that starts workers in it. False:
 * not possible here. */
static bool group_up(group *g)
{
    size_t mount, n;
    bool v1;
    char limit[32];
    FILE *file;
    int fd;

    if (!mst_group_find("/proc/self", "/proc/self", "memory", g->dir,
                        sizeof(g->dir) - 64, &mount, &v1))
        return false;
    n = strlen(g->dir);
    snprintf(g->dir + n, sizeof(g->dir) - n, "/muster-test-%d", (int)getpid());
    if (mkdir(g->dir, 0755) != 0)
        return false;
    snprintf(limit, sizeof(limit), "%d", LIMIT_MIB << 20);
    if (!put(g, v1 ? "memory.limit_in_bytes" : "memory.max", limit) ||
        (!v1 && !put(g, "memory.swap.max", "0"))) {
        rmdir(g->dir);
        return false;
    }
    strcpy(g->program, "/tmp/in_group.XXXXXX");
    fd = mkstemp(g->program);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\necho $$ >'%s/cgroup.procs' || exit 9\n"
            "exec '%s' \"$@\"\n",
            g->dir, RIG_WORKER);
    fchmod(fd, 0755);
    fclose(file);
    return true;
}

static void group_down(group *g)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    unlink(g->program);
    while (rmdir(g->dir) != 0 && rig_now_ms() < until)
        poll(NULL, 0, 10);
}

static void wait_for_kills(rig *r, uint32_t rank, uint64_t n)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info;

    do
        assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                    r->err);
    while (info.health.oom_kills != n && rig_now_ms() < until);
    assert_int_equal(info.health.oom_kills, n);
}

static void the_oomkilled_one_is_said_to_be(void **state)
{
    muster_options o = often();
    group *g = calloc(1, sizeof(*g));
    char limit[32];
    muster_future *f;
    muster_info info;
    rig *r;

    (void)state;
    assert_non_null(g);
    if (!group_up(g)) {
        free(g);
        skip(); /* no root, or no memory controller */
        return;
    }
    o.worker = g->program;
    snprintf(limit, sizeof(limit), "; limit %dMi, last seen ", LIMIT_MIB);
    r = rig_up_with(&o, 2);
    f = rig_start(r, 2, "until_canceled", "");
    wait_for_handler(r, 2, "until_canceled", 1);
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.health.memory_limit_bytes, LIMIT_MIB << 20);
    assert_code(rig_call(r, 1, "hog", "2048", RIG_WAIT_MS), MUSTER_ELOST,
                r->err);
    print_message("%s\n", r->err.text);
    assert_words(r->err.text, "worker 1 was OOMKilled in handler hog after ",
                 limit);
    /* the next one is not blamed on memory, once it was heard again */
    wait_for_kills(r, 2, 1);
    kill(rig_pid(r, 2), SIGKILL);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 2 was killed by SIGKILL",
                 "(by hand, not for want of memory)");
    rig_down(&r);
    group_down(g);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(figures_come_with_heartbeats),
        rig_test(figures_come_without_a_heartbeat_timeout),
        rig_test(the_silent_one_was_in_a_handler),
        rig_test(the_killed_one_was_in_a_handler),
        rig_test(the_oomkilled_one_is_said_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
