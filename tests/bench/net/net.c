/* bench_net - a broadcast to workers that each have a link of their own.
 *
 *     bench_net hop ADDRESS PORT [NEXT]  one that gets a raw copy, and passes
 *                                        it on to the next
 *     bench_net ADDRESS DIR N FIRST PORT [--size MIB] [--rounds R] [--sweep]
 *               [--no-star]
 *
 * The second is the manager. It listens at ADDRESS and writes join files into
 * DIR/star and DIR/chain, for N workers each, which net.sh starts. In each
 * round the same bytes go as one copy by a plain TCP socket to a hop at FIRST
 * and PORT, to a chain of N bare hops that begins there on the port behind, to
 * the workers of the first session without relays, and to those of the second
 * with them. The clock is that of ../bulk.h.
 */
#include "bulk.h"
#include "sample.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <muster/muster.h>

#define MIB ((size_t)1 << 20)
#define ROUNDS 32
#define WORKERS 64
#define ALARM_S 600
#define PIECE ((size_t)256 << 10) /* that a hop reads at most */

static void must(ssize_t rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s", what, strerror(errno));
}

static void must_ours(muster_err rc, const muster_error *err, const char *what)
{
    if (rc != MUSTER_OK)
        bench_die("%s: %s: %s", what, muster_strerror(rc), err->text);
}

/* ------------------------------------------------------------- one copy -- */

static void read_all(int fd, void *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = read(fd, (char *)to + done, len - done);

        must(n, "read");
        if (n == 0)
            exit(EXIT_SUCCESS); /* the manager has what it wanted */
        done += (size_t)n;
    }
}

static void write_all(int fd, const void *from, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(fd, (const char *)from + done, len - done);

        must(n, "write");
        done += (size_t)n;
    }
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)bench_count(port, UINT16_MAX))};

    if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
        bench_die("%s is no IPv4 address", host);
    return at;
}

static int stream(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    must(fd, "socket");
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "option");
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "option");
    return fd;
}

static int listener_at(const char *host, const char *port)
{
    const struct sockaddr_in at = address_of(host, port);
    const int fd = stream();

    must(bind(fd, (const struct sockaddr *)&at, sizeof(at)), "bind");
    must(listen(fd, 1), "listen");
    return fd;
}

static int connected_to(const char *host, const char *port)
{
    const struct sockaddr_in at = address_of(host, port);
    int fd = stream(), tries = 0;

    while (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        if (++tries > 100)
            bench_die("nobody at %s: %s", host, strerror(errno));
        close(fd);
        poll(NULL, 0, 50);
        fd = stream();
    }
    return fd;
}

/* What comes goes on at once. */
static void pass(int from, int to, unsigned char *body, size_t len)
{
    for (size_t done = 0; done < len;) {
        const size_t most = len - done < PIECE ? len - done : PIECE;
        const ssize_t n = read(from, body + done, most);

        must(n, "read");
        if (n == 0)
            bench_die("a payload that ends early");
        if (to >= 0)
            write_all(to, body + done, (size_t)n);
        done += (size_t)n;
    }
}

/* Answers with the sum when all behind it have the same. */
static void hop(const char *host, const char *port, const char *next)
{
    const int listener = listener_at(host, port);
    const int to = next != NULL ? connected_to(next, port) : -1;
    /* cppcheck-suppress nullPointer */
    const int from = accept(listener, NULL, NULL);
    unsigned char *body = bench_alloc(BENCH_LARGEST, 1);
    uint64_t size, sum, behind;

    must(from, "accept");
    for (;;) {
        read_all(from, &size, sizeof(size));
        if (size > BENCH_LARGEST)
            bench_die("a payload of %zu bytes", (size_t)size);
        if (to >= 0)
            write_all(to, &size, sizeof(size));
        pass(from, to, body, size);
        sum = behind = bench_read(body, size);
        if (to >= 0)
            read_all(to, &behind, sizeof(behind));
        sum = sum == behind ? sum : ~sum;
        write_all(from, &sum, sizeof(sum));
    }
}

static double copy_ms(int fd, const void *body, size_t len)
{
    const uint64_t size = len, want = bench_read(body, len);
    const int64_t start = bench_now_ns();
    uint64_t sum;
    int64_t took;

    write_all(fd, &size, sizeof(size));
    write_all(fd, body, len);
    read_all(fd, &sum, sizeof(sum));
    took = bench_now_ns() - start;
    if (sum != want)
        bench_die("a hop has not read what was sent");
    return (double)took / 1e6;
}

/* --------------------------------------------------------------- muster -- */

static void log_line(void *arg, muster_level level, const char *id,
                     const char *text)
{
    (void)level;
    fprintf(stderr, "%s: %s %s\n", (const char *)arg, id, text);
}

static muster *session(const char *address, const char *dir, const char *name,
                       const char *relay)
{
    muster_options o = MUSTER_OPTIONS_INIT;
    char path[4096];
    muster_error err = {0};
    muster *m = NULL;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    o.launcher = MUSTER_LAUNCHER_JOIN;
    o.listen = address;
    o.join_dir = path;
    o.relay = relay;
    o.on_log = log_line;
    if (getenv("BENCH_VERBOSE") != NULL)
        o.log_level = MUSTER_LOG_INFO;
    o.arg = (void *)(uintptr_t)name;
    must_ours(muster_open(&o, &m, &err), &err, "open");
    return m;
}

static void launch(muster *m, uint32_t n)
{
    muster_error err = {0};

    must_ours(muster_launch(m, n, 0, NULL, &err), &err, "launch");
    must_ours(muster_module_ship(m, BENCH_HANDLERS, &err), &err, "ship");
}

