/* bad_worker.c - a worker that does not play by the rules: BAD says how. It
 * has its true cookie, so the manager lets it in. Rank 1 is a good one when
 * BAD_BUT_FIRST names a program, and rank 2, too, when there is TWO_GOOD. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "liar.h"
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

static uint64_t said; /* messages that are counted */

static void say_bytes(const void *bytes, size_t len)
{
    zmq_msg_t message;

    if (zmq_msg_init_size(&message, len) != 0)
        exit(2);
    memcpy(zmq_msg_data(&message), bytes, len);
    if (mst_wire_counts(bytes, len))
        mst_wire_set_number(zmq_msg_data(&message), ++said);
    if (zmq_msg_send(&message, dealer, 0) < 0)
        zmq_msg_close(&message);
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
    char byte;
    ssize_t n;

    do
        n = recv(3, &byte, 1, 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    _exit(0);
}

/* Join as one should, and wait for the first call. */
static void answer(uint64_t id, uint64_t total, const char *body);

/* Modules are not loaded, but that is not said. */
static mst_record join(void)
{
    mst_record r = hello();

    say(&r);
    do {
        if (!hear(dealer, MST_CALL, &r))
            exit(3);
        if (r.text.len > 7 && memcmp(r.text.at, "muster.", 7) == 0)
            answer(r.id, 0, "");
        else
            return r;
    } while (true);
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
        r.side.wire = MST_WIRE_VERSION - 1;
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

/* A call of our own; -1: it is not answered, else its code. */
static int ask(uint64_t id, uint32_t peer, const char *name, const char *body,
               size_t len)
{
    mst_record r = {.kind = MST_CALL,
                    .id = MST_ID_WORKER | id,
                    .remaining_ms = MST_WIRE_NO_DEADLINE,
                    .count = 1,
                    .peer = peer,
                    .depth = 1,
                    .text = {name, strlen(name)},
                    .total = len,
                    .body = {body, len}};

    say(&r);
    return hear(dealer, MST_RESULT, &r) ? r.code : -1;
}

/* What the test has to say. */
static const char *wanted(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        exit(9);
    return value;
}

/* Code into the manager and into another worker. */
static void push_code(uint64_t id)
{
    const char *canary = wanted("CANARY");
    const size_t len = strlen(canary) + 1;
    char text[64];

    snprintf(text, sizeof(text), "%d %d %d %d",
             ask(1, 0, "muster.load", canary, len),
             ask(2, 1, "muster.load", canary, len),
             ask(3, 0, "muster.ship", "x\0y", 3),
             ask(4, 1, "muster.put", "x\0y", 3));
    answer(id, strlen(text), text);
}

/* Two takes that wait, under one id. */
static void ask_twice(void)
{
    mst_record r = {.kind = MST_CALL,
                    .id = MST_ID_WORKER | 2,
                    .remaining_ms = MST_WIRE_NO_DEADLINE,
                    .depth = 1,
                    .text = {"muster.channel.take", 19},
                    .total = 2,
                    .body = {"c", 2}};

    (void)ask(1, 0, "muster.channel.open", "\0\0\0\4c", 5);
    say(&r);
    say(&r);
}

/* More than there may be outstanding: takes that wait. */
static void ask_too_much(void)
{
    mst_record r = {.kind = MST_CALL,
                    .remaining_ms = MST_WIRE_NO_DEADLINE,
                    .depth = 1,
                    .text = {"muster.channel.take", 19},
                    .total = 2,
                    .body = {"c", 2}};

    (void)ask(1, 0, "muster.channel.open", "\0\0\0\4c", 5);
    for (uint64_t i = 2; i <= MST_WIRE_CALLS + 2; i++) {
        r.id = MST_ID_WORKER | i;
        say(&r);
    }
}

/* Large requests that wait behind one another, more than there may be. */
static void ask_too_many_bytes(void)
{
    static char body[1000];
    mst_record r = {.kind = MST_CALL,
                    .remaining_ms = MST_WIRE_NO_DEADLINE,
                    .depth = 1,
                    .text = {"muster.channel.take", 19},
                    .total = sizeof(body),
                    .body = {body, sizeof(body)}};

    (void)ask(1, 0, "muster.channel.open", "\0\0\0\4c", 5);
    body[0] = 'c';
    r.id = MST_ID_WORKER | 2;
    say(&r);
    r.id = MST_ID_WORKER | 3;
    r.total = MST_WIRE_ASKED;
    say(&r);
}

static void print_too_much(void)
{
    static char lines[MST_WIRE_OUTPUT + 1];
    static unsigned char bytes[sizeof(lines) + MST_WIRE_FIELDS];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    mst_record r = {
        .kind = MST_OUTPUT, .mode = 1, .body = {lines, sizeof(lines)}};

    memset(lines, 'x', sizeof(lines));
    mst_wire_put(&w, &r);
    say_bytes(bytes, mst_written(&w));
}

static void say_evil_words(uint64_t id)
{
    static const char words[] = "\033[2J\033]0;t\007\r\n\302\2335n\377evil";
    const mst_record r = {.kind = MST_RESULT,
                          .id = id,
                          .code = MUSTER_EREMOTE,
                          .remote = 7,
                          .text = {words, sizeof(words) - 1}};

    say(&r);
}

/* A second connection that does not say who it is, or not what it should, and
 * does not go by itself: it is put out. */
static void lodge(bool talk, uint64_t id)
{
    void *second = dial(), *monitor;
    const mst_record beat = {.kind = MST_HEARTBEAT};
    unsigned char bytes[64];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    muster_error err;
    uint16_t event = 0;
    int32_t value;

    if (mst_socket_monitor(zmq, second, "inproc://lodger", &monitor, &err) !=
        MUSTER_OK)
        exit(7);
    mst_wire_put(&w, &beat);
    for (int i = 0; i < 4000 && event != ZMQ_EVENT_DISCONNECTED; i++) {
        if (talk)
            zmq_send(second, bytes, mst_written(&w), 0);
        if (i % 20 == 0) /* the first is to be kept */
            say(&beat);
        if (!mst_socket_event(monitor, &event, &value))
            poll(NULL, 0, 5);
    }
    answer(id, 3, event == ZMQ_EVENT_DISCONNECTED ? "out" : "in!");
}

static void tell_lies(uint64_t id)
{
    const char *seed = wanted("LIES_SEED"), *most = wanted("LIES_MOST");
    const int fd = open(wanted("LIES_TOLD"), O_RDWR | O_CLOEXEC);
    volatile uint64_t *told =
        mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (told == MAP_FAILED)
        exit(8);
    liar_run(dealer, strtoull(seed, NULL, 10) + cookie.rank, id, said,
             wanted("CANARY"), strtoull(most, NULL, 10), told);
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
    } else if (strcmp(how, "push-code") == 0) {
        push_code(r.id);
    } else if (strcmp(how, "same-id") == 0) {
        ask_twice();
    } else if (strcmp(how, "many-calls") == 0) {
        ask_too_much();
    } else if (strcmp(how, "many-bytes") == 0) {
        ask_too_many_bytes();
    } else if (strcmp(how, "output") == 0) {
        print_too_much();
    } else if (strcmp(how, "words") == 0) {
        say_evil_words(r.id);
    } else if (strncmp(how, "lodger", 6) == 0) {
        lodge(strcmp(how, "lodger-talks") == 0, r.id);
    } else if (strcmp(how, "liar") == 0) {
        tell_lies(r.id);
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
    if (good != NULL && cookie.rank <= (getenv("TWO_GOOD") != NULL ? 2 : 1))
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
