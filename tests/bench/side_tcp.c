/* bench_tcp - sockets and nothing else: no messages, no cipher, no library.
 * Children are forked, connect to 127.0.0.1 and wait in read(2). */
#include "bulk.h"
#include "sample.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 64 /* at most */

/* What is sent before each payload. */
typedef struct header {
    uint64_t op; /* READ, FILL, ECHO */
    uint64_t size;
} header;

enum { READ = 1, FILL, ECHO };

typedef struct tcp {
    size_t n;
    int fds[CHILDREN];
    pid_t pids[CHILDREN];
    unsigned char *body, *answer;
} tcp;

static void must(ssize_t rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s", what, strerror(errno));
}

static bool read_all(int fd, void *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = read(fd, (char *)to + done, len - done);

        if (n == 0)
            return false;
        must(n, "read");
        done += (size_t)n;
    }
    return true;
}

static void write_all(int fd, const void *from, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(fd, (const char *)from + done, len - done);

        must(n, "write");
        done += (size_t)n;
    }
}

static void no_delay(int fd)
{
    const int on = 1;

    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "option");
}

/* Until the manager closes. */
static void serve(int fd)
{
    unsigned char *body = bench_alloc(BENCH_LARGEST, 1);
    uint64_t sum;
    header h;

    while (read_all(fd, &h, sizeof(h))) {
        if (h.op == FILL)
            memset(body, BENCH_FILL, h.size);
        else if (!read_all(fd, body, h.size))
            bench_die("the manager has gone");
        if (h.op == READ) {
            sum = bench_read(body, h.size);
            write_all(fd, &sum, sizeof(sum));
        } else {
            write_all(fd, body, h.size);
        }
    }
    free(body);
}

/* Send everything back as it comes, until the manager closes. */
static void echo(int fd)
{
    static char body[65536];
    ssize_t n;

    while ((n = read(fd, body, sizeof(body))) > 0)
        write_all(fd, body, (size_t)n);
    must(n, "read");
}

static _Noreturn void be_child(const struct sockaddr_in *to, pid_t parent,
                               void (*work)(int fd))
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    alarm(BENCH_ALARM_S);
    must(fd, "socket");
    must(connect(fd, (const struct sockaddr *)to, sizeof(*to)), "connect");
    no_delay(fd);
    work(fd);
    _exit(EXIT_SUCCESS);
}

static void begin(tcp *t, size_t n, void (*work)(int fd))
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const pid_t parent = getpid();
    struct sockaddr_in from;

    must(listener, "socket");
    must(bind(listener, (struct sockaddr *)&at, sizeof(at)), "bind");
    must(listen(listener, CHILDREN), "listen");
    must(getsockname(listener, (struct sockaddr *)&at, &len), "address");
    t->n = n;
    for (size_t i = 0; i < n; i++) {
        t->pids[i] = fork();
        must(t->pids[i], "fork");
        if (t->pids[i] == 0) {
            /* what was accepted before belongs to others */
            for (size_t k = 0; k < i; k++)
                close(t->fds[k]);
            close(listener);
            be_child(&at, parent, work);
        }
        t->fds[i] =
            accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
        must(t->fds[i], "accept");
        no_delay(t->fds[i]);
    }
    close(listener);
    t->body = bench_payload(BENCH_LARGEST);
    t->answer = bench_payload(BENCH_LARGEST);
}

static void end(tcp *t)
{
    int status = 0;

    for (size_t i = 0; i < t->n; i++)
        close(t->fds[i]);
    for (size_t i = 0; i < t->n; i++)
        if (waitpid(t->pids[i], &status, 0) != t->pids[i] || status != 0)
            bench_die("child %ld ended with status %#x", (long)t->pids[i],
                      (unsigned)status);
    free(t->answer);
    free(t->body);
}

/* To all at once: whoever has room gets the next bytes. */
static void send_everywhere(tcp *t, size_t size)
{
    const header h = {READ, size};
    struct pollfd polls[CHILDREN];
    size_t done[CHILDREN] = {0}, left = t->n;

    for (size_t i = 0; i < t->n; i++) {
        write_all(t->fds[i], &h, sizeof(h));
        polls[i] = (struct pollfd){t->fds[i], POLLOUT, 0};
    }
    while (left > 0) {
        must(poll(polls, t->n, -1), "poll");
        for (size_t i = 0; i < t->n; i++) {
            ssize_t n;

            if (polls[i].fd < 0 || polls[i].revents == 0)
                continue;
            n = send(t->fds[i], t->body + done[i], size - done[i],
                     MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN)
                continue;
            must(n, "send");
            done[i] += (size_t)n;
            if (done[i] == size) {
                polls[i].fd = -1;
                left--;
            }
        }
    }
}

