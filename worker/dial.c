#include "dial.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "bulk/seal.h"
#include "link/socket.h"

#define ROUND 256

static void heard_dealer(void *arg, uint32_t events)
{
    (void)events;
    ((mst_dial *)arg)->quiet = false;
}

static void heard_monitor(void *arg, uint32_t events)
{
    (void)events;
    ((mst_dial *)arg)->side = true;
}

static bool send_message(void *arg, zmq_msg_t *message)
{
    mst_dial *dial = (mst_dial *)arg;

    dial->quiet = false; /* it may have taken the news of a message */
    return zmq_msg_send(message, dial->dealer, ZMQ_DONTWAIT) >= 0;
}

static void init_lane(mst_dial *dial)
{
    mst_lane_init(&dial->lane, send_message, dial);
    dial->lane.in.pool = dial->pool;
}

muster_err mst_dial_init(mst_dial *dial, mst_poll *poll,
                         const mst_cookie *cookie, muster_error *err)
{
    dial->poll = poll;
    dial->cookie = cookie;
    dial->watches[0] = (mst_watch){heard_dealer, dial, -1};
    dial->watches[1] = (mst_watch){heard_monitor, dial, -1};
    randombytes_buf(&dial->instance, sizeof(dial->instance));
    init_lane(dial);
    dial->zmq = zmq_ctx_new();
    if (dial->zmq == NULL)
        return mst_fail(err, MUSTER_ESYS, "zmq_ctx_new: %s",
                        zmq_strerror(errno));
    return MUSTER_OK;
}

static muster_err make_socket(mst_dial *dial, muster_error *err)
{
    const mst_cookie *cookie = dial->cookie;
    int first_ms = 50, most_ms = 1000;
    char events[32];
    mst_pair self;
    muster_err rc;

    dial->dealer = zmq_socket(dial->zmq, ZMQ_DEALER);
    if (dial->dealer == NULL)
        return mst_fail(err, MUSTER_ESYS, "zmq_socket: %s",
                        zmq_strerror(errno));
    rc = mst_socket_tune(dial->dealer, 0, err);
    if (rc != MUSTER_OK)
        return rc;
    zmq_setsockopt(dial->dealer, ZMQ_RECONNECT_IVL, &first_ms, sizeof(int));
    zmq_setsockopt(dial->dealer, ZMQ_RECONNECT_IVL_MAX, &most_ms, sizeof(int));
    memcpy(self.secret_key, cookie->secret_key, sizeof(self.secret_key));
    crypto_scalarmult_base(self.public_key, self.secret_key);
    rc = mst_socket_trust(dial->dealer, &self, cookie->manager_key, err);
    sodium_memzero(&self, sizeof(self));
    if (rc != MUSTER_OK)
        return rc;
    snprintf(events, sizeof(events), "inproc://dial-%u", dial->turn);
    return mst_socket_monitor(dial->zmq, dial->dealer, events, &dial->monitor,
                              err);
}

/* Not through the lane, which waits for WELCOME. */
static muster_err say_hello(mst_dial *dial, muster_error *err)
{
    unsigned char bytes[1024];
    mst_writer w;
    char host[HOST_NAME_MAX + 1] = "";
    mst_record hello = {.kind = MST_HELLO,
                        .side = mst_build_here(),
                        .instance = dial->instance,
                        .flags = dial->known ? MST_FLAG_RESUME : 0,
                        .pid = (uint32_t)getpid(),
                        .got = dial->lane.got,
                        .turn = dial->turn};

    hello.flags |= mst_seal_has_aes() ? MST_FLAG_AES : 0;
    hello.flags |= dial->missed ? MST_FLAG_MISSED : 0;
    gethostname(host, sizeof(host) - 1);
    hello.text = (mst_span){host, strlen(host)};
    w = mst_writer_of(bytes, sizeof(bytes));
    mst_wire_put(&w, &hello);
    if (w.ok &&
        zmq_send(dial->dealer, bytes, mst_written(&w), ZMQ_DONTWAIT) >= 0)
        return MUSTER_OK;
    return mst_fail(err, MUSTER_ESYS, "HELLO: %s", zmq_strerror(errno));
}

bool mst_dial_on(mst_dial *dial, uint64_t got)
{
    dial->state = MST_DIAL_ON;
    dial->known = true;
    dial->missed = false;
    return mst_lane_up(&dial->lane, got);
}

void mst_dial_forget(mst_dial *dial)
{
    dial->known = false;
    mst_lane_fini(&dial->lane);
    init_lane(dial);
}

