/* worker.c - the worker's life: connect, serve, end. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "call/registry.h"
#include "crash.h"
#include "launch/note.h"
#include "output.h"

#define TICK_MS 100 /* while there is no connection            */
#define AGAIN_MS 20 /* after an attempt that was cut, then twice as long */
#define AGAIN_MOST_MS 1000
#define AGAIN_TIMES 16   /* until we are given up, at least */
#define ATTEMPT_MS 10000 /* from HELLO to an answer                 */
#define GIVE_UP_MS MST_WIRE_AWAY_MS /* without heartbeats, and at first */
#define LINGER_MS 2000 /* the last results, at the end            */
#define HOLD_MS 1      /* a handler longer than this drives alone */

static atomic_int terminated, sigterms; /* lock-free: for a signal handler */
static volatile int wake_fd = -1;
static volatile bool has_line;

static void on_sigterm(int sig)
{
    const int saved = errno;

    terminated = sig;
    if (sig == SIGTERM)
        sigterms++;
    (void)eventfd_write(wake_fd, 1);
    errno = saved;
}

void mst_worker_end(mst_worker *w, int status, const char *format, ...)
{
    va_list args;

    if (w->over)
        return;
    w->over = true;
    w->status = status;
    va_start(args, format);
    mst_sentence(w->why, sizeof(w->why), format, args);
    va_end(args);
}

/* What the manager started must not outlive it: we and what handlers started.
 */
static void manager_is_gone(void)
{
    if (getpgrp() == getpid())
        kill(0, SIGKILL);
    _exit(MST_EXIT_SILENT);
}

/* Handlers may have taken all descriptors; what comes by the line needs one for
 * a moment. */
