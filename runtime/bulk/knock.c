#include "bulk/knock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"

static void over(mst_knock *k, const char *why)
{
    const int fd = k->fd;

    mst_poll_del(k->poll, &k->watch);
    k->fd = -1;
    if (why != NULL)
        close(fd);
    k->done(k->arg, why != NULL ? -1 : fd, why);
}

static void give_answer(mst_knock *k)
{
    uint8_t nonce[MST_PROOF_NONCE];

    randombytes_buf(nonce, sizeof(nonce));
    mst_proof_answer(k->answer, k->challenge, k->name, nonce, k->key);
    k->have = 0;
    k->answered = true;
    if (send(k->fd, k->answer, sizeof(k->answer),
             MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(k->answer))
        over(k, "it closed the connection");
}

static void look_at_word(mst_knock *k)
{
    if (mst_proof_is_word(k->word, k->answer, k->challenge, k->key))
        over(k, NULL);
    else
        over(k, "it does not have the key");
}

/* First the challenge, then the word; nothing behind that is read. */
static void read_some(mst_knock *k)
{
    uint8_t *to = k->answered ? k->word : k->challenge;
    /* cppcheck-suppress duplicateValueTernary */
    const size_t bytes = k->answered ? sizeof(k->word) : sizeof(k->challenge);
    const ssize_t n = recv(k->fd, to + k->have, bytes - k->have, MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        over(k, n < 0 ? strerror(errno) : "it closed the connection");
        return;
    }
    k->have += (size_t)n;
    if (k->have < bytes)
        return;
    if (k->answered)
        look_at_word(k);
    else
        give_answer(k);
}

static void heard(void *arg, uint32_t events)
{
    mst_knock *k = (mst_knock *)arg;
    int failed = 0;
    socklen_t len = sizeof(failed);

    if ((events & EPOLLIN) != 0) {
        read_some(k);
    } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        (void)getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
        over(k, strerror(failed != 0 ? failed : ECONNRESET));
    }
}

bool mst_knock_host(const char *address, char *host, size_t bytes)
{
    static const char scheme[] = "tcp://";
    const char *from = address + sizeof(scheme) - 1;
    const char *colon = strrchr(address, ':');
    size_t len;

    if (strncmp(address, scheme, sizeof(scheme) - 1) != 0 || colon < from)
        return false;
    len = (size_t)(colon - from);
    if (len > 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    }
    if (len == 0 || len >= bytes)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

static muster_err begin(mst_knock *k, const struct addrinfo *at,
                        muster_error *err)
{
    const int on = 1;
    const int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    muster_err rc;

    if (fd < 0)
        return mst_fail_sys(err, errno, "socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
        rc = mst_fail_sys(err, errno, "connect");
        close(fd);
        return rc;
    }
    k->have = 0;
    k->answered = false;
    k->watch = (mst_watch){heard, k, -1};
    rc = mst_poll_add(k->poll, &k->watch, fd, EPOLLIN, err);
    if (rc != MUSTER_OK) {
        close(fd);
        return rc;
    }
    k->fd = fd;
    return MUSTER_OK;
}

muster_err mst_knock_start(mst_knock *k, const char *address, uint16_t port,
                           muster_error *err)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags =
                                        AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *at = NULL;
    char host[128], service[8];
    muster_err rc;

    snprintf(service, sizeof(service), "%u", port);
    if (!mst_knock_host(address, host, sizeof(host)) ||
        getaddrinfo(host, service, &wanted, &at) != 0)
        return mst_fail(err, MUSTER_EADDR, "%s is not numerical", address);
    rc = begin(k, at, err);
    freeaddrinfo(at);
    return rc;
}

void mst_knock_stop(mst_knock *k)
{
    if (k->fd < 0)
        return;
    mst_poll_del(k->poll, &k->watch);
    close(k->fd);
    k->fd = -1;
}
