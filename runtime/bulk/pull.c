/* pull.c - a transfer that comes from another worker. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bulk/relay.h"

#define CONNECT_MS 1000 /* until it is reached */
#define AGAIN_MS 2      /* it may not have heard of us yet; then twice that */
#define AGAIN_TIMES 5   /* ...until so many */
#define NAMED_MS 3000   /* and never announced */

static void knocked(void *arg, int fd, const char *why);

void mst_pull_begin(mst_relay *relay, const mst_record *r)
{
    mst_pull *p = mst_calloc(1, sizeof(*p));

    if (p == NULL)
        return;
    p->relay = relay;
    p->transfer = r->transfer;
    snprintf(p->address, sizeof(p->address), "tcp://[%.*s]:0", (int)r->text.len,
             r->text.at);
    p->port = r->bulk_port;
    memcpy(p->key, r->key, sizeof(p->key));
    p->pipe.carrier = relay->carrier;
    p->pipe.pull = p;
    p->pipe.fd = p->pipe.watch.fd = -1;
    p->knock = (mst_knock){.poll = &relay->loop->poll,
                           .watch = {.fd = -1},
                           .fd = -1,
                           .name = relay->name,
                           .key = p->key,
                           .done = knocked,
                           .arg = p};
    p->knock.name.transfer = r->transfer;
    p->began_ms = mst_now_ms();
    LIST_INSERT_HEAD(&relay->pulls, p, link);
    mst_relay_wake(relay);
}

void mst_pull_end(mst_pull *p)
{
    mst_knock_stop(&p->knock);
    mst_pipe_close(&p->pipe);
    sodium_memzero(p->key, sizeof(p->key));
    if (p->in != NULL)
        p->in->pull = NULL;
    p->in = NULL;
    p->over = true;
    mst_relay_wake(p->relay);
}

void mst_pull_free(mst_pull *p)
{
    mst_pull_end(p);
    LIST_REMOVE(p, link);
    mst_free(p);
}

void mst_pull_failed(mst_pull *p, uint8_t flags)
{
    mst_incoming *in = p->in;

    mst_pull_end(p);
    if (in != NULL)
        mst_incoming_orphan(in, flags);
}

mst_incoming *mst_pull_incoming(mst_pull *p, uint64_t transfer)
{
    return transfer == p->transfer ? p->in : NULL;
}

/* Once more, or that was it. */
static void try_again(mst_pull *p)
{
    const int64_t now_ms = mst_now_ms();

    if (now_ms - p->began_ms < CONNECT_MS) {
        p->again_ms = now_ms + (AGAIN_MS << p->tries);
        p->tries += p->tries < AGAIN_TIMES;
        mst_relay_wake(p->relay);
    } else {
        mst_pull_failed(p, MST_FLAG_UNREACHED);
    }
}

static void knocked(void *arg, int fd, const char *why)
{
    mst_pull *p = (mst_pull *)arg;
    muster_error err;

    (void)why;
    if (fd < 0)
        try_again(p);
    else if (mst_pipe_open(&p->pipe, fd, &err) != MUSTER_OK)
        mst_pull_failed(p, 0);
}

static void knock(mst_pull *p)
{
    muster_error err;

    p->again_ms = 0;
    if (mst_knock_start(&p->knock, p->address, p->port, &err) != MUSTER_OK)
        try_again(p);
}

void mst_pull_expected(mst_pull *p, mst_incoming *in)
{
    p->in = in;
    in->pull = p;
    p->began_ms = mst_now_ms();
    knock(p);
}

void mst_pull_tick(mst_pull *p, int64_t now_ms)
{
    if (p->over || (p->in == NULL && now_ms - p->began_ms > NAMED_MS)) {
        mst_pull_free(p);
        return;
    }
    if (p->in == NULL)
        return;
    if (p->pipe.fd < 0 && now_ms - p->began_ms >= CONNECT_MS)
        mst_pull_failed(p, MST_FLAG_UNREACHED);
    else if (p->again_ms > 0 && now_ms >= p->again_ms)
        knock(p);
    else
        mst_incoming_tell(p->in); /* the manager looks at how it gets on */
}