static void spare(mst_worker *w, bool take)
{
    if (take == (w->spare_fd >= 0))
        return;
    if (!take)
        close(w->spare_fd);
    w->spare_fd = take ? fcntl(w->line_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

bool mst_worker_hear_line(mst_worker *w)
{
    uint8_t words[MST_SEGMENT_WORDS];
    struct iovec part = {words, sizeof(words)};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *head;
    int fd = -1;
    ssize_t n;

    spare(w, false);
    n = recvmsg(w->line_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    head = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (n == 0)
        manager_is_gone();
    if (n < 0) {
        spare(w, true);
        return false;
    }
    if (head != NULL && head->cmsg_level == SOL_SOCKET &&
        head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(head), sizeof(fd));
    if (words[0] != MST_LINE_STREAM)
        mst_views_told(&w->views, words, (size_t)n, fd);
    else if (fd >= 0)
        mst_bulking_take(w, fd);
    spare(w, true);
    return true;
}

static void heard_line(void *arg, uint32_t events)
{
    (void)events;
    (void)mst_worker_hear_line((mst_worker *)arg);
}

static void look_for_end(mst_worker *w)
{
    if (terminated != 0 && terminated != SIGTERM) {
        mst_worker_stop_jobs(w);
        mst_worker_end(w, MST_EXIT_SIGNAL + terminated, "terminated by SIGINT");
        return;
    }
    if (sigterms > 0)
        mst_worker_drain(w, true);
    if (sigterms > 1)
        mst_worker_drain_faster(w);
    if (w->ending == MST_ENDING_NOW)
        mst_worker_end(w, MST_EXIT_OK, "told to end");
    else if (w->dial.lane.broken)
        mst_worker_end(w, MST_EXIT_INTERNAL, "no memory for its link");
    else if (w->ending == MST_ENDING_DRAIN && TAILQ_EMPTY(&w->tasks) &&
             mst_lane_idle(&w->dial.lane))
        mst_worker_end(w, MST_EXIT_OK, "%s", mst_worker_drained(w));
    else if (w->draining && w->dial.state != MST_DIAL_ON &&
             TAILQ_EMPTY(&w->tasks) &&
             (!w->dial.known || mst_lane_idle(&w->dial.lane)))
        /* nobody to tell, nothing to do */
        mst_worker_end(w, MST_EXIT_SIGNAL + SIGTERM, "terminated by SIGTERM");
}

/* At once after a cut, then later and later: all workers of a manager that
 * cannot take them must not keep it from doing so. */
static int64_t pause_before(unsigned attempt, int64_t most_ms)
{
    int64_t ms = AGAIN_MS;

    if (attempt == 0)
        return 0;
    while (--attempt > 0 && ms < most_ms)
        ms *= 2;
    if (ms > most_ms)
        ms = most_ms;
    return ms / 2 + randombytes_uniform((uint32_t)(ms / 2 + 1));
}

/* The next epoch, when it is time for it. */
static void dial_again(mst_worker *w, int64_t now, int64_t patience)
{
    /* there have to be some attempts while we are waited for */
    const int64_t most_ms = patience / AGAIN_TIMES < AGAIN_MOST_MS
                                ? patience / AGAIN_TIMES
                                : AGAIN_MOST_MS;
    int64_t at = now + TICK_MS;
    muster_error err;

    if (w->dial.state == MST_DIAL_CUT) {
        mst_dial_close(&w->dial, 0);
        w->again_ms = now + pause_before(w->attempts, most_ms);
    }
    if (w->dial.state == MST_DIAL_OFF ? now >= w->again_ms
                                      : now - w->dial.began_ms > ATTEMPT_MS) {
        w->attempts++;
        if (mst_dial_next(&w->dial, &err) != MUSTER_OK)
            mst_worker_end(w, MST_EXIT_INTERNAL, "%s", err.text);
    } else if (w->dial.state == MST_DIAL_OFF && w->again_ms < at) {
        at = w->again_ms;
    }
    mst_loop_time(&w->loop, &w->tick, at);
}

/* The connection ended, or an attempt did: begin the next epoch, or give up. */
static void look_at_connection(mst_worker *w)
{
    const int64_t now = mst_now_ms();
    const int64_t patience = w->heartbeat_ms > 0 ? w->heartbeat_ms : GIVE_UP_MS;
    const char *address =
        w->cookie.addresses[w->dial.turn % w->cookie.naddresses];

    if (w->dial.state == MST_DIAL_ON) {
        w->away_ms = 0;
        w->attempts = 0;
        return;
    }
    if (w->away_ms == 0)
        w->away_ms = now;
    if (w->dial.state == MST_DIAL_REFUSED) {
        mst_worker_end(w, MST_EXIT_REFUSED,
                       "the manager at %s does not know our key: it ended, or "
                       "this worker was replaced",
                       address);
        return;
    }
    if (now - w->away_ms > patience && w->dial.known) {
        mst_worker_end(w, MST_EXIT_SILENT,
                       "its link to the manager at %s was cut %.1f s ago and "
                       "did not come back",
                       address, (double)(now - w->away_ms) / 1000);
        return;
    }
    if (now - w->away_ms > patience) {
        mst_worker_end(w, MST_EXIT_CONNECT,
                       "no answer from the manager at %s for %.1f s", address,
                       (double)patience / 1000);
        return;
    }
    dial_again(w, now, patience);
}

static void look(mst_worker *w)
{
    look_at_connection(w);
    look_for_end(w);
}

static int64_t patience(const mst_worker *w)
{
    return mst_until_ms(w->grace_ms > 0 ? w->grace_ms : LINGER_MS);
}

/* While the main thread is in a handler this one looks at all there is. */
static bool work(void *arg)
{
    mst_worker *w = (mst_worker *)arg;

    if (w->here && !w->over)
        look(w);
    if (!w->over)
        return mst_dial_work(&w->dial);
    if (w->here && w->stuck.timed.place == 0 &&
        !mst_loop_time(&w->loop, &w->stuck, patience(w)))
        w->stuck.fn(w, &w->stuck);
    return false;
}

/* Our own comes from mst_executor_cancel and only has to end a blocking system
 * call. The terminal's ^C is the manager's business, if that is on it too. */
static void on_sigint(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code == SI_TKILL && info->si_pid == getpid())
        return;
    if (!has_line)
        on_sigterm(sig);
}

static void set_signals(mst_worker *w)
{
    struct sigaction action = {.sa_handler = on_sigterm};

    wake_fd = w->loop.inbox.wake_fd;
    has_line = w->line_fd >= 0;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART; /* a handler may be on this thread */
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    action.sa_sigaction = on_sigint;
    action.sa_flags = SA_SIGINFO; /* no SA_RESTART */
    sigaction(SIGINT, &action, NULL);
}

/* The last word, behind results and output. */
static void say_bye(mst_worker *w)
{
    const mst_record bye = {.kind = MST_BYE,
                            .code = w->status == MST_EXIT_OK ? MUSTER_OK
                                                             : MUSTER_ECANCELED,
                            .text = {w->why, strlen(w->why)}};

    mst_output_end(w);
    mst_dial_work(&w->dial);
    if (w->dial.state != MST_DIAL_ON)
        return;
    mst_lane_put(&w->dial.lane, &bye);
    mst_lane_flush(&w->dial.lane);
}

/* A handler did not return in time: it is left. */
static _Noreturn void leave_stuck(mst_worker *w)
{
    if (w->status == MST_EXIT_OK) {
        w->status = MST_EXIT_STUCK;
        snprintf(w->why, sizeof(w->why), "a handler did not return in time");
        mst_note_why(w->why);
    }
    fflush(stdout);
    say_bye(w);
    mst_dial_fini(&w->dial, 100);
    _exit(w->status);
}

static void on_stuck(void *arg, mst_timer *timer)
{
    mst_worker *w = (mst_worker *)arg;

    (void)timer;
    if (!w->here)
        return;
    if (w->status != MST_EXIT_OK)
        mst_note_why(w->why);
    leave_stuck(w);
}

/* A lone call waits for this thread, and no other could begin beside it. Where
 * the next one is there already, all are read, to be answered together. */
static bool enough(void *arg)
{
    mst_worker *w = (mst_worker *)arg;

    return w->loop.slept && w->has_executor && w->executor.nplaces == 1 &&
           !w->here && mst_executor_holds(&w->executor);
}

static muster_err set_up(mst_worker *w, muster_error *err)
{
    muster_ctx ctx = {.rank = w->cookie.rank,
                      .incarnation = w->cookie.incarnation,
                      .session = w->cookie.session,
                      .count = 1,
                      .until_ms = MST_NEVER};
    muster_err rc;

    mst_meter_open(&w->meter, "/proc/self", "/proc/self");
    rc = mst_loop_init(&w->loop, work, w, err);
    if (rc != MUSTER_OK)
        return rc;
    TAILQ_INIT(&w->tasks);
    TAILQ_INIT(&w->held);
    mst_blobs_init(&w->blobs);
    mst_asking_init(w);
    mst_bulking_init(w);
    w->pool = w->dial.pool = mst_pool_create();
    if (w->pool == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for calls");
    w->tick.fn = mst_worker_beat;
    w->tick.arg = w;
    w->escalate.fn = mst_worker_escalate;
    w->escalate.arg = w;
    w->stuck.fn = on_stuck;
    w->stuck.arg = w;
    w->loop.hold_ms = HOLD_MS;
    w->dial.record = mst_worker_record;
    w->dial.enough = enough;
    w->dial.arg = w;
    set_signals(w);
    rc = mst_registry_collect("the worker program", &ctx, err);
    w->spare_fd = -1;
    if (rc == MUSTER_OK && w->line_fd >= 0) {
        spare(w, true);
        w->line = (mst_watch){heard_line, w, -1};
        rc = mst_poll_add(&w->loop.poll, &w->line, w->line_fd,
                          EPOLLIN | EPOLLRDHUP, err);
    }
    if (rc == MUSTER_OK && w->line_fd < 0)
        rc = mst_output_start(w, err);
    if (rc == MUSTER_OK)
        rc = mst_dial_init(&w->dial, &w->loop.poll, &w->cookie, err);
    return rc;
}

/* Handlers return or are left; results that are ready still go out. */
static void wind_up(mst_worker *w)
{
    const int64_t until = patience(w);

    mst_asking_close(w);
    if (w->loop.has_thread) {
        mst_loop_rise(&w->loop);
        mst_loop_stop(&w->loop);
    }
    if (!w->has_executor || mst_executor_stop(&w->executor, until)) {
        mst_registry_end();
        fflush(NULL);
        say_bye(w);
        mst_bulking_fini(w);
        mst_dial_fini(&w->dial, w->status == MST_EXIT_OK ? LINGER_MS : 100);
        mst_worker_free_jobs(w);
        mst_asking_fini(w);
        mst_blobs_fini(&w->blobs);
        mst_pool_unref(&w->pool);
        mst_meter_close(&w->meter);
        wake_fd = -1;
        mst_loop_fini(&w->loop);
        return;
    }
    leave_stuck(w);
}

/* A handler runs where its call was read. */
static void run_here(mst_worker *w)
{
    w->here = true;
    mst_loop_rise(&w->loop);
    (void)mst_executor_run_held(&w->executor);
    mst_loop_sit(&w->loop);
    w->loop.slept = false;
    w->here = false;
}

static muster_err begin(mst_worker *w, muster_error *err)
{
    const muster_err rc = set_up(w, err);

    if (rc != MUSTER_OK)
        return rc;
    mst_crash_stack();
    mst_loop_sit(&w->loop);
    return mst_loop_start(&w->loop, err);
}

int mst_worker_run(mst_worker *w)
{
    muster_error err;

    if (begin(w, &err) != MUSTER_OK)
        mst_worker_end(w, MST_EXIT_INTERNAL, "%s", err.text);
    while (!w->over) {
        look(w);
        if (w->over)
            break;
        if (w->has_executor && mst_executor_holds(&w->executor))
            run_here(w);
        else
            mst_loop_turn(&w->loop, MST_NEVER);
    }
    if (w->status != MST_EXIT_OK)
        mst_note_why(w->why);
    wind_up(w);
    return w->status;
}
