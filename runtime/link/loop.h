/* loop.h - the one loop: descriptors, commands, timers, and who drives it.
 *
 * One thread at a time drives; what the loop calls needs no lock of its own.
 * Usually that is a background thread. A caller that would wait anyway may
 * drive instead (mst_loop_await with `drive`), which saves two wake-ups for
 * each blocking call: the background thread steps back after its current turn
 * and returns once nobody has driven for a moment.
 */
#ifndef MST_LOOP_H
#define MST_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <muster/error.h>

#include "base/heap.h"
#include "base/inbox.h"
#include "base/poll.h"

typedef struct mst_timer {
    mst_timed timed;
    void (*fn)(void *arg, struct mst_timer *timer);
    void *arg;
} mst_timer;

typedef struct mst_loop {
    mst_poll poll;
    mst_inbox inbox;
    mst_watch wake;
    mst_heap timers;
    bool (*work)(void *arg); /* sockets: true when it did something */
    void *arg;
    int64_t looked_ms;            /* at the descriptors, while there was work */
    bool slept;                   /* set when a turn had to wait */
    const struct mst_await *goal; /* of the caller who drives; NULL: none */

    pthread_mutex_t lock; /* the fields below, and what mst_loop_await awaits */
    pthread_cond_t parked;
    bool driven; /* some thread is in a turn                       */
    bool stop;
    unsigned wanted;       /* callers that would drive                       */
    int64_t last_drive_ms; /* a caller's turn began or ended        */
    int64_t hold_ms;       /* the background thread stays away so long then; a
                              few times that while they do so all the time */
    bool deep;             /* it is parked for as long as somebody drives   */
    pthread_cond_t seat;   /* of who waits in mst_loop_sit */
    pthread_cond_t *next;  /* the caller to be told that the seat is free    */
    atomic_bool is_parked;
    bool has_thread;
    pthread_t thread;
} mst_loop;

/* One thing to wait for. Lives on the waiter's stack or in an object; guarded
 * by loop->lock. */
typedef struct mst_await {
    pthread_cond_t cond;
    unsigned waiters;
    bool done;
} mst_await;

/* No thread yet: the caller drives by mst_loop_turn, or starts one. `work` is
 * called with `arg`, and so are commands. */
muster_err mst_loop_init(mst_loop *loop, bool (*work)(void *arg), void *arg,
                         muster_error *err);
void mst_loop_fini(mst_loop *loop);

/* The background thread: started once, stopped and joined once. When stop
 * returns nobody drives any more, and what was posted before has run. */
muster_err mst_loop_start(mst_loop *loop, muster_error *err);
void mst_loop_stop(mst_loop *loop);

/* The driver: one round of commands, sockets, timers and events; sleeps until
 * there is something, at most until `until_ms`. */
void mst_loop_turn(mst_loop *loop, int64_t until_ms);

/* The one thread that drives by mst_loop_turn although there is a background
 * thread: take the seat, and leave it to do something that may take long. When
 * it has not sat down again after hold_ms the background thread drives, until
 * it wants its seat back. */
void mst_loop_sit(mst_loop *loop);
void mst_loop_rise(mst_loop *loop);

/* Any thread: hand over a command. `soon` says that the caller is about to
 * call mst_loop_await with `drive`. False: closed, the command stays yours. */
bool mst_loop_post(mst_loop *loop, mst_cmd *cmd, bool soon);

/* Driver: set or move a timer; MST_NEVER takes it away. False: no memory. */
bool mst_loop_time(mst_loop *loop, mst_timer *timer, int64_t at_ms);

int mst_await_init(mst_await *await);
void mst_await_fini(mst_await *await);

/* Driver: the caller who drives has what it waits for, and would go. */
bool mst_loop_is_over(const mst_loop *loop);

/* Any thread: it has happened; wakes those who wait. */
void mst_loop_done(mst_loop *loop, mst_await *await);

/* What this thread does before and after it waits in mst_loop_await and
 * mst_loop_wait_for: a handler leaves its place to another. NULL: nothing. */
typedef struct mst_wait_calls {
    void (*leave)(void *arg);
    void (*enter)(void *arg);
    void *arg;
} mst_wait_calls;

void mst_loop_on_wait(const mst_wait_calls *calls);

/* The same around a wait of another kind; no lock may be held. */
void mst_loop_leave(void);
void mst_loop_enter(void);

/* Any thread: wait until it has happened; false: the deadline came first. */
bool mst_loop_await(mst_loop *loop, mst_await *await, int64_t until_ms,
                    bool drive);

/* The same for a condition of the caller's: ready(arg), asked with the lock
 * held, each time `await` is woken. False: the deadline came first. */
bool mst_loop_wait_for(mst_loop *loop, mst_await *await,
                       bool (*ready)(void *arg), void *arg, int64_t until_ms);

#endif