muster_err mst_dial_next(mst_dial *dial, muster_error *err)
{
    const mst_cookie *cookie = dial->cookie;
    const char *address = cookie->addresses[dial->turn % cookie->naddresses];
    muster_err rc;

    mst_dial_close(dial, 0);
    rc = make_socket(dial, err);
    if (rc != MUSTER_OK)
        return rc;
    if (zmq_connect(dial->dealer, address) != 0)
        return mst_fail(err, MUSTER_ESYS, "cannot connect to %s: %s", address,
                        zmq_strerror(errno));
    rc = mst_poll_add(dial->poll, &dial->watches[0],
                      mst_socket_fd(dial->dealer), EPOLLIN, err);
    if (rc == MUSTER_OK)
        rc = mst_poll_add(dial->poll, &dial->watches[1],
                          mst_socket_fd(dial->monitor), EPOLLIN, err);
    if (rc != MUSTER_OK)
        return rc;
    dial->turn++;
    dial->began_ms = mst_now_ms();
    dial->state = MST_DIAL_HELLO;
    dial->side = true;
    dial->quiet = false;
    return say_hello(dial, err);
}

void mst_dial_close(mst_dial *dial, int linger_ms)
{
    mst_poll_del(dial->poll, &dial->watches[0]);
    mst_poll_del(dial->poll, &dial->watches[1]);
    if (dial->dealer != NULL) {
        zmq_setsockopt(dial->dealer, ZMQ_LINGER, &linger_ms, sizeof(int));
        zmq_socket_monitor(dial->dealer, NULL, 0);
        zmq_close(dial->dealer);
        mst_lane_down(&dial->lane);
    }
    if (dial->monitor != NULL)
        zmq_close(dial->monitor);
    dial->dealer = dial->monitor = NULL;
    dial->state = MST_DIAL_OFF;
}

void mst_dial_fini(mst_dial *dial, int linger_ms)
{
    if (dial->zmq == NULL)
        return;
    mst_dial_close(dial, linger_ms);
    mst_lane_fini(&dial->lane);
    while (zmq_ctx_term(dial->zmq) != 0 && errno == EINTR)
        ;
    dial->zmq = NULL;
}

static void read_events(mst_dial *dial)
{
    uint16_t event;
    int32_t value;

    dial->side = false;
    while (mst_socket_event(dial->monitor, &event, &value)) {
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
            dial->state = MST_DIAL_REFUSED;
        else if (event == ZMQ_EVENT_DISCONNECTED &&
                 dial->state != MST_DIAL_REFUSED)
            dial->state = MST_DIAL_CUT;
    }
}

/* Is it to be read? One before WELCOME, or not the next, tells that another
 * was taken out: begin anew. */
static bool in_order(mst_dial *dial, const void *data, size_t len)
{
    mst_heard heard = MST_HEARD_GAP;

    if (!mst_wire_counts(data, len))
        return true;
    if (dial->state != MST_DIAL_HELLO)
        heard = mst_lane_heard(&dial->lane, data, len);
    if (heard == MST_HEARD_GAP) {
        dial->missed = true;
        dial->state = MST_DIAL_CUT;
    }
    return heard == MST_HEARD_NEXT;
}

static void deliver(mst_dial *dial, const void *data, size_t len)
{
    mst_reader r = mst_reader_of(data, len);
    mst_record record;

    if (!in_order(dial, data, len))
        return;
    while (r.left > 0 && dial->state != MST_DIAL_OFF) {
        if (mst_wire_get(&r, &record) != MUSTER_OK) {
            dial->state = MST_DIAL_CUT;
            return;
        }
        dial->record(dial->arg, &record);
    }
}

static bool read_message(mst_dial *dial)
{
    zmq_msg_t message;
    int n;

    zmq_msg_init(&message);
    n = zmq_msg_recv(&message, dial->dealer, ZMQ_DONTWAIT);
    dial->quiet = n < 0 && errno == EAGAIN;
    if (n >= 0)
        deliver(dial, zmq_msg_data(&message), zmq_msg_size(&message));
    zmq_msg_close(&message);
    return n >= 0;
}

bool mst_dial_work(mst_dial *dial)
{
    bool some = false;

    if (dial->dealer == NULL)
        return false;
    some = mst_lane_flush(&dial->lane); /* results first */
    for (int i = 0; i < ROUND && dial->dealer != NULL && !dial->quiet &&
                    !dial->enough(dial->arg) && read_message(dial);
         i++)
        some = true;
    if (dial->side && dial->dealer != NULL) {
        const mst_dial_state before = dial->state;

        read_events(dial);
        some = some || dial->state != before;
    }
    if (dial->dealer != NULL && mst_lane_flush(&dial->lane))
        some = true;
    return some;
}
