#include "launch/kube/exec.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/secret.h"

#define LOOK_MS 100 /* at what may have stopped us */
#define READS 64    /* at a time: more than a pipe can hold, and not endless */

typedef struct run {
    mst_exec *x;
    pid_t pid;
    int pidfd;
    int pipes[2]; /* our ends of its standard output and error; -1: ended */
    size_t room, said_len;
    bool loud; /* our standard error is a terminal */
    muster_error *err;
} run;

static void close_fd(int *fd)
{
    mst_drop_fd(fd);
    *fd = -1;
}

/* ------------------------------------------------------------ starting -- */

static int add_actions(posix_spawn_file_actions_t *actions, bool terminal,
                       const int *far)
{
    int rc = 0;

    if (!terminal)
        rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY,
                                              0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, far[0], 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, far[1], 2);
    if (rc == 0) /* what others opened without O_CLOEXEC */
        rc = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    return rc;
}

static int set_attributes(posix_spawnattr_t *attr, bool terminal)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    if (!terminal)
        flags |= POSIX_SPAWN_SETPGROUP; /* of its own: 0 is the default */
    rc = posix_spawnattr_setsigmask(attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attr, &all);
    return rc == 0 ? posix_spawnattr_setflags(attr, flags) : rc;
}

static int spawn_with(run *r, const int *far)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc == 0) {
        rc = add_actions(&actions, r->x->terminal, far);
        if (rc == 0)
            rc = set_attributes(&attr, r->x->terminal);
        if (rc == 0)
            rc = posix_spawnp(&r->pid, r->x->file, &actions, &attr, r->x->argv,
                              r->x->envp);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* The far end lies above 2, so that one dup2 cannot overwrite what the next
 * one needs. */
static bool open_pipe(int *reader, int *writer)
{
    int fds[2], high;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    *reader = fds[0];
    *writer = fds[1];
    if (fds[1] <= 2) {
        high = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
        close(fds[1]);
        *writer = high;
    }
    return *writer >= 0 && fcntl(*reader, F_SETFL, O_NONBLOCK) == 0;
}

/* Ends it, and takes its status. Where the program ignores SIGCHLD there is
 * none: its output tells. */
static void end(run *r, bool by_force)
{
    pid_t rc;

    if (r->pid <= 0)
        return;
    if (by_force)
        kill(r->x->terminal ? r->pid : -r->pid, SIGKILL);
    r->x->status = 0;
    do
        rc = waitpid(r->pid, &r->x->status, 0);
    while (rc < 0 && errno == EINTR);
    r->pid = 0;
}

static muster_err start(run *r)
{
    int far[2] = {-1, -1};
    int rc;

    rc = open_pipe(&r->pipes[0], &far[0]) && open_pipe(&r->pipes[1], &far[1])
             ? 0
             : errno;
    if (rc == 0)
        rc = spawn_with(r, far);
    close_fd(&far[0]);
    close_fd(&far[1]);
    if (rc != 0) {
        r->pid = 0;
    } else {
        r->pidfd = pidfd_open(r->pid, 0);
        if (r->pidfd >= 0)
            return MUSTER_OK;
        rc = errno;
        if (rc == ESRCH) { /* ended, where the program ignores SIGCHLD */
            r->pid = 0;
            return MUSTER_OK;
        }
        end(r, true);
    }
    return mst_fail_sys(r->err, rc, "cannot start %s", r->x->file);
}

/* ------------------------------------------------------------- reading -- */

static muster_err keep_out(run *r, const char *bytes, size_t n)
{
    mst_exec *x = r->x;

    if (x->out_len + n > MST_EXEC_BYTES)
        return mst_fail(r->err, MUSTER_EKUBE, "it wrote more than %u bytes",
                        MST_EXEC_BYTES);
    if (x->out_len + n + 1 > r->room) {
        const size_t room = 2 * (x->out_len + n + 1);

        if (!mst_secret_grow(&x->out, x->out_len, room))
            return mst_fail(r->err, MUSTER_ENOMEM, "no memory for its output");
        r->room = room;
    }
    memcpy(x->out + x->out_len, bytes, n);
    x->out_len += n;
    x->out[x->out_len] = '\0';
    return MUSTER_OK;
}

static void keep_said(run *r, const char *bytes, size_t n)
{
    char *said = r->x->said;

    if (r->loud && write(STDERR_FILENO, bytes, n) < 0)
        r->loud = false;
    if (n > MST_EXEC_SAID) {
        bytes += n - MST_EXEC_SAID;
        n = MST_EXEC_SAID;
    }
    if (r->said_len + n > MST_EXEC_SAID) {
        const size_t out = r->said_len + n - MST_EXEC_SAID;

        memmove(said, said + out, r->said_len - out);
        r->said_len -= out;
    }
    memcpy(said + r->said_len, bytes, n);
    r->said_len += n;
    said[r->said_len] = '\0';
}

/* What there is now. */
static muster_err drain(run *r, int which)
{
    char bytes[4096];
    muster_err rc = MUSTER_OK;

    for (int i = 0; i < READS && rc == MUSTER_OK && r->pipes[which] >= 0; i++) {
        const ssize_t n = read(r->pipes[which], bytes, sizeof(bytes));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            close_fd(&r->pipes[which]);
        else if (which == 0)
            rc = keep_out(r, bytes, (size_t)n);
        else
            keep_said(r, bytes, (size_t)n);
    }
    sodium_memzero(bytes, sizeof(bytes));
    return rc;
}

bool mst_patience_over(const mst_patience *patience)
{
    return mst_now_ms() >= patience->until_ms ||
           (patience->stopped != NULL && atomic_load(patience->stopped));
}

static int poll_ms(const mst_patience *patience)
{
    const int64_t left = patience->until_ms - mst_now_ms();
    const int most = patience->stopped != NULL ? LOOK_MS : 60000;

    return left <= 0 ? 0 : left > most ? most : (int)left;
}

/* Until it has ended: a grandchild may hold its pipes longer. */
static muster_err follow(run *r)
{
    for (;;) {
        const bool ended = r->pidfd < 0;
        struct pollfd fds[3] = {{.fd = r->pidfd, .events = POLLIN},
                                {.fd = r->pipes[0], .events = POLLIN},
                                {.fd = r->pipes[1], .events = POLLIN}};
        const int n = poll(fds, 3, ended ? 0 : poll_ms(&r->x->patience));
        muster_err rc;

        if (n < 0 && errno != EINTR)
            return mst_fail_sys(r->err, errno, "cannot wait for %s",
                                r->x->file);
        rc = drain(r, 1);
        if (rc == MUSTER_OK)
            rc = drain(r, 0);
        if (rc != MUSTER_OK)
            return rc;
        if (ended || (n > 0 && fds[0].revents != 0))
            return MUSTER_OK;
        if (mst_patience_over(&r->x->patience))
            return mst_fail(r->err, MUSTER_ETIMEOUT,
                            mst_now_ms() >= r->x->patience.until_ms
                                ? "it took too long"
                                : "it was stopped");
    }
}

static void trim(char *text)
{
    size_t len = strlen(text), skip = 0;

    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    while (isspace((unsigned char)text[skip]))
        skip++;
    /* a character of which the beginning was cut off */
    while (((unsigned char)text[skip] & 0xc0) == 0x80)
        skip++;
    memmove(text, text + skip, strlen(text + skip) + 1);
}

muster_err mst_exec_run(mst_exec *x, muster_error *err)
{
    run r = {.x = x, .pidfd = -1, .pipes = {-1, -1}, .err = err};
    muster_err rc;

    x->out = NULL;
    x->out_len = 0;
    x->said[0] = '\0';
    x->status = 0;
    r.loud = x->terminal && isatty(STDERR_FILENO);
    rc = keep_out(&r, "", 0); /* so that an empty output is a text, too */
    if (rc == MUSTER_OK)
        rc = start(&r);
    if (rc == MUSTER_OK)
        rc = follow(&r);
    end(&r, rc != MUSTER_OK);
    close_fd(&r.pidfd);
    close_fd(&r.pipes[0]);
    close_fd(&r.pipes[1]);
    trim(x->said);
    if (rc != MUSTER_OK && x->out != NULL)
        sodium_memzero(x->out, x->out_len);
    if (rc != MUSTER_OK)
        mst_drop_secret(&x->out);
    return rc;
}
