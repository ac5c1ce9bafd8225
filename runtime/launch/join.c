#include "launch/join.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "base/usage.h"

typedef struct ticket {
    TAILQ_ENTRY(ticket) link;
    uint32_t rank, incarnation;
    bool there; /* its file */
} ticket;

typedef struct join {
    mst_launcher base; /* first: the launcher is this object */
    mst_poll *poll;
    mst_log *log;
    mst_report_fn report;
    void *arg;
    char dir[PATH_MAX];
    bool made;   /* the directory is ours */
    int wake_fd; /* some have ended */
    mst_watch wake;
    TAILQ_HEAD(tickets, ticket) tickets, ended;
    ticket **live; /* by rank */
    uint32_t room;
} join;

/* The last of its rank, or one that is being replaced. */
static ticket *find(const join *j, uint32_t rank, uint32_t incarnation)
{
    ticket *t = rank < j->room ? j->live[rank] : NULL;

    if (t != NULL && t->incarnation == incarnation)
        return t;
    TAILQ_FOREACH (t, &j->tickets, link)
        if (t->rank == rank && t->incarnation == incarnation)
            break;
    return t;
}

/* Room for a ticket of this rank. */
static bool make_room(join *j, uint32_t rank)
{
    uint32_t room = j->room > 0 ? j->room : 16;
    ticket **live;

    if (rank < j->room)
        return true;
    while (room <= rank)
        room *= 2;
    live = mst_realloc(j->live, room * sizeof(*live));
    if (live == NULL)
        return false;
    memset(live + j->room, 0, (room - j->room) * sizeof(*live));
    j->live = live;
    j->room = room;
    return true;
}

static bool path_of(const join *j, uint32_t rank, char path[PATH_MAX])
{
    const int n = snprintf(path, PATH_MAX, "%s/worker-%u.join", j->dir, rank);

    return n > 0 && n < PATH_MAX;
}

static void take_back(join *j, ticket *t)
{
    char path[PATH_MAX];

    if (t->there && path_of(j, t->rank, path) && unlink(path) != 0 &&
        errno != ENOENT)
        mst_log_line(j->log, MUSTER_LOG_WARN, "JOIN-FILE-STAYS",
                     "path=%s errno=%d", path, errno);
    t->there = false;
}

/* All of it, under its name only when it is complete and ours alone. */
static muster_err write_file(const char *path, const char *text, size_t len,
                             muster_error *err)
{
    MST_AUTO(mst_drop_fd)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  S_IRUSR | S_IWUSR);
    ssize_t n = -1;
    int why;

    if (fd < 0)
        return mst_fail_sys(err, errno, "cannot write the join file %s", path);
    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len && fsync(fd) == 0)
        return MUSTER_OK;
    why = n >= 0 && n < (ssize_t)len ? ENOSPC : errno;
    unlink(path);
    return mst_fail_sys(err, why, "cannot write the join file %s", path);
}

static muster_err start(mst_launcher *self, const mst_start *what,
                        muster_error *err)
{
    join *j = (join *)self;
    ticket *t = mst_calloc(1, sizeof(*t));
    char path[PATH_MAX];
    mst_report report = {.kind = MST_REPORT_STARTED,
                         .rank = what->rank,
                         .incarnation = what->incarnation,
                         .unseen = true,
                         .name = path};
    muster_err rc;

    if (t == NULL || !make_room(j, what->rank)) {
        mst_free(t);
        return mst_fail(err, MUSTER_ENOMEM, "a join file");
    }
    if (path_of(j, what->rank, path))
        rc = write_file(path, what->cookie, what->cookie_len, err);
    else
        rc = mst_fail_sys(err, ENAMETOOLONG, "the join file in %s", j->dir);
    if (rc != MUSTER_OK) {
        mst_free(t);
        return rc;
    }
    t->rank = what->rank;
    t->incarnation = what->incarnation;
    t->there = true;
    TAILQ_INSERT_TAIL(&j->tickets, t, link);
    j->live[t->rank] = t;
    j->report(j->arg, &report);
    return MUSTER_OK;
}

