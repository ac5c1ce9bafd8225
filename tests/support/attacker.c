/* attacker.c - those who have no key and try again and again.
 *
 *     attacker PORT RATE SECONDS HOLD MANAGER-KEY RECORDED
 *
 * RATE attempts a second in all, by turns: a wrong key of our own; a wrong key
 * of the manager's; half a handshake; a frame of a giant length; one byte now
 * and then; the bytes of RECORDED, which were a true handshake once; noise.
 * When RECORDED is empty, all are half handshakes. Up to HOLD connections are
 * kept open. Prints how many of each, and how many
 * were accepted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { OWN_KEY, ITS_KEY, HALF, GIANT, SLOW, REPLAY, NOISE, KINDS };

static const char *const names[KINDS] = {
    "wrong-key", "wrong-manager", "half", "giant", "slow", "replay", "noise"};

#define HELD_MOST 4096

typedef struct held {
    int fd;
    int kind;
    size_t sent; /* of the greeting, when it is slow */
} held;

static held open_ones[HELD_MOST];
static int hold, next_held;
static struct sockaddr_in manager;
static unsigned char recorded[1 << 16], greeting[64], key[32];
static size_t recorded_len;
static unsigned long made[KINDS], accepted, refused;
static void *zmq;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The manager says READY to whom it lets in. */
static void look(int fd)
{
    unsigned char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        if (memmem(bytes, (size_t)n, "READY", 5) != NULL)
            accepted++;
}

static void drop(held *h)
{
    if (h->fd <= 0)
        return;
    look(h->fd);
    close(h->fd);
    h->fd = 0;
}

static void keep(int fd, int kind)
{
    held *h = &open_ones[next_held++ % hold];

    drop(h);
    *h = (held){fd, kind, 0};
}

static int knock(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 &&
        connect(fd, (struct sockaddr *)&manager, sizeof(manager)) == 0)
        return fd;
    refused++;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void utter(int fd, const void *bytes, size_t len)
{
    (void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A client of libzmq, which lives until `keep` would drop it. */
static void curve(bool own)
{
    static void *clients[16];
    static unsigned turn;
    void **client = &clients[turn++ % 16];
    char public[41], secret[41], server[41], byte;
    int none = 0, never = -1;

    if (*client != NULL) {
        if (zmq_recv(*client, &byte, 1, ZMQ_DONTWAIT) >= 0)
            accepted++;
        zmq_close(*client);
    }
    *client = zmq_socket(zmq, ZMQ_DEALER);
    zmq_curve_keypair(public, secret);
    zmq_z85_encode(server, key, 32);
    if (!own)
        zmq_curve_keypair(server, (char[41]){0});
    zmq_setsockopt(*client, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(*client, ZMQ_RECONNECT_IVL, &never, sizeof(never));
    zmq_setsockopt(*client, ZMQ_CURVE_SERVERKEY, server, 40);
    zmq_setsockopt(*client, ZMQ_CURVE_PUBLICKEY, public, 40);
    zmq_setsockopt(*client, ZMQ_CURVE_SECRETKEY, secret, 40);
    snprintf(server, sizeof(server), "tcp://127.0.0.1:%u",
             ntohs(manager.sin_port));
    zmq_connect(*client, server);
    zmq_send(*client, "hello", 5, ZMQ_DONTWAIT);
}

static void attempt(int kind)
{
    static const unsigned char giant[] = {6,    0x7f, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff};
    unsigned char noise[512];
    int fd;

    made[kind]++;
    if (kind == OWN_KEY || kind == ITS_KEY) {
        curve(kind == OWN_KEY);
        return;
    }
    fd = knock();
    if (fd < 0)
        return;
    if (kind == HALF || kind == GIANT)
        utter(fd, greeting, sizeof(greeting));
    if (kind == GIANT)
        utter(fd, giant, sizeof(giant));
    if (kind == REPLAY)
        utter(fd, recorded, recorded_len);
    if (kind == NOISE) {
        randombytes_buf(noise, sizeof(noise));
        utter(fd, noise, sizeof(noise));
    }
    keep(fd, kind);
}

/* The slow ones say one byte more. */
static void drip(void)
{
    for (int i = 0; i < hold; i++) {
        held *h = &open_ones[i];

        if (h->fd > 0 && h->kind == SLOW && h->sent < sizeof(greeting) - 1)
            utter(h->fd, &greeting[h->sent++], 1);
    }
}

static void begin(char **argv)
{
    const int fd = open(argv[6], O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, recorded, sizeof(recorded)) : 0;
    struct rlimit limit;

    recorded_len = n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        close(fd);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    manager.sin_family = AF_INET;
    manager.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    manager.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hold = (int)strtol(argv[4], NULL, 10);
    if (hold < 1 || hold > HELD_MOST)
        hold = HELD_MOST;
    sodium_hex2bin(key, sizeof(key), argv[5], strlen(argv[5]), NULL, NULL,
                   NULL);
    /* ZMTP 3.1: signature, version, mechanism, as a client */
    memcpy(greeting, "\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE", 17);
    zmq = zmq_ctx_new();
}

int main(int argc, char **argv)
{
    double rate, until, began, dripped = 0;
    unsigned long n = 0;

    if (argc != 7 || sodium_init() < 0)
        return 1;
    begin(argv);
    rate = strtod(argv[2], NULL);
    began = now();
    until = began + strtod(argv[3], NULL);
    while (now() < until) {
        const double due = began + (double)n / rate;
        const double wait = due - now();

        if (wait > 0)
            poll(NULL, 0, (int)(wait * 1000) + 1);
        if (now() >= due) {
            attempt(recorded_len > 0 ? (int)(n % KINDS) : HALF);
            n++;
        }
        if (now() - dripped > 0.1) {
            dripped = now();
            drip();
        }
    }
    for (int i = 0; i < hold; i++)
        drop(&open_ones[i]);
    for (int i = 0; i < KINDS; i++)
        printf("%s %lu ", names[i], made[i]);
    printf("not-connected %lu accepted %lu\n", refused, accepted);
    return fflush(stdout) != 0;
}
