/* it_strangers.c - those who knock without a key, and where we listen. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "rig.h"

#include "link/cookie.h"
#include "session/session.h"

#define STRANGERS 100

static uint16_t port_of(rig *r)
{
    const char *colon = strrchr(muster_endpoint(r->m), ':');

    assert_non_null(colon);
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static int knock(uint16_t port, const void *bytes, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    if (len > 0)
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    return fd;
}

static void assert_answers(rig *r, int times)
{
    for (int i = 0; i < times; i++)
        assert_code(rig_call(r, 1, "echo", "hello", 0), MUSTER_OK, r->err);
}

static void strangers_change_nothing(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: manager\r\n\r\n";
    rig *r = rig_up(1);
    const int before = rig_descriptors();
    const int64_t until = rig_now_ms() + 20000;
    int fds[STRANGERS];
    unsigned char noise[4096];

    (void)state;
    randombytes_buf(noise, sizeof(noise));
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = i % 3 == 0   ? knock(port_of(r), NULL, 0)
                 : i % 3 == 1 ? knock(port_of(r), http, sizeof(http) - 1)
                              : knock(port_of(r), noise, sizeof(noise));
        assert_answers(r, 3);
    }
    assert_answers(r, 200);
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    while (rig_descriptors() > before + 2 && rig_now_ms() < until)
        assert_answers(r, 10);
    assert_in_range(rig_descriptors(), 0, before + 2);
    rig_alive(r, 1);
    rig_down(&r);
}

/* A ZeroMQ client of either kind gets nowhere, however often it tries. */
static void assert_deaf(rig *r, bool curve)
{
    void *zmq = zmq_ctx_new(), *dealer = zmq_socket(zmq, ZMQ_DEALER);
    int none = 0, often = 10, patience = 300;
    char public[41], secret[41], server[41], other[41], byte;

    zmq_setsockopt(dealer, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(dealer, ZMQ_RECONNECT_IVL, &often, sizeof(often));
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &patience, sizeof(patience));
    if (curve) {
        assert_int_equal(zmq_curve_keypair(public, secret), 0);
        assert_int_equal(zmq_curve_keypair(server, other), 0);
        zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server, 40);
        zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, public, 40);
        zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, secret, 40);
    }
    assert_int_equal(zmq_connect(dealer, muster_endpoint(r->m)), 0);
    assert_int_equal(zmq_send(dealer, "hello", 5, 0), 5);
    assert_int_equal(zmq_recv(dealer, &byte, 1, 0), -1);
    assert_answers(r, 100);
    zmq_close(dealer);
    zmq_ctx_term(zmq);
}

static void clients_without_our_keys_stay_outside(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_deaf(r, false);
    assert_deaf(r, true);
    rig_down(&r);
}

/* ------------------------------------------------------ a worker by hand -- */

/* Run muster-worker with this cookie; its exit status and first line. */
static int by_hand(const char *text, mode_t mode, char *line, size_t bytes)
{
    char path[] = "/tmp/muster-cookie-XXXXXX";
    const int fd = mkstemp(path);
    int said[2], status;
    ssize_t n;
    pid_t pid;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    assert_int_equal(pipe(said), 0);
    pid = fork();
    if (pid == 0) {
        dup2(said[1], 2);
        execl(TRUE_WORKER, "muster-worker", "--cookie", path, (char *)NULL);
        _exit(99);
    }
    close(said[1]);
    n = read(said[0], line, bytes - 1);
    line[n > 0 ? n : 0] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(said[0]);
    unlink(path);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void make_cookie(const char *endpoint, const uint8_t *manager_key,
                        char *text, size_t bytes)
{
    mst_cookie cookie = {.session = "00112233445566778899aabbccddeeff",
                         .rank = 1,
                         .incarnation = 1,
                         .naddresses = 1};

    snprintf(cookie.addresses[0], sizeof(cookie.addresses[0]), "%s", endpoint);
    memcpy(cookie.manager_key, manager_key, MST_KEY_BYTES);
    randombytes_buf(cookie.secret_key, MST_KEY_BYTES);
    assert_true(mst_cookie_print(&cookie, text, bytes) > 0);
}

static void a_bad_cookie_is_an_exit_status_and_a_line(void **state)
{
    uint8_t key[MST_KEY_BYTES] = {9};
    char text[MST_COOKIE_BYTES], line[512];

    (void)state;
    assert_int_equal(by_hand("no cookie\n", 0600, line, sizeof(line)), 65);
    assert_words(line, "muster-worker: ", "not a cookie");
    make_cookie("tcp://127.0.0.1:1", key, text, sizeof(text));
    assert_int_equal(by_hand(text, 0644, line, sizeof(line)), 65);
    assert_words(line, "everybody");
}

/* The true manager, a key that is none of its workers'. */
static void a_key_of_nobody_is_refused(void **state)
{
    rig *r = rig_up(1);
    char text[MST_COOKIE_BYTES], line[512];
    const int64_t began = rig_now_ms();

    (void)state;
    make_cookie(muster_endpoint(r->m), mst_root_manager(r->m->root)->public_key,
                text, sizeof(text));
    assert_int_equal(by_hand(text, 0600, line, sizeof(line)), 76);
    assert_words(line, "muster-worker: ", "does not know our key");
    assert_within("the refusal", began, 3000);
    assert_answers(r, 10);
    rig_down(&r);
}

/* --------------------------------------------------------------- secrets -- */

static void assert_no_key_in(pid_t pid, const char *what)
{
    char path[64], bytes[65536];
    size_t run = 0;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, bytes, sizeof(bytes));
    close(fd);
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++) {
        run = strchr("0123456789abcdefABCDEF", bytes[i]) != NULL &&
                      bytes[i] != '\0'
                  ? run + 1
                  : 0;
        assert_true(run < 40);
    }
}

static void no_key_can_be_seen_from_outside(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_no_key_in(rig_pid(r, 1), "cmdline");
    assert_no_key_in(rig_pid(r, 1), "environ");
    rig_down(&r);
}

/* ------------------------------------------------------- where we listen -- */

static void a_port_can_be_asked_for_once(void **state)
{
    rig *first = rig_up(1);
    muster_options o = rig_options();
    muster *second = NULL;
    muster_error err;
    char number[16];

    (void)state;
    assert_words(muster_endpoint(first->m), "tcp://127.0.0.1:");
    o.port = port_of(first);
    snprintf(number, sizeof(number), "%u", o.port);
    assert_code(muster_open(&o, &second, &err), MUSTER_EADDR, err);
    assert_words(err.text, "127.0.0.1", number, "in use");
    assert_null(second);
    rig_down(&first);
    first = rig_up_with(&o, 1);
    assert_int_equal(port_of(first), o.port);
    rig_down(&first);
}

static void an_address_that_is_not_ours_is_refused(void **state)
{
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err;

    (void)state;
    o.listen = "192.0.2.1"; /* RFC 5737: nobody's */
    assert_code(muster_open(&o, &m, &err), MUSTER_EADDR, err);
    assert_words(err.text, "192.0.2.1");
    o.listen = "no address";
    assert_code(muster_open(&o, &m, &err), MUSTER_EADDR, err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(strangers_change_nothing),
        rig_test(clients_without_our_keys_stay_outside),
        rig_test(a_bad_cookie_is_an_exit_status_and_a_line),
        rig_test(a_key_of_nobody_is_refused),
        rig_test(no_key_can_be_seen_from_outside),
        rig_test(a_port_can_be_asked_for_once),
        rig_test(an_address_that_is_not_ours_is_refused),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
