/* it_limits.c - what the machine does not give, and options that make no
 * sense. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forked.h"
#include "rig.h"

/* -------------------------------------------------------------- options -- */

static muster_err open_with(const muster_options *o, muster_error *err)
{
    muster *m = NULL;
    const muster_err rc = muster_open(o, &m, err);

    if (rc != MUSTER_OK)
        assert_null(m);
    muster_close(&m);
    return rc;
}

#define assert_bad_option(field, value, want, ...)                             \
    do {                                                                       \
        muster_options o_ = rig_options();                                     \
        muster_error err_ = {0};                                               \
                                                                               \
        o_.field = value;                                                      \
        assert_code(open_with(&o_, &err_), want, err_);                        \
        assert_words(err_.text, __VA_ARGS__);                                  \
    } while (0)

static void a_bad_option_is_named(void **state)
{
    (void)state;
    assert_bad_option(bytes, 8, MUSTER_EINVAL, "MUSTER_OPTIONS_INIT");
    assert_bad_option(threads, 0, MUSTER_EINVAL, "threads", "not 0");
    assert_bad_option(threads, 1025, MUSTER_EINVAL, "threads", "1025");
    assert_bad_option(heartbeat_timeout_ms, 1, MUSTER_EINVAL,
                      "heartbeat_timeout_ms");
    assert_bad_option(heartbeat_timeout_ms, -1, MUSTER_EINVAL,
                      "heartbeat_timeout_ms", "-1");
    assert_bad_option(grace_ms, -5, MUSTER_EINVAL, "grace_ms", "-5");
    assert_bad_option(pending_timeout_ms, 0, MUSTER_EINVAL,
                      "pending_timeout_ms");
    assert_bad_option(launcher, (muster_launcher)9, MUSTER_EINVAL, "launcher",
                      "9");
    setenv("KUBECONFIG", "/nonexistent/config", 1);
    setenv("HOME", "/nonexistent", 1);
    assert_bad_option(launcher, MUSTER_LAUNCHER_K8S, MUSTER_EKUBE,
                      "/nonexistent/config");
    assert_bad_option(worker, "/nonexistent/worker", MUSTER_EINVAL,
                      "/nonexistent/worker", "No such file");
    assert_bad_option(listen, "not an address", MUSTER_EADDR, "not an address");
    assert_bad_option(listen, "192.0.2.1", MUSTER_EADDR, "192.0.2.1");
}

/* ----------------------------------------------------------------- port -- */

static uint16_t port_of(const rig *r)
{
    return (uint16_t)strtoul(strrchr(muster_endpoint(r->m), ':') + 1, NULL, 10);
}

static void a_port_in_use_is_refused(void **state)
{
    rig *r = rig_up(1);
    const uint16_t port = port_of(r);
    muster_options o = rig_options();
    const int64_t began = rig_now_ms();
    muster_error err = {0};
    char text[16];

    (void)state;
    snprintf(text, sizeof(text), ":%u", port);
    o.port = port;
    assert_code(open_with(&o, &err), MUSTER_EADDR, err);
    assert_within("port in use", began, 1000);
    assert_words(err.text, "127.0.0.1", text, "in use");
    rig_alive(r, 1);
    rig_down(&r);
    /* and it is free again */
    r = rig_up_with(&o, 1);
    assert_int_equal(port_of(r), port);
    rig_alive(r, 1);
    rig_down(&r);
}

/* ------------------------------------------------------------ processes -- */

#define OTHER_UID 54321 /* nobody else's processes count */

/* More workers than this user may have processes. */
static int launch_beyond_processes(void *arg)
{
    const struct rlimit limit = {30, 30};
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err = {0};
    uint32_t nready = 0;
    const int64_t began = rig_now_ms();
    muster_err rc;

    (void)arg;
    forked_check(setgroups(0, NULL) == 0 &&
                     setresgid(OTHER_UID, OTHER_UID, OTHER_UID) == 0 &&
                     setresuid(OTHER_UID, OTHER_UID, OTHER_UID) == 0,
                 "another user: %s", strerror(errno));
    if (access(RIG_WORKER, X_OK) != 0 || access(RIG_HANDLERS, R_OK) != 0) {
        fprintf(stderr, "           skipped: others cannot run %s\n",
                RIG_WORKER);
        return 0;
    }
    forked_check(setrlimit(RLIMIT_NPROC, &limit) == 0, "NPROC");
    rc = muster_open(&o, &m, &err);
    forked_check(rc == MUSTER_OK, "open: %s", err.text);
    rc = muster_launch(m, 100, 0, &nready, &err);
    forked_check(rc == MUSTER_EQUORUM, "launch of 100 is %d", rc);
    forked_check(strstr(err.text, "of 100 workers") != NULL &&
                     strstr(err.text, "worker") != NULL,
                 "%s", err.text);
    fprintf(stderr,
            "           beyond the process limit: %.3f s\n"
            "           %s\n",
            (double)(rig_now_ms() - began) / 1000, err.text);
    forked_check(rig_now_ms() - began < 3000 * RIG_SLOW, "it took too long");
    /* those that came up make room again */
    (void)muster_remove(m, NULL, 0, 5000, &err);
    rc = muster_launch(m, 2, 0, &nready, &err);
    forked_check(rc == MUSTER_OK, "launch of 2: %s", err.text);
    rc = muster_module_ship(m, RIG_HANDLERS, &err);
    forked_check(rc == MUSTER_OK, "ship: %s", err.text);
    rc = muster_call(m, MUSTER_ANY, "echo", "x", 1, 0, NULL, &err);
    forked_check(rc == MUSTER_OK, "call: %s", err.text);
    muster_close(&m);
    return 0;
}

