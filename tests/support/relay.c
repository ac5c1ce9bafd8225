#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 32
#define GREETING 64
#define HEAD_MOST 9 /* of a frame: flags, and a length of 1 byte or of 8 */
#define LONG 2u
#define COMMAND 4u /* handshakes, not messages */

/* Where a direction of a connection is in what ZMTP sends: a greeting, then
 * frames. */
typedef struct frames {
    uint64_t left; /* of the greeting, or the frame */
    unsigned char head[HEAD_MOST];
    size_t nhead;
    bool held; /* its head was not forwarded yet */
    bool drop;
} frames;

struct relay {
    uint16_t target, port;
    int listener, wake;
    int ends[PAIRS][2]; /* worker, manager; -1: free */
    int numbers[PAIRS];
    bool stuck[PAIRS];
    frames at[PAIRS][2];
    unsigned delete[2]; /* 1 + how many go before it; 0: none */
    int deleted;
    relay_hand *hand;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    bool cut, frozen, held, stop, garble, mark;
    unsigned cut_one; /* 1 + which of the open ones; 0: none */
    uint64_t after;
    int connections;
};

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* What was forwarded still arrives. */
static void end_pair(int *pair)
{
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        pair[i] = -1;
    }
}

static void close_pair(int *pair)
{
    const struct linger hard = {1, 0}; /* RST: a cut, not a good-bye */

    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    end_pair(pair);
}

static void take_one(relay *r)
{
    const struct sockaddr_in to = loopback(r->target);
    /* cppcheck-suppress nullPointer */
    const int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    const int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    r->connections += fd >= 0;
    for (int i = 0; !r->held && fd >= 0 && out >= 0 && i < PAIRS; i++) {
        if (r->ends[i][0] >= 0)
            continue;
        if (connect(out, (const struct sockaddr *)&to, sizeof(to)) != 0)
            break;
        r->ends[i][0] = fd;
        r->ends[i][1] = out;
        r->numbers[i] = r->connections;
        r->stuck[i] = false;
        memset(r->at[i], 0, sizeof(r->at[i]));
        r->at[i][0].left = r->at[i][1].left = GREETING;
        return;
    }
    close(fd);
    close(out);
}

/* For a receiver that stands still; others may want to cut meanwhile. */
static bool wait_for(relay *r, int to)
{
    struct pollfd ready = {to, POLLOUT, 0};

    pthread_mutex_unlock(&r->lock);
    poll(&ready, 1, 5);
    pthread_mutex_lock(&r->lock);
    return !r->cut && !r->stop;
}

/* The first frame in there with a short message: a zero, its length, its name.
 */
static bool mark(char *bytes, size_t len)
{
    static const char name[] = "\7MESSAGE";
    char *at = memmem(bytes, len, name, sizeof(name) - 1);

    if (at == NULL || at < bytes + 2 || at[-2] != 0)
        return false;
    at[-2] |= 1;
    return true;
}

/* With the lock. False: not all of it. */
static bool send_all(relay *r, int to, relay_bytes bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        const ssize_t sent = send(to, bytes.at + at, bytes.len - at,
                                  MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0)
            at += (size_t)sent;
        else if (errno != EAGAIN || !wait_for(r, to))
            return false;
    }
    return true;
}

/* The head of a frame is whole: does the frame go on? */
static void begin_frame(relay *r, frames *f, int side)
{
    f->left = 0;
    for (size_t i = 1; i < f->nhead; i++)
        f->left = f->left << 8 | f->head[i];
    f->drop = f->held && (f->head[0] & COMMAND) == 0 && r->delete[side] > 0 &&
              --r->delete[side] == 0;
    r->deleted += f->drop;
}

/* Into `to`, which has room for the head of a frame more, without what is to be
 * deleted. */
