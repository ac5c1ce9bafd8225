/* linking.c - connections: who may, HELLO, and what comes on them. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/tame.h"
#include "session/session.h"

#define PROBES 3 /* heartbeats to a connection that may be gone */
#define PROBE_MS 20

/* ------------------------------------------------------------- sending -- */

static bool send_message(void *arg, zmq_msg_t *message)
{
    mst_member *w = (mst_member *)arg;

    return mst_hub_send(&w->m->hub, &w->route, message);
}

void mst_link_dirty(mst_member *w)
{
    if (!w->linked || w->dirty)
        return;
    w->dirty = true;
    TAILQ_INSERT_TAIL(&w->m->dirty, w, dirty_link);
}

static void unlink_now(mst_member *w)
{
    if (w->dirty)
        TAILQ_REMOVE(&w->m->dirty, w, dirty_link);
    w->dirty = false;
    w->probes = 0;
    if (w->linked)
        LIST_REMOVE(w, fd_link);
    w->linked = false;
    (void)mst_hub_dismiss(&w->m->hub, w->fd);
    w->fd = -1;
}

void mst_link_over(mst_member *w, int status, const char *why)
{
    if (w->why_note != NULL)
        return; /* it had said more */
    w->exit_status = status;
    w->why_note = mst_strdup(why);
    w->m->launcher->end(w->m->launcher, w->rank, w->incarnation, MST_END_GONE);
}

/* The connection is gone, what was said on it is not. LEAVING stays LEAVING. */
static void cut(mst_member *w, const char *why)
{
    unlink_now(w);
    mst_lane_down(&w->lane);
    w->cut_ms = mst_now_ms();
    mst_member_event(w, MST_EV_CUT, "worker %u: %s", w->rank, why);
}

/* Nothing of it can be resumed: its calls end, and it begins anew. */
static void forget(mst_member *w, const char *why)
{
    const bool was_bound = w->bound;

    mst_link_drop(w);
    w->cut_ms = mst_now_ms();
    mst_member_event(w, MST_EV_CUT, "worker %u: %s", w->rank, why);
    if (was_bound)
        mst_calls_lost(w, w->why_note != NULL ? w->why_note : why);
    if (w->unseen && w->state == MUSTER_LEAVING)
        mst_link_over(w, -1, why);
}

/* The connection seems gone. A process that crashed closes its sockets before
 * its end can be seen, and its end is the better story: wait for it. */
static void suspect(mst_member *w)
{
    if (w->probes > 0)
        return;
    w->probes = PROBES;
    w->gone_ms = mst_now_ms();
    mst_loop_time(&w->m->loop, &w->probe,
                  mst_now_ms() + (w->process ? w->m->launcher->story_ms : 0));
}

/* What it is to finish is on its way: nothing more comes. */
static bool stop_now_due(mst_member *w)
{
    const mst_record stop = {.kind = MST_STOP, .mode = MST_STOP_DRAIN};

    w->stop_due = false;
    mst_lane_put(&w->lane, &stop);
    return mst_lane_flush(&w->lane);
}

bool mst_link_flush(muster *m)
{
    mst_member *w;
    bool some = false;

    while ((w = TAILQ_FIRST(&m->dirty)) != NULL) {
        TAILQ_REMOVE(&m->dirty, w, dirty_link);
        w->dirty = false;
        some = mst_lane_flush(&w->lane) || some;
        if (w->stop_due && w->linked && TAILQ_EMPTY(&w->lane.queue))
            some = stop_now_due(w) || some;
        if (w->linked && (w->lane.broken || !w->lane.up) && !w->ended)
            suspect(w);
    }
    return some;
}

void mst_link_drop(mst_member *w)
{
    unlink_now(w);
    w->bound = false;
    mst_bulking_end(w);
    mst_lane_fini(&w->lane);
    mst_errands_drop(w);
    mst_tell_printed_end(w);
}

