/* errands.c - calls that workers make. The manager runs them or passes them
 * on, and answers each exactly once.
 *
 * A worker may lie: no more of its calls are held here than an honest one ever
 * has outstanding, each under an id of its own, and none may use a name that
 * is muster's own (what ships code, say), but for channels. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "call/channel.h"
#include "call/module.h"
#include "session/session.h"

typedef struct mst_errand {
    TAILQ_ENTRY(mst_errand) link;
    mst_call call;
    TAILQ_ENTRY(mst_errand) of_held;
    mst_out back;     /* the answer on its way */
    mst_incoming *in; /* its request, while that comes apart; or NULL */
    void *body;       /* all of it, until the call begins */
    bool held;        /* it has not begun: what came before goes first */
    bool complete;    /* its request is there, or there is no memory for it */
    bool again;       /* it came apart, and comes again by the lane */
    bool canceled;    /* meanwhile */
    bool post;        /* nobody waits for it, but the worker's count */
    mst_member *from; /* NULL: its link is gone */
    mst_pool *pool;   /* of this; borrowed */
    mst_member *by;   /* who made it; as long as the session */
    uint64_t id;      /* the worker's */
    uint32_t target;
    size_t len;
    mst_payload *reply;
    char name[];
} mst_errand;

static void leave(mst_member *w, mst_errand *e)
{
    TAILQ_REMOVE(&w->errands, e, link);
    if (e->held)
        TAILQ_REMOVE(&w->held, e, of_held);
    e->held = false;
    w->asked[mst_pending_place(e->id)] = NULL;
    mst_asked_remove(&w->asked_all, e->call.origin.depth, e->len);
    e->from = NULL;
}

static void errand_free(mst_errand *e)
{
    if (e->from != NULL)
        leave(e->from, e);
    mst_incoming_abort(&e->in);
    mst_pool_free(e->call.pool, e->body);
    mst_payload_unref(&e->call.payload);
    mst_payload_unref(&e->reply);
    mst_call_fini(&e->call);
    mst_pool_free(e->pool, e);
}

static void back_head(mst_out *out, mst_record *record)
{
    const mst_errand *e = MST_OF(mst_errand, back, out);
    const char *text = e->call.text != NULL ? e->call.text : "";

    record->kind = MST_RESULT;
    record->code = (uint16_t)e->call.code;
    record->remote = (uint32_t)e->call.remote;
    record->peer = e->call.rank;
    record->text = (mst_span){text, strnlen(text, MST_WIRE_TEXT)};
}

static void back_gone(mst_out *out)
{
    errand_free(MST_OF(mst_errand, back, out));
}

static void call_done(mst_call *call)
{
    mst_errand *e = MST_OF(mst_errand, call, call);

    mst_payload_unref(&call->payload);
    if (e->post && call->code != MUSTER_OK)
        mst_log_some(&e->by->m->log, &e->by->gate, MUSTER_LOG_WARN,
                     "POST-FAILED", "rank=%u by=%u handler=%s why=%s",
                     call->rank, call->caller, call->name,
                     call->text != NULL ? call->text : "no memory");
    if (e->from == NULL) {
        errand_free(e);
        return;
    }
    if (call->code == MUSTER_OK && call->len > 0 && !e->post) {
        e->reply = mst_payload_own_in(call->pool, call->data, call->len);
        if (e->reply != NULL)
            call->data = NULL;
        else
            call->code = MUSTER_ENOMEM;
    }
    e->back.head = back_head;
    e->back.gone = back_gone;
    e->back.payload = e->reply;
    e->back.id = e->id;
    e->back.window = MST_WINDOW_PASSING;
    mst_lane_queue(&e->from->lane, &e->back);
    mst_link_dirty(e->from);
}

static void broken(mst_member *w, const char *what)
{
    mst_member_event(w, MST_EV_FAILED, "worker %u broke the protocol: %s",
                     w->rank, what);
}

/* Of muster's own names a worker has those of channels, which are here. */
static bool is_reserved(const mst_errand *e)
{
    return strncmp(e->name, MST_BUILTIN, sizeof(MST_BUILTIN) - 1) == 0 &&
           (e->target != 0 ||
            strncmp(e->name, MST_CHANNEL, sizeof(MST_CHANNEL) - 1) != 0);
}

static void begin(mst_member *w, mst_errand *e)
{
    if (e->body != NULL)
        e->call.payload = mst_payload_own_in(w->m->pool, e->body, e->len);
    if (e->call.payload != NULL)
        e->body = NULL;
    if (e->canceled)
        mst_call_finish(&e->call, MUSTER_ECANCELED, "cancelled");
    else if (e->call.payload == NULL)
        mst_call_finish(&e->call, MUSTER_ENOMEM,
                        "the manager has no memory for a request of %zu bytes",
                        e->len);
    else if (is_reserved(e))
        mst_call_finish(&e->call, MUSTER_ENOHANDLER,
                        "names that begin with %s are muster's own",
                        MST_BUILTIN);
    else
        mst_call_begin(w->m, &e->call, e->target);
}

