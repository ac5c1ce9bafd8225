#include "link/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "link/socket.h"

#define ROUND 256    /* messages read before others get their turn */
#define LEFT_MOST 4  /* in a row that are not read                 */
#define FD_MARGIN 32 /* descriptors that strangers cannot take      */
#define FD_NEEDED 24 /* descriptors of libzmq, some to spare        */
/* Messages of one peer that wait to be read, or to be sent: nets under the
 * credits, for those who do not keep to them. */
#define RECEIVE_MOST 256
#define SEND_MOST (1 << 18)
#define HELLO_MS 12000 /* from the connection to HELLO, at most */
#define AWAY_MS 500    /* to leave by itself          */

static void heard_router(void *arg, uint32_t events)
{
    (void)events;
    ((mst_hub *)arg)->quiet = false;
}

static void heard_side(void *arg, uint32_t events)
{
    (void)events;
    ((mst_hub *)arg)->side = true;
}

static muster_err watch(mst_hub *hub, mst_poll *poll, int i, void *socket,
                        muster_error *err)
{
    hub->watches[i].fn = i == 0 ? heard_router : heard_side;
    hub->watches[i].arg = hub;
    return mst_poll_add(poll, &hub->watches[i], mst_socket_fd(socket), EPOLLIN,
                        err);
}

static muster_err open_zap(mst_hub *hub, muster_error *err)
{
    hub->zap = zmq_socket(hub->zmq, ZMQ_ROUTER);
    if (hub->zap == NULL || zmq_bind(hub->zap, "inproc://zeromq.zap.01") != 0)
        return mst_fail(err, MUSTER_ESYS, "ZAP: %s", zmq_strerror(errno));
    return MUSTER_OK;
}

static muster_err bind_router(mst_hub *hub, const char *address, uint16_t port,
                              muster_error *err)
{
    const int six = strchr(address, ':') != NULL;
    /* else a dotted address is told as [::ffff:127.0.0.1] */
    const int both = address[strspn(address, "0123456789.")] != '\0';
    size_t len = sizeof(hub->endpoint);
    char where[96], number[8] = "*";

    zmq_setsockopt(hub->router, ZMQ_IPV6, &both, sizeof(both));
    if (port != 0)
        snprintf(number, sizeof(number), "%u", port);
    snprintf(where, sizeof(where), "tcp://%s%s%s:%s", six ? "[" : "", address,
             six ? "]" : "", number);
    /* or 127.0.0.1 would be reported as [::ffff:127.0.0.1] */
    if (!six)
        zmq_setsockopt(hub->router, ZMQ_IPV6, &six, sizeof(six));
    if (zmq_bind(hub->router, where) != 0)
        return mst_fail(err, MUSTER_EADDR, "cannot listen on %s: %s", where,
                        zmq_strerror(errno));
    if (zmq_getsockopt(hub->router, ZMQ_LAST_ENDPOINT, hub->endpoint, &len) !=
        0)
        return mst_fail(err, MUSTER_ESYS, "endpoint: %s", zmq_strerror(errno));
    hub->guests.port =
        (uint16_t)strtoul(strrchr(hub->endpoint, ':') + 1, NULL, 10);
    return MUSTER_OK;
}

static muster_err open_router(mst_hub *hub, const char *address, uint16_t port,
                              int64_t silence_ms, const mst_pair *self,
                              muster_error *err)
{
    int one = 1, receive = RECEIVE_MOST, send = SEND_MOST;
    muster_err rc;

    hub->router = zmq_socket(hub->zmq, ZMQ_ROUTER);
    if (hub->router == NULL)
        return mst_fail(err, MUSTER_ESYS, "zmq_socket: %s",
                        zmq_strerror(errno));
    rc = mst_socket_tune(hub->router, silence_ms, err);
    if (rc != MUSTER_OK)
        return rc;
    if (zmq_setsockopt(hub->router, ZMQ_ROUTER_MANDATORY, &one, sizeof(one)) !=
        0)
        return mst_fail(err, MUSTER_ESYS, "ZMQ_ROUTER_MANDATORY: %s",
                        zmq_strerror(errno));
    if (zmq_setsockopt(hub->router, ZMQ_RCVHWM, &receive, sizeof(receive)) !=
            0 ||
        zmq_setsockopt(hub->router, ZMQ_SNDHWM, &send, sizeof(send)) != 0)
        return mst_fail(err, MUSTER_ESYS, "ZMQ_RCVHWM: %s",
                        zmq_strerror(errno));
    rc = mst_socket_serve(hub->router, self, err);
    if (rc != MUSTER_OK)
        return rc;
    rc = mst_socket_monitor(hub->zmq, hub->router, "inproc://muster-monitor",
                            &hub->monitor, err);
    if (rc != MUSTER_OK)
        return rc;
    return bind_router(hub, address, port, err);
}

static int descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 30)
        return 1 << 30;
    return (int)limit.rlim_cur - FD_MARGIN;
}

