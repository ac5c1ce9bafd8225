#include "strangers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "plan.h"

#define PLACES 48 /* open at most */
#define COME 12
#define KEYED 4

struct strangers {
    uint16_t port;
    int fds[PLACES];
    void *context, *sockets[KEYED];
    unsigned place, keyed;
};

strangers *strangers_create(uint16_t port)
{
    strangers *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->port = port;
    memset(s->fds, -1, sizeof(s->fds));
    s->context = zmq_ctx_new();
    /* the first socket starts libzmq's threads: their descriptors are ours */
    if (s->context != NULL)
        s->sockets[0] = zmq_socket(s->context, ZMQ_DEALER);
    if (s->context == NULL || s->sockets[0] == NULL)
        strangers_destroy(&s);
    return s;
}

void strangers_leave(strangers *s)
{
    for (int i = 0; i < PLACES; i++) {
        if (s->fds[i] >= 0)
            close(s->fds[i]);
        s->fds[i] = -1;
    }
    for (int i = 0; i < KEYED; i++) {
        if (s->sockets[i] != NULL)
            zmq_close(s->sockets[i]);
        s->sockets[i] = NULL;
    }
}

void strangers_destroy(strangers **sp)
{
    strangers *s = *sp;

    if (s == NULL)
        return;
    strangers_leave(s);
    if (s->context != NULL)
        zmq_ctx_term(s->context);
    free(s);
    *sp = NULL;
}

static void say(int fd, uint64_t *random)
{
    unsigned char bytes[512] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1};
    const uint32_t what = plan_below(random, 4);
    size_t len = 64;

    if (what == 0)
        return;
    memcpy(bytes + 12, "CURVE", 5);
    if (what == 1)
        len = 1 + plan_below(random, 64); /* a part of the greeting */
    for (size_t i = 64; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(plan_next(random) >> 56);
    if (what == 2)
        len = sizeof(bytes); /* the greeting, and garbage */
    if (what == 3)
        for (size_t i = 0; i < 64; i++)
            bytes[i] = bytes[64 + i]; /* nothing but garbage */
    (void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void come(strangers *s, uint64_t *random)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    const unsigned at = s->place++ % PLACES;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s->fds[at] >= 0)
        close(s->fds[at]);
    s->fds[at] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fds[at] >= 0 &&
        connect(s->fds[at], (struct sockaddr *)&to, sizeof(to)) == 0)
        say(s->fds[at], random);
}

/* One that speaks the protocol, with keys it made up. */
static void come_with_a_key(strangers *s)
{
    const unsigned at = s->keyed++ % KEYED;
    char public[41], secret[41], server[41], none[41], address[64];
    const int linger = 0;
    void *socket;

    if (s->sockets[at] != NULL)
        zmq_close(s->sockets[at]);
    s->sockets[at] = socket = zmq_socket(s->context, ZMQ_DEALER);
    if (socket == NULL || zmq_curve_keypair(public, secret) != 0 ||
        zmq_curve_keypair(server, none) != 0)
        return;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, 40);
    snprintf(address, sizeof(address), "tcp://127.0.0.1:%u", s->port);
    if (zmq_connect(socket, address) == 0)
        zmq_send(socket, "hello", 5, ZMQ_DONTWAIT);
}

void strangers_flood(strangers *s, uint64_t random)
{
    uint64_t state = random;

    for (int i = 0; i < COME; i++)
        come(s, &state);
    come_with_a_key(s);
}
