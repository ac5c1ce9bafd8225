#include "bulk/lane.h"

#include <sodium.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bulk/bulk.h"

/* An open message goes out when it is as long as this, so that the peer can
 * begin before we are done. */
#define OPEN_BYTES ((size_t)64 << 10)
#define OPEN_KEPT ((size_t)4 << 10) /* an idle peer's buffer is no larger, */
#define IDLE_MS 1000                /* after so long                       */
#define OPEN_ROOM ((size_t)1 << 10) /* at first */
/* A chunk shorter than this is not worth a record: wait for credit. */
#define CHUNK_MIN ((size_t)16 << 10)
/* Acknowledged beside other records after some messages; else after more of
 * them, or so many bytes, by a message of its own. */
#define ACK_BESIDE 8u
#define ACK_ALONE 32u
#define KEPT_ROOM (2 * ACK_ALONE) /* enough while all goes well */
#define ACK_BYTES ((size_t)256 << 10)
/* A peer that never acknowledges does not get more than this kept. */
#define KEPT_MOST ((size_t)64 << 20)

void mst_lane_init(mst_lane *lane, bool (*send)(void *arg, zmq_msg_t *message),
                   void *arg)
{
    memset(lane, 0, sizeof(*lane));
    lane->send = send;
    lane->arg = arg;
    lane->heard_ms = lane->sent_ms = mst_now_ms();
    TAILQ_INIT(&lane->queue);
    for (unsigned i = 0; i < MST_WINDOWS; i++)
        mst_credit_init(&lane->credit[i], MST_WIRE_WINDOW);
}

static zmq_msg_t *kept_at(const mst_lane *lane, uint32_t i)
{
    return &lane->kept[(lane->kept_first + i) & (lane->kept_room - 1)];
}

static size_t kept_cost(const zmq_msg_t *message)
{
    return zmq_msg_size(message) + sizeof(*message);
}

/* The peer has the oldest n of them. */
static void forget_kept(mst_lane *lane, uint32_t n)
{
    for (; n > 0; n--) {
        zmq_msg_t *oldest = kept_at(lane, 0);

        lane->kept_bytes -= kept_cost(oldest);
        zmq_msg_close(oldest);
        lane->kept_first++;
        lane->nkept--;
    }
}

void mst_lane_fini(mst_lane *lane)
{
    mst_out *out;

    while ((out = TAILQ_FIRST(&lane->queue)) != NULL) {
        TAILQ_REMOVE(&lane->queue, out, link);
        out->queued = false;
    }
    memset(lane->last, 0, sizeof(lane->last));
    mst_assembly_fini(&lane->in);
    mst_free(lane->open);
    lane->open = NULL;
    lane->used = lane->room = 0;
    forget_kept(lane, lane->nkept);
    mst_free(lane->kept);
    lane->kept = NULL;
    lane->kept_room = 0;
    lane->up = false;
}

/* Of the open message. */
static bool set_room(mst_lane *lane, size_t room)
{
    unsigned char *open = mst_realloc(lane->open, room);

    if (open == NULL)
        return false;
    lane->open = open;
    lane->room = room;
    return true;
}

/* ---------------------------------------- what may have to be sent again -- */

static bool more_kept(mst_lane *lane)
{
    const uint32_t room = lane->kept_room > 0 ? 2 * lane->kept_room : KEPT_ROOM;
    zmq_msg_t *kept = mst_alloc(room * sizeof(*kept));

    if (kept == NULL)
        return false;
    for (uint32_t i = 0; i < lane->nkept; i++) {
        zmq_msg_init(&kept[i]);
        zmq_msg_move(&kept[i], kept_at(lane, i));
    }
    mst_free(lane->kept);
    lane->kept = kept;
    lane->kept_room = room;
    lane->kept_first = 0;
    return true;
}

/* Takes the message, which is the next one from now on. */
static bool keep(mst_lane *lane, zmq_msg_t *message)
{
    zmq_msg_t *place;

    if (lane->kept_bytes > KEPT_MOST ||
        (lane->nkept == lane->kept_room && !more_kept(lane))) {
        zmq_msg_close(message);
        lane->broken = true;
        return false;
    }
    mst_wire_set_number(zmq_msg_data(message), lane->sent + 1);
    lane->kept_bytes += kept_cost(message);
    place = kept_at(lane, lane->nkept++);
    zmq_msg_init(place);
    zmq_msg_move(place, message);
    lane->sent++;
    return true;
}

