#include "link/loop.h"

#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"

#define HOLD_MS 3 /* as hold_ms, where nobody says otherwise */
/* While callers drive all the time, the background thread looks less and less
 * often, up to so long: a look may come between a call and its answer. */
#define REST_MOST_MS 24
/* Rounds of commands and sockets before timers get their turn. */
#define ROUNDS 32

muster_err mst_loop_init(mst_loop *loop, bool (*work)(void *arg), void *arg,
                         muster_error *err)
{
    muster_err rc;

    *loop = (mst_loop){.work = work, .arg = arg, .hold_ms = HOLD_MS};
    loop->wake.fd = -1;
    loop->inbox.wake_fd = -1;
    rc = mst_poll_init(&loop->poll, err);
    if (rc != MUSTER_OK)
        return rc;
    rc = mst_inbox_init(&loop->inbox, err);
    if (rc != MUSTER_OK) {
        mst_poll_fini(&loop->poll);
        return rc;
    }
    pthread_mutex_init(&loop->lock, NULL);
    mst_cond_init(&loop->parked);
    mst_cond_init(&loop->seat);
    loop->wake.fn = mst_inbox_heard;
    loop->wake.arg = &loop->inbox;
    rc = mst_poll_add(&loop->poll, &loop->wake, loop->inbox.wake_fd, EPOLLIN,
                      err);
    if (rc != MUSTER_OK)
        mst_loop_fini(loop);
    return rc;
}

void mst_loop_fini(mst_loop *loop)
{
    if (loop->inbox.wake_fd < 0)
        return;
    mst_inbox_fini(&loop->inbox);
    mst_poll_fini(&loop->poll);
    mst_heap_fini(&loop->timers);
    pthread_cond_destroy(&loop->seat);
    pthread_cond_destroy(&loop->parked);
    pthread_mutex_destroy(&loop->lock);
}

static void run_timers(mst_loop *loop, int64_t now)
{
    mst_timed *first;

    while ((first = mst_heap_first(&loop->timers)) != NULL &&
           first->at_ms <= now) {
        mst_timer *timer = (mst_timer *)first;

        mst_heap_remove(&loop->timers, first);
        timer->fn(timer->arg, timer);
    }
}

/* Commands and sockets until both are quiet; true when there was something. */
static bool rounds(mst_loop *loop)
{
    bool busy = true, any = false;

    for (int i = 0; i < ROUNDS && busy; i++) {
        const bool commands = mst_inbox_run(&loop->inbox, loop->arg);

        busy = loop->work(loop->arg) || commands;
        any = any || busy;
    }
    return any;
}

void mst_loop_turn(mst_loop *loop, int64_t until_ms)
{
    const mst_timed *first;
    int64_t now;

    if (!rounds(loop)) {
        first = mst_heap_first(&loop->timers);
        if (first != NULL && first->at_ms < until_ms)
            until_ms = first->at_ms;
        if (!mst_inbox_sleep(&loop->inbox))
            return;
        mst_poll_wait(&loop->poll, until_ms);
        mst_inbox_woke(&loop->inbox);
        loop->slept = true;
        rounds(loop);
        now = mst_now_ms();
    } else {
        now = mst_now_ms();
        if (now != loop->looked_ms)
            mst_poll_wait(&loop->poll, 0);
        loop->looked_ms = now;
    }
    run_timers(loop, now);
}

bool mst_loop_time(mst_loop *loop, mst_timer *timer, int64_t at_ms)
{
    mst_heap_remove(&loop->timers, &timer->timed);
    if (at_ms == MST_NEVER)
        return true;
    timer->timed.at_ms = at_ms;
    return mst_heap_add(&loop->timers, &timer->timed);
}

/* With the lock held: nobody drives any more; tell who should. */
static void leave_seat(mst_loop *loop)
{
    loop->driven = false;
    if (loop->next != NULL)
        pthread_cond_broadcast(loop->next);
    if (loop->stop)
        pthread_cond_broadcast(&loop->parked);
}