/* Nothing can be killed from here; what is left is to take the file back. The
 * report follows on the loop, as with the other launchers. */
static void end(mst_launcher *self, uint32_t rank, uint32_t incarnation,
                mst_end how)
{
    join *j = (join *)self;
    ticket *t = find(j, rank, incarnation);

    (void)how;
    if (t == NULL)
        return;
    take_back(j, t);
    if (j->live[rank] == t)
        j->live[rank] = NULL;
    TAILQ_REMOVE(&j->tickets, t, link);
    TAILQ_INSERT_TAIL(&j->ended, t, link);
    (void)eventfd_write(j->wake_fd, 1);
}

static void report_ended(void *arg, uint32_t events)
{
    join *j = (join *)arg;
    struct tickets ended = TAILQ_HEAD_INITIALIZER(ended);
    ticket *t;
    eventfd_t count;

    (void)events;
    (void)eventfd_read(j->wake_fd, &count);
    TAILQ_CONCAT(&ended, &j->ended, link); /* a report may end others */
    while ((t = TAILQ_FIRST(&ended)) != NULL) {
        const mst_report report = {.kind = MST_REPORT_ENDED,
                                   .rank = t->rank,
                                   .incarnation = t->incarnation,
                                   .unseen = true,
                                   .exit_status = -1,
                                   .oom_kills = MST_UNKNOWN};

        TAILQ_REMOVE(&ended, t, link);
        mst_free(t);
        j->report(j->arg, &report);
    }
}

static void ready(mst_launcher *self, uint32_t rank, uint32_t incarnation)
{
    join *j = (join *)self;
    ticket *t = find(j, rank, incarnation);

    if (t != NULL)
        take_back(j, t);
}

static void flow(mst_launcher *self, bool read)
{
    (void)self; /* what they print comes through their connections */
    (void)read;
}

static void destroy(mst_launcher **self)
{
    join *j = (join *)*self;
    ticket *t;

    TAILQ_CONCAT(&j->tickets, &j->ended, link);
    while ((t = TAILQ_FIRST(&j->tickets)) != NULL) {
        TAILQ_REMOVE(&j->tickets, t, link);
        take_back(j, t);
        mst_free(t);
    }
    if (j->made)
        (void)rmdir(j->dir);
    mst_poll_del(j->poll, &j->wake);
    if (j->wake_fd >= 0)
        close(j->wake_fd);
    mst_free(j->live);
    mst_free(j);
    *self = NULL;
}

/* The directory, by its absolute name. */
static muster_err make_dir(join *j, const char *dir, muster_error *err)
{
    j->made = mkdir(dir, S_IRWXU) == 0;
    if (!j->made && errno != EEXIST)
        return mst_fail_sys(err, errno, "cannot make the directory %s", dir);
    if (realpath(dir, j->dir) == NULL)
        return mst_fail_sys(err, errno, "the directory %s", dir);
    return MUSTER_OK;
}

muster_err mst_join_create(mst_launcher **launcher, mst_poll *poll,
                           mst_log *log, const char *dir, mst_report_fn report,
                           void *arg, muster_error *err)
{
    join *j = mst_calloc(1, sizeof(*j));
    muster_err rc;

    if (j == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "join launcher");
    j->base = (mst_launcher){.name = "join",
                             .again_ms = 1000,
                             .descriptors = 2,
                             .listen = "127.0.0.1",
                             .start = start,
                             .end = end,
                             .ready = ready,
                             .flow = flow,
                             .destroy = destroy};
    j->poll = poll;
    j->log = log;
    j->report = report;
    j->arg = arg;
    TAILQ_INIT(&j->tickets);
    TAILQ_INIT(&j->ended);
    j->wake = (mst_watch){report_ended, j, -1};
    *launcher = &j->base;
    j->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (j->wake_fd < 0)
        rc = mst_fail_sys(err, errno, "eventfd");
    else
        rc = mst_poll_add(poll, &j->wake, j->wake_fd, EPOLLIN, err);
    if (rc == MUSTER_OK)
        rc = make_dir(j, dir, err);
    if (rc != MUSTER_OK)
        destroy(launcher);
    return rc;
}
