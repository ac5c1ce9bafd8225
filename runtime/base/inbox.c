#include "base/inbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fail.h"

muster_err mst_inbox_init(mst_inbox *inbox, muster_error *err)
{
    STAILQ_INIT(&inbox->cmds);
    inbox->awake = true;
    inbox->closed = false;
    inbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (inbox->wake_fd < 0)
        return mst_fail_sys(err, errno, "eventfd");
    pthread_mutex_init(&inbox->lock, NULL);
    return MUSTER_OK;
}

void mst_inbox_fini(mst_inbox *inbox)
{
    if (inbox->wake_fd < 0)
        return;
    close(inbox->wake_fd);
    inbox->wake_fd = -1;
    pthread_mutex_destroy(&inbox->lock);
}

bool mst_inbox_post(mst_inbox *inbox, mst_cmd *cmd)
{
    bool wake, posted;

    pthread_mutex_lock(&inbox->lock);
    posted = !inbox->closed;
    if (posted)
        STAILQ_INSERT_TAIL(&inbox->cmds, cmd, link);
    wake = posted && !inbox->awake;
    if (wake)
        inbox->awake = true;
    pthread_mutex_unlock(&inbox->lock);
    if (wake)
        eventfd_write(inbox->wake_fd, 1);
    return posted;
}

bool mst_inbox_run(mst_inbox *inbox, void *loop_arg)
{
    mst_cmds taken = STAILQ_HEAD_INITIALIZER(taken);
    mst_cmd *cmd;

    pthread_mutex_lock(&inbox->lock);
    STAILQ_CONCAT(&taken, &inbox->cmds);
    pthread_mutex_unlock(&inbox->lock);
    if (STAILQ_EMPTY(&taken))
        return false;
    while ((cmd = STAILQ_FIRST(&taken)) != NULL) {
        STAILQ_REMOVE_HEAD(&taken, link);
        cmd->run(cmd, loop_arg);
    }
    return true;
}

bool mst_inbox_sleep(mst_inbox *inbox)
{
    bool empty;

    pthread_mutex_lock(&inbox->lock);
    empty = STAILQ_EMPTY(&inbox->cmds);
    inbox->awake = !empty;
    pthread_mutex_unlock(&inbox->lock);
    return empty;
}

void mst_inbox_woke(mst_inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->awake = true;
    pthread_mutex_unlock(&inbox->lock);
}

void mst_inbox_heard(void *inbox, uint32_t events)
{
    eventfd_t count;

    (void)events;
    (void)eventfd_read(((mst_inbox *)inbox)->wake_fd, &count);
}

void mst_inbox_close(mst_inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->closed = true;
    pthread_mutex_unlock(&inbox->lock);
}