static void send_kept(mst_lane *lane, uint32_t i)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    zmq_msg_copy(&message, kept_at(lane, i)); /* the bytes are shared */
    if (!lane->send(lane->arg, &message)) {
        zmq_msg_close(&message);
        lane->up = false;
    }
}

static void send_message(mst_lane *lane, zmq_msg_t *message)
{
    lane->sent_ms = mst_now_ms();
    if (keep(lane, message) && lane->up)
        send_kept(lane, lane->nkept - 1);
}

static uint64_t peer_has(const mst_lane *lane)
{
    return lane->sent - lane->nkept;
}

bool mst_lane_ack(mst_lane *lane, uint64_t peer_got)
{
    if (peer_got > lane->sent)
        return false;
    if (peer_got > peer_has(lane)) /* else it was sent before a cut */
        forget_kept(lane, (uint32_t)(peer_got - peer_has(lane)));
    return true;
}

bool mst_lane_up(mst_lane *lane, uint64_t peer_got)
{
    if (peer_got < peer_has(lane) || !mst_lane_ack(lane, peer_got))
        return false;
    /* from now on what is small needs no memory, while all goes well */
    if ((lane->room == 0 && !set_room(lane, OPEN_ROOM)) ||
        (lane->kept_room == 0 && !more_kept(lane)))
        lane->broken = true;
    lane->said = lane->got; /* HELLO or WELCOME said it */
    lane->unsaid = 0;
    lane->heard_ms = lane->sent_ms = mst_now_ms();
    lane->up = true;
    for (uint32_t i = 0; i < lane->nkept && lane->up; i++)
        send_kept(lane, i);
    return true;
}

void mst_lane_down(mst_lane *lane)
{
    lane->up = false;
}

mst_heard mst_lane_heard(mst_lane *lane, const void *message, size_t bytes)
{
    if (bytes >= MST_WIRE_HEADER) { /* else it is no record at all */
        const uint16_t ahead =
            (uint16_t)(mst_wire_number(message) - (uint16_t)(lane->got + 1));

        if (ahead != 0)
            return ahead > INT16_MAX ? MST_HEARD_AGAIN : MST_HEARD_GAP;
    }
    lane->heard_ms = mst_now_ms();
    lane->got++;
    lane->unsaid += bytes;
    return MST_HEARD_NEXT;
}

static bool due(const mst_lane *lane)
{
    return lane->got - lane->said >= (lane->eager ? 1 : ACK_ALONE) ||
           lane->unsaid >= ACK_BYTES;
}

bool mst_lane_owes(const mst_lane *lane)
{
    return due(lane) || (lane->full && lane->nkept < MST_WIRE_AHEAD);
}

bool mst_lane_idle(const mst_lane *lane)
{
    return lane->nkept == 0 && lane->used == 0 && TAILQ_EMPTY(&lane->queue) &&
           (lane->carrier == NULL || TAILQ_EMPTY(&lane->carrier->flows));
}

/* True: the open message has an ACK. */
static bool say_got(mst_lane *lane)
{
    const mst_record ack = {.kind = MST_ACK, .got = lane->got};

    if (!lane->up)
        return false;
    if (!due(lane) && (lane->used == 0 || lane->got - lane->said < ACK_BESIDE))
        return false;
    mst_lane_put(lane, &ack);
    lane->said = lane->got;
    lane->unsaid = 0;
    return true;
}

/* ------------------------------------------------------------- sending -- */

static void send_open(mst_lane *lane)
{
    zmq_msg_t message;

    if (lane->used == 0)
        return;
    if (zmq_msg_init_size(&message, lane->used) != 0) {
        lane->broken = true;
    } else {
        memcpy(zmq_msg_data(&message), lane->open, lane->used);
        send_message(lane, &message);
    }
    if (lane->used > OPEN_KEPT)
        lane->large_ms = lane->sent_ms;
    lane->used = 0;
    if (lane->room > OPEN_KEPT && TAILQ_EMPTY(&lane->queue) &&
        lane->sent_ms - lane->large_ms > IDLE_MS)
        set_room(lane, OPEN_ROOM);
}

