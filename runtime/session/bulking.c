/* bulking.c - large payloads beside the lane: how each link sends them. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "launch/note.h"
#include "session/session.h"

#define PATIENCE_MS 30000 /* nothing moves: it takes the lane */

bool mst_bulking_parse(const char *text, mst_bulking *bulking)
{
    static const char *const names[] = {"auto", "sealed", "plain", "off"};

    for (int i = 0; i < 4; i++)
        if (strcmp(text != NULL ? text : "auto", names[i]) == 0) {
            *bulking = (mst_bulking)i;
            return true;
        }
    return false;
}

/* Children of ours: no port, and nobody on the way who could read it. */
static bool by_line(const muster *m)
{
    return m->bulking == MST_BULKING_AUTO && m->launcher->pass != NULL;
}

/* ---------------------------------------------------------------- the port --
 */

static bool find_key(void *arg, mst_proof_name name,
                     uint8_t key[MST_BULK_KEY_BYTES])
{
    const muster *m = (const muster *)arg;
    const mst_member *w = mst_member_of(m, name.rank, name.incarnation);

    if (w == NULL || !w->bound || w->bulk_mode <= MST_BULK_LINE ||
        name.transfer != 0)
        return false;
    mst_root_bulk(m->root, name.rank, name.incarnation, key);
    return true;
}

static void came(void *arg, mst_proof_name name, int fd)
{
    muster *m = (muster *)arg;
    mst_member *w = mst_member_of(m, name.rank, name.incarnation);
    muster_error err;

    if (w == NULL || !w->bound || !w->carrier.on)
        close(fd);
    else if (mst_carrier_open(&w->carrier, fd, &err) != MUSTER_OK)
        mst_log_line(&m->log, MUSTER_LOG_WARN, "BULK-NOT-OPEN",
                     "rank=%u why=%s", w->rank, err.text);
}

static const mst_door_calls door_calls = {find_key, came};

void mst_bulking_init(muster *m)
{
    mst_door_init(&m->door, &m->log, &door_calls, m);
}

void mst_bulking_open(muster *m, const char *address)
{
    const uint16_t port = m->options.port;
    muster_error err;

    mst_bulk_init(&m->bulk, &m->loop.poll, 0, m->session_id);
    m->shares = by_line(m);
    if (m->bulking == MST_BULKING_OFF || m->shares)
        return;
    if (m->bulking == MST_BULKING_PLAIN)
        mst_log_line(&m->log, MUSTER_LOG_WARN, "BULK-PLAINTEXT",
                     "payloads of %u KiB and more are NOT ENCRYPTED: whoever "
                     "sees the network can read and change them",
                     (unsigned)(MST_BULK_MIN >> 10));
    /* the port behind the one that was asked for: a firewall can know both */
    if (mst_door_open(&m->door, &m->loop.poll, address,
                      (uint16_t)(port > 0 && port < UINT16_MAX ? port + 1 : 0),
                      &err) != MUSTER_OK)
        mst_log_line(&m->log, MUSTER_LOG_WARN, "BULK-NO-PORT",
                     "large payloads are slower: %s", err.text);
}

void mst_bulking_close(muster *m)
{
    mst_door_close(&m->door);
}

void mst_bulking_fini(muster *m)
{
    if (m->bulk.poll != NULL)
        mst_bulk_fini(&m->bulk);
}

/* ---------------------------------------------------------------- a link -- */

/* By the port it is the worker who connects; a line is not opened twice. */
static void want(void *arg)
{
    mst_member *w = (mst_member *)arg;

    if (w->bulk_mode == MST_BULK_LINE)
        mst_loop_time(&w->m->loop, &w->no_bulk, mst_now_ms());
}

static void dirty(void *arg)
{
    mst_link_dirty((mst_member *)arg);
}

static const mst_carrier_calls carrier_calls = {want, dirty, mst_relaying_plan,
                                                mst_relaying_orphan};

static void off(mst_member *w, const char *why)
{
    if (!w->carrier.on)
        return;
    mst_log_line(&w->m->log,
                 w->bulk_mode == MST_BULK_LINE ? MUSTER_LOG_INFO
                                               : MUSTER_LOG_WARN,
                 "BULK-OFF", "rank=%u why=%s", w->rank, why);
    mst_carrier_off(&w->carrier, why);
}

