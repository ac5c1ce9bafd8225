#include "rig.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sync.h"

#define CLOSE_MS 1500 /* beyond the grace */

static rig *left_open; /* by the running test */

/* ----------------------------------------------------------- what it says --
 */

/* Tests cannot go on without memory for what they record. */
static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void on_event(void *arg, const muster_event *event)
{
    rig *r = (rig *)arg;
    rig_event *e = must(calloc(1, sizeof(*e)));

    e->event = *event;
    snprintf(e->text, sizeof(e->text), "%s", event->text);
    e->event.text = e->text;
    pthread_mutex_lock(&r->lock);
    STAILQ_INSERT_TAIL(&r->events, e, link);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void on_output(void *arg, uint32_t rank, int stream, const char *line,
                      size_t len)
{
    rig *r = (rig *)arg;
    rig_line *l = must(calloc(1, sizeof(*l) + len + 1));

    l->rank = rank;
    l->stream = stream;
    l->len = len;
    memcpy(l->text, line, len);
    pthread_mutex_lock(&r->lock);
    STAILQ_INSERT_TAIL(&r->lines, l, link);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void on_log(void *arg, muster_level level, const char *id,
                   const char *text)
{
    rig *r = (rig *)arg;
    rig_log *l = must(calloc(1, sizeof(*l)));

    (void)level;
    snprintf(l->id, sizeof(l->id), "%s", id);
    snprintf(l->text, sizeof(l->text), "%s", text);
    pthread_mutex_lock(&r->lock);
    STAILQ_INSERT_TAIL(&r->logs, l, link);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* ------------------------------------------------------------- up, down -- */

muster_options rig_options(void)
{
    muster_options o = MUSTER_OPTIONS_INIT;

    o.launcher = MUSTER_LAUNCHER_LOCAL;
    o.worker = RIG_WORKER;
    o.pending_timeout_ms = 2 * RIG_WAIT_MS;
    o.heartbeat_timeout_ms = RIG_WAIT_MS;
    o.call_timeout_ms = RIG_WAIT_MS;
    o.grace_ms = 500;
    o.log_level = MUSTER_LOG_INFO;
    return o;
}

rig *rig_open(const muster_options *options)
{
    const struct rlimit no_core = {0, 0};
    muster_options o = options != NULL ? *options : rig_options();
    rig *r = must(calloc(1, sizeof(*r)));
    muster_err rc;

    assert_null(left_open);
    setrlimit(RLIMIT_CORE, &no_core);
    pthread_mutex_init(&r->lock, NULL);
    mst_cond_init(&r->changed);
    STAILQ_INIT(&r->events);
    STAILQ_INIT(&r->lines);
    STAILQ_INIT(&r->logs);
    left_open = r;
    o.on_event = on_event;
    o.on_output = on_output;
    o.on_log = on_log;
    o.arg = r;
    r->grace_ms = o.grace_ms;
    rc = muster_open(&o, &r->m, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    return r;
}

void rig_launch(rig *r, uint32_t n)
{
    uint32_t nready = 0;
    const muster_err rc = muster_launch(r->m, n, 0, &nready, &r->err);

    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(nready, n);
}

rig *rig_up_with(const muster_options *options, uint32_t n)
{
    rig *r = rig_open(options);
    muster_err rc;

    rig_launch(r, n);
    rc = muster_module_ship(r->m, RIG_HANDLERS, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    return r;
}

rig *rig_up(uint32_t n)
{
    return rig_up_with(NULL, n);
}

#define FREE_ALL(head, type)                                                   \
    for (type *it = STAILQ_FIRST(head), *after; it != NULL; it = after) {      \
        after = STAILQ_NEXT(it, link);                                         \
        free(it);                                                              \
    }

static void close_and_free(rig *r)
{
    left_open = NULL;
    muster_close(&r->m);
    FREE_ALL(&r->events, rig_event)
    FREE_ALL(&r->lines, rig_line)
    FREE_ALL(&r->logs, rig_log)
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r->answer);
    free(r);
}

void rig_down(rig **r)
{
    const int64_t began = rig_now_ms();
    const int64_t limit = (*r)->grace_ms + CLOSE_MS;

    close_and_free(*r);
    *r = NULL;
    if (rig_now_ms() - began > limit * RIG_SLOW)
        assert_within("muster_close", began, limit);
}

int rig_teardown(void **state)
{
    (void)state;
    if (left_open != NULL)
        close_and_free(left_open);
    return 0;
}

/* ---------------------------------------------------------------- calls -- */

muster_err rig_call(rig *r, uint32_t rank, const char *name, const char *body,
                    int64_t timeout_ms)
{
    muster_reply *reply = NULL;
    muster_err rc;

    r->err = (muster_error){0};
    free(r->answer);
    r->answer = NULL;
    rc = muster_call(r->m, rank, name, body, body != NULL ? strlen(body) : 0,
                     timeout_ms, &reply, &r->err);
    if (rc != MUSTER_OK)
        return rc;
    r->answer = must(malloc(reply->len + 1));
    memcpy(r->answer, reply->data, reply->len + 1);
    muster_reply_destroy(&reply);
    return rc;
}

muster_future *rig_start(rig *r, uint32_t rank, const char *name,
                         const char *body)
{
    muster_future *future = NULL;
    const muster_err rc =
        muster_call_start(r->m, rank, name, body, strlen(body),
                          MUSTER_DEFAULT_MS, &future, &r->err);

    assert_code(rc, MUSTER_OK, r->err);
    return future;
}

muster_err rig_result(rig *r, muster_future **future)
{
    muster_err rc;

    assert_true(muster_future_wait(*future, RIG_WAIT_MS));
    r->err = (muster_error){0};
    rc = muster_future_result(*future, NULL, &r->err);
    muster_future_destroy(future);
    return rc;
}

void rig_alive(rig *r, uint32_t n)
{
    uint32_t ranks[64];
    const size_t have = muster_ranks(r->m, ranks, 64);

    assert_int_equal(have, n);
    for (size_t i = 0; i < have; i++) {
        const muster_err rc = rig_call(r, ranks[i], "echo", "alive", 0);

        assert_code(rc, MUSTER_OK, r->err);
        assert_string_equal(r->answer, "alive");
    }
}

pid_t rig_pid(rig *r, uint32_t rank)
{
    muster_info info;
    const muster_err rc = muster_worker_info(r->m, rank, &info, &r->err);

    assert_code(rc, MUSTER_OK, r->err);
    assert_true(info.pid > 1);
    return (pid_t)info.pid;
}

/* Of the first of its threads that goes on; 0: none does. */
static char goes_on(pid_t pid)
{
    char path[64], line[512];
    char state = 0;
    const struct dirent *entry;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    while (state == 0 && tasks != NULL && (entry = readdir(tasks)) != NULL) {
        FILE *file;
        const char *after;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid,
                 entry->d_name);
        file = fopen(path, "r");
        if (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            after = strrchr(line, ')');
            state = after != NULL && strchr("TtXZ", after[2]) == NULL ? after[2]
                                                                      : 0;
        }
        if (file != NULL)
            fclose(file);
    }
    if (tasks != NULL)
        closedir(tasks);
    return state;
}

void rig_stop(pid_t pid)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    assert_int_equal(kill(pid, SIGSTOP), 0);
    while (goes_on(pid) != 0 && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_int_equal(goes_on(pid), 0);
}

int rig_descriptors_of(pid_t pid)
{
    char path[64];
    int n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

int rig_descriptors(void)
{
    return rig_descriptors_of(getpid());
}

long rig_status_kib(pid_t pid, const char *line)
{
    const size_t len = strlen(line);
    char path[64], text[256];
    long kib = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    assert_non_null(f);
    while (kib < 0 && fgets(text, sizeof(text), f) != NULL)
        if (strncmp(text, line, len) == 0 && text[len] == ':')
            kib = strtol(text + len + 1, NULL, 10);
    fclose(f);
    assert_true(kib > 0);
    return kib;
}

long rig_resident_kib(pid_t pid)
{
    return rig_status_kib(pid, "VmRSS");
}

/* ----------------------------------------------------- what was reported -- */

bool rig_wait(rig *r, bool (*fn)(rig *r, void *arg), void *arg,
              int64_t timeout_ms)
{
    const int64_t until = mst_until_ms(timeout_ms);
    bool yes;

    pthread_mutex_lock(&r->lock);
    while (!(yes = fn(r, arg)))
        if (!mst_cond_wait_until(&r->changed, &r->lock, until))
            break;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

typedef struct query {
    uint32_t rank;
    muster_state to;
    const char *text, *id;
    void *found;
} query;

static bool find_event(rig *r, void *arg)
{
    query *q = (query *)arg;
    rig_event *e;

    STAILQ_FOREACH (e, &r->events, link)
        if (e->event.rank == q->rank && e->event.to == q->to) {
            q->found = e;
            return true;
        }
    return false;
}

const rig_event *rig_event_to(rig *r, uint32_t rank, muster_state to,
                              int64_t timeout_ms)
{
    query q = {.rank = rank, .to = to};

    rig_wait(r, find_event, &q, timeout_ms);
    return q.found;
}

static bool find_line(rig *r, void *arg)
{
    query *q = (query *)arg;
    rig_line *l;

    STAILQ_FOREACH (l, &r->lines, link)
        if (!l->taken && (q->rank == 0 || l->rank == q->rank) &&
            strncmp(l->text, q->text, strlen(q->text)) == 0) {
            l->taken = true;
            q->found = l;
            return true;
        }
    return false;
}

const rig_line *rig_take_line(rig *r, uint32_t rank, const char *begins,
                              int64_t timeout_ms)
{
    query q = {.rank = rank, .text = begins};

    rig_wait(r, find_line, &q, timeout_ms);
    return q.found;
}

static bool find_log(rig *r, void *arg)
{
    const query *q = (query *)arg;
    const rig_log *l;

    STAILQ_FOREACH (l, &r->logs, link)
        if (strcmp(l->id, q->id) == 0 && strstr(l->text, q->text) != NULL)
            return true;
    return false;
}

bool rig_logged(rig *r, const char *id, const char *words, int64_t timeout_ms)
{
    query q = {.id = id, .text = words};

    return rig_wait(r, find_log, &q, timeout_ms);
}

/* ----------------------------------------------------------- assertions -- */

int64_t rig_now_ms(void)
{
    return mst_now_ms();
}

void rig_assert_code(muster_err got, muster_err want, const char *text,
                     const char *file, int line)
{
    if (got == want)
        return;
    print_error("got \"%s\", want \"%s\"; text: %s\n", muster_strerror(got),
                muster_strerror(want), got != MUSTER_OK ? text : "");
    _fail(file, line);
}

void rig_assert_words(const char *text, const char *const *words,
                      const char *file, int line)
{
    for (; *words != NULL; words++) {
        if (strstr(text, *words) != NULL)
            continue;
        print_error("no \"%s\" in \"%s\"\n", *words, text);
        _fail(file, line);
    }
}

/* How many want each processor: so much longer may everything take. */
static double crowd(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    double load = 0;

    if (n < 1 || getloadavg(&load, 1) != 1 || load < (double)n)
        return 1;
    return load / (double)n;
}

void rig_assert_within(const char *what, int64_t began_ms, int64_t limit_ms,
                       const char *file, int line)
{
    const int64_t took = rig_now_ms() - began_ms;
    const double limit = (double)(limit_ms * RIG_SLOW) * crowd();

    print_message("           %s: %.3f s\n", what, (double)took / 1000);
    if ((double)took <= limit)
        return;
    print_error("%s took %lld ms, not %.0f\n", what, (long long)took, limit);
    _fail(file, line);
}
