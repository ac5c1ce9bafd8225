/* pidfd.c - pidfd_open for programs under valgrind, whose version 3.19 does not
 * know that system call. Put in front of the C library by LD_PRELOAD.
 *
 * The descriptor is an eventfd that a thread makes readable once the process
 * has ended: all that is asked of a pidfd here.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 10000000 /* how often at a process that is not our child */

/* The process and the thread's own copy of the descriptor, in one word. */
static void *await_end(void *arg)
{
    const uint64_t both = (uint64_t)(uintptr_t)arg;
    const pid_t pid = (pid_t)(both >> 32);
    const int fd = (int)(both & UINT32_MAX);
    const struct timespec nap = {0, LOOK_NS};
    siginfo_t info;
    int rc;

    do
        rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    while (rc != 0 && errno == EINTR);
    while (rc != 0 && kill(pid, 0) == 0)
        nanosleep(&nap, NULL);
    (void)eventfd_write(fd, 1);
    close(fd);
    return NULL;
}

int pidfd_open(pid_t pid, unsigned int flags)
{
    const int fd = eventfd(0, EFD_CLOEXEC);
    const int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    const uint64_t both = (uint64_t)(uint32_t)pid << 32 | (uint32_t)copy;
    sigset_t all, before;
    pthread_t thread;
    int rc;

    (void)flags;
    if (copy < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, await_end, (void *)(uintptr_t)both);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        close(copy);
        close(fd);
        errno = rc;
        return -1;
    }
    pthread_detach(thread);
    return fd;
}