/* Calls begin in the order they were made. */
static void begin_held(mst_member *w)
{
    mst_errand *e;

    while ((e = TAILQ_FIRST(&w->held)) != NULL && e->complete) {
        TAILQ_REMOVE(&w->held, e, of_held);
        e->held = false;
        begin(w, e);
    }
}

/* The request is there; NULL: there was no memory for it. */
static void complete(mst_member *w, mst_errand *e, void *body)
{
    e->body = body;
    e->complete = true;
    begin_held(w);
}

/* It came by the lane. */
static void assembled(mst_member *w)
{
    mst_errand *e = w->coming;

    if (w->lane.in.open || e == NULL)
        return;
    w->coming = NULL;
    complete(w, e, mst_assembly_take(&w->lane.in));
}

static void arrived(mst_incoming *in)
{
    mst_errand *e = (mst_errand *)in->owner;

    complete(e->from, e, mst_incoming_take(in));
}

/* Room for the place of a call's id among those that are outstanding, which an
 * honest worker counts as we do: none is taken twice, and there are no more
 * places than calls. */
static muster_err make_place(mst_member *w, uint64_t id)
{
    const uint32_t place = mst_pending_place(id);
    uint32_t room = w->asked_room > 0 ? w->asked_room : 16;
    mst_errand **asked;

    if (place == 0 || place > MST_WIRE_CALLS)
        return MUSTER_EPROTO;
    if (place < w->asked_room)
        return w->asked[place] == NULL ? MUSTER_OK : MUSTER_EPROTO;
    while (room <= place)
        room *= 2;
    asked = mst_realloc(w->asked, room * sizeof(*asked));
    if (asked == NULL)
        return MUSTER_ENOMEM;
    for (uint32_t i = w->asked_room; i < room; i++)
        asked[i] = NULL;
    w->asked = asked;
    w->asked_room = room;
    return MUSTER_OK;
}

static mst_errand *errand_of(const mst_member *w, uint64_t id)
{
    const uint32_t place = mst_pending_place(id);
    mst_errand *e = place < w->asked_room ? w->asked[place] : NULL;

    return e != NULL && e->id == id ? e : NULL;
}

