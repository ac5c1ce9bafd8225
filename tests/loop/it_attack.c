/* it_attack.c - 400 attempts a second by those who have no key, while workers
 * work. See attacker.c.
 *
 *   MUSTER_ATTACK_S   how long, in seconds; 2. From 30 on throughput may fall
 *                     by a fifth at most; short ones are too noisy for that
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "rig.h"

#include "link/socket.h"
#include "session/session.h"

#define RATE "400"
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

static double seconds_of(const struct rusage *use)
{
    return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) +
           (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e6;
}

static double cpu_s(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return seconds_of(&use);
}

/* ------------------------------------------- a true handshake, recorded -- */

static void copy(int from, int to, int record)
{
    char bytes[4096];
    const ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n <= 0)
        return;
    assert_int_equal(send(to, bytes, (size_t)n, MSG_NOSIGNAL), n);
    if (record >= 0)
        assert_int_equal(write(record, bytes, (size_t)n), n);
}

static int to_manager(rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port_of(r))};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* As worker 1 would, with its key, through us in the middle. */
static void record_handshake(rig *r, const char *path)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const int front = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    void *zmq = zmq_ctx_new(), *dealer = zmq_socket(zmq, ZMQ_DEALER);
    void *monitor = NULL;
    int client, server;
    uint16_t event = 0;
    int32_t value;
    muster_error err;
    mst_pair self;
    char where[64];

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(front, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(front, 1), 0);
    assert_int_equal(getsockname(front, (struct sockaddr *)&at, &len), 0);
    mst_root_worker(r->m->root, 1, 1, &self);
    mst_socket_tune(dealer, 0, &err);
    mst_socket_trust(dealer, &self, mst_root_manager(r->m->root)->public_key,
                     &err);
    mst_socket_monitor(zmq, dealer, "inproc://recorded", &monitor, &err);
    snprintf(where, sizeof(where), "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(zmq_connect(dealer, where), 0);
    client = accept4(front, (struct sockaddr *)&at, &len, SOCK_CLOEXEC);
    server = to_manager(r);
    while (event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        struct pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};

        assert_in_range(poll(both, 2, 5000), 0, 2);
        copy(client, server, file);
        copy(server, client, -1);
        mst_socket_event(monitor, &event, &value);
    }
    zmq_close(monitor);
    zmq_close(dealer);
    zmq_ctx_term(zmq);
    close(client);
    close(server);
    close(front);
    close(file);
}

/* --------------------------------------------------------------- attack -- */

static pid_t attack(rig *r, double seconds, const char *hold, const char *path,
                    int *said)
{
    char port[8], time_s[16], key[65];
    int line[2];
    pid_t pid;

    snprintf(port, sizeof(port), "%u", port_of(r));
    snprintf(time_s, sizeof(time_s), "%.1f", seconds);
    sodium_bin2hex(key, sizeof(key), mst_root_manager(r->m->root)->public_key,
                   MST_KEY_BYTES);
    assert_int_equal(pipe(line), 0);
    pid = fork();
    if (pid == 0) {
        dup2(line[1], 1);
        close(line[0]);
        execl(ATTACKER, "attacker", port, RATE, time_s, hold, key, path,
              (char *)NULL);
        _exit(99);
    }
    assert_true(pid > 0);
    close(line[1]);
    *said = line[0];
    return pid;
}

static void assert_none_accepted(pid_t pid, int said)
{
    struct rusage use;
    char line[512];
    ssize_t n;
    int status;

    n = read(said, line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    close(said);
    assert_int_equal(wait4(pid, &status, 0, &use), pid);
    assert_int_equal(status, 0);
    print_message("%s", line);
    print_message("the attackers themselves: %.1f s of a processor\n",
                  seconds_of(&use));
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
static void by_turns(rig *r, double seconds, const char *path, double *with,
                     double *without)
{
    const int turns = seconds >= 30 ? 6 : 2;
    const double slice = seconds / turns;

    *with = *without = 0;
    for (int i = 0; i < turns; i++) {
        int said;
        pid_t pid;

        *without += work(r, slice) / turns;
        pid = attack(r, slice, "400", path, &said);
        *with += work(r, slice - 0.1) / turns;
        assert_none_accepted(pid, said);
    }
}

static void none_gets_in_and_work_goes_on(void **state)
{
    const double seconds = attack_s();
    char path[64];
    rig *r = rig_up(2);
    double with, without;
    long rss;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/it_attack.%d", (int)getpid());
    record_handshake(r, path);
    work(r, 0.5);
    rss = rss_kib();
    by_turns(r, seconds, path, &with, &without);
    rss = rss_kib() - rss;
    print_message("calls/s: %.0f with, %.0f without: %.2f; memory %+ld KiB\n",
                  with, without, with / without, rss);
    assert_true(with / without > (seconds >= 30 ? 0.8 : 0.4));
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
    pid_t pid;
    int said;

    (void)state;
    o.heartbeat_timeout_ms = 2000 * RIG_SLOW;
    /* for good: this test is the last. The attacker has the same */
    assert_int_equal(prlimit(0, RLIMIT_NOFILE, &low, NULL), 0);
    r = rig_up_with(&o, 2);
    pid = attack(r, 3, "70", "/dev/null", &said);
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
    assert_none_accepted(pid, said);
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