/* One record to a connection that is nobody's yet. */
static void send_record(muster *m, const mst_route *route,
                        const mst_record *record)
{
    unsigned char bytes[1024];
    mst_writer writer = mst_writer_of(bytes, sizeof(bytes));
    zmq_msg_t message;

    mst_wire_put(&writer, record);
    if (!writer.ok || zmq_msg_init_size(&message, mst_written(&writer)) != 0)
        return;
    memcpy(zmq_msg_data(&message), bytes, mst_written(&writer));
    if (!mst_hub_send(&m->hub, route, &message))
        zmq_msg_close(&message);
}

static void go_away(mst_member *w, const mst_route *route, int fd,
                    muster_err code, const char *why)
{
    const mst_record record = {
        .kind = MST_GOAWAY, .code = (uint16_t)code, .text = {why, strlen(why)}};

    if (!mst_hub_dismiss(&w->m->hub, fd))
        return; /* it was told */
    mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_INFO, "SENT-AWAY",
                 "rank=%u why=%s", w->rank, why);
    send_record(w->m, route, &record);
}

/* --------------------------------------------------------------- HELLO -- */

static void refuse(mst_member *w, const mst_route *route, int fd,
                   const char *why)
{
    const mst_record record = {.kind = MST_REFUSE,
                               .side = mst_build_here(),
                               .code = MUSTER_EREFUSED,
                               .text = {why, strlen(why)}};

    if (!mst_hub_dismiss(&w->m->hub, fd))
        return;
    mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_WARN, "HELLO-REFUSED",
                 "rank=%u why=%s", w->rank, why);
    send_record(w->m, route, &record);
}

/* True when both sides are the same build; else a sentence about both. */
static bool same_build(const mst_build *there, char *why, size_t bytes)
{
    const mst_build here = mst_build_here();

    if (there->wire == here.wire && there->word == here.word &&
        there->order == here.order && there->build.len == here.build.len &&
        memcmp(there->build.at, here.build.at, here.build.len) == 0)
        return true;
    snprintf(why, bytes,
             "manager and worker differ: release %s and %.*s, wire version %u "
             "and %u, pointer bytes %u and %u, byte order %u and %u",
             MUSTER_VERSION,
             (int)(there->build.len < 64 ? there->build.len : 64),
             there->build.at, here.wire, there->wire, here.word, there->word,
             here.order, there->order);
    return false;
}

static void name_unseen(mst_member *w, const mst_record *hello)
{
    char name[MUSTER_NAME_TEXT];

    snprintf(name, sizeof(name), "%.*s pid %u", (int)(hello->text.len & 127),
             hello->text.at, hello->pid);
    mst_tame(name);
    mst_free(w->name);
    w->name = mst_strdup(name);
}

/* A Pod's host name is its own; its node is the launcher's to say. */
static void note_host(mst_member *w, const mst_record *hello)
{
    char host[MUSTER_NAME_TEXT];

    if (w->m->launcher->knows_nodes)
        return;
    snprintf(host, sizeof(host), "%.*s", (int)(hello->text.len & 127),
             hello->text.at);
    mst_free(w->node);
    w->node = mst_strdup(host);
}

/* Its first words to this connection: behind them the lane goes on. */
static void say_welcome(mst_member *w, const mst_route *route, int fd,
                        uint32_t turn)
{
    muster *m = w->m;
    mst_record record = {.kind = MST_WELCOME,
                         .side = mst_build_here(),
                         .rank = w->rank,
                         .incarnation = w->incarnation,
                         .threads = m->options.threads,
                         .heartbeat_ms =
                             (uint32_t)m->options.heartbeat_timeout_ms,
                         .grace_ms = (uint32_t)m->options.grace_ms,
                         .got = w->lane.got};

    mst_bulking_welcome(w, &record);
    memcpy(record.session, m->session_id, sizeof(record.session));
    w->route = *route;
    w->fd = fd;
    mst_hub_keep(&m->hub, fd);
    w->linked = true;
    LIST_INSERT_HEAD(&m->by_fd[(unsigned)fd % MST_FD_LISTS], w, fd_link);
    w->gone_ms = 0;
    w->turn = turn;
    send_record(w->m, route, &record);
    sodium_memzero(record.key, sizeof(record.key));
}