static size_t copy_frames(relay *r, frames *f, int side, const char *from,
                          size_t n, char *to)
{
    size_t len = 0;

    while (n > 0) {
        const size_t some = f->left < n ? (size_t)f->left : n;

        if (some > 0) {
            if (!f->drop)
                memcpy(to + len, from, some);
            len += f->drop ? 0 : some;
            f->left -= some;
            from += some;
            n -= some;
            continue;
        }
        if (f->nhead == 0)
            f->held = r->delete[side] > 0;
        if (!f->held)
            to[len++] = *from;
        f->head[f->nhead++] = (unsigned char)*from++;
        n--;
        if (f->nhead < ((f->head[0] & LONG) != 0 ? HEAD_MOST : 2))
            continue;
        begin_frame(r, f, side);
        if (f->held && !f->drop) {
            memcpy(to + len, f->head, f->nhead);
            len += f->nhead;
        }
        f->nhead = 0;
    }
    return len;
}

static void forward(relay *r, int which, int side)
{
    static char bytes[65536], whole[sizeof(bytes) + HEAD_MOST];
    int *pair = r->ends[which];
    const size_t most = r->after > 0 && r->after < sizeof(bytes)
                            ? (size_t)r->after
                            : sizeof(bytes);
    const ssize_t n = recv(pair[side], bytes, most, 0);
    relay_bytes out = {bytes, n > 0 ? (size_t)n : 0};
    relay_then then = RELAY_GO_ON;

    if (n > 0 && r->mark && side == 0)
        r->mark = !mark(bytes, (size_t)n);
    if (n > 0 && r->garble) {
        bytes[n / 2] ^= 1;
        r->garble = false;
    }
    if (n > 0)
        out = (relay_bytes){whole, copy_frames(r, &r->at[which][side], side,
                                               bytes, (size_t)n, whole)};
    if (n > 0 && r->hand != NULL && side == 1)
        then = r->hand(r->arg, r->numbers[which], &out);
    if (!send_all(r, pair[1 - side], out) || n < 0 || then == RELAY_CLOSE)
        close_pair(pair);
    else if (n == 0)
        end_pair(pair);
    else if (r->after > (uint64_t)n)
        r->after -= (uint64_t)n;
    else if (r->after > 0) {
        r->cut = true;
        r->after = 0;
    }
    r->frozen = r->frozen || then == RELAY_FREEZE;
}

/* With the lock: the one to be cut, counted among those that are open. */
static void cut_one(relay *r)
{
    unsigned open = 0, at = 0;

    for (int i = 0; i < PAIRS; i++)
        open += r->ends[i][0] >= 0;
    for (int i = 0; i < PAIRS && open > 0; i++)
        if (r->ends[i][0] >= 0 && at++ == (r->cut_one - 1) % open)
            close_pair(r->ends[i]);
    r->cut_one = 0;
}

/* With the lock: what poll said. */
static void act(relay *r, const struct pollfd *fds)
{
    for (int i = 0; i < PAIRS && !r->frozen && !r->cut; i++)
        for (int side = 0; side < 2 && r->ends[i][0] >= 0; side++)
            if (fds[2 + 2 * i + side].revents != 0 &&
                fds[2 + 2 * i + side].fd == r->ends[i][side])
                forward(r, i, side);
    if (fds[0].revents != 0)
        take_one(r);
    for (int i = 0; i < PAIRS && (r->cut || r->held); i++)
        if (r->ends[i][0] >= 0)
            close_pair(r->ends[i]);
    r->cut = false;
    if (r->cut_one > 0)
        cut_one(r);
}

static void *run(void *arg)
{
    relay *r = (relay *)arg;
    struct pollfd fds[2 + 2 * PAIRS];
    eventfd_t count;

    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        fds[0] = (struct pollfd){r->listener, POLLIN, 0};
        fds[1] = (struct pollfd){r->wake, POLLIN, 0};
        for (int i = 0; i < PAIRS; i++)
            for (int side = 0; side < 2; side++)
                fds[2 + 2 * i + side] = (struct pollfd){
                    r->frozen || r->stuck[i] ? -1 : r->ends[i][side], POLLIN,
                    0};
        pthread_mutex_unlock(&r->lock);
        poll(fds, 2 + 2 * PAIRS, -1);
        pthread_mutex_lock(&r->lock);
        if (fds[1].revents != 0)
            eventfd_read(r->wake, &count);
        act(r, fds);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

relay *relay_create(uint16_t port)
{
    return relay_create_at("127.0.0.1", port);
}

relay *relay_create_at(const char *address, uint16_t port)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    relay *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    memset(r->ends, -1, sizeof(r->ends));
    r->target = port;
    pthread_mutex_init(&r->lock, NULL);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        bind(r->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(r->listener, 64) != 0 ||
        getsockname(r->listener, (struct sockaddr *)&at, &len) != 0 ||
        pthread_create(&r->thread, NULL, run, r) != 0) {
        free(r);
        return NULL;
    }
    r->port = ntohs(at.sin_port);
    return r;
}

