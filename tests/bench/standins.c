#include "standins.h"

#include "base/clock.h"
#include "base/poll.h"
#include "bulk/lane.h"
#include "link/cookie.h"
#include "link/socket.h"
#include "link/wire.h"
#include "sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS 100
#define LINGER_MS 2000
#define SOCKETS_MAX 65535

typedef struct crew crew;

typedef struct standin {
    TAILQ_ENTRY(standin) link, dirty_link;
    crew *crew;
    void *dealer;
    mst_watch watch;
    mst_lane lane;
    uint32_t rank, heartbeat_ms;
    int64_t beat_ms; /* when to look whether a heartbeat is due */
    bool on, leaves, over;
} standin;

struct crew {
    void *zmq;
    mst_poll poll;
    mst_watch input, files;
    const char *dir;
    uint32_t part, parts;
    bool over;
    TAILQ_HEAD(, standin) all;
};

/* ------------------------------------------------------------- one of them */

static bool send_message(void *arg, zmq_msg_t *message)
{
    return zmq_msg_send(message, ((standin *)arg)->dealer, ZMQ_DONTWAIT) >= 0;
}

/* Not through the lane, which waits for WELCOME. */
static void say_hello(standin *s)
{
    unsigned char bytes[1024];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    const mst_record hello = {.kind = MST_HELLO,
                              .side = mst_build_here(),
                              .instance = s->rank,
                              .pid = (uint32_t)getpid(),
                              .text = {"stand-in", 8}};

    mst_wire_put(&w, &hello);
    if (!w.ok || zmq_send(s->dealer, bytes, mst_written(&w), ZMQ_DONTWAIT) < 0)
        bench_die("HELLO: %s", zmq_strerror(errno));
}

static void answer(standin *s, const mst_record *call)
{
    mst_record result = {.kind = MST_RESULT,
                         .id = call->id,
                         .peer = s->rank,
                         .total = call->body.len,
                         .body = call->body};

    if (call->total != call->body.len)
        bench_die("a stand-in takes no request in pieces");
    mst_lane_earn(&s->lane, mst_wire_window(call),
                  mst_wire_cost(call->body.len));
    if ((call->flags & MST_FLAG_POST) != 0)
        return;
    mst_credit_pay(&s->lane.credit[MST_WINDOW_PASSING],
                   mst_wire_cost(result.body.len));
    mst_lane_put(&s->lane, &result);
}

static void on_record(standin *s, const mst_record *r)
{
    static const mst_record bye = {.kind = MST_BYE, .text = {"drained", 7}};

    switch (r->kind) {
    case MST_WELCOME:
        if (!mst_lane_up(&s->lane, r->got))
            bench_die("stand-in %u: messages that were never sent", s->rank);
        s->on = true;
        s->heartbeat_ms = r->heartbeat_ms;
        s->beat_ms = mst_now_ms() + s->heartbeat_ms / 4;
        break;
    case MST_CALL:
        answer(s, r);
        break;
    case MST_ACK:
        if (!mst_lane_ack(&s->lane, r->got))
            bench_die("stand-in %u: messages that were never sent", s->rank);
        break;
    case MST_CREDIT:
        if (!mst_lane_credit(&s->lane, r))
            bench_die("stand-in %u: credit that was never used", s->rank);
        break;
    case MST_STOP:
        mst_lane_put(&s->lane, &bye);
        s->leaves = true;
        break;
    case MST_REFUSE:
    case MST_GOAWAY:
        bench_die("stand-in %u was refused: %.*s", s->rank, (int)r->text.len,
                  r->text.at);
    default:
        break;
    }
}

