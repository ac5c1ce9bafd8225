/* it_attack.c - 400 attempts a second by those who have no key, while workers
 * work. See attack.h.
 *
 *   MUSTER_ATTACK_S   how long, in seconds; 2
 */
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attack.h"
#include "rig.h"

#include "session/session.h"

#define RATE 400
#define HELD 400
/* Work that falls below a tenth stands still: what waits for an attacker would
 * wait until he is gone. How far it falls is for `./dev bench attack`. */
#define STALLED 10
#define RSS_MOST_KIB (64L << 10)

static double attack_s(void)
{
    const char *text = getenv("MUSTER_ATTACK_S");

    return text != NULL ? strtod(text, NULL) : 2;
}

static uint16_t port_of(rig *r)
{
    return (uint16_t)strtoul(strrchr(muster_endpoint(r->m), ':') + 1, NULL, 10);
}

static long rss_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "", *behind;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    (void)strtol(line, &behind, 10);
    return strtol(behind, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

static double cpu_s(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* --------------------------------------------------------------- attack -- */

static attack attack_on(rig *r, unsigned hold, const char *path)
{
    attack a = {.program = ATTACKER,
                .port = port_of(r),
                .rate = RATE,
                .hold = hold,
                .handshake = path};

    memcpy(a.key, mst_root_manager(r->m->root)->public_key, MST_KEY_BYTES);
    return a;
}

/* As worker 1 would, with its key. */
static void record_handshake(rig *r, const attack *a)
{
    mst_pair self;

    mst_root_worker(r->m->root, 1, 1, &self);
    assert_true(attack_record(a, &self));
    sodium_memzero(&self, sizeof(self));
}

static void assert_none_accepted(attack *a)
{
    char line[512];
    double cpu = 0;
    const bool none = attack_end(a, line, &cpu);

    print_message("%s", line);
    print_message("the attackers themselves: %.1f s of a processor\n", cpu);
    assert_true(none);
    assert_words(line, " replay ", " accepted 0\n");
}

/* Calls at full rate, eight at a time; how many a second. */
static double work(rig *r, double seconds)
{
    const int64_t began = rig_now_ms();
    const int64_t until = began + (int64_t)(seconds * 1000);
    muster_future *futures[8];
    unsigned long n = 0;

    while (rig_now_ms() < until) {
        for (unsigned i = 0; i < 8; i++)
            futures[i] = rig_start(r, 1 + i % 2, "echo", "0123456789abcdef");
        for (unsigned i = 0; i < 8; i++)
            assert_code(rig_result(r, &futures[i]), MUSTER_OK, r->err);
        n += 8;
    }
    return (double)n * 1000 / (double)(rig_now_ms() - began);
}

/* With and without, by turns: the machine may have other things to do, too.
 * The attackers of a turn are gone before the next one, with all they held. */
static void by_turns(rig *r, double seconds, attack *a, double *with,
                     double *without)
{
    const int turns = seconds >= 30 ? 6 : 2;
    const double slice = seconds / turns;

    *with = *without = 0;
    for (int i = 0; i < turns; i++) {
        *without += work(r, slice) / turns;
        assert_true(attack_begin(a, slice));
        *with += work(r, slice - 0.1) / turns;
        assert_none_accepted(a);
    }
}

static void none_gets_in_and_work_goes_on(void **state)
{
    const double seconds = attack_s();
    char path[64];
    rig *r = rig_up(2);
    attack a = attack_on(r, HELD, path);
    double with, without;
    long rss;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/it_attack.%d", (int)getpid());
    record_handshake(r, &a);
    work(r, 0.5);
    rss = rss_kib();
    by_turns(r, seconds, &a, &with, &without);
    rss = rss_kib() - rss;
    print_message("calls/s: %.0f with, %.0f without: %.2f; memory %+ld KiB\n",
                  with, without, with / without, rss);
    assert_true(with > without / STALLED);
    assert_in_range(rss > 0 ? rss : 0, 0, RSS_MOST_KIB * RIG_SLOW);
    rig_alive(r, 2);
    unlink(path);
    rig_down(&r);
}

/* --------------------------------------------------- the descriptor limit --
 */

static void no_descriptors_is_no_reason_to_spin(void **state)
{
    muster_options o = rig_options();
    const struct rlimit low = {112, 112};
    rig *r;
    double cpu;
    attack a;

    (void)state;
    o.heartbeat_timeout_ms = 2000 * RIG_SLOW;
    /* for good: this test is the last. The attacker has the same */
    assert_int_equal(prlimit(0, RLIMIT_NOFILE, &low, NULL), 0);
    r = rig_up_with(&o, 2);
    a = attack_on(r, 70, "/dev/null");
    assert_true(attack_begin(&a, 3));
    assert_true(
        rig_logged(r, "DESCRIPTORS-NEAR-LIMIT", "shut out", RIG_WAIT_MS));
    cpu = cpu_s();
    poll(NULL, 0, 1000);
    cpu = cpu_s() - cpu;
    print_message("at the descriptor limit: %.1f %% of a processor\n",
                  100 * cpu);
    assert_true(cpu < 0.2 * RIG_SLOW);
    assert_true(work(r, 0.5) > 0);
    rig_launch(r, 1); /* one that has a key comes in all the same */
    rig_alive(r, 3);
    assert_none_accepted(&a);
    rig_alive(r, 3);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(none_gets_in_and_work_goes_on),
        rig_test(no_descriptors_is_no_reason_to_spin),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
