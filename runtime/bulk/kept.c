/* kept.c - sealed chunks of a transfer that comes in, on their way to one
 * other worker. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bulk/relay.h"

#define FULL_MS 1000     /* so long it may keep others waiting, in all */
#define UNKNOWN_MS 200   /* ...when nobody has been named */
#define NOBODY_MS 3000   /* nobody came for what is all here */
#define STILL_MS 10000   /* nothing moves */
#define ROUND (2u << 20) /* bytes in one go, so that the loop gets round */

void mst_kept_begin(mst_relay *relay, uint64_t transfer)
{
    mst_kept *k = mst_calloc(1, sizeof(*k));

    if (k == NULL)
        return;
    k->relay = relay;
    k->transfer = transfer;
    k->fd = k->watch.fd = -1;
    k->moved_ms = mst_now_ms();
    LIST_INSERT_HEAD(&relay->kept, k, link);
    mst_relay_wake(relay);
}

mst_kept *mst_kept_find(mst_relay *relay, uint64_t transfer)
{
    mst_kept *k;

    LIST_FOREACH(k, &relay->kept, link)
    if (k->transfer == transfer)
        return k;
    return NULL;
}

bool mst_kept_full(const mst_kept *k)
{
    return k->have - k->first == MST_KEPT;
}

/* It waited until there is room here. */
static void resume(mst_incoming *in)
{
    mst_pipe_resume(&in->carrier->pipe);
    if (in->pull != NULL)
        mst_pipe_resume(&in->pull->pipe);
}

static void drop_first(mst_kept *k)
{
    struct mst_kept_chunk *chunk = &k->chunks[k->first++ % MST_KEPT];

    mst_bulk_spare(k->relay->bulk, chunk->body);
    chunk->body = NULL;
}

void mst_kept_end(mst_kept *k)
{
    mst_incoming *in = k->in;
    const bool full = mst_kept_full(k);

    if (k->fd >= 0) {
        mst_poll_del(&k->relay->loop->poll, &k->watch);
        close(k->fd);
    }
    while (k->first < k->have)
        drop_first(k);
    LIST_REMOVE(k, link);
    sodium_memzero(k->key, sizeof(k->key));
    mst_free(k);
    if (in == NULL)
        return;
    in->kept = NULL;
    if (full)
        resume(in);
}

void mst_kept_complete(mst_kept *k)
{
    k->in->kept = NULL;
    k->in = NULL;
    k->moved_ms = mst_now_ms();
}

/* -------------------------------------------------------------- writing -- */

static void next_frame(mst_kept *k)
{
    const struct mst_kept_chunk *chunk = &k->chunks[k->first % MST_KEPT];
    mst_writer w = mst_writer_of(k->frame.head, sizeof(k->frame.head));

    mst_write_u64(&w, k->transfer);
    mst_write_u32(&w, k->first);
    mst_write_u32(&w, (uint32_t)chunk->len);
    mst_write_bytes(&w, chunk->tag, MST_SEAL_TAG);
    k->frame.body = chunk->body;
    k->frame.len = chunk->len;
    k->written = 0;
    k->writing = true;
}

/* True when there is room where there was none. */
static bool frame_written(mst_kept *k)
{
    const bool full = mst_kept_full(k);

    k->writing = false;
    k->relay->passed += k->frame.len;
    drop_first(k);
    return full;
}

static void block(mst_kept *k, bool blocked)
{
    if (k->blocked == blocked)
        return;
    k->blocked = blocked;
    mst_poll_mod(&k->relay->loop->poll, &k->watch,
                 EPOLLIN | (blocked ? EPOLLOUT : 0u));
}

/* What is here and the kernel takes. May end it. */
static void write_some(mst_kept *k)
{
    size_t budget = ROUND;
    bool room = false;

    while (budget > 0 && k->first < k->have) {
        ssize_t n;

        if (!k->writing)
            next_frame(k);
        n = mst_frame_send(k->fd, &k->frame, k->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            mst_kept_end(k);
            return;
        }
        k->written += (size_t)n;
        k->moved_ms = mst_now_ms();
        budget -= (size_t)n < budget ? (size_t)n : budget;
        if (k->written == MST_BULK_HEAD + k->frame.len)
            room = frame_written(k) || room;
    }
    if (k->count > 0 && k->first == k->count) { /* the kernel has the rest */
        mst_kept_end(k);
        return;
    }
    block(k, k->first < k->have);
    if (room && k->in != NULL)
        resume(k->in);
}

/* It has nothing to say: when there is something it goes. */
static void heard(void *arg, uint32_t events)
{
    mst_kept *k = (mst_kept *)arg;
    char byte;

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        (recv(k->fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN))
        mst_kept_end(k);
    else
        write_some(k);
}

void mst_kept_came(mst_kept *k, int fd)
{
    const int on = 1;
    muster_error err;

    if (k->fd >= 0) { /* its last attempt seemed in vain to it */
        close(fd);
        return;
    }
    k->watch = (mst_watch){heard, k, -1};
    if (mst_poll_add(&k->relay->loop->poll, &k->watch, fd, EPOLLIN, &err) !=
        MUSTER_OK) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    k->fd = fd;
    k->moved_ms = mst_now_ms();
    write_some(k);
}

void *mst_kept_copy(mst_kept *k, const void *sealed, size_t len)
{
    void *copy = mst_bulk_chunk(k->relay->bulk);

    if (copy != NULL)
        memcpy(copy, sealed, len);
    else
        mst_kept_end(k);
    return copy;
}

void mst_kept_add(mst_kept *k, const uint8_t tag[MST_SEAL_TAG], void *copy,
                  size_t len)
{
    struct mst_kept_chunk *chunk = &k->chunks[k->have++ % MST_KEPT];

    memcpy(chunk->tag, tag, MST_SEAL_TAG);
    chunk->body = (unsigned char *)copy;
    chunk->len = len;
    if (k->fd >= 0 && !k->blocked)
        write_some(k);
}

void mst_kept_tick(mst_kept *k, int64_t now_ms, int64_t passed_ms)
{
    const int64_t still_ms = now_ms - k->moved_ms;

    if (k->in != NULL)
        mst_incoming_tell(k->in); /* the manager looks at how it gets on */
    if (k->in != NULL && mst_kept_full(k))
        k->full_ms += passed_ms;
    if (k->full_ms > (k->granted ? FULL_MS : UNKNOWN_MS) ||
        (k->in == NULL && (k->fd < 0 || k->count == 0) &&
         still_ms > NOBODY_MS) ||
        (k->first < k->have && k->fd >= 0 && still_ms > STILL_MS))
        mst_kept_end(k);
}
