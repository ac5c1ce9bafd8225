/* inbox.h - commands from any thread to the one that drives a loop.
 *
 * Wake-ups coalesce: the eventfd is written once until the loop has taken
 * everything there is.
 */
#ifndef MST_INBOX_H
#define MST_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <muster/error.h>

typedef struct mst_cmd {
    STAILQ_ENTRY(mst_cmd) link;
    void (*run)(struct mst_cmd *cmd, void *loop_arg);
} mst_cmd;

typedef STAILQ_HEAD(mst_cmds, mst_cmd) mst_cmds;

typedef struct mst_inbox {
    pthread_mutex_t lock;
    mst_cmds cmds;
    int wake_fd; /* eventfd, watched by the loop           */
    bool awake;  /* the loop will look without a wake-up   */
    bool closed;
} mst_inbox;

muster_err mst_inbox_init(mst_inbox *inbox, muster_error *err);
void mst_inbox_fini(mst_inbox *inbox);

/* Any thread. False: closed; the command stays the caller's. */
bool mst_inbox_post(mst_inbox *inbox, mst_cmd *cmd);

/* Loop thread: run all there is. True: there was something. */
bool mst_inbox_run(mst_inbox *inbox, void *loop_arg);

/* Loop thread, before and after it sleeps. False: there is work, so do not. */
bool mst_inbox_sleep(mst_inbox *inbox);
void mst_inbox_woke(mst_inbox *inbox);

/* The callback of the loop's watch on wake_fd: takes the signal. */
void mst_inbox_heard(void *inbox, uint32_t events);

/* Any thread: from now on every post fails. */
void mst_inbox_close(mst_inbox *inbox);

#endif
