#include "bulk/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"

typedef struct mst_door_guest {
    TAILQ_ENTRY(mst_door_guest) link;
    mst_door *door;
    mst_watch watch;
    int fd;
    int64_t came_ms;
    uint8_t challenge[MST_PROOF_CHALLENGE];
    uint8_t answer[MST_PROOF_ANSWER];
    size_t have; /* of the answer */
} guest;

void mst_door_init(mst_door *door, mst_log *log, const mst_door_calls *calls,
                   void *arg)
{
    memset(door, 0, sizeof(*door));
    door->log = log;
    door->calls = calls;
    door->arg = arg;
    door->fd = door->watch.fd = -1;
    TAILQ_INIT(&door->guests);
}

/* Its descriptor is the caller's from now on. */
static int leave(guest *g)
{
    const int fd = g->fd;

    mst_poll_del(g->door->poll, &g->watch);
    TAILQ_REMOVE(&g->door->guests, g, link);
    g->door->nguests--;
    mst_free(g);
    return fd;
}

static void turn_away(guest *g, const char *why)
{
    mst_log_some(g->door->log, &g->door->gate, MUSTER_LOG_WARN, "BULK-REFUSED",
                 "why=%s", why);
    close(leave(g));
}

static void look_at_answer(guest *g)
{
    mst_door *door = g->door;
    uint8_t key[MST_BULK_KEY_BYTES], word[MST_PROOF_MAC];
    mst_proof_name name;
    bool is;

    if (!mst_proof_name_of(g->answer, &name) ||
        !door->calls->key(door->arg, name, key)) {
        turn_away(g, "it is nobody we know");
        return;
    }
    is = mst_proof_check(g->answer, g->challenge, key);
    mst_proof_word(word, g->answer, g->challenge, key);
    sodium_memzero(key, sizeof(key));
    if (!is)
        turn_away(g, "it does not have the key");
    else if (send(g->fd, word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT) !=
             (ssize_t)sizeof(word))
        turn_away(g, "it went away");
    else
        door->calls->came(door->arg, name, leave(g));
}

static void heard_guest(void *arg, uint32_t events)
{
    guest *g = (guest *)arg;
    ssize_t n;

    (void)events;
    n = recv(g->fd, g->answer + g->have, sizeof(g->answer) - g->have,
             MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        turn_away(g, "it went away");
        return;
    }
    g->have += (size_t)n;
    if (g->have == sizeof(g->answer))
        look_at_answer(g);
}

static void let_in(mst_door *door, int fd)
{
    const int on = 1;
    guest *g = mst_calloc(1, sizeof(*g));
    muster_error err;

    if (g == NULL) {
        close(fd);
        return;
    }
    if (door->nguests >= MST_DOOR_GUESTS)
        turn_away(TAILQ_FIRST(&door->guests), "too many are at the door");
    g->door = door;
    g->fd = fd;
    g->came_ms = mst_now_ms();
    g->watch = (mst_watch){heard_guest, g, -1};
    TAILQ_INSERT_TAIL(&door->guests, g, link);
    door->nguests++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    randombytes_buf(g->challenge, sizeof(g->challenge));
    if (mst_poll_add(door->poll, &g->watch, fd, EPOLLIN, &err) != MUSTER_OK ||
        send(fd, g->challenge, sizeof(g->challenge),
             MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(g->challenge))
        close(leave(g));
}

static void heard_door(void *arg, uint32_t events)
{
    mst_door *door = (mst_door *)arg;

    (void)events;
    for (int i = 0; i < 16; i++) { /* then the loop has its turn */
        const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
        /* cppcheck-suppress nullPointer */
        const int fd = accept4(door->fd, NULL, NULL, flags);

        if (fd >= 0) {
            let_in(door, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM) { /* it would be said again and again */
            door->full = true;
            mst_poll_mod(door->poll, &door->watch, 0);
        }
        return;
    }
}

static int listen_at(const struct addrinfo *at)
{
    const int on = 1;
    const int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;
    failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    in_port_t port;

    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return 0;
    if (at.ss_family == AF_INET6)
        memcpy(&port, (char *)&at + offsetof(struct sockaddr_in6, sin6_port),
               sizeof(port));
    else
        memcpy(&port, (char *)&at + offsetof(struct sockaddr_in, sin_port),
               sizeof(port));
    return ntohs(port);
}

muster_err mst_door_open(mst_door *door, mst_poll *poll, const char *address,
                         uint16_t port, muster_error *err)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST |
                                                AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *at = NULL;
    char service[8];
    muster_err rc;
    int fd, failed;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(address, service, &wanted, &at) != 0)
        return mst_fail(err, MUSTER_EADDR, "%s is no address", address);
    fd = listen_at(at);
    failed = errno;
    freeaddrinfo(at);
    if (fd < 0)
        return mst_fail(err, MUSTER_EADDR,
                        "cannot listen at %s, port %u, for bulk data: %s",
                        address, port, strerror(failed));
    door->poll = poll;
    door->watch = (mst_watch){heard_door, door, -1};
    rc = mst_poll_add(poll, &door->watch, fd, EPOLLIN, err);
    if (rc != MUSTER_OK) {
        close(fd);
        return rc;
    }
    door->fd = fd;
    door->port = port_of(fd);
    return MUSTER_OK;
}

void mst_door_close(mst_door *door)
{
    guest *g;

    if (door->fd < 0)
        return;
    while ((g = TAILQ_FIRST(&door->guests)) != NULL)
        close(leave(g));
    mst_poll_del(door->poll, &door->watch);
    close(door->fd);
    door->fd = -1;
}

void mst_door_tick(mst_door *door, int64_t now_ms)
{
    guest *g;

    if (door->fd < 0)
        return;
    while ((g = TAILQ_FIRST(&door->guests)) != NULL &&
           now_ms - g->came_ms >= MST_DOOR_MS)
        turn_away(g, "it did not say who it is");
    if (door->full)
        mst_poll_mod(door->poll, &door->watch, EPOLLIN);
    door->full = false;
}
