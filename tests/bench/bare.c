#include "bare.h"

#include "bulk_zmq.h"
#include "sample.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define PATIENCE_MS 60000
#define BACKLOG 4096

static void must(int rc, const char *what)
{
    if (rc == -1)
        bench_die("%s: %s", what, zmq_strerror(errno));
}

static void set_int(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof(value)),
         "socket option");
}

/* No high-water marks: a ROUTER drops what is above them. */
static void *make_socket(void *zmq, int type)
{
    void *socket = zmq_socket(zmq, type);

    if (socket == NULL)
        bench_die("socket: %s", zmq_strerror(errno));
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_SNDHWM, 0);
    set_int(socket, ZMQ_RCVHWM, 0);
    set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    return socket;
}

static bool use_null;

void bare_use_null(void)
{
    use_null = true;
}

void bare_open(bare *b)
{
    char secret[41];
    size_t len = sizeof(b->endpoint);

    b->zmq = zmq_ctx_new();
    if (b->zmq == NULL)
        bench_die("no context");
    b->socket = make_socket(b->zmq, ZMQ_ROUTER);
    b->mode = "child";
    snprintf(b->key, sizeof(b->key), "-");
    if (!use_null) {
        must(zmq_curve_keypair(b->key, secret), "key pair");
        set_int(b->socket, ZMQ_CURVE_SERVER, 1);
        must(zmq_setsockopt(b->socket, ZMQ_CURVE_SECRETKEY, secret, 40), "key");
    }
    set_int(b->socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(b->socket, ZMQ_BACKLOG, BACKLOG);
    must(zmq_bind(b->socket, "tcp://127.0.0.1:*"), "bind");
    must(zmq_getsockopt(b->socket, ZMQ_LAST_ENDPOINT, b->endpoint, &len),
         "endpoint");
}

void bare_close(bare *b)
{
    zmq_close(b->socket);
    zmq_ctx_term(b->zmq);
}

pid_t bare_spawn(const bare *b)
{
    char name[] = "bench_zmq", mode[16], endpoint[64], key[41];
    char parent[24];
    char *argv[] = {name, mode, endpoint, key, parent, NULL};
    pid_t pid = 0;
    int rc;

    snprintf(mode, sizeof(mode), "%s", b->mode);
    memcpy(endpoint, b->endpoint, sizeof(endpoint));
    memcpy(key, b->key, sizeof(key));
    snprintf(parent, sizeof(parent), "%ld", (long)getpid());
    rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
    if (rc != 0)
        bench_die("start a child: %s", strerror(rc));
    return pid;
}

void bare_reap(pid_t child)
{
    int status = 0;
    pid_t got;

    do
        got = waitpid(child, &status, 0);
    while (got == -1 && errno == EINTR);
    if (got != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("child %ld ended with status %#x", (long)child,
                  (unsigned)status);
}

void bare_send(bare *b, const bare_id *to, const void *body, size_t len)
{
    must(zmq_send(b->socket, to->bytes, to->len, ZMQ_SNDMORE), "send id");
    must(zmq_send(b->socket, body, len, 0), "send");
}

bool bare_recv(bare *b, bare_id *from, void *body, size_t *len, bool block)
{
    int n = zmq_recv(b->socket, from->bytes, sizeof(from->bytes),
                     block ? 0 : ZMQ_DONTWAIT);

    if (n == -1 && errno == EAGAIN && !block)
        return false;
    must(n, "receive");
    if ((size_t)n > sizeof(from->bytes))
        bench_die("a connection's id of %d bytes", n);
    from->len = (size_t)n;
    n = zmq_recv(b->socket, body, BENCH_BODY_BYTES, 0);
    must(n, "receive body");
    *len = (size_t)n;
    return true;
}

static void echo_all(void *socket)
{
    char body[BENCH_BODY_BYTES];
    int n;

    must(zmq_send(socket, "h", 1, 0), "hello");
    for (;;) {
        do
            n = zmq_recv(socket, body, sizeof(body), 0);
        while (n == -1 && errno == EINTR);
        must(n, "receive");
        if (n == 0)
            return;
        must(zmq_send(socket, body, (size_t)n, 0), "send");
    }
}

int bare_child(const char *mode, const char *endpoint, const char *key,
               const char *parent)
{
    char public_key[41], secret[41];
    void *zmq, *socket;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if ((long)getppid() != strtol(parent, NULL, 10))
        return EXIT_FAILURE;
    alarm(BENCH_ALARM_S);
    zmq = zmq_ctx_new();
    if (zmq == NULL)
        bench_die("no context");
    socket = make_socket(zmq, ZMQ_DEALER);
    if (strcmp(key, "-") != 0) {
        must(zmq_curve_keypair(public_key, secret), "key pair");
        must(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, key, 40), "key");
        must(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, 40),
             "key");
        must(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, 40), "key");
    }
    must(zmq_connect(socket, endpoint), "connect");
    if (strcmp(mode, "child") == 0)
        echo_all(socket);
    else
        bulk_child(socket, mode);
    zmq_close(socket);
    zmq_ctx_term(zmq);
    return EXIT_SUCCESS;
}