/* The same process after a cut: both sides go on where they were. */
static void resume(mst_member *w, const mst_route *route, int fd,
                   const mst_record *hello)
{
    const int64_t away_ms = mst_now_ms() - w->cut_ms;

    say_welcome(w, route, fd, hello->turn);
    if (!mst_lane_up(&w->lane, hello->got)) {
        mst_member_event(w, MST_EV_FAILED,
                         "worker %u broke the protocol: it has got what was "
                         "never sent",
                         w->rank);
        return;
    }
    mst_link_dirty(w);
    mst_log_line(&w->m->log, MUSTER_LOG_INFO, "LINK-RESUMED",
                 "rank=%u away_ms=%lld", w->rank, (long long)away_ms);
    mst_member_event(w, w->counted ? MST_EV_RESUMED : MST_EV_HELLO,
                     "its link is back after %.1f s", (double)away_ms / 1000);
}

static void welcome(mst_member *w, const mst_route *route, int fd,
                    const mst_record *hello)
{
    const mst_record stop = {.kind = MST_STOP, .mode = MST_STOP_NOW};

    if (w->instance != hello->instance) { /* a new process */
        w->modules = 0;
        w->box = (mst_box){0};
    }
    w->loading = NULL;
    w->instance = hello->instance;
    w->bound = true;
    mst_lane_init(&w->lane, send_message, w);
    mst_bulking_begin(w, (hello->flags & MST_FLAG_AES) != 0);
    w->lane.in.pool = w->m->pool;
    say_welcome(w, route, fd, hello->turn);
    (void)mst_lane_up(&w->lane, 0);
    mst_link_dirty(w);
    if (w->unseen)
        name_unseen(w, hello);
    note_host(w, hello);
    mst_member_event(w, MST_EV_HELLO, "connected from %.*s, pid %u",
                     (int)(hello->text.len & 127), hello->text.at, hello->pid);
    if (w->state == MUSTER_JOINING)
        mst_link_loaded(w);
    else if (w->state == MUSTER_LEAVING)
        mst_lane_put(&w->lane, &stop);
}

static void on_hello(mst_member *w, const mst_route *route, int fd,
                     const mst_record *hello)
{
    char why[MUSTER_ERROR_TEXT];

    if (!same_build(&hello->side, why, sizeof(why))) {
        refuse(w, route, fd, why);
        mst_member_event(w, MST_EV_FAILED, "worker %u: %s", w->rank, why);
        return;
    }
    /* of a connection that had ended before the one that we know began */
    if (w->instance == hello->instance && w->turn > 0 && hello->turn <= w->turn)
        return;
    if (mst_life_over(w->state) || w->ended) {
        refuse(w, route, fd, "this worker was given up");
        return;
    }
    if (w->linked && w->instance != hello->instance) {
        refuse(w, route, fd, "this rank and incarnation is connected already");
        return;
    }
    if ((hello->flags & MST_FLAG_MISSED) != 0)
        mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_WARN, "MESSAGE-MISSED",
                     "rank=%u by=worker number=%llu", w->rank,
                     (unsigned long long)hello->got + 1);
    if (w->linked) /* the same process: its old connection is dead */
        cut(w, "its link was cut and came back");
    if (w->bound && w->lane.broken)
        forget(w, "its link was cut: no memory for what was to be sent");
    if (w->bound && w->instance == hello->instance) {
        resume(w, route, fd, hello);
        return;
    }
    if ((hello->flags & MST_FLAG_RESUME) != 0) {
        go_away(w, route, fd, MUSTER_ENOMEM, "nothing of it is known any more");
        return;
    }
    if (w->bound)
        forget(w, "its link was cut and another process came");
    welcome(w, route, fd, hello);
}

/* ------------------------------------------------------------ messages -- */

/* Somebody took it out. The worker is to come back, and sends it again. */
static void miss(mst_member *w)
{
    mst_log_some(&w->m->log, &w->gate, MUSTER_LOG_WARN, "MESSAGE-MISSED",
                 "rank=%u by=manager number=%llu", w->rank,
                 (unsigned long long)w->lane.got + 1);
    go_away(w, &w->route, w->fd, MUSTER_EPROTO, "a message did not come");
    cut(w, "a message on its link did not come");
}