/* Make room for `bytes` more in the open message. */
static bool make_room(mst_lane *lane, size_t bytes)
{
    size_t room = lane->room;

    if (lane->used > 0 && lane->used + bytes > OPEN_BYTES)
        send_open(lane);
    if (room == 0)
        room = OPEN_ROOM;
    while (room < lane->used + bytes)
        room *= 2;
    if (room == lane->room || set_room(lane, room))
        return true;
    lane->broken = true;
    return false;
}

/* A record too long to share a message gets its own, without a second copy. */
static void put_alone(mst_lane *lane, const mst_record *record, size_t bytes)
{
    zmq_msg_t message;
    mst_writer w;

    send_open(lane);
    if (zmq_msg_init_size(&message, bytes) != 0) {
        lane->broken = true;
        return;
    }
    w = mst_writer_of(zmq_msg_data(&message), bytes);
    mst_wire_put(&w, record);
    if (w.ok && w.left == 0) {
        send_message(lane, &message);
        return;
    }
    zmq_msg_close(&message);
    lane->broken = true;
}

static void put(mst_lane *lane, const mst_record *record, size_t bytes)
{
    mst_writer w;

    if (lane->broken || !make_room(lane, bytes))
        return;
    w = mst_writer_of(lane->open + lane->used, lane->room - lane->used);
    mst_wire_put(&w, record);
    if (w.ok)
        lane->used += mst_written(&w);
    else
        lane->broken = true;
}

void mst_lane_put(mst_lane *lane, const mst_record *record)
{
    put(lane, record, mst_wire_fields(record) + record->body.len);
}

/* Behind the last one of its window, or of the next higher one; nothing comes
 * between the pieces of one that has begun. */
static mst_out *place_of(const mst_lane *lane, const mst_out *out)
{
    mst_out *first = TAILQ_FIRST(&lane->queue);

    if (first == NULL)
        return NULL;
    for (unsigned i = out->window; i < MST_WINDOWS; i++)
        if (lane->last[i] != NULL)
            return lane->last[i];
    return first->begun ? first : NULL;
}

void mst_lane_queue(mst_lane *lane, mst_out *out)
{
    mst_out *before = place_of(lane, out);

    out->queued = true;
    out->begun = false;
    out->sent = 0;
    out->flow = NULL;
    out->by_lane = out->retry = false;
    if (before != NULL)
        TAILQ_INSERT_AFTER(&lane->queue, before, out, link);
    else
        TAILQ_INSERT_HEAD(&lane->queue, out, link);
    lane->last[out->window] = out;
}

static void unqueue(mst_lane *lane, mst_out *out)
{
    mst_out *before = TAILQ_PREV(out, mst_outs, link);

    TAILQ_REMOVE(&lane->queue, out, link);
    if (lane->last[out->window] != out)
        return;
    if (before != NULL && (before->begun || before->window != out->window))
        before = NULL;
    lane->last[out->window] = before;
}

bool mst_lane_drop(mst_lane *lane, mst_out *out)
{
    const bool unseen = out->queued && !out->begun && !out->retry;

    if (!out->queued)
        return false;
    if (out->flow != NULL)
        mst_flow_drop(out->flow);
    else
        unqueue(lane, out);
    out->queued = false;
    if (!unseen) {
        const mst_record abort = {.kind = MST_ABORT, .id = out->id};

        mst_lane_put(lane, &abort);
    }
    return unseen;
}

/* Of what the next record of it takes. */
static mst_credit *credit_of(mst_lane *lane, const mst_out *out)
{
    return &lane->credit[out->begun ? MST_WINDOW_PASSING : out->window];
}

/* How much of a payload the next record may carry; false: wait for credit. */
static bool next_piece(const mst_out *out, size_t credit, size_t fields,
                       size_t *piece)
{
    const size_t all = out->payload != NULL ? out->payload->len : 0;
    size_t n = all - out->sent;

    if (n > MST_WIRE_MESSAGE - fields)
        n = MST_WIRE_MESSAGE - fields;
    if (credit < mst_wire_cost(0))
        return false;
    credit -= mst_wire_cost(0);
    if (n > credit) {
        if (credit < CHUNK_MIN)
            return false;
        n = credit;
    }
    *piece = n;
    return true;
}

