#include "link/socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/fail.h"
#include "link/wire.h"

#define CONNECT_MS 5000    /* one attempt to connect                         */
#define HANDSHAKE_MS 10000 /* a stranger who says nothing is dropped after */
#define BACKLOG 4096       /* the default 100 costs seconds at 1,000 workers */

static muster_err set(void *socket, int option, int value, muster_error *err)
{
    if (zmq_setsockopt(socket, option, &value, sizeof(value)) != 0)
        return mst_fail(err, MUSTER_ESYS, "ZeroMQ option %d: %s", option,
                        zmq_strerror(errno));
    return MUSTER_OK;
}

muster_err mst_socket_tune(void *socket, int64_t silence_ms, muster_error *err)
{
    const int64_t largest = (int64_t)MST_WIRE_MESSAGE + 1024;
    const int silence = silence_ms > INT_MAX ? INT_MAX : (int)silence_ms;
    const struct {
        int option, value;
    } ints[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_IPV6, 1},
        {ZMQ_SNDHWM, 0},
        {ZMQ_RCVHWM, 0},
        {ZMQ_CONNECT_TIMEOUT, CONNECT_MS},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_TCP_MAXRT, silence},
        {ZMQ_BACKLOG, BACKLOG},
    };

    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
        if (set(socket, ints[i].option, ints[i].value, err) != MUSTER_OK)
            return MUSTER_ESYS;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) != 0)
        return mst_fail(err, MUSTER_ESYS, "ZMQ_MAXMSGSIZE: %s",
                        zmq_strerror(errno));
    return MUSTER_OK;
}

static muster_err set_key(void *socket, int option, const uint8_t *key,
                          muster_error *err)
{
    if (zmq_setsockopt(socket, option, key, MST_KEY_BYTES) != 0)
        return mst_fail(err, MUSTER_ESYS, "this libzmq has no CURVE: %s",
                        zmq_strerror(errno));
    return MUSTER_OK;
}

muster_err mst_socket_serve(void *socket, const mst_pair *self,
                            muster_error *err)
{
    if (set(socket, ZMQ_CURVE_SERVER, 1, err) != MUSTER_OK)
        return MUSTER_ESYS;
    return set_key(socket, ZMQ_CURVE_SECRETKEY, self->secret_key, err);
}

muster_err mst_socket_trust(void *socket, const mst_pair *self,
                            const uint8_t server[MST_KEY_BYTES],
                            muster_error *err)
{
    if (set_key(socket, ZMQ_CURVE_SERVERKEY, server, err) != MUSTER_OK ||
        set_key(socket, ZMQ_CURVE_PUBLICKEY, self->public_key, err) !=
            MUSTER_OK)
        return MUSTER_ESYS;
    return set_key(socket, ZMQ_CURVE_SECRETKEY, self->secret_key, err);
}

int mst_socket_fd(void *socket)
{
    int fd = -1;
    size_t len = sizeof(fd);

    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &len) != 0)
        return -1;
    return fd;
}

muster_err mst_socket_monitor(void *zmq, void *socket, const char *endpoint,
                              void **monitor, muster_error *err)
{
    /* Not HANDSHAKE_FAILED_PROTOCOL: libzmq 4.3.4 tells it with errno set to
     * EPROTO, and what sends the event leaves EAGAIN there. The connection then
     * counts as one that is read later: deaf, and open until its socket ends,
     * even when its peer has reset it. DISCONNECTED comes in any case. */
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    void *pair;

    if (zmq_socket_monitor(socket, endpoint, events) != 0)
        return mst_fail(err, MUSTER_ESYS, "zmq_socket_monitor: %s",
                        zmq_strerror(errno));
    pair = zmq_socket(zmq, ZMQ_PAIR);
    if (pair == NULL)
        return mst_fail(err, MUSTER_ESYS, "zmq_socket: %s",
                        zmq_strerror(errno));
    if (zmq_connect(pair, endpoint) != 0) {
        const int sys = errno;

        zmq_close(pair);
        return mst_fail(err, MUSTER_ESYS, "monitor: %s", zmq_strerror(sys));
    }
    *monitor = pair;
    return MUSTER_OK;
}

bool mst_socket_event(void *monitor, uint16_t *event, int32_t *value)
{
    unsigned char frame[6];
    zmq_msg_t address;

    /* the frame is in the order of this machine: api.zeromq.org, "monitor" */
    if (zmq_recv(monitor, frame, sizeof(frame), ZMQ_DONTWAIT) !=
        (int)sizeof(frame))
        return false;
    memcpy(event, frame, sizeof(*event));
    memcpy(value, frame + 2, sizeof(*value));
    zmq_msg_init(&address);
    zmq_msg_recv(&address, monitor, ZMQ_DONTWAIT);
    zmq_msg_close(&address);
    return true;
}
