#include "base/poll.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"

muster_err mst_poll_init(mst_poll *poll, muster_error *err)
{
    poll->n = poll->at = 0;
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poll->epoll < 0)
        return mst_fail_sys(err, errno, "epoll_create1");
    return MUSTER_OK;
}

void mst_poll_fini(mst_poll *poll)
{
    if (poll->epoll >= 0)
        close(poll->epoll);
    poll->epoll = -1;
}

muster_err mst_poll_add(mst_poll *poll, mst_watch *watch, int fd,
                        uint32_t events, muster_error *err)
{
    struct epoll_event ev = {.events = events, .data = {.ptr = watch}};

    if (epoll_ctl(poll->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        return mst_fail_sys(err, errno, "epoll_ctl");
    watch->fd = fd;
    return MUSTER_OK;
}

void mst_poll_mod(mst_poll *poll, mst_watch *watch, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data = {.ptr = watch}};

    if (watch->fd >= 0)
        epoll_ctl(poll->epoll, EPOLL_CTL_MOD, watch->fd, &ev);
}

void mst_poll_del(mst_poll *poll, mst_watch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(poll->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    for (int i = poll->at; i < poll->n; i++)
        if (poll->round[i].data.ptr == watch)
            poll->round[i].data.ptr = NULL;
}

static int timeout_until(int64_t until_ms)
{
    int64_t left;

    if (until_ms == MST_NEVER)
        return -1;
    left = until_ms - mst_now_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void mst_poll_wait(mst_poll *poll, int64_t until_ms)
{
    const int n = epoll_wait(poll->epoll, poll->round, MST_POLL_ROUND,
                             timeout_until(until_ms));

    poll->n = n > 0 ? n : 0;
    for (poll->at = 0; poll->at < poll->n;) {
        const struct epoll_event ev = poll->round[poll->at++];
        mst_watch *watch = (mst_watch *)ev.data.ptr;

        if (watch != NULL)
            watch->fn(watch->arg, ev.events);
    }
    poll->n = poll->at = 0;
}