void mst_bulking_broken(void *arg, mst_timer *timer)
{
    (void)timer;
    off((mst_member *)arg, "its stream was broken");
}

static bool pass(void *arg, const uint8_t words[MST_SEGMENT_WORDS], int fd)
{
    const mst_member *w = (const mst_member *)arg;
    mst_launcher *launcher = w->m->launcher; /* NULL: it has ended already */

    return launcher != NULL && launcher->pass(launcher, w->rank, w->incarnation,
                                              words, MST_SEGMENT_WORDS, fd);
}

/* A socket pair: one end here, the other to the child. */
static bool open_line(mst_member *w)
{
    mst_launcher *launcher = w->m->launcher;
    muster_error err;
    const char stream = MST_LINE_STREAM;
    int pair[2];
    bool passed;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    passed = launcher->pass(launcher, w->rank, w->incarnation, &stream,
                            sizeof(stream), pair[1]);
    close(pair[1]);
    if (passed)
        return mst_carrier_open(&w->carrier, pair[0], &err) == MUSTER_OK;
    close(pair[0]);
    return false;
}

static mst_bulk_mode mode_of(const mst_member *w, bool aes)
{
    const muster *m = w->m;

    if (by_line(m))
        return MST_BULK_LINE;
    if (m->door.fd < 0)
        return MST_BULK_OFF;
    if (m->bulking == MST_BULKING_PLAIN)
        return MST_BULK_PLAIN;
    return aes && mst_seal_has_aes() ? MST_BULK_AES : MST_BULK_CHACHA;
}

void mst_bulking_begin(mst_member *w, bool aes)
{
    mst_bulk_mode mode = mode_of(w, aes);

    mst_carrier_init(&w->carrier, &w->m->bulk, &w->lane, &carrier_calls, w);
    w->carrier.kind = mst_bulk_seal(mode);
    w->carrier.on = mode > MST_BULK_LINE; /* the child says when its is */
    if (mode == MST_BULK_LINE && !open_line(w))
        mode = MST_BULK_OFF;
    w->bulk_mode = mode;
    mst_relaying_begin(w);
}

void mst_bulking_end(mst_member *w)
{
    mst_loop_time(&w->m->loop, &w->no_bulk, MST_NEVER);
    mst_carrier_fini(&w->carrier);
}

void mst_bulking_welcome(const mst_member *w, mst_record *welcome)
{
    welcome->bulk_mode = (uint8_t)w->bulk_mode;
    if (w->bulk_mode <= MST_BULK_LINE)
        return;
    welcome->bulk_port = w->m->door.port;
    mst_root_bulk(w->m->root, w->rank, w->incarnation, welcome->key);
}

void mst_bulking_tick_all(muster *m, int64_t now_ms)
{
    mst_segments_tick(&m->bulk.segments, now_ms);
    mst_bulk_tick(&m->bulk, now_ms);
}

void mst_bulking_tick(mst_member *w, int64_t now_ms)
{
    if (w->carrier.bulk != NULL &&
        !mst_carrier_tick(&w->carrier, now_ms, PATIENCE_MS))
        off(w, "nothing moved any more");
}

bool mst_bulking_record(mst_member *w, const mst_record *r)
{
    if (w->carrier.bulk == NULL)
        return false;
    if (r->kind == MST_RELAY)
        return mst_relaying_record(w, r);
    if (r->kind == MST_AGAIN)
        return mst_carrier_again(&w->carrier, r);
    if (r->kind == MST_GOT && r->transfer > 0)
        return mst_carrier_got(&w->carrier, r);
    if (r->kind == MST_GOT) {
        if (w->bulk_mode != MST_BULK_LINE)
            return false;
        w->carrier.on = w->carrier.pipe.fd >= 0;
        w->carrier.pass = w->carrier.on ? pass : NULL;
        return true;
    }
    if (w->carrier.on)
        mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_WARN, "BULK-OFF",
                     "rank=%u why=%.*s", w->rank, (int)r->text.len, r->text.at);
    mst_carrier_off(&w->carrier, NULL);
    return true;
}
