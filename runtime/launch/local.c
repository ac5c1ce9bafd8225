#include "launch/local.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "base/usage.h"
#include "launch/lines.h"
#include "launch/note.h"
#include "launch/spawn.h"

typedef struct local local;

typedef struct kid {
    TAILQ_ENTRY(kid) link;
    local *owner;
    uint32_t rank, incarnation;
    mst_child child;
    mst_watch end, line, output[2];
    mst_lines lines[2];
    int stream;      /* of the lines that are being reported */
    mst_meter meter; /* of its own control group, where it has one */
    bool shared;     /* it is in ours */
} kid;

struct local {
    mst_launcher base; /* first: the launcher is this object */
    mst_poll *poll;
    mst_log *log;
    char worker[PATH_MAX];
    char **env; /* NULL-terminated */
    mst_report_fn report;
    void *arg;
    bool reading;
    mst_meter meter; /* of our control group */
    TAILQ_HEAD(, kid) kids;
};

/* ------------------------------------------------------------- reports -- */

static void report_line(void *arg, const char *line, size_t len)
{
    const kid *k = (const kid *)arg;
    const mst_report report = {.kind = MST_REPORT_OUTPUT,
                               .rank = k->rank,
                               .incarnation = k->incarnation,
                               .stream = k->stream,
                               .text = line,
                               .len = len};

    k->owner->report(k->owner->arg, &report);
}

/* Read one pipe; at most `rounds` buffers. False: nothing more will come. */
static bool read_output(kid *k, int i, int rounds)
{
    char data[16384];

    k->stream = i + 1;
    while (rounds-- > 0) {
        const ssize_t n = read(k->child.output[i], data, sizeof(data));

        if (n > 0)
            mst_lines_feed(&k->lines[i], data, (size_t)n, report_line, k);
        else if (n < 0 && errno == EINTR)
            continue;
        else
            return n < 0 && errno == EAGAIN;
    }
    return true;
}

static void heard_output(kid *k, int i)
{
    if (read_output(k, i, 4))
        return;
    mst_poll_del(k->owner->poll, &k->output[i]);
    k->stream = i + 1;
    mst_lines_end(&k->lines[i], report_line, k);
}

static void heard_stdout(void *arg, uint32_t events)
{
    (void)events;
    heard_output((kid *)arg, 0);
}

static void heard_stderr(void *arg, uint32_t events)
{
    (void)events;
    heard_output((kid *)arg, 1);
}

static bool read_note(kid *k)
{
    char text[MST_NOTE_BYTES];
    const ssize_t n = recv(k->child.line, text, sizeof(text), MSG_DONTWAIT);
    mst_report report = {.kind = MST_REPORT_NOTE,
                         .rank = k->rank,
                         .incarnation = k->incarnation,
                         .text = text};

    if (n <= 0)
        return n < 0 && errno == EINTR;
    report.len = (size_t)n;
    k->owner->report(k->owner->arg, &report);
    return true;
}

static void heard_line(void *arg, uint32_t events)
{
    kid *k = (kid *)arg;

    if ((events & EPOLLIN) != 0 && read_note(k))
        return;
    mst_poll_del(k->owner->poll, &k->line);
}

static void forget(kid *k)
{
    mst_poll *poll = k->owner->poll;

    mst_poll_del(poll, &k->end);
    mst_poll_del(poll, &k->line);
    mst_poll_del(poll, &k->output[0]);
    mst_poll_del(poll, &k->output[1]);
    mst_child_close(&k->child);
    mst_meter_close(&k->meter);
    TAILQ_REMOVE(&k->owner->kids, k, link);
    mst_free(k);
}

/* Its end: everything it said first, then how it ended. What it started goes
 * with it: the group is killed. */
