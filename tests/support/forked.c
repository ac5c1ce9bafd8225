#include "forked.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

void forked_check_at(bool yes, const char *file, int line, const char *format,
                     ...)
{
    va_list args;

    if (yes)
        return;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    _exit(1);
}

void forked_run(int (*fn)(void *arg), void *arg, int64_t limit_ms)
{
    struct pollfd end = {.events = POLLIN};
    bool in_time;
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn(arg)); /* not through checks that need descriptors */
    end.fd = pidfd_open(pid, 0);
    assert_true(end.fd >= 0);
    in_time = poll(&end, 1, (int)limit_ms * RIG_SLOW) == 1;
    close(end.fd);
    if (!in_time)
        kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!in_time)
        fail_msg("it did not end within %lld ms", (long long)limit_ms);
    if (WIFSIGNALED(status))
        fail_msg("it was killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    assert_int_equal(WEXITSTATUS(status), 0);
}