/* To the first n of them. */
static double broadcast_ms(muster *m, size_t n, const void *body, size_t len)
{
    uint32_t ranks[WORKERS];
    muster_set set = {.kind = MUSTER_SET_LIST, .nranks = n};
    const uint64_t sum = bench_read(body, len);
    muster_results *results = NULL;
    muster_error err = {0};
    int64_t start, took;

    for (size_t i = 0; i < n; i++)
        ranks[i] = (uint32_t)i + 1;
    set.ranks = ranks;
    start = bench_now_ns();
    must_ours(muster_broadcast(m, &set, "read_all", body, len, 120000, &results,
                               &err),
              &err, "broadcast");
    took = bench_now_ns() - start;
    for (size_t i = 0; i < n; i++)
        if (results->items[i].len != sizeof(sum) ||
            memcmp(results->items[i].data, &sum, sizeof(sum)) != 0)
            bench_die("a worker has not read what was sent");
    muster_results_destroy(&results);
    return (double)took / 1e6;
}

/* --------------------------------------------------------------- rounds -- */

typedef struct net {
    int copy, bare; /* to one, and to a chain of bare hops; -1: none */
    muster *star, *chain;
    size_t n, rounds;
    bool no_star;
    unsigned char *body;
} net;

typedef struct times {
    double copy, bare, star, chain;
} times;

static times once(const net *b, size_t n, size_t size)
{
    times t = {.copy = copy_ms(b->copy, b->body, size)};

    if (b->bare >= 0)
        t.bare = copy_ms(b->bare, b->body, size);
    if (!b->no_star)
        t.star = broadcast_ms(b->star, n, b->body, size);
    t.chain = broadcast_ms(b->chain, n, b->body, size);
    return t;
}

static times measure(const net *b, size_t n, size_t size, size_t rounds)
{
    double copy[ROUNDS], bare[ROUNDS], star[ROUNDS], chain[ROUNDS];

    for (size_t i = 0; i < rounds; i++) {
        const times t = once(b, n, size);

        copy[i] = t.copy;
        bare[i] = t.bare;
        star[i] = t.star;
        chain[i] = t.chain;
        if (size >= 16 * MIB)
            printf("  round %2zu   one copy %7.1f   bare chain %7.1f   "
                   "star %7.1f   relays %7.1f ms\n",
                   i + 1, t.copy, t.bare, t.star, t.chain);
    }
    return (times){
        bench_quantile(copy, rounds, 0.5), bench_quantile(bare, rounds, 0.5),
        bench_quantile(star, rounds, 0.5), bench_quantile(chain, rounds, 0.5)};
}

static void say_one(const char *what, double ms, double copy)
{
    if (ms > 0)
        printf(", %s %.1f ms (%.2f x)", what, ms, ms / copy);
}

static void say(size_t n, size_t size, times m)
{
    printf("%6zu KiB to %2zu: one copy %8.1f ms", size >> 10, n, m.copy);
    say_one("bare chain", m.bare, m.copy);
    say_one("star", m.star, m.copy);
    say_one("relays", m.chain, m.copy);
    printf("\n");
    fflush(stdout);
}

/* Where relays begin to pay. */
static void sweep(const net *b)
{
    static const size_t counts[] = {2, 3, 4, 8};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (size_t size = MIB / 4; size <= 16 * MIB && counts[i] <= b->n;
             size *= 4)
            say(counts[i], size,
                measure(b, counts[i], size, size < 16 * MIB ? 7 : 3));
}

static void manager(int argc, char **argv)
{
    net b = {.n = bench_count(argv[3], WORKERS), .rounds = 5};
    size_t size = 64 * MIB;
    bool sweeps = false;
    char behind[8];

    for (int i = 6; i < argc; i++)
        if (strcmp(argv[i], "--sweep") == 0)
            sweeps = true;
        else if (strcmp(argv[i], "--no-star") == 0)
            b.no_star = true;
        else if (i + 1 < argc && strcmp(argv[i], "--size") == 0)
            size = MIB * bench_count(argv[++i], BENCH_LARGEST / MIB);
        else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0)
            b.rounds = bench_count(argv[++i], ROUNDS);
        else
            bench_die("what is %s?", argv[i]);
    b.body = bench_payload(BENCH_LARGEST);
    b.star = session(argv[1], argv[2], "star", "off");
    b.chain = session(argv[1], argv[2], "chain", sweeps ? "always" : "auto");
    launch(b.star, (uint32_t)b.n);
    launch(b.chain, (uint32_t)b.n);
    snprintf(behind, sizeof(behind), "%u",
             (unsigned)bench_count(argv[5], UINT16_MAX - 1) + 1);
    b.copy = connected_to(argv[4], argv[5]);
    b.bare = sweeps ? -1 : connected_to(argv[4], behind);
    copy_ms(b.copy, b.body, 4 * MIB); /* warm */
    if (b.bare >= 0)
        copy_ms(b.bare, b.body, 4 * MIB);
    broadcast_ms(b.star, b.n, b.body, 4 * MIB);
    broadcast_ms(b.chain, b.n, b.body, 4 * MIB);
    if (sweeps)
        sweep(&b);
    else
        say(b.n, size, measure(&b, b.n, size, b.rounds));
    muster_close(&b.star);
    muster_close(&b.chain);
    close(b.copy);
    if (b.bare >= 0)
        close(b.bare);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(ALARM_S);
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "hop") == 0)
        hop(argv[2], argv[3], argv[4]);
    if (argc < 6)
        bench_die("started by net.sh");
    manager(argc, argv);
    return EXIT_SUCCESS;
}