static bool read_message(standin *s)
{
    zmq_msg_t message;
    mst_record record;
    mst_reader r;
    int n;

    zmq_msg_init(&message);
    n = zmq_msg_recv(&message, s->dealer, ZMQ_DONTWAIT);
    if (n >= 0) {
        r = mst_reader_of(zmq_msg_data(&message), zmq_msg_size(&message));
        if (mst_wire_counts(zmq_msg_data(&message), r.left) &&
            mst_lane_heard(&s->lane, zmq_msg_data(&message), r.left) !=
                MST_HEARD_NEXT)
            bench_die("stand-in %u: a message did not come", s->rank);
        while (r.left > 0) {
            if (mst_wire_get(&r, &record) != MUSTER_OK)
                bench_die("stand-in %u: bytes that are no record", s->rank);
            on_record(s, &record);
        }
    }
    zmq_msg_close(&message);
    return n >= 0;
}

static void leave(standin *s)
{
    const int linger = LINGER_MS;

    TAILQ_REMOVE(&s->crew->all, s, link);
    mst_poll_del(&s->crew->poll, &s->watch);
    zmq_setsockopt(s->dealer, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_close(s->dealer);
    mst_lane_fini(&s->lane);
    free(s);
}

/* Until it is quiet: sending may swallow the sign that something came. */
static void work(standin *s)
{
    bool busy = true;

    while (busy) {
        while (read_message(s))
            ;
        busy = mst_lane_flush(&s->lane);
    }
    if (s->lane.broken)
        bench_die("stand-in %u cannot send", s->rank);
    if (s->leaves)
        leave(s);
}

static void heard(void *arg, uint32_t events)
{
    (void)events;
    work((standin *)arg);
}

static void *make_socket(void *zmq, const char *server, const mst_pair *self)
{
    void *dealer = zmq_socket(zmq, ZMQ_DEALER);
    uint8_t key[MST_KEY_BYTES];
    muster_error err;

    if (dealer == NULL)
        bench_die("socket: %s", zmq_strerror(errno));
    memcpy(key, server, sizeof(key));
    if (mst_socket_tune(dealer, 0, &err) != MUSTER_OK ||
        mst_socket_trust(dealer, self, key, &err) != MUSTER_OK)
        bench_die("%s", err.text);
    return dealer;
}

static void join(crew *c, const mst_cookie *cookie)
{
    standin *s = bench_alloc(1, sizeof(*s));
    muster_error err;
    mst_pair self;

    memcpy(self.secret_key, cookie->secret_key, sizeof(self.secret_key));
    crypto_scalarmult_base(self.public_key, self.secret_key);
    s->crew = c;
    s->rank = cookie->rank;
    s->dealer = make_socket(c->zmq, (const char *)cookie->manager_key, &self);
    if (zmq_connect(s->dealer, cookie->addresses[0]) != 0)
        bench_die("connect: %s", zmq_strerror(errno));
    s->watch = (mst_watch){heard, s, -1};
    if (mst_poll_add(&c->poll, &s->watch, mst_socket_fd(s->dealer), EPOLLIN,
                     &err) != MUSTER_OK)
        bench_die("%s", err.text);
    mst_lane_init(&s->lane, send_message, s);
    TAILQ_INSERT_TAIL(&c->all, s, link);
    say_hello(s);
    work(s);
}

/* ------------------------------------------------------------- all of them */

static void beat(crew *c)
{
    static const mst_record record = {.kind = MST_HEARTBEAT};
    const int64_t now = mst_now_ms();
    standin *s, *next;

    for (s = TAILQ_FIRST(&c->all); s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        if (!s->on || s->heartbeat_ms == 0 || now < s->beat_ms)
            continue;
        s->beat_ms += s->heartbeat_ms / 4;
        if (now - s->lane.heard_ms >= s->heartbeat_ms)
            bench_die("stand-in %u: the manager was silent", s->rank);
        if (now - s->lane.sent_ms < s->heartbeat_ms / 4)
            continue;
        mst_lane_put(&s->lane, &record);
        work(s);
    }
}

static void take_file(crew *c, const char *name)
{
    static const char before[] = "worker-";
    char path[PATH_MAX], text[MST_COOKIE_BYTES], *rest;
    mst_cookie cookie;
    muster_error err;
    unsigned long rank;
    ssize_t n;
    int fd;

    if (strncmp(name, before, sizeof(before) - 1) != 0)
        return;
    rank = strtoul(name + sizeof(before) - 1, &rest, 10);
    if (strcmp(rest, ".join") != 0 || rank % c->parts != c->part)
        return;
    snprintf(path, sizeof(path), "%s/%s", c->dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* taken back meanwhile */
    n = read(fd, text, sizeof(text));
    close(fd);
    if (n < 0 || mst_cookie_parse(text, (size_t)n, &cookie, &err) != MUSTER_OK)
        bench_die("%s: no cookie", path);
    join(c, &cookie);
    sodium_memzero(&cookie, sizeof(cookie));
    sodium_memzero(text, sizeof(text));
}

static void heard_files(void *arg, uint32_t events)
{
    crew *c = (crew *)arg;
    _Alignas(struct inotify_event) char bytes[16384];
    const ssize_t n = read(c->files.fd, bytes, sizeof(bytes));

    (void)events;
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(bytes + at);

        if ((event->mask & IN_Q_OVERFLOW) != 0)
            bench_die("more join files than inotify can tell");
        if (event->len > 0)
            take_file(c, event->name);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

static void heard_input(void *arg, uint32_t events)
{
    (void)events;
    ((crew *)arg)->over = true;
}

/* Each has a descriptor of its socket and one of its connection. */
static void need_room(void *zmq)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX) != 0)
        bench_die("sockets: %s", zmq_strerror(errno));
}

