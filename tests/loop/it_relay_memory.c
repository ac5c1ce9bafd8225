/* it_relay_memory.c - workers that pass large payloads on to each other, when
 * there is no memory for it, and what a thousand leave behind. */
#include "cast.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* It ends well for everybody but rank 2, where it may also end with an error
 * that says why. */
static muster_err end_but_2(cast *c, size_t n)
{
    muster_err of_2 = MUSTER_OK;

    pthread_join(c->thread, NULL);
    assert_non_null(c->all);
    assert_int_equal(c->all->n, n);
    for (size_t i = 0; i < n; i++) {
        const muster_result *one = &c->all->items[i];

        if (one->code == MUSTER_OK) {
            assert_string_equal(one->data, c->want);
            continue;
        }
        if (one->rank != 2 || one->text[0] == '\0')
            fail_msg("rank %u: %s, \"%s\"", one->rank,
                     muster_strerror(one->code), one->text);
        of_2 = one->code;
    }
    muster_results_destroy(&c->all);
    free(c->data);
    assert_int_equal(figures_of(c->r).flows, 0);
    return of_2;
}

/* -------------------------------------------------- the n-th does not succeed
 * --
 */

/* Returns when it has heard it. */
static void fail_after(pid_t pid, int n)
{
    const int64_t end_ms = rig_now_ms() + RIG_WAIT_MS;
    char path[64], line[256];
    bool pending = true;

    if (sigqueue(pid, SIGRTMIN, (union sigval){.sival_int = n}) != 0)
        return; /* it has ended */
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    while (pending && rig_now_ms() < end_ms) {
        FILE *f = fopen(path, "re");

        if (f == NULL)
            return;
        pending = false;
        while (fgets(line, sizeof(line), f) != NULL)
            if (strncmp(line, "ShdPnd:", 7) == 0)
                pending = strtoull(line + 7, NULL, 16) != 0;
        fclose(f);
        if (pending)
            poll(NULL, 0, 1);
    }
    assert_false(pending);
}

typedef struct outcome {
    unsigned good, refused, lost;
} outcome;

/* Rank 2 stands in the middle and everything is new to it. */
static void without_the_nth(int n, outcome *all)
{
    const size_t len = 5 * RIG_MIB;
    muster_options o = rig_options();
    muster_err rc;
    pid_t pid;
    cast c;
    rig *r;

    o.worker = NOMEM_WORKER;
    o.bulk = "sealed";
    o.relay = "always";
    r = rig_open(&o);
    cast_ready(r, "always", 4);
    pid = rig_pid(r, 2);
    fail_after(pid, n);
    begin(&c, r, len, 20000);
    rc = end_but_2(&c, 4);
    fail_after(pid, 0);
    all->good += rc == MUSTER_OK;
    all->lost += rc == MUSTER_ELOST;
    all->refused += rc != MUSTER_OK && rc != MUSTER_ELOST;
    assert_casts(r, len, muster_size(r->m)); /* there is memory again */
    rig_down(&r);
}

static void the_nth_allocation_fails(void **state)
{
    const int step = RIG_SLOW == 1 ? 1 : 3;
    outcome all = {0}, last = {0};

    (void)state;
    for (int n = 1; n <= 20; n += step)
        without_the_nth(n, &all);
    without_the_nth(1000, &last);
    print_message("           without the n-th: %u well, %u refused, %u lost\n",
                  all.good, all.refused, all.lost);
    assert_true(all.refused + all.lost > 0);
    assert_int_equal(last.good, 1);
}

/* ----------------------------------------------------------- a real limit --
 */

static void limit(pid_t pid, long kib)
{
    const struct rlimit to = {
        kib > 0 ? (rlim_t)(rig_status_kib(pid, "VmSize") + kib) * 1024
                : RLIM_INFINITY,
        RLIM_INFINITY};

    assert_int_equal(prlimit(pid, RLIMIT_AS, &to, NULL), 0);
}

/* There is no room for the payload, or little else: while the one behind takes
 * nothing, what it is to get stays. */
static muster_err within(long kib)
{
    const size_t len = 32 * RIG_MIB;
    rig *r = up(4);
    const pid_t pid = rig_pid(r, 2), next = rig_pid(r, 3);
    muster_err rc;
    cast c;

    if ((size_t)kib * KIB > len)
        rig_stop(next);
    limit(pid, kib);
    begin(&c, r, len, 20000);
    assert_true(until(r, has_all, 1, 10000));
    assert_true(until(r, has_all, 2, 10000));
    kill(next, SIGCONT);
    rc = end_but_2(&c, 4);
    assert_int_equal(muster_size(r->m), 4);
    limit(pid, 0);
    assert_casts(r, len, 4);
    rig_down(&r);
    return rc;
}

static void the_limit_of_the_process_is_reached(void **state)
{
    static const long kib[] = {256, 36 * 1024, 80 * 1024};
    unsigned refused = 0, served = 0;

    (void)state;
    if (RIG_SLOW > 1) /* their shadows are larger than any limit */
        skip();
    for (size_t i = 0; i < sizeof(kib) / sizeof(kib[0]); i++) {
        const muster_err rc = within(kib[i]);

        served += rc == MUSTER_OK;
        refused += rc == MUSTER_ENOMEM;
        print_message("           %ld KiB: %s\n", kib[i], muster_strerror(rc));
    }
    assert_true(served > 0);
    assert_true(refused > 0);
    assert_int_equal(served + refused, sizeof(kib) / sizeof(kib[0]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(the_nth_allocation_fails),
        rig_test(the_limit_of_the_process_is_reached),
    };

    if (argc > 1) /* only those, "the_n*" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