static int64_t broadcast_once(void *arg, size_t size)
{
    tcp *t = (tcp *)arg;
    const uint64_t want = bench_read(t->body, size);
    const int64_t start = bench_now_ns();
    uint64_t sum;

    send_everywhere(t, size);
    for (size_t i = 0; i < t->n; i++)
        if (!read_all(t->fds[i], &sum, sizeof(sum)) || sum != want)
            bench_die("a child has not read what was sent");
    return bench_now_ns() - start;
}

static int64_t gather_once(void *arg, size_t size)
{
    tcp *t = (tcp *)arg;
    const header h = {FILL, size};
    const int64_t start = bench_now_ns();

    for (size_t i = 0; i < t->n; i++)
        write_all(t->fds[i], &h, sizeof(h));
    for (size_t i = 0; i < t->n; i++) {
        if (!read_all(t->fds[i], t->answer, size))
            bench_die("a child has gone");
        bench_want_filled(t->answer, size);
    }
    return bench_now_ns() - start;
}

static int64_t call_once(void *arg, size_t size)
{
    tcp *t = (tcp *)arg;
    const header h = {ECHO, size};
    const int64_t start = bench_now_ns();
    int64_t took;

    write_all(t->fds[0], &h, sizeof(h));
    write_all(t->fds[0], t->body, size);
    if (!read_all(t->fds[0], t->answer, size))
        bench_die("the child has gone");
    took = bench_now_ns() - start;
    if (memcmp(t->answer, t->body, size) != 0)
        bench_die("the answer is not the request");
    return took;
}

static void pingpong(size_t count, size_t warmup)
{
    double *us = bench_alloc(count, sizeof(*us));
    char body[BENCH_BODY_BYTES] = "sixty-four bytes";
    tcp t;

    begin(&t, 1, echo);
    for (size_t i = 0; i < count + warmup; i++) {
        const int64_t start = bench_now_ns();

        write_all(t.fds[0], body, sizeof(body));
        if (!read_all(t.fds[0], body, sizeof(body)))
            bench_die("the child has gone");
        if (i >= warmup)
            us[i - warmup] = (double)(bench_now_ns() - start) / 1e3;
    }
    bench_tell_latency(us, count);
    end(&t);
    free(us);
}

/* One write for each message; answers are taken as they come. */
static void stream(tcp *t, size_t count, size_t window)
{
    const size_t all = count * BENCH_BODY_BYTES;
    size_t sent = 0, back = 0;
    ssize_t n;

    while (back < all) {
        while (sent < all && sent - back < window * BENCH_BODY_BYTES) {
            write_all(t->fds[0], t->body, BENCH_BODY_BYTES);
            sent += BENCH_BODY_BYTES;
        }
        n = read(t->fds[0], t->answer, 65536);
        must(n, "read");
        if (n == 0)
            bench_die("the child has gone");
        back += (size_t)n;
    }
}

static void pipeline(size_t count, size_t window)
{
    int64_t start;
    tcp t;

    begin(&t, 1, echo);
    stream(&t, count / 10, window);
    start = bench_now_ns();
    stream(&t, count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
    end(&t);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    tcp t;

    alarm(BENCH_ALARM_S);
    if (strcmp(mode, "pingpong") == 0 && argc == 4) {
        pingpong(bench_count(argv[2], 10000000),
                 bench_count(argv[3], 10000000));
    } else if (strcmp(mode, "pipeline") == 0 && argc == 4) {
        pipeline(bench_count(argv[2], 100000000), bench_count(argv[3], 1000));
    } else if ((strcmp(mode, "broadcast") == 0 ||
                strcmp(mode, "gather") == 0) &&
               argc == 4) {
        begin(&t, bench_count(argv[2], CHILDREN), serve);
        bench_each_size(bench_count(argv[3], BENCH_LARGEST),
                        mode[0] == 'b' ? broadcast_once : gather_once, &t);
        end(&t);
    } else if (strcmp(mode, "calls") == 0 && argc == 3) {
        begin(&t, 1, serve);
        bench_long_calls(bench_count(argv[2], 10000), call_once, &t);
        end(&t);
    } else {
        fputs("usage: bench_tcp pingpong COUNT WARMUP\n"
              "       bench_tcp pipeline COUNT WINDOW\n"
              "       bench_tcp broadcast|gather NCHILDREN MAX\n"
              "       bench_tcp calls COUNT\n",
              stderr);
        return 2;
    }
    return EXIT_SUCCESS;
}