static bool goes_apart(const mst_lane *lane, const mst_out *out)
{
    return lane->carrier != NULL && lane->carrier->on && !out->by_lane &&
           !out->begun && out->payload != NULL &&
           out->payload->len >= MST_BULK_MIN;
}

/* A large payload is only announced here; it stays queued until it is there.
 * False: it takes the lane. */
static bool send_apart(mst_lane *lane, mst_out *out, mst_record *record)
{
    const bool shared = mst_share_begin(lane->carrier, out, record);

    if (!shared && !mst_flow_begin(lane->carrier, out, record))
        return false;
    put(lane, record, mst_wire_fields(record));
    sodium_memzero(record->key, sizeof(record->key));
    mst_credit_pay(credit_of(lane, out), mst_wire_bulk_cost(record->total));
    unqueue(lane, out);
    out->begun = true;
    if (!shared)
        return true;
    out->queued = false; /* it is there */
    if (out->gone != NULL)
        out->gone(out);
    return true;
}

/* So many bytes of it are in a message. */
static void piece_sent(mst_lane *lane, mst_out *out, size_t n)
{
    const size_t all = out->payload != NULL ? out->payload->len : 0;

    mst_credit_pay(credit_of(lane, out), mst_wire_cost(n));
    out->sent += n;
    if (out->begun && out->sent < all)
        return;
    unqueue(lane, out);
    out->begun = true;
    if (out->sent < all) {
        TAILQ_INSERT_HEAD(&lane->queue, out, link);
        return;
    }
    out->queued = false;
    if (out->gone != NULL)
        out->gone(out);
}

/* Send one record of a payload in the queue; false: wait. */
static bool send_piece(mst_lane *lane, mst_out *out)
{
    const char *bytes = out->payload != NULL ? out->payload->data : "";
    const size_t all = out->payload != NULL ? out->payload->len : 0;
    mst_record record = {.kind = MST_CHUNK, .id = out->id, .offset = out->sent};
    size_t fields, n;

    if (!out->begun) {
        const bool apart = goes_apart(lane, out);

        if (apart && credit_of(lane, out)->left < mst_wire_bulk_cost(all))
            return false;
        out->head(out, &record);
        record.total = all;
        record.flags |= out->retry ? MST_FLAG_RETRY : 0;
        if (apart && send_apart(lane, out, &record))
            return true;
    }
    fields = mst_wire_fields(&record);
    if (!next_piece(out, credit_of(lane, out)->left, fields, &n))
        return false;
    record.body = (mst_span){n > 0 ? bytes + out->sent : "", n};
    if (fields + n > OPEN_BYTES / 2)
        put_alone(lane, &record, fields + n);
    else
        put(lane, &record, fields + n);
    piece_sent(lane, out, n);
    return true;
}

/* Send one record of the first payload whose window has credit; false: there is
 * none. */
static bool send_next(mst_lane *lane)
{
    mst_out *out = TAILQ_FIRST(&lane->queue);

    while (out != NULL && !send_piece(lane, out))
        out = out->begun ? NULL : TAILQ_NEXT(lane->last[out->window], link);
    return out != NULL;
}

bool mst_lane_flush(mst_lane *lane)
{
    bool some = false;
    const bool acks = say_got(lane); /* goes in any case: both may be full */

    while (lane->up && !lane->broken && lane->nkept < MST_WIRE_AHEAD &&
           send_next(lane))
        some = true;
    lane->full = lane->nkept >= MST_WIRE_AHEAD &&
                 (lane->used > 0 || !TAILQ_EMPTY(&lane->queue));
    if (lane->used > 0 && lane->up && !lane->broken && (acks || !lane->full)) {
        send_open(lane);
        some = true;
    }
    if (lane->carrier != NULL)
        mst_pipe_kick(&lane->carrier->pipe);
    return some;
}

bool mst_lane_credit(mst_lane *lane, const mst_record *credit)
{
    return credit->depth < MST_WINDOWS &&
           mst_credit_get(&lane->credit[credit->depth], credit->credit);
}

void mst_lane_earn(mst_lane *lane, unsigned window, uint32_t cost)
{
    const uint32_t give = mst_credit_earn(&lane->credit[window], cost);

    if (give > 0) {
        const mst_record credit = {
            .kind = MST_CREDIT, .credit = give, .depth = (uint16_t)window};

        mst_lane_put(lane, &credit);
    }
}
