/* notify.h - the thread on which the program's own functions run: events,
 * output lines, callbacks of futures; one at a time, in order. The loop never
 * waits for them. */
#ifndef MST_NOTIFY_H
#define MST_NOTIFY_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include <muster/muster.h>

typedef struct mst_notice {
    STAILQ_ENTRY(mst_notice) link;
    void (*run)(struct mst_notice *notice, void *arg); /* owns the notice */
    size_t bytes;
} mst_notice;

typedef struct mst_notify {
    pthread_mutex_t lock;
    pthread_cond_t more;
    STAILQ_HEAD(, mst_notice) queue;
    size_t bytes; /* waiting */
    bool full;    /* above the high mark and not below the low one since */
    bool stop, started;
    void (*drained)(void *arg); /* any thread: it was full and is not now */
    void *arg;
    pthread_t thread;
} mst_notify;

/* Nothing runs until the first post. */
void mst_notify_init(mst_notify *n, void (*drained)(void *arg), void *arg);

/* Runs what is left, then stops; then nothing runs any more. */
void mst_notify_stop(mst_notify *n);
void mst_notify_fini(mst_notify *n);

/* Any thread. MUSTER_ECLOSED: it is being stopped; MUSTER_ENOMEM: no thread
 * could be started; the notice stays yours. *full tells whether the sink cannot
 * follow. */
muster_err mst_notify_post(mst_notify *n, mst_notice *notice, bool *full);

/* Is this that thread? */
bool mst_notify_here(const mst_notify *n);

#endif
