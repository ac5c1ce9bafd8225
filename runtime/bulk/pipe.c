/* pipe.c - a byte stream to one peer: frames out, frames in. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fail.h"
#include "bulk/relay.h"

/* Bytes in one go, so that the loop gets round. */
#define ROUND ((size_t)2 << 20)

static void watch_for(mst_pipe *pipe)
{
    mst_poll_mod(pipe->carrier->bulk->poll, &pipe->watch,
                 (pipe->paused ? 0u : EPOLLIN) |
                     (pipe->blocked ? EPOLLOUT : 0u));
}

static void broken(mst_pipe *pipe)
{
    if (pipe->pull != NULL)
        mst_pull_failed(pipe->pull, 0);
    else
        mst_carrier_broken(pipe->carrier);
}

/* -------------------------------------------------------------- writing -- */

/* The next frame of the first flow that has one; false: there is none, or no
 * memory for it now: a tick tries again. */
static bool next_frame(mst_pipe *pipe)
{
    mst_flow *flow;

    TAILQ_FOREACH (flow, &pipe->carrier->flows, of_carrier)
        if (!flow->torn && !flow->relayed && flow->sent < flow->transfer->count)
            break;
    if (flow == NULL ||
        !mst_transfer_frame(flow->transfer, flow->sent, &pipe->frame))
        return false;
    flow->begun = true;
    pipe->flow = flow;
    pipe->written = 0;
    pipe->writing = true;
    return true;
}

static void frame_written(mst_pipe *pipe)
{
    pipe->writing = false;
    if (pipe->flow != NULL) {
        pipe->flow->sent++;
        pipe->flow->begun = false;
    }
    pipe->flow = NULL;
    mst_bulk_spare(pipe->carrier->bulk, MST_MOVE(pipe->kept));
}

