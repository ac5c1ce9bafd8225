#include "launch/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"

/* What the child gets as 1, 2 and 3. Above the descriptors it is dup'ed to, so
 * that one dup2 cannot overwrite what the next one needs. */
typedef struct ends {
    int line, output[2];
} ends;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void mst_child_close(mst_child *child)
{
    close_fd(&child->pidfd);
    close_fd(&child->line);
    close_fd(&child->output[0]);
    close_fd(&child->output[1]);
}

/* A descriptor above 3, close-on-exec; the old one is closed. */
static int lift(int fd)
{
    int high;

    if (fd < 0 || fd > 3)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, 4);
    close(fd);
    return high;
}

static bool open_pipe(int *reader, int *writer)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    *reader = fds[0];
    *writer = lift(fds[1]);
    return *writer >= 0 && fcntl(*reader, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_ends(mst_child *child, ends *far)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    child->line = pair[0];
    far->line = lift(pair[1]);
    return far->line >= 0 && fcntl(child->line, F_SETFL, O_NONBLOCK) == 0 &&
           open_pipe(&child->output[0], &far->output[0]) &&
           open_pipe(&child->output[1], &far->output[1]);
}

static int add_actions(posix_spawn_file_actions_t *actions, const ends *far)
{
    int rc =
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, far->output[0], 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, far->output[1], 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, far->line, 3);
    if (rc == 0) /* what others opened without O_CLOEXEC */
        rc = posix_spawn_file_actions_addclosefrom_np(actions, 4);
    return rc;
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setsigmask(attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attr, &all);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attr, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF |
                                                POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn_with(const char *path, char *const argv[], char *const envp[],
                      const ends *far, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc == 0) {
        rc = add_actions(&actions, far);
        if (rc == 0)
            rc = set_attributes(&attr);
        if (rc == 0)
            rc = posix_spawn(pid, path, &actions, &attr, argv, envp);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

muster_err mst_spawn(const char *path, char *const argv[], char *const envp[],
                     mst_child *child, muster_error *err)
{
    ends far = {-1, {-1, -1}};
    int rc;

    *child = (mst_child){0, -1, -1, {-1, -1}};
    rc = open_ends(child, &far) ? 0 : errno;
    if (rc == 0)
        rc = spawn_with(path, argv, envp, &far, &child->pid);
    close_fd(&far.line);
    close_fd(&far.output[0]);
    close_fd(&far.output[1]);
    if (rc == 0) {
        child->pidfd = pidfd_open(child->pid, 0);
        if (child->pidfd >= 0)
            return MUSTER_OK;
        rc = errno;
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    mst_child_close(child);
    return mst_fail_sys(err, rc, "cannot start %s", path);
}