static void on_message(void *arg, const mst_route *route, const char *user,
                       int fd, const void *data, size_t len)
{
    muster *m = (muster *)arg;
    mst_reader reader = mst_reader_of(data, len);
    mst_record record;
    mst_heard heard;
    char *dot;
    const unsigned long rank = strtoul(user, &dot, 10);
    mst_member *w = rank <= UINT32_MAX && *dot == '.'
                        ? mst_member_of(m, (uint32_t)rank,
                                        (uint32_t)strtoul(dot + 1, NULL, 10))
                        : NULL;

    if (w == NULL)
        return; /* who was let in is one of them */
    if (!w->linked || memcmp(&w->route, route, sizeof(*route)) != 0) {
        if (mst_wire_get(&reader, &record) == MUSTER_OK &&
            record.kind == MST_HELLO)
            on_hello(w, route, fd, &record);
        else
            go_away(w, route, fd, MUSTER_EREFUSED,
                    "this connection did not begin with HELLO");
        return;
    }
    heard = mst_lane_heard(&w->lane, data, len);
    if (heard == MST_HEARD_GAP)
        miss(w);
    if (heard != MST_HEARD_NEXT)
        return;
    while (reader.left > 0 && w->linked) {
        if (mst_wire_get(&reader, &record) != MUSTER_OK) {
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u broke the protocol: %zu bytes that are "
                             "no record",
                             w->rank, len);
            return;
        }
        mst_record_heard(w, &record);
        sodium_memzero(record.key, sizeof(record.key));
    }
    if (w->linked && mst_lane_owes(&w->lane))
        mst_link_dirty(w);
}

/* --------------------------------------------------- who, and who no more --
 */

static bool on_allow(void *arg, const uint8_t key[MST_KEY_BYTES],
                     char user[MST_USER_BYTES])
{
    const mst_member *w = mst_member_of_key((const muster *)arg, key);

    if (w == NULL || mst_life_over(w->state))
        return false;
    snprintf(user, MST_USER_BYTES, "%u.%u", w->rank, w->incarnation);
    return true;
}

/* Whose connection was it? The descriptor may be another's already: ask by a
 * heartbeat, which cannot be sent where no connection is. */
static void on_disconnected(void *arg, int fd)
{
    muster *m = (muster *)arg;
    mst_member *w;

    LIST_FOREACH(w, &m->by_fd[(unsigned)fd % MST_FD_LISTS], fd_link)
    {
        if (w->fd != fd)
            continue;
        if (w->ended) {
            mst_member_ended(w, true);
            continue;
        }
        suspect(w);
    }
}

void mst_link_probe(void *arg, mst_timer *timer)
{
    mst_member *w = (mst_member *)arg;
    const mst_record beat = {.kind = MST_HEARTBEAT};

    if (!w->linked || w->ended || w->probes == 0) {
        w->probes = 0;
        return;
    }
    if (w->lane.broken && w->state != MUSTER_READY) {
        mst_member_event(w, MST_EV_FAILED,
                         "no memory for the link to worker %u", w->rank);
        return;
    }
    if (w->lane.broken) { /* the worker does not know of it */
        go_away(w, &w->route, w->fd, MUSTER_ENOMEM, "no memory for its link");
        forget(w, "its link was cut: no memory for what was to be sent");
        return;
    }
    if (!w->lane.up) {
        cut(w, "its link was cut");
        return;
    }
    w->probes--;
    mst_lane_put(&w->lane, &beat);
    mst_link_dirty(w);
    mst_loop_time(&w->m->loop, timer, mst_now_ms() + PROBE_MS);
}

/* The caller who drives has its answer, and no other call is out. */
static bool on_enough(void *arg)
{
    const muster *m = (const muster *)arg;

    return m->pending.n == 0 && mst_loop_is_over(&m->loop);
}

static bool on_linked(void *arg, int fd)
{
    const muster *m = (const muster *)arg;
    const mst_member *w;

    LIST_FOREACH(w, &m->by_fd[(unsigned)fd % MST_FD_LISTS], fd_link)
    {
        if (w->fd == fd)
            return true;
    }
    return false;
}

const mst_hub_calls mst_link_calls = {on_allow, on_message, on_disconnected,
                                      on_enough, on_linked};