static void tell(relay *r, bool *flag, bool value)
{
    pthread_mutex_lock(&r->lock);
    *flag = value;
    pthread_mutex_unlock(&r->lock);
    eventfd_write(r->wake, 1);
}

void relay_destroy(relay **rp)
{
    relay *r = *rp;

    if (r == NULL)
        return;
    tell(r, &r->stop, true);
    pthread_join(r->thread, NULL);
    for (int i = 0; i < PAIRS; i++)
        if (r->ends[i][0] >= 0)
            close_pair(r->ends[i]);
    close(r->listener);
    close(r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *rp = NULL;
}

uint16_t relay_port(const relay *r)
{
    return r->port;
}

void relay_cut(relay *r)
{
    tell(r, &r->cut, true);
}

void relay_cut_one(relay *r, unsigned which)
{
    pthread_mutex_lock(&r->lock);
    r->cut_one = 1 + which % 65536;
    pthread_mutex_unlock(&r->lock);
    eventfd_write(r->wake, 1);
}

void relay_delete(relay *r, bool of_worker, unsigned after)
{
    pthread_mutex_lock(&r->lock);
    r->delete[of_worker ? 0 : 1] = 1 + after;
    pthread_mutex_unlock(&r->lock);
}

int relay_deleted(relay *r)
{
    int n;

    pthread_mutex_lock(&r->lock);
    n = r->deleted;
    pthread_mutex_unlock(&r->lock);
    return n;
}

void relay_garble(relay *r)
{
    tell(r, &r->garble, true);
}

void relay_by_hand(relay *r, relay_hand *hand, void *arg)
{
    pthread_mutex_lock(&r->lock);
    r->hand = hand;
    r->arg = arg;
    pthread_mutex_unlock(&r->lock);
}

void relay_hold(relay *r)
{
    tell(r, &r->held, true);
}

void relay_release(relay *r)
{
    tell(r, &r->held, false);
}

void relay_mark(relay *r)
{
    tell(r, &r->mark, true);
}

void relay_freeze(relay *r)
{
    tell(r, &r->frozen, true);
}

void relay_stick(relay *r)
{
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < PAIRS; i++)
        r->stuck[i] = r->ends[i][0] >= 0;
    pthread_mutex_unlock(&r->lock);
    eventfd_write(r->wake, 1);
}

void relay_thaw(relay *r)
{
    tell(r, &r->frozen, false);
}

void relay_cut_after(relay *r, uint64_t bytes)
{
    pthread_mutex_lock(&r->lock);
    r->after = bytes;
    pthread_mutex_unlock(&r->lock);
}

int relay_open(relay *r)
{
    int n = 0;

    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < PAIRS; i++)
        n += r->ends[i][0] >= 0;
    pthread_mutex_unlock(&r->lock);
    return n;
}

int relay_connections(relay *r)
{
    int n;

    pthread_mutex_lock(&r->lock);
    n = r->connections;
    pthread_mutex_unlock(&r->lock);
    return n;
}

uint16_t relay_free_port(void)
{
    enum { FIRST = 20000, PORTS = 12000 }; /* below those of connections */
    struct timespec now;
    unsigned from;

    clock_gettime(CLOCK_MONOTONIC, &now);
    from = (unsigned)getpid() * 97u + (unsigned)now.tv_nsec / 1000u;
    for (unsigned i = 0; i < PORTS; i++) {
        const uint16_t port = (uint16_t)(FIRST + (from + i) % PORTS);
        const struct sockaddr_in at = {.sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr =
                                           htonl(INADDR_LOOPBACK)};
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool is_free =
            fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;

        if (fd >= 0)
            close(fd);
        if (is_free)
            return port;
    }
    return 0;
}
