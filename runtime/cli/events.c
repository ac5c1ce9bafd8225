#include "cli/events.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/jsonl.h"

#define SCHEMA 1
#define LINE_BYTES 16384 /* texts are at most 1 KiB, six times when escaped */

bool mst_events_open(mst_events *e, const char *path)
{
    *e = (mst_events){.path = path, .fd = -1};
    if (path == NULL)
        return true;
    e->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (e->fd >= 0)
        return true;
    fprintf(stderr, "muster run: cannot write %s: %s\n", path, strerror(errno));
    return false;
}

/* A reader that went away is an error like any other, not the end of the run.
 * The signal is for this thread, and blocked in it. */
static ssize_t write_quietly(int fd, const char *text, size_t len)
{
    const struct timespec now = {0, 0};
    sigset_t broken, before;
    ssize_t n;
    int why;

    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    why = errno;
    if (n < 0 && why == EPIPE)
        (void)sigtimedwait(&broken, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return n;
}

/* Whole lines or nothing: what a full disk cut off is taken back. */
static int write_line(const mst_events *e, const char *text, size_t len)
{
    size_t done = 0;
    struct stat info;

    while (done < len) {
        const ssize_t n = write_quietly(e->fd, text + done, len - done);

        if (n <= 0) {
            const int why = n < 0 ? errno : ENOSPC;

            if (done > 0 && fstat(e->fd, &info) == 0 && S_ISREG(info.st_mode) &&
                ftruncate(e->fd, info.st_size - (off_t)done) != 0)
                return errno;
            return why;
        }
        done += (size_t)n;
    }
    return 0;
}

static bool finish(mst_events *e, mst_jsonl *j)
{
    const int why =
        mst_jsonl_end(j) ? write_line(e, j->text, j->len) : EMSGSIZE;

    if (why == 0)
        return true;
    close(e->fd);
    e->fd = -1;
    errno = why;
    return false;
}

static void put_time(mst_jsonl *j, int64_t time_ms, int64_t mono_ms)
{
    const time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    char text[32];
    size_t n;

    gmtime_r(&seconds, &parts);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(time_ms % 1000));
    mst_jsonl_str(j, "time", text);
    mst_jsonl_int(j, "mono_ms", mono_ms);
}

static void put_now(mst_jsonl *j)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    put_time(j, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
             mst_now_ms());
}

bool mst_events_begin(mst_events *e, const mst_run_options *o, const muster *m)
{
    char line[LINE_BYTES], host[256] = "";
    mst_jsonl j;

    if (e->fd < 0)
        return true;
    gethostname(host, sizeof(host) - 1);
    snprintf(e->session, sizeof(e->session), "%s", muster_session(m));
    mst_jsonl_begin(&j, line, sizeof(line));
    mst_jsonl_str(&j, "event", "begin");
    mst_jsonl_int(&j, "schema", SCHEMA);
    put_now(&j);
    mst_jsonl_str(&j, "session", e->session);
    mst_jsonl_str(&j, "version", muster_version());
    mst_jsonl_str(&j, "host", host);
    mst_jsonl_int(&j, "pid", getpid());
    mst_jsonl_str(&j, "endpoint", muster_endpoint(m));
    mst_jsonl_str(&j, "script", o->script);
    mst_jsonl_uint(&j, "workers", o->n);
    mst_jsonl_uint(&j, "min", o->min > 0 ? o->min : o->n);
    if (finish(e, &j))
        return true;
    fprintf(stderr, "muster run: cannot write %s: %s\n", e->path,
            strerror(errno));
    return false;
}

static void put_known(mst_jsonl *j, const char *name, uint64_t value)
{
    if (value != MUSTER_UNKNOWN)
        mst_jsonl_uint(j, name, value);
}

static void put_health(mst_jsonl *j, const muster_health *h)
{
    if (h->age_ms < 0)
        return;
    mst_jsonl_open(j, "health");
    mst_jsonl_int(j, "age_ms", h->age_ms);
    put_known(j, "memory_bytes", h->memory_bytes);
    put_known(j, "memory_limit_bytes", h->memory_limit_bytes);
    put_known(j, "rss_bytes", h->rss_bytes);
    put_known(j, "oom_kills", h->oom_kills);
    put_known(j, "throttled", h->throttled);
    put_known(j, "throttled_us", h->throttled_us);
    mst_jsonl_uint(j, "handlers", h->handlers);
    if (h->handler[0] != '\0') {
        mst_jsonl_str(j, "handler", h->handler);
        mst_jsonl_int(j, "handler_ms", h->handler_ms);
    }
    mst_jsonl_close(j);
}

static void put_worker(mst_jsonl *j, const muster_info *info)
{
    if (info->name[0] != '\0')
        mst_jsonl_str(j, "name", info->name);
    if (info->node[0] != '\0')
        mst_jsonl_str(j, "node", info->node);
    if (info->pid > 0)
        mst_jsonl_int(j, "pid", info->pid);
    if (info->exit_status >= 0)
        mst_jsonl_int(j, "exit_status", info->exit_status);
    if (info->exit_signal > 0)
        mst_jsonl_int(j, "exit_signal", info->exit_signal);
    put_health(j, &info->health);
}

static void lost_the_file(const mst_events *e)
{
    fprintf(stderr,
            "muster run: cannot write %s: %s; the run goes on, its events are "
            "not written from here on\n",
            e->path, strerror(errno));
}

void mst_events_state(mst_events *e, const muster_event *event)
{
    char line[LINE_BYTES];
    mst_jsonl j;

    if (e->fd < 0)
        return;
    mst_jsonl_begin(&j, line, sizeof(line));
    mst_jsonl_str(&j, "event", "state");
    put_time(&j, event->time_ms, event->mono_ms);
    mst_jsonl_str(&j, "session", e->session);
    mst_jsonl_uint(&j, "rank", event->rank);
    mst_jsonl_uint(&j, "incarnation", event->incarnation);
    mst_jsonl_str(&j, "from", muster_state_name(event->from));
    mst_jsonl_str(&j, "to", muster_state_name(event->to));
    mst_jsonl_str(&j, "code",
                  event->code == MUSTER_OK ? "MUSTER_OK" : "MUSTER_ELOST");
    mst_jsonl_str(&j, "text", event->text);
    put_worker(&j, event->info);
    if (!finish(e, &j))
        lost_the_file(e);
}

void mst_events_end(mst_events *e, int status)
{
    char line[LINE_BYTES];
    mst_jsonl j;

    if (e->fd < 0)
        return;
    mst_jsonl_begin(&j, line, sizeof(line));
    mst_jsonl_str(&j, "event", "end");
    put_now(&j);
    mst_jsonl_str(&j, "session", e->session);
    mst_jsonl_int(&j, "status", status);
    if (!finish(e, &j) || close(e->fd) != 0)
        lost_the_file(e);
    e->fd = -1;
}