int mst_hub_room(const mst_hub *hub)
{
    /* the lowest free one tells how many are in use */
    const int fd = fcntl(hub->watches[0].fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    close(fd);
    return hub->fd_limit - fd + hub->guests.n; /* who would have to leave */
}

/* libzmq aborts when it gets none: look first. */
static muster_err need_descriptors(muster_error *err)
{
    int fds[FD_NEEDED], n = 0, sys = 0;

    while (n < FD_NEEDED && sys == 0) {
        fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[n] < 0)
            sys = errno;
        else
            n++;
    }
    while (n > 0)
        close(fds[--n]);
    return sys == 0
               ? MUSTER_OK
               : mst_fail_sys(err, sys, "%d descriptors for libzmq", FD_NEEDED);
}

muster_err mst_hub_open(mst_hub *hub, mst_poll *poll, const char *address,
                        uint16_t port, int64_t silence_ms, const mst_pair *self,
                        muster_error *err)
{
    muster_err rc;

    for (int i = 0; i < 3; i++)
        hub->watches[i].fd = -1;
    hub->side = true;
    hub->fd_limit = descriptor_limit();
    hub->hello_ms =
        silence_ms > 0 && silence_ms < HELLO_MS / 4 ? 4 * silence_ms : HELLO_MS;
    rc = need_descriptors(err);
    if (rc != MUSTER_OK)
        return rc;
    hub->zmq = zmq_ctx_new();
    if (hub->zmq == NULL)
        return mst_fail(err, MUSTER_ESYS, "zmq_ctx_new: %s",
                        zmq_strerror(errno));
    rc = open_zap(hub, err);
    if (rc == MUSTER_OK)
        rc = open_router(hub, address, port, silence_ms, self, err);
    if (rc == MUSTER_OK)
        rc = watch(hub, poll, 0, hub->router, err);
    if (rc == MUSTER_OK)
        rc = watch(hub, poll, 1, hub->zap, err);
    if (rc == MUSTER_OK)
        rc = watch(hub, poll, 2, hub->monitor, err);
    if (rc != MUSTER_OK)
        mst_hub_close(hub, poll);
    return rc;
}

static void close_socket(void **socket)
{
    int none = 0;

    if (*socket == NULL)
        return;
    zmq_setsockopt(*socket, ZMQ_LINGER, &none, sizeof(none));
    zmq_close(*socket);
    *socket = NULL;
}

void mst_hub_close(mst_hub *hub, mst_poll *poll)
{
    if (hub->zmq == NULL)
        return;
    for (int i = 0; i < 3; i++)
        mst_poll_del(poll, &hub->watches[i]);
    if (hub->router != NULL)
        zmq_socket_monitor(hub->router, NULL, 0);
    close_socket(&hub->monitor);
    close_socket(&hub->router);
    close_socket(&hub->zap);
    while (zmq_ctx_term(hub->zmq) != 0 && errno == EINTR)
        ;
    hub->zmq = NULL;
    mst_guests_fini(&hub->guests);
}

bool mst_hub_send(mst_hub *hub, const mst_route *route, zmq_msg_t *message)
{
    hub->quiet = false; /* it may have taken the news of a message */
    if (zmq_send(hub->router, route->id, sizeof(route->id),
                 ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    return zmq_msg_send(message, hub->router, ZMQ_DONTWAIT) >= 0;
}

/* Throw away the rest of a message that is not what it should be. */
static void skip_rest(void *socket, bool more)
{
    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0)
            more = false;
        else
            more = zmq_msg_more(&part) != 0;
        zmq_msg_close(&part);
    }
}

static void deliver(mst_hub *hub, const mst_route *route, zmq_msg_t *body)
{
    const char *user = zmq_msg_gets(body, "User-Id");
    const char *fd = zmq_msg_gets(body, "__fd");

    if (user == NULL)
        return;
    hub->calls.message(hub->arg, route, user,
                       fd != NULL ? (int)strtol(fd, NULL, 10) : -1,
                       zmq_msg_data(body), zmq_msg_size(body));
}

/* False: there was no message. Nobody sends more than one part, but CURVE does
 * not seal the mark that says so: each part is a message. */
static bool read_message(mst_hub *hub)
{
    mst_route route;
    zmq_msg_t body;
    const int n =
        zmq_recv(hub->router, route.id, sizeof(route.id), ZMQ_DONTWAIT);
    bool more = true;

    if (n < 0) {
        hub->quiet = errno == EAGAIN;
        return false;
    }
    while (more) {
        zmq_msg_init(&body);
        if (zmq_msg_recv(&body, hub->router, ZMQ_DONTWAIT) >= 0) {
            more = zmq_msg_more(&body) != 0;
            if (n == (int)sizeof(route.id))
                deliver(hub, &route, &body);
        } else {
            more = false;
        }
        zmq_msg_close(&body);
    }
    return true;
}

#define ZAP_FRAMES 8 /* peer, empty, version, id, domain, address, who, how */

