/* channels.c - bounded queues on the manager, for any process by name. A put
 * or take is a call of rank 0 that may wait here; it ends exactly once, like
 * every call, and an item that was not handed over stays. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "call/channel.h"
#include "session/session.h"

typedef struct item {
    STAILQ_ENTRY(item) link;
    void *data; /* with a zero byte behind */
    size_t len;
} item;

/* A call that waits. */
typedef struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct channel *channel;
    mst_call *call;
    bool puts;
} waiter;

typedef TAILQ_HEAD(waiters, waiter) waiters;

typedef struct channel {
    muster *m;
    uint32_t capacity, n;
    bool closed;
    STAILQ_HEAD(, item) items;
    waiters putters, takers;
    char name[];
} channel;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const channel *)a)->name, ((const channel *)b)->name);
}

static void channel_free(void *node)
{
    channel *c = (channel *)node;
    item *i;

    while ((i = STAILQ_FIRST(&c->items)) != NULL) {
        STAILQ_REMOVE_HEAD(&c->items, link);
        mst_free(i->data);
        mst_free(i);
    }
    mst_free(c);
}

void mst_channels_free(muster *m)
{
    tdestroy(m->channels, channel_free);
    m->channels = NULL;
}

static channel *create(muster *m, const char *name, size_t len)
{
    channel *c = mst_calloc(1, sizeof(*c) + len + 1);

    if (c == NULL)
        return NULL;
    c->m = m;
    STAILQ_INIT(&c->items);
    TAILQ_INIT(&c->putters);
    TAILQ_INIT(&c->takers);
    memcpy(c->name, name, len);
    return c;
}

/* NULL: there is none, or no memory to look. */
static channel *find(muster *m, const char *name, size_t len)
{
    channel *key = create(m, name, len);
    channel **node = key != NULL ? tfind(key, &m->channels, by_name) : NULL;

    mst_free(key);
    return node != NULL ? *node : NULL;
}

/* ---------------------------------------------------------- who waits -- */

static void waiter_end(waiter *w)
{
    channel *c = w->channel;

    TAILQ_REMOVE(w->puts ? &c->putters : &c->takers, w, link);
    w->call->off = NULL;
    mst_free(w);
}

/* The call was cancelled, or its deadline passed. */
static void let_go(mst_call *call)
{
    waiter_end((waiter *)call->server);
}

static void wait_here(channel *c, mst_call *call, bool puts)
{
    waiter *w = mst_calloc(1, sizeof(*w));

    if (w == NULL) {
        mst_call_finish(call, MUSTER_ENOMEM, "no memory to wait");
        return;
    }
    *w = (waiter){.channel = c, .call = call, .puts = puts};
    TAILQ_INSERT_TAIL(puts ? &c->putters : &c->takers, w, link);
    call->server = w;
    call->off = let_go;
}

static mst_call *first(waiters *list)
{
    waiter *w = TAILQ_FIRST(list);
    mst_call *call = w != NULL ? w->call : NULL;

    if (w != NULL)
        waiter_end(w);
    return call;
}

/* --------------------------------------------------------------- items -- */

/* The item of a put, copied; NULL: no memory. */
static item *item_of(const mst_call *call)
{
    const size_t at = strnlen(call->payload->data, call->payload->len) + 1;
    const size_t len = call->payload->len - at;
    item *i = mst_alloc(sizeof(*i));
    char *data = mst_alloc(len + 1);

    if (i == NULL || data == NULL) {
        mst_free(i);
        mst_free(data);
        return NULL;
    }
    memcpy(data, (const char *)call->payload->data + at, len);
    data[len] = '\0';
    i->data = data;
    i->len = len;
    return i;
}

/* The put has its place in the queue. */
static void accept(channel *c, mst_call *put)
{
    item *i = item_of(put);

    if (i == NULL) {
        mst_call_finish(put, MUSTER_ENOMEM, "no memory for an item");
        return;
    }
    STAILQ_INSERT_TAIL(&c->items, i, link);
    c->n++;
    mst_call_finish(put, MUSTER_OK, "put");
}

