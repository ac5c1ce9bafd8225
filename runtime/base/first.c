#include "base/first.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* All that have ended; when the child is one of them, so do we. */
static void reap(pid_t child)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == child)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status)
                                    : 128 + WTERMSIG(status));
}

static void serve(pid_t child, const sigset_t *all)
{
    siginfo_t info;

    for (;;) {
        reap(child);
        if (sigwaitinfo(all, &info) < 0)
            continue; /* EINTR: stopped and continued */
        if (info.si_signo != SIGCHLD && info.si_code <= 0)
            (void)kill(child, info.si_signo);
    }
}

void mst_first(void)
{
    sigset_t all, before;
    pid_t child;

    if (getpid() != 1)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    child = fork();
    if (child > 0)
        serve(child, &all);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