ssize_t mst_frame_send(int fd, const mst_frame *frame, size_t written)
{
    struct iovec parts[2];
    struct msghdr message = {.msg_iov = parts};
    const size_t body = written > MST_BULK_HEAD ? written - MST_BULK_HEAD : 0;

    if (written < MST_BULK_HEAD)
        /* cppcheck-suppress unreadVariable */
        parts[message.msg_iovlen++] =
            (struct iovec){(uint8_t *)(uintptr_t)frame->head + written,
                           MST_BULK_HEAD - written};
    if (frame->len > body)
        /* cppcheck-suppress unreadVariable */
        parts[message.msg_iovlen++] = (struct iovec){
            (unsigned char *)frame->body + body, frame->len - body};
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* False: the stream is broken. */
static bool write_some(mst_pipe *pipe)
{
    const bool was_blocked = pipe->blocked;
    size_t budget = ROUND;

    pipe->blocked = false;
    while (budget > 0 && (pipe->writing || next_frame(pipe))) {
        const ssize_t n = mst_frame_send(pipe->fd, &pipe->frame, pipe->written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (n < 0) {
            pipe->blocked = true;
            break;
        }
        pipe->written += (size_t)n;
        pipe->carrier->progress++;
        pipe->carrier->bulk->sent += (size_t)n;
        budget -= (size_t)n < budget ? (size_t)n : budget;
        if (pipe->written == MST_BULK_HEAD + pipe->frame.len)
            frame_written(pipe);
    }
    if (budget == 0) /* the loop comes back to us when it got round */
        pipe->blocked = true;
    if (pipe->blocked != was_blocked)
        watch_for(pipe);
    return true;
}

void mst_pipe_kick(mst_pipe *pipe)
{
    if (pipe->fd >= 0 && !pipe->blocked && !write_some(pipe))
        mst_carrier_broken(pipe->carrier);
}

void mst_pipe_keep(mst_pipe *pipe, mst_flow *flow)
{
    void *copy;

    if (!pipe->writing || pipe->flow != flow)
        return;
    copy = mst_bulk_chunk(pipe->carrier->bulk);
    if (copy == NULL) { /* half a frame cannot stay */
        mst_carrier_broken(pipe->carrier);
        return;
    }
    memcpy(copy, pipe->frame.body, pipe->frame.len);
    pipe->frame.body = copy;
    pipe->kept = copy;
    pipe->flow = NULL;
    flow->begun = false;
}

/* -------------------------------------------------------------- reading -- */

/* What to do with the frame that `head` describes. */
typedef enum verdict { KEEP, THROW_AWAY, NOT_YET, BROKEN } verdict;

static verdict judge_head(mst_pipe *pipe)
{
    mst_reader r = mst_reader_of(pipe->head, sizeof(pipe->head));
    const uint64_t transfer = mst_read_u64(&r);
    mst_incoming *in = pipe->pull != NULL
                           ? mst_pull_incoming(pipe->pull, transfer)
                           : mst_incoming_find(pipe->carrier, transfer);

    pipe->index = mst_read_u32(&r);
    pipe->len = mst_read_u32(&r);
    if (pipe->len == 0 || pipe->len > MST_BULK_CHUNK ||
        (in == NULL && pipe->pull != NULL))
        return BROKEN;
    if (in != NULL && in->pull != NULL && pipe->pull == NULL)
        mst_pull_end(in->pull); /* its sender sends it itself by now */
    if (in == NULL)
        return transfer > pipe->carrier->last_in ? NOT_YET : THROW_AWAY;
    if (pipe->index > in->have ||
        pipe->len != mst_bulk_length(in->total, pipe->index))
        return BROKEN;
    if (pipe->index < in->have) /* sent twice */
        return THROW_AWAY;
    if (in->kept != NULL && mst_kept_full(in->kept))
        return NOT_YET;
    pipe->in = in;
    return KEEP;
}

static bool to_scratch(mst_pipe *pipe)
{
    if (pipe->scratch == NULL)
        pipe->scratch = mst_bulk_chunk(pipe->carrier->bulk);
    pipe->to = pipe->scratch;
    return pipe->scratch != NULL;
}

/* The head is complete. False: the stream is broken. */
static bool begin_body(mst_pipe *pipe)
{
    pipe->in = NULL;
    switch (judge_head(pipe)) {
    case KEEP:
        pipe->to = pipe->in->data + (size_t)pipe->index * MST_BULK_CHUNK;
        return true;
    case THROW_AWAY:
        return to_scratch(pipe);
    case NOT_YET:
        pipe->paused = true;
        watch_for(pipe);
        return true;
    case BROKEN:
    default:
        return false;
    }
}

static bool end_body(mst_pipe *pipe)
{
    mst_incoming *in = pipe->in;

    pipe->in = NULL;
    pipe->have = 0;
    return in == NULL ||
           mst_incoming_chunk(in, pipe->index, pipe->head + MST_BULK_HEAD / 2);
}

/* After bytes came. False: the stream is broken. */
static bool step(mst_pipe *pipe)
{
    if (pipe->have == MST_BULK_HEAD && !pipe->in_body) {
        if (!begin_body(pipe))
            return false;
        pipe->in_body = !pipe->paused;
    }
    if (!pipe->in_body || pipe->have < MST_BULK_HEAD + pipe->len)
        return true;
    pipe->in_body = false;
    return end_body(pipe);
}

static bool read_some(mst_pipe *pipe)
{
    size_t budget = ROUND;

    while (budget > 0 && pipe->fd >= 0 && !pipe->paused) {
        const size_t off = pipe->have - MST_BULK_HEAD; /* in the body */
        const ssize_t n =
            pipe->in_body
                ? recv(pipe->fd, pipe->to + off, pipe->len - off, MSG_DONTWAIT)
                : recv(pipe->fd, pipe->head + pipe->have,
                       MST_BULK_HEAD - pipe->have, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n <= 0)
            return false;
        pipe->have += (size_t)n;
        pipe->carrier->progress++;
        budget -= (size_t)n < budget ? (size_t)n : budget;
        if (!step(pipe))
            return false;
    }
    return true;
}

void mst_pipe_resume(mst_pipe *pipe)
{
    if (pipe->fd < 0 || !pipe->paused)
        return;
    pipe->paused = false;
    if (!step(pipe)) {
        broken(pipe);
        return;
    }
    if (!pipe->paused)
        watch_for(pipe);
}

void mst_pipe_away(mst_pipe *pipe, const mst_incoming *in)
{
    if (pipe->in != in)
        return;
    pipe->in = NULL;
    if (pipe->in_body && !to_scratch(pipe))
        broken(pipe);
}

/* ------------------------------------------------------------ the stream -- */

static void heard(void *arg, uint32_t events)
{
    mst_pipe *pipe = (mst_pipe *)arg;
    bool whole = true;

    if (pipe->paused && (events & (EPOLLHUP | EPOLLERR)) != 0)
        whole = false; /* it would be said again and again */
    else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        whole = read_some(pipe);
    if (whole && pipe->fd >= 0 && (events & EPOLLOUT) != 0)
        whole = write_some(pipe);
    if (!whole)
        broken(pipe);
}

muster_err mst_pipe_open(mst_pipe *pipe, int fd, muster_error *err)
{
    muster_err rc;

    pipe->watch = (mst_watch){heard, pipe, -1};
    rc =
        mst_poll_add(pipe->carrier->bulk->poll, &pipe->watch, fd, EPOLLIN, err);
    if (rc != MUSTER_OK) {
        close(fd);
        return rc;
    }
    pipe->fd = fd;
    return MUSTER_OK;
}

void mst_pipe_close(mst_pipe *pipe)
{
    mst_carrier *carrier = pipe->carrier;
    mst_pull *pull = pipe->pull;

    if (pipe->fd < 0)
        return;
    mst_poll_del(carrier->bulk->poll, &pipe->watch);
    close(pipe->fd);
    mst_bulk_spare(carrier->bulk, pipe->kept);
    mst_bulk_spare(carrier->bulk, pipe->scratch);
    memset(pipe, 0, sizeof(*pipe));
    pipe->carrier = carrier;
    pipe->pull = pull;
    pipe->fd = pipe->watch.fd = -1;
}