/* With the lock held: the background thread lets callers drive. */
static void park(mst_loop *loop)
{
    int64_t rest_ms = loop->hold_ms;

    atomic_store(&loop->is_parked, true);
    while (!loop->stop) {
        const int64_t now = mst_now_ms();
        const int64_t back_ms = loop->last_drive_ms + loop->hold_ms;

        if (!loop->driven && (!atomic_load(&loop->is_parked) ||
                              (loop->next == NULL && now >= back_ms)))
            break;
        /* called back, but somebody took the seat first: park again */
        atomic_store(&loop->is_parked, true);
        /* a long wait: who drives will call us when it is over */
        loop->deep = loop->driven && now >= back_ms;
        if (loop->deep)
            pthread_cond_wait(&loop->parked, &loop->lock);
        else if (now >= back_ms)
            mst_cond_wait_until(&loop->parked, &loop->lock,
                                now + loop->hold_ms);
        else if (!mst_cond_wait_until(&loop->parked, &loop->lock,
                                      loop->last_drive_ms + rest_ms) &&
                 rest_ms < REST_MOST_MS)
            rest_ms = 2 * rest_ms < REST_MOST_MS ? 2 * rest_ms : REST_MOST_MS;
        loop->deep = false;
    }
    atomic_store(&loop->is_parked, false);
}

static void *background(void *arg)
{
    mst_loop *loop = (mst_loop *)arg;

    pthread_mutex_lock(&loop->lock);
    while (!loop->stop) {
        if (loop->driven || loop->next != NULL) {
            park(loop);
            if (loop->stop || loop->driven)
                continue;
        }
        loop->driven = true;
        pthread_mutex_unlock(&loop->lock);
        mst_loop_turn(loop, MST_NEVER);
        pthread_mutex_lock(&loop->lock);
        leave_seat(loop);
    }
    pthread_mutex_unlock(&loop->lock);
    return NULL;
}

muster_err mst_loop_start(mst_loop *loop, muster_error *err)
{
    const int rc = pthread_create(&loop->thread, NULL, background, loop);

    if (rc != 0)
        return mst_fail_sys(err, rc, "pthread_create");
    loop->has_thread = true;
    return MUSTER_OK;
}

void mst_loop_sit(mst_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (loop->driven) {
        loop->next = &loop->seat;
        eventfd_write(loop->inbox.wake_fd, 1); /* its turn may be a long one */
        pthread_cond_wait(&loop->seat, &loop->lock);
    }
    loop->next = NULL;
    loop->driven = true;
    loop->last_drive_ms = mst_now_ms();
    pthread_mutex_unlock(&loop->lock);
}

void mst_loop_rise(mst_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->last_drive_ms = mst_now_ms();
    leave_seat(loop);
    if (loop->deep)
        pthread_cond_broadcast(&loop->parked);
    pthread_mutex_unlock(&loop->lock);
}

static void nothing(mst_cmd *cmd, void *arg)
{
    (void)cmd;
    (void)arg;
}

