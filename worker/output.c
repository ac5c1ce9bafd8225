#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"

#define PIECE 4096 /* PIPE_BUF: goes without waiting when poll says so */
#define AGAIN_MS 20
#define LAST_MS 1000  /* for a reader that is slow, at the end */
#define RESCUE_MS 100 /* for the piece that the loop has in its hands */
#define ROUNDS 16

typedef struct branch {
    mst_watch watch;
    mst_worker *w;
    int fd;   /* 1 or 2 */
    int from; /* our end of the pipe; -1: none */
    int to;   /* where it went before */
} branch;

/* The loop has taken a piece out of a pipe and not written it yet. */
static atomic_bool passing;

static branch branches[2] = {{.fd = 1, .from = -1, .to = -1},
                             {.fd = 2, .from = -1, .to = -1}};

/* Can a piece be written within so long? A broken one takes anything. */
static bool takes(int fd, int ms)
{
    struct pollfd ready = {fd, POLLOUT, 0};

    return poll(&ready, 1, ms) != 0;
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads it there */
        data += n;
        len -= (size_t)n;
    }
}

static void pause_reading(branch *t)
{
    mst_poll_mod(&t->w->loop.poll, &t->watch, 0);
}

static size_t room_of(const mst_worker *w, bool last)
{
    if (last || w->output_room > PIECE)
        return PIECE;
    return w->output_room;
}

/* One piece, to both. False: not now. */
static bool pass(branch *t, bool last)
{
    mst_worker *w = t->w;
    char data[PIECE];
    const size_t room = room_of(w, last);
    mst_record record = {.kind = MST_OUTPUT, .mode = (uint8_t)t->fd};
    ssize_t n;

    if (room == 0 || (!last && !takes(t->to, 0)))
        return false;
    atomic_store(&passing, true);
    n = read(t->from, data, room);
    if (n == 0) /* a handler has closed the stream */
        mst_poll_del(&w->loop.poll, &t->watch);
    if (n > 0 && takes(t->to, LAST_MS))
        write_all(t->to, data, (size_t)n);
    atomic_store(&passing, false);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    if ((size_t)n > w->output_room)
        return true;
    w->output_room -= (uint32_t)n;
    record.body = (mst_span){data, (size_t)n};
    mst_lane_put(&w->dial.lane, &record);
    return true;
}

static void heard(void *arg, uint32_t events)
{
    branch *t = (branch *)arg;

    (void)events;
    for (int i = 0; i < ROUNDS; i++)
        if (!pass(t, false)) {
            if (t->w->output_room == 0 || !takes(t->to, 0)) {
                pause_reading(t);
                mst_loop_time(&t->w->loop, &t->w->output,
                              mst_now_ms() + AGAIN_MS);
            }
            return;
        }
}

static void resume(void *arg, mst_timer *timer)
{
    (void)timer;
    for (int i = 0; i < 2; i++)
        if (branches[i].from >= 0)
            mst_poll_mod(&((mst_worker *)arg)->loop.poll, &branches[i].watch,
                         EPOLLIN);
}

static muster_err divert(branch *t, mst_worker *w, muster_error *err)
{
    int ends[2];
    muster_err rc;

    if (fcntl(t->fd, F_GETFD) < 0)
        return MUSTER_OK; /* closed: nothing is printed there */
    if (pipe2(ends, O_CLOEXEC) != 0)
        return mst_fail_sys(err, errno, "a pipe for output");
    t->w = w;
    t->to = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
    t->from = ends[0];
    fcntl(t->from, F_SETFL, O_NONBLOCK);
    t->watch = (mst_watch){heard, t, -1};
    rc = t->to < 0 || dup2(ends[1], t->fd) < 0
             ? mst_fail_sys(err, errno, "descriptor %d", t->fd)
             : mst_poll_add(&w->loop.poll, &t->watch, t->from, EPOLLIN, err);
    close(ends[1]);
    return rc;
}

muster_err mst_output_start(mst_worker *w, muster_error *err)
{
    muster_err rc = MUSTER_OK;

    w->output.fn = resume;
    w->output.arg = w;
    fflush(NULL);
    for (int i = 0; i < 2 && rc == MUSTER_OK; i++)
        rc = divert(&branches[i], w, err);
    return rc;
}

void mst_output_on(mst_worker *w)
{
    w->output_room = MST_WIRE_OUTPUT;
    resume(w, NULL);
}

void mst_output_taken(mst_worker *w, uint32_t bytes)
{
    if (bytes <= MST_WIRE_OUTPUT - w->output_room)
        w->output_room += bytes;
    resume(w, NULL);
}

void mst_output_end(mst_worker *w)
{
    for (int i = 0; i < 2; i++) {
        branch *t = &branches[i];

        if (t->from < 0)
            continue;
        while (pass(t, true))
            ;
        dup2(t->to, t->fd);
        while (pass(t, true)) /* what came meanwhile */
            ;
        mst_poll_del(&w->loop.poll, &t->watch);
        close(t->from);
        close(t->to);
        t->from = t->to = -1;
    }
}

void mst_output_rescue(void)
{
    const struct timespec ms = {0, 1000000};
    char data[PIECE];
    ssize_t n;

    /* not for ever: it may be the loop itself that has crashed */
    for (int i = 0; i < RESCUE_MS && atomic_load(&passing); i++)
        nanosleep(&ms, NULL);

    for (int i = 0; i < 2; i++)
        while (branches[i].from >= 0 &&
               (n = read(branches[i].from, data, sizeof(data))) > 0)
            write_all(branches[i].to, data, (size_t)n);
}
