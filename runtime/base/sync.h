/* sync.h - the two pthread objects as they are used here: a plain mutex, and
 * a condition on the monotonic clock. */
#ifndef MST_SYNC_H
#define MST_SYNC_H

#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"

static inline int mst_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (rc != 0)
        return rc;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return rc;
}

/* False once the deadline has passed; may wake early. */
static inline bool mst_cond_wait_until(pthread_cond_t *cond,
                                       pthread_mutex_t *lock, int64_t until_ms)
{
    struct timespec at;

    if (until_ms == MST_NEVER) {
        pthread_cond_wait(cond, lock);
        return true;
    }
    at = mst_timespec(until_ms);
    return pthread_cond_timedwait(cond, lock, &at) == 0 ||
           mst_now_ms() < until_ms;
}

#endif
