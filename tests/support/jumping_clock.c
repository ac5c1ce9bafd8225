/* jumping_clock.c - for LD_PRELOAD: the wall clock jumps ahead by 5 hours one
 * second after the process began, and back by 12 another second later, then
 * ahead again, and so on. Clocks that do not jump are left alone. */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long began_ns;

static long long monotonic_ns(void)
{
    struct timespec now;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
    began_ns = monotonic_ns();
}

static time_t jump(void)
{
    static const time_t hours[] = {0, 5, -7};
    const long long s = (monotonic_ns() - began_ns) / 1000000000;

    return s < 1 ? 0 : 3600 * hours[1 + (s - 1) % 2];
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock_id,
                                                         struct timespec *tp)
{
    const int rc = (int)syscall(SYS_clock_gettime, clock_id, tp);

    if (rc == 0 && (clock_id == CLOCK_REALTIME ||
                    clock_id == CLOCK_REALTIME_COARSE || clock_id == CLOCK_TAI))
        tp->tv_sec += jump();
    return rc;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *tv,
                                                        void *tz)
{
    struct timespec now;

    (void)tz;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *timer)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (timer != NULL)
        *timer = now.tv_sec;
    return now.tv_sec;
}
