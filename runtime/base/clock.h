/* clock.h - absolute monotonic milliseconds, the only time used inside. */
#ifndef MST_CLOCK_H
#define MST_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MST_NEVER INT64_MAX

static inline int64_t mst_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The deadline `timeout_ms` from now; a negative timeout means never. */
static inline int64_t mst_until_ms(int64_t timeout_ms)
{
    const int64_t now = mst_now_ms();

    if (timeout_ms < 0 || timeout_ms > MST_NEVER - now)
        return MST_NEVER;
    return now + timeout_ms;
}

/* For pthread_cond_timedwait on a CLOCK_MONOTONIC condition. */
static inline struct timespec mst_timespec(int64_t at_ms)
{
    return (struct timespec){.tv_sec = at_ms / 1000,
                             .tv_nsec = (at_ms % 1000) * 1000000};
}

#endif