void mst_loop_stop(mst_loop *loop)
{
    mst_cmd wake = {.run = nothing};

    if (!loop->has_thread)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->stop = true;
    pthread_cond_broadcast(&loop->parked);
    pthread_mutex_unlock(&loop->lock);
    mst_inbox_post(&loop->inbox, &wake);
    mst_inbox_close(&loop->inbox); /* so that what is there has an end */
    pthread_join(loop->thread, NULL);
    loop->has_thread = false;
    pthread_mutex_lock(&loop->lock);
    while (loop->driven) /* a caller, whose turn is its last */
        pthread_cond_wait(&loop->parked, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
    mst_inbox_run(&loop->inbox, loop->arg);
}

/* With the lock held: the background thread has to come back. */
static void unpark(mst_loop *loop)
{
    if (!atomic_load(&loop->is_parked) || loop->driven)
        return;
    atomic_store(&loop->is_parked, false);
    pthread_cond_broadcast(&loop->parked);
}

/* The background thread has stepped back and nobody drives: call it. */
static void call_back(mst_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    unpark(loop);
    pthread_mutex_unlock(&loop->lock);
}

bool mst_loop_post(mst_loop *loop, mst_cmd *cmd, bool soon)
{
    if (!mst_inbox_post(&loop->inbox, cmd))
        return false;
    if (!soon && atomic_load(&loop->is_parked))
        call_back(loop);
    return true;
}

int mst_await_init(mst_await *await)
{
    await->waiters = 0;
    await->done = false;
    return mst_cond_init(&await->cond);
}

void mst_await_fini(mst_await *await)
{
    pthread_cond_destroy(&await->cond);
}

void mst_loop_done(mst_loop *loop, mst_await *await)
{
    pthread_mutex_lock(&loop->lock);
    await->done = true;
    if (await->waiters > 0)
        pthread_cond_broadcast(&await->cond);
    pthread_mutex_unlock(&loop->lock);
}

/* `done` was set by this thread, or before it took the seat. */
bool mst_loop_is_over(const mst_loop *loop)
{
    return loop->goal != NULL && loop->goal->done;
}

/* With the lock held: take the seat for one turn. */
static void drive(mst_loop *loop, const mst_await *goal, int64_t until_ms)
{
    loop->driven = true;
    loop->goal = goal;
    loop->last_drive_ms = mst_now_ms();
    pthread_mutex_unlock(&loop->lock);
    mst_loop_turn(loop, until_ms);
    pthread_mutex_lock(&loop->lock);
    loop->goal = NULL;
    loop->last_drive_ms = mst_now_ms();
    leave_seat(loop);
}

/* With the lock held: wait for the one who drives to finish this. */
static void wait_for_driver(mst_loop *loop, mst_await *await, int64_t until_ms,
                            bool may_drive)
{
    if (may_drive && loop->wanted == 1)
        loop->next = &await->cond;
    else
        unpark(loop);
    await->waiters++;
    mst_cond_wait_until(&await->cond, &loop->lock, until_ms);
    await->waiters--;
    if (loop->next == &await->cond)
        loop->next = NULL;
}

static _Thread_local mst_wait_calls on_wait;

void mst_loop_on_wait(const mst_wait_calls *calls)
{
    on_wait = calls != NULL ? *calls : (mst_wait_calls){NULL, NULL, NULL};
}

void mst_loop_leave(void)
{
    if (on_wait.leave != NULL)
        on_wait.leave(on_wait.arg);
}

void mst_loop_enter(void)
{
    if (on_wait.enter != NULL)
        on_wait.enter(on_wait.arg);
}

bool mst_loop_await(mst_loop *loop, mst_await *await, int64_t until_ms,
                    bool may_drive)
{
    const int64_t start_ms = mst_now_ms();
    bool drove = false, done;

    mst_loop_leave();
    pthread_mutex_lock(&loop->lock);
    if (may_drive)
        loop->wanted++;
    while (!await->done) {
        if (may_drive && !loop->driven && loop->wanted == 1 && !loop->stop) {
            drive(loop, await, until_ms);
            drove = true;
        } else {
            wait_for_driver(loop, await, until_ms, may_drive);
        }
        if (!await->done && until_ms != MST_NEVER && mst_now_ms() >= until_ms)
            break;
    }
    if (may_drive)
        loop->wanted--;
    if (drove && loop->last_drive_ms - start_ms >= loop->hold_ms)
        unpark(loop);
    done = await->done;
    pthread_mutex_unlock(&loop->lock);
    mst_loop_enter();
    return done;
}

bool mst_loop_wait_for(mst_loop *loop, mst_await *await,
                       bool (*ready)(void *arg), void *arg, int64_t until_ms)
{
    bool is;

    mst_loop_leave();
    pthread_mutex_lock(&loop->lock);
    while (!(is = ready(arg)) &&
           (until_ms == MST_NEVER || mst_now_ms() < until_ms))
        wait_for_driver(loop, await, until_ms, false);
    pthread_mutex_unlock(&loop->lock);
    mst_loop_enter();
    return is;
}