/* Answer one request for entry; false: there was none. */
static bool answer_zap(mst_hub *hub)
{
    zmq_msg_t frames[ZAP_FRAMES], key;
    char user[MST_USER_BYTES] = "";
    bool more = true, allowed;
    int n = 0;

    zmq_msg_init(&key);
    while (n < ZAP_FRAMES && more) {
        zmq_msg_init(&frames[n]);
        if (zmq_msg_recv(&frames[n], hub->zap, ZMQ_DONTWAIT) < 0)
            more = false;
        else
            more = zmq_msg_more(&frames[n++]) != 0;
    }
    if (more && zmq_msg_recv(&key, hub->zap, ZMQ_DONTWAIT) >= 0) {
        more = zmq_msg_more(&key) != 0;
        allowed = zmq_msg_size(&frames[7]) == 5 &&
                  memcmp(zmq_msg_data(&frames[7]), "CURVE", 5) == 0 &&
                  zmq_msg_size(&key) == MST_KEY_BYTES &&
                  hub->calls.allow(hub->arg, zmq_msg_data(&key), user);
        zmq_msg_send(&frames[0], hub->zap, ZMQ_SNDMORE);
        zmq_send(hub->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(hub->zap, "1.0", 3, ZMQ_SNDMORE);
        zmq_msg_send(&frames[3], hub->zap, ZMQ_SNDMORE);
        zmq_send(hub->zap, allowed ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(hub->zap, allowed ? "OK" : "unknown key", allowed ? 2 : 11,
                 ZMQ_SNDMORE);
        zmq_send(hub->zap, user, strlen(user), ZMQ_SNDMORE);
        zmq_send(hub->zap, "", 0, 0);
        if (!allowed)
            mst_log_some(hub->log, &hub->gate, MUSTER_LOG_INFO, "KEY-REFUSED",
                         "peer=%.*s", (int)zmq_msg_size(&frames[5]),
                         (const char *)zmq_msg_data(&frames[5]));
    }
    for (int i = 0; i < n; i++)
        zmq_msg_close(&frames[i]);
    zmq_msg_close(&key);
    if (n > 0)
        skip_rest(hub->zap, more);
    return n > 0;
}

/* Without a descriptor libzmq would try to accept for ever. To stop listening
 * is no way out: that would end the connections that were accepted there. */
static void make_room(mst_hub *hub, int fd)
{
    const bool made =
        mst_guests_evict(&hub->guests, hub->calls.linked, hub->arg);

    mst_log_some(hub->log, &hub->gate, MUSTER_LOG_WARN,
                 "DESCRIPTORS-NEAR-LIMIT", "fd=%d limit=%d; %s", fd,
                 hub->fd_limit + FD_MARGIN,
                 made ? "the oldest stranger was shut out"
                      : "all connections are workers'");
}

/* What was accepted before may leave low numbers free and yet too few. */
static bool crowded(const mst_hub *hub)
{
    const int fd = fcntl(hub->watches[0].fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return true;
    close(fd);
    return fd >= hub->fd_limit;
}

static bool read_event(mst_hub *hub)
{
    uint16_t event;
    int32_t value;

    if (!mst_socket_event(hub->monitor, &event, &value))
        return false;
    if (event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_CLOSED) {
        mst_guests_remove(&hub->guests, value);
        hub->calls.disconnected(hub->arg, value);
    }
    if (event == ZMQ_EVENT_ACCEPTED)
        mst_guests_add(&hub->guests, value, mst_now_ms() + hub->hello_ms,
                       false);
    if (event == ZMQ_EVENT_ACCEPTED && (value >= hub->fd_limit || crowded(hub)))
        make_room(hub, value);
    return true;
}

bool mst_hub_dismiss(mst_hub *hub, int fd)
{
    if (mst_guests_away(&hub->guests, fd))
        return false;
    /* else the number is another's by now */
    if (!hub->calls.linked(hub->arg, fd))
        mst_guests_add(&hub->guests, fd, mst_now_ms() + AWAY_MS, true);
    return true;
}

void mst_hub_keep(mst_hub *hub, int fd)
{
    mst_guests_remove(&hub->guests, fd);
}

static void see_guests_out(mst_hub *hub)
{
    const size_t n = mst_guests_expire(&hub->guests, mst_now_ms(),
                                       hub->calls.linked, hub->arg);

    if (n > 0)
        mst_log_some(hub->log, &hub->gate, MUSTER_LOG_INFO, "SHUT-OUT",
                     "connections=%zu", n);
}

void mst_hub_tick(mst_hub *hub)
{
    see_guests_out(hub);
}

/* Who drives has what it wanted. But those who drive over and over without a
 * call, to look at something, must not keep everybody else waiting. */
static bool leave_unread(mst_hub *hub)
{
    if (hub->left < LEFT_MOST && hub->calls.enough(hub->arg)) {
        hub->left++;
        return true;
    }
    hub->left = 0;
    return false;
}

bool mst_hub_work(mst_hub *hub)
{
    bool some = false;

    if (hub->side) {
        hub->side = false;
        while (answer_zap(hub) || read_event(hub))
            some = true;
    }
    for (int i = 0;
         i < ROUND && !hub->quiet && !leave_unread(hub) && read_message(hub);
         i++)
        some = true;
    if (hub->guests.n > 0)
        see_guests_out(hub);
    return some;
}