static void hand_over(channel *c, mst_call *take)
{
    item *i = STAILQ_FIRST(&c->items);

    STAILQ_REMOVE_HEAD(&c->items, link);
    c->n--;
    take->data = i->data;
    take->len = i->len;
    mst_free(i);
    mst_call_finish(take, MUSTER_OK, "taken");
}

/* Items to takers, and puts into the room that they leave. */
static void settle(channel *c)
{
    mst_call *call;

    for (;;) {
        if (c->n < c->capacity && (call = first(&c->putters)) != NULL)
            accept(c, call);
        else if (c->n > 0 && (call = first(&c->takers)) != NULL)
            hand_over(c, call);
        else
            break;
    }
}

/* --------------------------------------------------------------- calls -- */

static void open_channel(muster *m, mst_call *call)
{
    mst_reader r = mst_reader_of(call->payload->data, call->payload->len);
    const uint32_t capacity = mst_read_u32(&r);
    const size_t len = r.left;
    const char *name = (const char *)mst_read_bytes(&r, len);
    channel *c;

    if (!r.ok || len == 0 || capacity == 0 || memchr(name, '\0', len) != NULL) {
        mst_call_finish(call, MUSTER_EPROTO, "a channel without a name");
        return;
    }
    c = find(m, name, len);
    if (c != NULL && (c->closed ? c->n > 0 : c->capacity != capacity)) {
        mst_call_finish(call, MUSTER_EEXIST,
                        c->closed ? "channel %s was closed and is not empty yet"
                                  : "channel %s has another capacity",
                        c->name);
        return;
    }
    if (c == NULL) {
        c = create(m, name, len);
        if (c == NULL || tsearch(c, &m->channels, by_name) == NULL) {
            mst_free(c);
            mst_call_finish(call, MUSTER_ENOMEM, "no memory for a channel");
            return;
        }
    }
    c->capacity = capacity;
    c->closed = false;
    mst_call_finish(call, MUSTER_OK, "open");
}

static void end(const channel *c, mst_call *call)
{
    mst_call_finish(call, MUSTER_EEND, "channel %.128s was closed", c->name);
}

static void close_channel(channel *c, mst_call *call)
{
    mst_call *other;

    c->closed = true;
    while ((other = first(&c->putters)) != NULL)
        end(c, other);
    while ((other = first(&c->takers)) != NULL)
        end(c, other);
    mst_call_finish(call, MUSTER_OK, "closed");
}

static void take(channel *c, mst_call *call)
{
    if (c->closed && c->n == 0) {
        end(c, call);
        return;
    }
    wait_here(c, call, false);
    settle(c);
}

static void put(channel *c, mst_call *call)
{
    if (c->closed) {
        end(c, call);
        return;
    }
    wait_here(c, call, true);
    settle(c);
}

static bool is(const mst_call *call, const char *name)
{
    return call->name_len == strlen(name) &&
           memcmp(call->name, name, call->name_len) == 0;
}

bool mst_channel_serve(muster *m, mst_call *call)
{
    const char *body;
    size_t len;
    channel *c;

    if (is(call, MST_CHANNEL_OPEN)) {
        open_channel(m, call);
        return true;
    }
    if (!is(call, MST_CHANNEL_PUT) && !is(call, MST_CHANNEL_TAKE) &&
        !is(call, MST_CHANNEL_CLOSE))
        return false;
    body = (const char *)call->payload->data;
    len = strnlen(body, call->payload->len);
    if (len == 0 || (is(call, MST_CHANNEL_PUT) && len == call->payload->len)) {
        mst_call_finish(call, MUSTER_EPROTO, "a channel without a name");
        return true;
    }
    c = find(m, body, len);
    if (c == NULL)
        mst_call_finish(call, MUSTER_ENOENT, "no channel %.*s was opened",
                        (int)(len < 64 ? len : 64), body);
    else if (is(call, MST_CHANNEL_PUT))
        put(c, call);
    else if (is(call, MST_CHANNEL_TAKE))
        take(c, call);
    else
        close_channel(c, call);
    return true;
}
