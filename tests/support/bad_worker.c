/* bad_worker.c - a worker that does not play by the rules: BAD says how. It
 * has its true cookie, so the manager lets it in. Rank 1 is a good one when
 * BAD_BUT_FIRST names a program. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/cookie.h"
#include "link/socket.h"
#include "link/wire.h"

static void *zmq, *dealer;
static mst_cookie cookie;

static void *dial(void)
{
    void *socket = zmq_socket(zmq, ZMQ_DEALER);
    mst_pair self;
    muster_error err;

    memcpy(self.secret_key, cookie.secret_key, sizeof(self.secret_key));
    crypto_scalarmult_base(self.public_key, self.secret_key);
    if (mst_socket_tune(socket, 0, &err) != MUSTER_OK ||
        mst_socket_trust(socket, &self, cookie.manager_key, &err) !=
            MUSTER_OK ||
        zmq_connect(socket, cookie.addresses[0]) != 0)
        exit(2);
    return socket;
}

static void say_bytes(const void *bytes, size_t len)
{
    zmq_send(dealer, bytes, len, 0);
}

static void say(const mst_record *record)
{
    static unsigned char bytes[4096];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));

    mst_wire_put(&w, record);
    say_bytes(bytes, mst_written(&w));
}

static mst_record hello(void)
{
    mst_record r = {.kind = MST_HELLO, .side = mst_build_here(), .pid = 1};

    randombytes_buf(&r.instance, sizeof(r.instance));
    r.text = (mst_span){"bad", 3};
    return r;
}

/* The next record of a kind; others are passed over. False: none in 10 s. */
static bool hear(void *socket, mst_kind kind, mst_record *record)
{
    static unsigned char bytes[1 << 21];
    int patience_ms = 10000, n;
    mst_reader r;

    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof(patience_ms));
    while ((n = zmq_recv(socket, bytes, sizeof(bytes), 0)) >= 0) {
        r = mst_reader_of(bytes, (size_t)n);
        while (r.left > 0 && mst_wire_get(&r, record) == MUSTER_OK)
            if (record->kind == kind)
                return true;
    }
    return false;
}

/* Read and answer nothing until the manager is gone. */
static void sulk(void)
{
    struct pollfd line = {3, POLLIN, 0};

    while (poll(&line, 1, -1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

/* Join as one should, and wait for the first call. */
static mst_record join(void)
{
    mst_record r = hello();

    say(&r);
    if (!hear(dealer, MST_CALL, &r))
        exit(3);
    return r;
}

static void answer(uint64_t id, uint64_t total, const char *body)
{
    const mst_record r = {.kind = MST_RESULT,
                          .id = id,
                          .total = total,
                          .body = {body, strlen(body)}};

    say(&r);
}

static void be_of_another(const char *what)
{
    mst_record r = hello();

    if (strcmp(what, "wire") == 0)
        r.side.wire = 99;
    else if (strcmp(what, "word") == 0)
        r.side.word = 4;
    else
        r.side.build = (mst_span){"9.9.9", 5};
    say(&r);
    exit(hear(dealer, MST_REFUSE, &r) ? 76 : 4);
}

static void come_twice(void)
{
    void *second = dial();
    unsigned char bytes[512];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    mst_record r = hello();

    mst_wire_put(&w, &r);
    zmq_send(second, bytes, mst_written(&w), 0);
    if (!hear(second, MST_REFUSE, &r))
        exit(5);
}

static void misbehave(const char *how)
{
    const mst_record credit = {.kind = MST_CREDIT, .credit = 1 << 30};
    const mst_record chunk = {.kind = MST_CHUNK, .id = 77, .body = {"x", 1}};
    const mst_record stop = {.kind = MST_STOP};
    mst_record r;

    if (strcmp(how, "no-hello") == 0) {
        say(&credit);
        exit(hear(dealer, MST_GOAWAY, &r) ? 76 : 4);
    }
    r = join();
    if (strcmp(how, "garbage") == 0) {
        say_bytes("this is no record at all", 24);
    } else if (strcmp(how, "cut") == 0) {
        say_bytes("\0\0\0\x20\x07\0\0\0\0\0", 10);
    } else if (strcmp(how, "chunk") == 0) {
        say(&chunk);
    } else if (strcmp(how, "credit") == 0) {
        say(&credit);
    } else if (strcmp(how, "orders") == 0) {
        say(&stop);
    } else if (strcmp(how, "twice") == 0) {
        answer(12345, 2, "no");
        answer(r.id, 2, "ok");
        answer(r.id, 2, "no");
    } else if (strcmp(how, "endless") == 0) {
        answer(r.id, (uint64_t)1 << 60, "and then nothing");
    } else if (strcmp(how, "second") == 0) {
        come_twice();
        answer(r.id, 2, "ok");
    }
    sulk();
}

/* What a thief would do, for a test that comes back with it. */
static void keep_cookie(const char *text, size_t n)
{
    const char *path = getenv("COOKIE_OUT");
    const int fd =
        path != NULL ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd >= 0 && write(fd, text, n) != (ssize_t)n)
        exit(6);
}

int main(void)
{
    char text[MST_COOKIE_BYTES];
    const char *how = getenv("BAD"), *good = getenv("BAD_BUT_FIRST");
    ssize_t n = recv(3, text, sizeof(text), MSG_PEEK);
    muster_error err;

    if (how == NULL || n <= 0 || sodium_init() < 0 ||
        mst_cookie_parse(text, (size_t)n, &cookie, &err) != MUSTER_OK)
        return 1;
    if (good != NULL && cookie.rank == 1)
        execl(good, "muster-worker", "--fd", "3", (char *)NULL);
    n = recv(3, text, sizeof(text), 0);
    keep_cookie(text, (size_t)n);
    zmq = zmq_ctx_new();
    dealer = dial();
    if (strncmp(how, "other-", 6) == 0)
        be_of_another(how + 6);
    misbehave(how);
    return 0;
}
