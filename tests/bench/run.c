#include "run.h"

#include "sample.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 2000

typedef struct running {
    pid_t pid;
    int pidfd; /* readable once it has ended        */
    int out;   /* its standard output; -1 at its end */
    size_t len;
} running;

/* In the new process. The driver's end is this one's end too. */
static _Noreturn void become(const char *const *argv, int out, pid_t driver)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != driver)
        _exit(127);
    if (dup2(out, STDOUT_FILENO) == -1)
        _exit(127);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool start(const char *const *argv, running *r)
{
    const pid_t driver = getpid();
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return false;
    r->pid = fork();
    if (r->pid == 0)
        become(argv, ends[1], driver);
    close(ends[1]);
    r->out = ends[0];
    r->len = 0;
    if (r->pid == -1) {
        close(r->out);
        return false;
    }
    setpgid(r->pid, r->pid);
    fcntl(r->out, F_SETFL, O_NONBLOCK);
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (r->pidfd == -1)
        bench_die("pidfd_open: %s", strerror(errno));
    return true;
}

/* Take what is in the pipe; what is too much is thrown away. */
static void drain(running *r, bench_run *run)
{
    char spill[512];
    ssize_t n = 1;

    while (r->out != -1 && n > 0) {
        const size_t room = sizeof(run->output) - 1 - r->len;
        char *to = room > 0 ? run->output + r->len : spill;

        n = read(r->out, to, room > 0 ? room : sizeof(spill));
        if (n > 0 && room > 0)
            r->len += (size_t)n;
    }
    run->output[r->len] = '\0';
    if (n == 0 && r->out != -1) {
        close(r->out);
        r->out = -1;
    }
}

/* Read its output until it has ended. False: it goes on after until_ns. */
static bool wait_end(running *r, bench_run *run, int64_t until_ns)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = r->pidfd, .events = POLLIN},
                               {.fd = r->out, .events = POLLIN}};
        const int64_t left_ms = (until_ns - bench_now_ns()) / 1000000;

        if (left_ms <= 0)
            return false;
        if (poll(fds, 2, (int)left_ms) == -1 && errno != EINTR)
            bench_die("poll: %s", strerror(errno));
        if (fds[1].revents != 0)
            drain(r, run);
        if (fds[0].revents != 0) {
            drain(r, run);
            return true;
        }
    }
}

/* It is not reaped yet, so its group's number is nobody else's. */
static void end_group(running *r, bench_run *run)
{
    kill(-r->pid, SIGTERM);
    wait_end(r, run, bench_now_ns() + GRACE_MS * INT64_C(1000000));
    kill(-r->pid, SIGKILL);
}

static bool reap(running *r, bench_run *run)
{
    int status = 0;
    pid_t got;

    do
        got = waitpid(r->pid, &status, 0);
    while (got == -1 && errno == EINTR);
    close(r->pidfd);
    if (r->out != -1)
        close(r->out);
    if (got != r->pid)
        snprintf(run->why, sizeof(run->why), "wait: %s", strerror(errno));
    else if (WIFSIGNALED(status))
        snprintf(run->why, sizeof(run->why), "ended by signal %d",
                 WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(run->why, sizeof(run->why), "exit status %d",
                 WEXITSTATUS(status));
    else
        return true;
    return false;
}

bool bench_run_program(const char *const *argv, int limit_s, bench_run *run)
{
    const int64_t begun = bench_now_ns();
    running r;
    bool ended, good;

    memset(run, 0, sizeof(*run));
    if (!start(argv, &r)) {
        snprintf(run->why, sizeof(run->why), "start: %s", strerror(errno));
        return false;
    }
    ended = wait_end(&r, run, begun + limit_s * INT64_C(1000000000));
    run->wall_ms = (double)(bench_now_ns() - begun) / 1e6;
    if (!ended)
        end_group(&r, run);
    else
        kill(-r.pid, SIGKILL);
    good = reap(&r, run);
    if (!ended)
        snprintf(run->why, sizeof(run->why), "not done after %d s", limit_s);
    return ended && good;
}

bool bench_run_number(const bench_run *run, const char *key, double *value)
{
    const size_t len = strlen(key);
    const char *line = run->output;

    while (line != NULL && *line != '\0') {
        if (strncmp(line, key, len) == 0 && line[len] == ' ') {
            char *end = NULL;

            *value = strtod(line + len + 1, &end);
            return *end == '\n' && end != line + len + 1;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}