static void beyond_the_process_limit(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("           skipped: only root can become a user who "
                      "has no other processes\n");
        skip();
    }
    forked_run(launch_beyond_processes, NULL, 15000);
}

/* ---------------------------------------------------------- descriptors -- */

/* More workers than there are descriptors for. */
static int launch_beyond_descriptors(void *arg)
{
    const struct rlimit limit = {80, 80};
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err = {0};
    uint32_t nready = 0;
    const int64_t began = rig_now_ms();
    muster_err rc;

    (void)arg;
    forked_check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "NOFILE");
    rc = muster_open(&o, &m, &err);
    forked_check(rc == MUSTER_OK, "open: %s", err.text);
    rc = muster_launch(m, 60, 0, &nready, &err);
    forked_check(rc == MUSTER_EQUORUM, "launch of 60 is %d", rc);
    forked_check(strstr(err.text, "Too many open files") != NULL, "%s",
                 err.text);
    fprintf(stderr,
            "           beyond the descriptor limit: %.3f s\n"
            "           %s\n",
            (double)(rig_now_ms() - began) / 1000, err.text);
    forked_check(rig_now_ms() - began < 3000 * RIG_SLOW, "it took too long");
    rc = muster_launch(m, 3, 0, &nready, &err);
    forked_check(rc == MUSTER_OK, "launch of 3: %s", err.text);
    rc = muster_module_ship(m, RIG_HANDLERS, &err);
    forked_check(rc == MUSTER_OK, "ship: %s", err.text);
    rc = muster_broadcast(m, NULL, "echo", "x", 1, 0, NULL, &err);
    forked_check(rc == MUSTER_OK, "broadcast: %s", err.text);
    muster_close(&m);
    return 0;
}

/* As many as there is room for come up, and the others are reported. */
static int launch_what_fits(void *arg)
{
    const struct rlimit limit = {80, 80};
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err = {0};
    uint32_t nready = 0;
    muster_err rc;

    (void)arg;
    forked_check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "NOFILE");
    o.pending_timeout_ms = 3000 * RIG_SLOW;
    rc = muster_open(&o, &m, &err);
    forked_check(rc == MUSTER_OK, "open: %s", err.text);
    rc = muster_launch(m, 30, 2, &nready, &err);
    forked_check(rc == MUSTER_OK, "launch of 2 to 30: %s", err.text);
    forked_check(nready >= 2 && nready < 30, "%u ready", nready);
    fprintf(stderr, "           %u of 30 fit\n", nready);
    rc = muster_module_ship(m, RIG_HANDLERS, &err);
    forked_check(rc == MUSTER_OK, "ship: %s", err.text);
    rc = muster_broadcast(m, NULL, "echo", "x", 1, 0, NULL, &err);
    forked_check(rc == MUSTER_OK, "broadcast: %s", err.text);
    muster_close(&m);
    return 0;
}

/* Too few descriptors for the runtime itself: an error, whichever step it is
 * that has none. */
static int open_without_descriptors(void *arg)
{
    const rlim_t most = *(const rlim_t *)arg;
    const struct rlimit limit = {most, most};
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err = {0};
    muster_err rc;

    forked_check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "NOFILE");
    rc = muster_open(&o, &m, &err);
    forked_check(rc == MUSTER_OK || (rc == MUSTER_ESYS && err.text[0] != '\0'),
                 "open with %d descriptors is %d: %s", (int)most, rc, err.text);
    muster_close(&m);
    _exit(0); /* no descriptors are left for LeakSanitizer */
}

static void near_the_descriptor_limit(void **state)
{
    (void)state;
    forked_run(launch_beyond_descriptors, NULL, 15000);
    forked_run(launch_what_fits, NULL, 15000);
}

static void no_descriptors_for_the_runtime(void **state)
{
    (void)state;
    for (rlim_t most = 3; most <= 40; most++)
        forked_run(open_without_descriptors, &most, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_bad_option_is_named),
        rig_test(a_port_in_use_is_refused),
        rig_test(beyond_the_process_limit),
        rig_test(near_the_descriptor_limit),
        rig_test(no_descriptors_for_the_runtime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
