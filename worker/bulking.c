/* bulking.c - large payloads beside the lane: how the stream comes to be. */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker.h"

#define KNOCK_MS 2000     /* until the door is open */
#define KNOCKS 3          /* in vain */
#define AGAIN_MS 50       /* until the second; then twice that */
#define PATIENCE_MS 30000 /* nothing moves: it takes the lane */

/* Soon: who asks for it is in the middle of something. */
static void want(void *arg)
{
    mst_worker *w = (mst_worker *)arg;
    int64_t wait_ms;

    if (w->knock.fd >= 0 || w->knocking.timed.place != 0)
        return;
    if (w->carrier.progress != w->moved)
        w->knocks = 0;
    w->moved = w->carrier.progress;
    wait_ms = w->knocks > 0 ? AGAIN_MS << (w->knocks - 1) : 0;
    mst_loop_time(&w->loop, &w->knocking, mst_now_ms() + wait_ms);
}

static void dirty(void *arg)
{
    (void)arg; /* each round flushes the lane */
}

static const mst_carrier_calls carrier_calls = {want, dirty, NULL, NULL};

static void failed(mst_worker *w, const char *why)
{
    if (++w->knocks >= KNOCKS)
        mst_carrier_off(&w->carrier, why);
    else
        want(w);
}

/* The manager has opened it already. */
static void knocked(void *arg, int fd, const char *why)
{
    mst_worker *w = (mst_worker *)arg;
    muster_error err;

    mst_loop_time(&w->loop, &w->knocking, MST_NEVER);
    if (fd < 0) {
        failed(w, why);
        return;
    }
    w->knocks++; /* until something moves */
    if (mst_carrier_open(&w->carrier, fd, &err) != MUSTER_OK)
        mst_carrier_off(&w->carrier, err.text);
}

/* Where the manager was reached last. */
static const char *reached(const mst_worker *w)
{
    return w->cookie.addresses[(w->dial.turn - 1) % w->cookie.naddresses];
}

static void on_timer(void *arg, mst_timer *timer)
{
    mst_worker *w = (mst_worker *)arg;
    const char *address;
    muster_error err;

    if (!w->carrier.on)
        return;
    if (w->bulk_mode == MST_BULK_LINE) {
        mst_carrier_off(&w->carrier, "its stream was broken");
        return;
    }
    if (w->knock.fd >= 0) {
        mst_knock_stop(&w->knock);
        mst_carrier_off(&w->carrier,
                        "no answer from the manager's port for bulk data");
        return;
    }
    if (w->knocks >= KNOCKS) {
        mst_carrier_off(&w->carrier, "its streams end before anything moves");
        return;
    }
    address = reached(w);
    mst_loop_time(&w->loop, timer, mst_now_ms() + KNOCK_MS);
    if (mst_knock_start(&w->knock, address, w->bulk_port, &err) != MUSTER_OK) {
        mst_loop_time(&w->loop, timer, MST_NEVER);
        failed(w, err.text);
    }
}

void mst_bulking_init(mst_worker *w)
{
    w->stream = -1;
    w->knocking.fn = on_timer;
    w->knocking.arg = w;
    w->knock = (mst_knock){.poll = &w->loop.poll,
                           .watch = {.fd = -1},
                           .fd = -1,
                           .name = {w->cookie.rank, w->cookie.incarnation, 0},
                           .key = w->bulk_key,
                           .done = knocked,
                           .arg = w};
}

void mst_bulking_begin(mst_worker *w, const mst_record *r)
{
    const int fd = w->stream;

    mst_bulk_init(&w->bulk, &w->loop.poll, r->rank, r->session);
    mst_carrier_init(&w->carrier, &w->bulk, &w->dial.lane, &carrier_calls, w);
    w->bulk_mode = r->bulk_mode < MST_BULK_MODES ? (mst_bulk_mode)r->bulk_mode
                                                 : MST_BULK_OFF;
    w->bulk_port = r->bulk_port;
    memcpy(w->bulk_key, r->key, sizeof(w->bulk_key));
    w->knocks = 0;
    w->moved = 0;
    mst_relay_init(&w->relay, &w->loop, &w->carrier,
                   (mst_proof_name){r->rank, r->incarnation, 0});
    w->carrier.kind = mst_bulk_seal(w->bulk_mode);
    w->carrier.on = w->bulk_mode > MST_BULK_LINE;
    w->stream = -1;
    if (fd >= 0)
        mst_bulking_take(w, fd);
}

void mst_bulking_take(mst_worker *w, int fd)
{
    const mst_record open = {.kind = MST_GOT};
    muster_error err;

    if (w->carrier.bulk == NULL) { /* WELCOME is on its way */
        if (w->stream >= 0)
            close(w->stream);
        w->stream = fd;
    } else if (w->bulk_mode != MST_BULK_LINE || w->carrier.opened > 0) {
        close(fd);
    } else if (mst_carrier_open(&w->carrier, fd, &err) == MUSTER_OK) {
        w->carrier.on = true;
        mst_lane_put(&w->dial.lane, &open);
    }
}

void mst_bulking_end(mst_worker *w)
{
    if (w->carrier.bulk == NULL)
        return;
    mst_knock_stop(&w->knock);
    mst_loop_time(&w->loop, &w->knocking, MST_NEVER);
    mst_carrier_fini(&w->carrier);
    mst_relay_fini(&w->relay);
    mst_bulk_fini(&w->bulk);
    sodium_memzero(w->bulk_key, sizeof(w->bulk_key));
}

void mst_bulking_fini(mst_worker *w)
{
    mst_bulking_end(w);
    if (w->stream >= 0)
        close(w->stream);
    w->stream = -1;
    mst_views_fini(&w->views);
}

void mst_bulking_tick(mst_worker *w, int64_t now_ms)
{
    if (w->carrier.bulk == NULL)
        return;
    mst_bulk_tick(&w->bulk, now_ms);
    mst_door_tick(&w->relay.door, now_ms);
    if (!mst_carrier_tick(&w->carrier, now_ms, PATIENCE_MS))
        mst_carrier_off(&w->carrier, "nothing moved any more");
}

bool mst_bulking_record(mst_worker *w, const mst_record *r)
{
    if (w->carrier.bulk == NULL)
        return false;
    if (r->kind == MST_GOT)
        return mst_carrier_got(&w->carrier, r);
    if (r->kind == MST_RELAY)
        return mst_relay_record(&w->relay, r, reached(w));
    if (r->kind == MST_AGAIN)
        return mst_carrier_again(&w->carrier, r);
    mst_carrier_off(&w->carrier, NULL);
    return true;
}