static void open_crew(crew *c)
{
    muster_error err;

    TAILQ_INIT(&c->all);
    c->zmq = zmq_ctx_new();
    if (c->zmq == NULL || sodium_init() < 0)
        bench_die("no context");
    need_room(c->zmq);
    c->input = (mst_watch){heard_input, c, -1};
    c->files = (mst_watch){heard_files, c, -1};
    if (mst_poll_init(&c->poll, &err) != MUSTER_OK ||
        mst_poll_add(&c->poll, &c->input, STDIN_FILENO, EPOLLIN, &err) !=
            MUSTER_OK)
        bench_die("%s", err.text);
}

int standins_serve(const char *dir, uint32_t part, uint32_t parts)
{
    static crew c;
    muster_error err;
    const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    open_crew(&c);
    c.dir = dir;
    c.part = part;
    c.parts = parts;
    if (fd < 0 || inotify_add_watch(fd, dir, IN_CLOSE_WRITE) < 0)
        bench_die("%s: %s", dir, strerror(errno));
    if (mst_poll_add(&c.poll, &c.files, fd, EPOLLIN, &err) != MUSTER_OK)
        bench_die("%s", err.text);
    puts("ready");
    fflush(stdout);
    while (!c.over) {
        mst_poll_wait(&c.poll, mst_now_ms() + TICK_MS);
        beat(&c);
    }
    return EXIT_SUCCESS; /* the system closes what is left */
}

int standins_bare(const char *endpoint, const char *key, uint32_t n)
{
    void *zmq = zmq_ctx_new();
    uint8_t server[MST_KEY_BYTES];
    char byte;

    if (zmq == NULL || sodium_init() < 0)
        bench_die("no context");
    need_room(zmq);
    if (zmq_z85_decode(server, key) == NULL)
        bench_die("no key: %s", key);
    for (uint32_t i = 0; i < n; i++) {
        mst_pair self;
        void *dealer;

        randombytes_buf(self.secret_key, sizeof(self.secret_key));
        crypto_scalarmult_base(self.public_key, self.secret_key);
        dealer = make_socket(zmq, (const char *)server, &self);
        if (zmq_connect(dealer, endpoint) != 0 ||
            zmq_send(dealer, "h", 1, 0) != 1)
            bench_die("connect: %s", zmq_strerror(errno));
    }
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return EXIT_SUCCESS;
}