/* One that was announced comes by the lane after all. */
static void come_again(mst_member *w, const mst_record *r)
{
    mst_errand *e = errand_of(w, r->id);

    if (w->coming != NULL ||
        mst_assembly_begin(&w->lane.in, r->id, r->total, r->body.at,
                           r->body.len) == MUSTER_EPROTO) {
        broken(w, "a call that is none");
        return;
    }
    mst_lane_earn(&w->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
    mst_link_dirty(w);
    if (e == NULL || !e->again || e->len != r->total) {
        mst_assembly_forget(&w->lane.in, r->id); /* it was there already */
        return;
    }
    e->again = false;
    w->coming = e;
    assembled(w);
}

static mst_errand *errand_create(mst_member *w, const mst_record *r)
{
    mst_errand *e = mst_pool_alloc(w->m->pool, sizeof(*e) + r->text.len + 1);

    if (e == NULL)
        return NULL;
    memset(e, 0, sizeof(*e));
    memcpy(e->name, r->text.at, r->text.len);
    e->name[r->text.len] = '\0';
    e->pool = w->m->pool;
    e->by = w;
    e->from = w;
    e->id = r->id;
    e->target = r->peer;
    e->len = (size_t)r->total;
    e->call = (mst_call){.name = e->name,
                         .name_len = r->text.len,
                         .until_ms = MST_NEVER,
                         .count = 1,
                         .caller = w->rank,
                         .origin = {.depth = r->depth},
                         .pool = w->m->pool,
                         .rank = r->peer,
                         .done = call_done};
    e->post = (r->flags & MST_FLAG_POST) != 0;
    if (r->remaining_ms <= INT64_MAX)
        e->call.until_ms = mst_until_ms((int64_t)r->remaining_ms);
    TAILQ_INSERT_TAIL(&w->errands, e, link);
    TAILQ_INSERT_TAIL(&w->held, e, of_held);
    e->held = true;
    w->m->asked = true;
    w->asked[mst_pending_place(e->id)] = e;
    mst_asked_add(&w->asked_all, r->depth, e->len);
    return e;
}

/* The request comes apart from it. */
static void expect(mst_member *w, mst_errand *e, const mst_record *r)
{
    muster_err rc;

    if (mst_incoming_expect(&w->carrier, r, w->rank, &e->in, &rc)) {
        e->in->owner = e;
        e->in->arrived = arrived;
    } else if (rc == MUSTER_ENOMEM) {
        complete(w, e, NULL);
    } else {
        broken(w, "a bulk transfer that is none");
        return;
    }
    mst_pipe_resume(&w->carrier.pipe);
}

/* There is no memory to hold it: it ends here, and its rest is not wanted. */
static void refuse(mst_member *w, const mst_record *r)
{
    const mst_record abort = {.kind = MST_ABORT, .id = r->id};

    if ((r->flags & MST_FLAG_BULK) == 0) {
        mst_assembly_forget(&w->lane.in, r->id);
    } else if (!mst_incoming_refuse(&w->carrier, r)) {
        broken(w, "a bulk transfer that is none");
        return;
    }
    mst_lane_put(&w->lane, &abort);
    mst_pipe_resume(&w->carrier.pipe);
}

void mst_errand_call(mst_member *w, const mst_record *r)
{
    const bool apart = (r->flags & MST_FLAG_BULK) != 0;
    muster_err place;
    mst_errand *e;

    if ((r->flags & MST_FLAG_RETRY) != 0) {
        come_again(w, r);
        return;
    }
    place = make_place(w, r->id);
    if ((r->id & MST_ID_WORKER) == 0 || r->depth < 1 ||
        r->depth > MST_DEPTH_MAX || place == MUSTER_EPROTO ||
        !mst_asked_fits(&w->asked_all, r->depth, r->total) ||
        (!apart && (w->coming != NULL ||
                    mst_assembly_begin(&w->lane.in, r->id, r->total, r->body.at,
                                       r->body.len) == MUSTER_EPROTO))) {
        broken(w, "a call that is none");
        return;
    }
    if (!apart)
        mst_lane_earn(&w->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
    mst_link_dirty(w);
    e = place == MUSTER_OK ? errand_create(w, r) : NULL;
    if (e == NULL) {
        refuse(w, r);
        return;
    }
    if (apart) {
        expect(w, e, r);
        return;
    }
    w->coming = e;
    assembled(w);
}

void mst_errand_chunk(mst_member *w, const mst_record *r)
{
    /* nobody waits for one that comes again for nothing */
    if (mst_assembly_add(&w->lane.in, r->id, r->offset, r->body.at,
                         r->body.len) != MUSTER_OK) {
        broken(w, "a chunk of nothing");
        return;
    }
    mst_lane_earn(&w->lane, MST_WINDOW_PASSING, mst_wire_cost(r->body.len));
    mst_link_dirty(w);
    assembled(w);
}

void mst_errand_abort(mst_member *w, const mst_record *r)
{
    mst_errand *e = errand_of(w, r->id);
    const bool comes = e != NULL && (e->in != NULL || e->again);

    if ((r->flags & MST_FLAG_AGAIN) != 0) {
        if (e != NULL && e->in != NULL) {
            mst_incoming_abort(&e->in);
            e->again = true;
        }
        return;
    }
    if (!comes && (w->coming == NULL || w->coming->id != r->id)) {
        (void)mst_assembly_abort(&w->lane.in, r->id);
        mst_errand_cancel(w, r); /* all of it had come */
        return;
    }
    if (w->coming != NULL && w->coming == e) {
        (void)mst_assembly_abort(&w->lane.in, r->id);
        w->coming = NULL;
    }
    errand_free(e);
    begin_held(w);
}

/* Its rest is not wanted, however it was to come. */
static void give_up_request(mst_member *w, mst_errand *e)
{
    mst_incoming_forget(&e->in);
    if (w->coming == e) {
        mst_assembly_forget(&w->lane.in, e->id);
        w->coming = NULL;
    }
    e->again = false;
    complete(w, e, NULL);
}

void mst_errand_cancel(mst_member *w, const mst_record *r)
{
    mst_errand *e = errand_of(w, r->id);

    if (e != NULL && e->call.id != 0) {
        mst_call_cancel(&e->call);
    } else if (e != NULL && e->held) {
        e->canceled = true;
        if (!e->complete)
            give_up_request(w, e);
    }
}

void mst_errands_drop(mst_member *w)
{
    mst_errand *e;

    w->coming = NULL;
    while ((e = TAILQ_FIRST(&w->errands)) != NULL) {
        leave(w, e);
        if (e->call.id == 0)
            errand_free(e);
        else if (!e->post) /* a post goes on, and its end frees it */
            mst_call_cancel(&e->call); /* frees it */
    }
}