static void heard_end(void *arg, uint32_t events)
{
    kid *k = (kid *)arg;
    local *l = k->owner;
    siginfo_t info = {0};
    mst_report report = {.kind = MST_REPORT_ENDED,
                         .rank = k->rank,
                         .incarnation = k->incarnation,
                         .exit_status = -1};

    (void)events;
    if (waitid(P_PID, (id_t)k->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
        0) {
        if (errno != ECHILD)
            return;
        /* the program ignores SIGCHLD, or waits for all: how is not known, and
         * its group may be another's by now */
    } else if (info.si_pid == 0) {
        return;
    } else {
        kill(-k->child.pid, SIGKILL);
        waitid(P_PID, (id_t)k->child.pid, &info, WEXITED | WNOHANG);
    }
    while (read_note(k))
        ;
    for (int i = 0; i < 2; i++) {
        read_output(k, i, 4096);
        k->stream = i + 1;
        mst_lines_end(&k->lines[i], report_line, k);
    }
    if (info.si_code == CLD_EXITED)
        report.exit_status = info.si_status;
    else if (info.si_pid != 0)
        report.exit_signal = info.si_status;
    report.shared = k->shared;
    report.oom_kills = mst_meter_oom_kills(k->shared ? &l->meter : &k->meter);
    forget(k);
    l->report(l->arg, &report);
}

/* ------------------------------------------------------------ starting -- */

static muster_err watch_kid(kid *k, muster_error *err)
{
    mst_poll *poll = k->owner->poll;
    muster_err rc;

    rc = mst_poll_add(poll, &k->end, k->child.pidfd, EPOLLIN, err);
    if (rc == MUSTER_OK)
        rc = mst_poll_add(poll, &k->line, k->child.line, EPOLLIN, err);
    for (int i = 0; i < 2 && rc == MUSTER_OK; i++)
        rc = mst_poll_add(poll, &k->output[i], k->child.output[i],
                          k->owner->reading ? EPOLLIN : 0, err);
    return rc;
}

static muster_err start(mst_launcher *self, const mst_start *what,
                        muster_error *err)
{
    local *l = (local *)self;
    char *argv[] = {l->worker, (char *)"--fd", (char *)"3", NULL};
    kid *k = mst_calloc(1, sizeof(*k));
    char name[32];
    mst_report report = {.kind = MST_REPORT_STARTED,
                         .rank = what->rank,
                         .incarnation = what->incarnation};
    muster_err rc;

    if (k == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "start a worker");
    k->owner = l;
    k->rank = what->rank;
    k->incarnation = what->incarnation;
    k->meter = (mst_meter)MST_METER_NONE;
    k->end = (mst_watch){heard_end, k, -1};
    k->line = (mst_watch){heard_line, k, -1};
    k->output[0] = (mst_watch){heard_stdout, k, -1};
    k->output[1] = (mst_watch){heard_stderr, k, -1};
    rc = mst_spawn(l->worker, argv, l->env, &k->child, err);
    if (rc != MUSTER_OK) {
        mst_free(k);
        return rc;
    }
    TAILQ_INSERT_TAIL(&l->kids, k, link);
    if (send(k->child.line, what->cookie, what->cookie_len, MSG_NOSIGNAL) < 0)
        mst_log_line(l->log, MUSTER_LOG_WARN, "COOKIE-NOT-SENT",
                     "rank=%u errno=%d", what->rank, errno);
    rc = watch_kid(k, err);
    if (rc != MUSTER_OK) {
        kill(-k->child.pid, SIGKILL);
        waitpid(k->child.pid, NULL, 0);
        forget(k);
        return rc;
    }
    snprintf(name, sizeof(name), "pid %d", (int)k->child.pid);
    report.pid = k->child.pid;
    report.name = name;
    l->report(l->arg, &report);
    return MUSTER_OK;
}

static void end(mst_launcher *self, uint32_t rank, uint32_t incarnation,
                mst_end how)
{
    local *l = (local *)self;
    kid *k;

    TAILQ_FOREACH (k, &l->kids, link)
        if (k->rank == rank && k->incarnation == incarnation) {
            if (how == MST_END_KILL)
                kill(-k->child.pid, SIGKILL);
            else
                kill(k->child.pid, SIGTERM);
        }
}

/* In which control group is it? A program that starts the worker may have put
 * it into one; when it has ended, version 1 does not tell any more. */
static void ready(mst_launcher *self, uint32_t rank, uint32_t incarnation)
{
    local *l = (local *)self;
    char proc[32];
    kid *k;

    TAILQ_FOREACH (k, &l->kids, link) {
        if (k->rank != rank || k->incarnation != incarnation)
            continue;
        snprintf(proc, sizeof(proc), "/proc/%d", (int)k->child.pid);
        k->shared = mst_meter_shared(proc, "/proc/self");
        mst_meter_close(&k->meter);
        if (!k->shared)
            mst_meter_open_oom(&k->meter, proc, "/proc/self");
    }
}

/* One message, and with it the descriptor, or none. */
static bool send_line(int line, const void *bytes, size_t len, int fd)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    }
    return sendmsg(line, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static bool pass(mst_launcher *self, uint32_t rank, uint32_t incarnation,
                 const void *bytes, size_t len, int fd)
{
    local *l = (local *)self;
    kid *k;

    TAILQ_FOREACH (k, &l->kids, link)
        if (k->rank == rank && k->incarnation == incarnation)
            return send_line(k->child.line, bytes, len, fd);
    return false;
}

static void flow(mst_launcher *self, bool read)
{
    local *l = (local *)self;
    kid *k;

    l->reading = read;
    TAILQ_FOREACH (k, &l->kids, link)
        for (int i = 0; i < 2; i++)
            mst_poll_mod(l->poll, &k->output[i], read ? EPOLLIN : 0);
}

static void free_env(char **env)
{
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        mst_free(env[i]);
    mst_free(env);
}

static void destroy(mst_launcher **self)
{
    local *l = (local *)*self;
    kid *k;

    TAILQ_FOREACH (k, &l->kids, link)
        kill(-k->child.pid, SIGKILL);
    while ((k = TAILQ_FIRST(&l->kids)) != NULL) {
        while (waitpid(k->child.pid, NULL, 0) < 0 && errno == EINTR)
            ;
        mst_free(k->lines[0].held);
        mst_free(k->lines[1].held);
        forget(k);
    }
    free_env(l->env);
    mst_meter_close(&l->meter);
    mst_free(l);
    *self = NULL;
}

/* The environment of a worker: PATH, HOME, LANG and TZ of ours, what ld.so and
 * the sanitizers need, and what was asked for. */
static char **make_env(const char *const *extra)
{
    static const char *const kept[] = {"PATH",
                                       "HOME",
                                       "LANG",
                                       "LC_ALL",
                                       "TZ",
                                       "TMPDIR",
                                       "LD_LIBRARY_PATH",
                                       "ASAN_OPTIONS",
                                       "UBSAN_OPTIONS",
                                       "TSAN_OPTIONS",
                                       "LSAN_OPTIONS"};
    const size_t nkept = sizeof(kept) / sizeof(kept[0]);
    size_t nextra = 0, n = 0;
    char **env;

    while (extra != NULL && extra[nextra] != NULL)
        nextra++;
    env = mst_calloc(nkept + nextra + 1, sizeof(*env));
    if (env == NULL)
        return NULL;
    for (size_t i = 0; i < nkept; i++) {
        const char *value = getenv(kept[i]);

        if (value != NULL && asprintf(&env[n++], "%s=%s", kept[i], value) < 0) {
            env[--n] = NULL;
            free_env(env);
            return NULL;
        }
    }
    for (size_t i = 0; i < nextra; i++) {
        env[n] = mst_strdup(extra[i]);
        if (env[n++] == NULL) {
            free_env(env);
            return NULL;
        }
    }
    return env;
}

muster_err mst_local_create(mst_launcher **launcher, mst_poll *poll,
                            mst_log *log, const char *worker,
                            const char *const *env, mst_report_fn report,
                            void *arg, muster_error *err)
{
    local *l = mst_calloc(1, sizeof(*l));

    if (l == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "local launcher");
    l->base = (mst_launcher){.name = "local",
                             .reads_output = true,
                             .descriptors = 6, /* its process has four */
                             .again_ms = 100,
                             .story_ms = 50,
                             .listen = "127.0.0.1",
                             .start = start,
                             .end = end,
                             .ready = ready,
                             .pass = pass,
                             .flow = flow,
                             .destroy = destroy};
    l->poll = poll;
    l->log = log;
    l->report = report;
    l->arg = arg;
    l->reading = true;
    mst_meter_open_oom(&l->meter, "/proc/self", "/proc/self");
    TAILQ_INIT(&l->kids);
    snprintf(l->worker, sizeof(l->worker), "%s", worker);
    l->env = make_env(env);
    if (l->env == NULL) {
        mst_meter_close(&l->meter);
        mst_free(l);
        return mst_fail(err, MUSTER_ENOMEM, "a worker's environment");
    }
    *launcher = &l->base;
    return MUSTER_OK;
}
