#include "launch/kube/watch.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "launch/kube/json.h"
#include "launch/kube/known.h"
#include "launch/kube/tries.h"

#define LIST_MS 60000
#define STREAM_S 280 /* and up to STREAM_MORE_S more */
#define STREAM_MORE_S 20
#define STREAM_SPARE_MS 30000
#define QUIET_MS 90000 /* bookmarks come about every minute */
#define SHORT_MS 1000  /* a stream that ends sooner has not worked */
/* How long an API server that has just started may refuse what it allowed
 * before. */
#define REFUSED_MS 15000

struct mst_kube_watch {
    mst_kube_http *http;
    mst_log *log;
    mst_kube_watch_calls calls;
    void *arg;
    char *ns, *selector; /* the selector is escaped */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopped; /* under the lock */

    /* of the thread */
    mst_known known;
    mst_kube_lines lines;
    char version[128]; /* where to go on; "": list */
    int failures;      /* one after the other */
    bool away;
    bool listed, watched;     /* was allowed once */
    int64_t refused_since_ms; /* or 0 */
    int64_t retry_after_ms;
};

/* ---------------------------------------------------------------- telling --
 */

static void tell_pod(void *arg, mst_kube_event event, const cJSON *pod)
{
    const mst_kube_watch *w = (const mst_kube_watch *)arg;

    w->calls.pod(w->arg, event, pod);
}

static void is_away(mst_kube_watch *w, const muster_error *err)
{
    if (w->away)
        return;
    w->away = true;
    w->calls.away(w->arg, true, err);
}

/* The server answered as it should. */
static void is_back(mst_kube_watch *w)
{
    w->refused_since_ms = 0;
    w->retry_after_ms = 0;
    if (!w->away)
        return;
    w->away = false;
    w->calls.away(w->arg, false, NULL);
}

/* ----------------------------------------------------------------- waiting --
 */

static bool is_stopped(mst_kube_watch *w)
{
    bool stopped;

    pthread_mutex_lock(&w->lock);
    stopped = w->stopped;
    pthread_mutex_unlock(&w->lock);
    return stopped;
}

/* After a failure, until the next try. */
static void pause_a_while(mst_kube_watch *w)
{
    int64_t delay = mst_tries_delay_ms(w->failures);
    int64_t until_ms;

    if (w->retry_after_ms > 0)
        delay = w->retry_after_ms + delay / 2;
    w->failures++;
    w->retry_after_ms = 0;
    until_ms = mst_until_ms(delay);
    pthread_mutex_lock(&w->lock);
    while (!w->stopped && mst_cond_wait_until(&w->wake, &w->lock, until_ms))
        continue;
    pthread_mutex_unlock(&w->lock);
}

/* --------------------------------------------------------------- a failure --
 */

/* A refusal that will not change by itself: false, and `failed` was called. */
static bool may_go_on(mst_kube_watch *w, const mst_kube_request *request)
{
    const int64_t now = mst_now_ms();
    const long status = request->err.http;

    if (request->rc != MUSTER_EDENIED || status == 410 || status == 429 ||
        status >= 500) {
        w->refused_since_ms = 0; /* it may be another server that comes back */
        return true;
    }
    if (strcmp(request->what.verb, "watch") == 0 ? w->watched : w->listed) {
        /* RBAC and credentials are not all there when a server starts */
        if (w->refused_since_ms == 0)
            w->refused_since_ms = now;
        if (now - w->refused_since_ms < REFUSED_MS)
            return true;
    }
    w->calls.failed(w->arg, &request->err);
    return false;
}

/* False: it is over. */
static bool on_failure(mst_kube_watch *w, const mst_kube_request *request)
{
    if (request->rc == MUSTER_ECANCELED)
        return false;
    if (!may_go_on(w, request))
        return false;
    w->retry_after_ms = request->retry_after_ms;
    is_away(w, &request->err);
    return true;
}

/* -------------------------------------------------------------------- list --
 */

static bool set_version(mst_kube_watch *w, const cJSON *object)
{
    const char *version = mst_json_str(object, "metadata.resourceVersion");

    if (version == NULL || version[0] == '\0' ||
        strlen(version) >= sizeof(w->version))
        return false;
    memcpy(w->version, version, strlen(version) + 1);
    return true;
}

static mst_kube_request request_of(const mst_kube_watch *w, const char *verb,
                                   const char *path, int64_t timeout_ms)
{
    return (mst_kube_request){
        .what = {.verb = verb, .resource = "pods", .ns = w->ns},
        .method = "GET",
        .path = path,
        .until_ms = mst_until_ms(timeout_ms),
        .once = true,
    };
}

/* Without resourceVersion: the newest there is, not what a cache has, which
 * may be older than what was seen already. False: out of memory. */
static char *path_of(const mst_kube_watch *w, bool stream, unsigned seconds)
{
    MST_AUTO(mst_drop) char *ns = mst_kube_escape(w->ns);
    MST_AUTO(mst_drop) char *version = mst_kube_escape(w->version);
    const size_t bytes =
        3 * strlen(w->ns) + strlen(w->selector) + 3 * sizeof(w->version) + 256;
    char *path = mst_alloc(bytes);

    if (ns == NULL || version == NULL || path == NULL) {
        mst_free(path);
        return NULL;
    }
    if (stream)
        snprintf(path, bytes,
                 "/api/v1/namespaces/%s/pods?labelSelector=%s&watch=1"
                 "&allowWatchBookmarks=true&timeoutSeconds=%u"
                 "&resourceVersion=%s",
                 ns, w->selector, seconds, version);
    else
        snprintf(path, bytes, "/api/v1/namespaces/%s/pods?labelSelector=%s", ns,
                 w->selector);
    return path;
}

/* What was answered into events. MUSTER_OK, or why not. */
static muster_err take_list(mst_kube_watch *w, mst_kube_request *request)
{
    const cJSON *items = mst_json_at(request->answer, "items");
    mst_known_rc rc = MST_KNOWN_STRANGE;

    /* an empty list may be null */
    if (cJSON_IsArray(items) || cJSON_IsNull(items))
        rc = mst_known_list(&w->known, items, tell_pod, w);
    if (rc == MST_KNOWN_NOMEM)
        return mst_fail(&request->err, MUSTER_ENOMEM, "list pods");
    if (rc != MST_KNOWN_OK || !set_version(w, request->answer)) {
        w->version[0] = '\0';
        return mst_fail(&request->err, MUSTER_ENOSERVER,
                        "list pods in namespace %s: the answer is no list of "
                        "Pods; is a proxy in between?",
                        w->ns);
    }
    return MUSTER_OK;
}

/* False: it is over. */
static bool list(mst_kube_watch *w)
{
    MST_AUTO(mst_drop) char *path = path_of(w, false, 0);
    mst_kube_request request = request_of(w, "list", path, LIST_MS);
    bool go_on = true;

    if (path == NULL) {
        pause_a_while(w);
        return true;
    }
    if (mst_kube_http_run(w->http, &request, 1))
        request.rc = take_list(w, &request);
    if (request.rc == MUSTER_OK) {
        is_back(w);
        w->listed = true;
    } else {
        go_on = on_failure(w, &request);
        if (go_on)
            pause_a_while(w);
    }
    mst_kube_request_fini(&request);
    return go_on;
}

/* ------------------------------------------------------------------ stream --
 */

static void relist(mst_kube_watch *w, const char *why)
{
    mst_log_line(w->log, MUSTER_LOG_INFO, "KUBE-RELIST", "why=\"%s\"", why);
    w->version[0] = '\0';
}

/* False: the stream is of no more use. */
static bool take_event(void *arg, mst_kube_event event, const cJSON *object)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;
    mst_known_rc rc;

    switch (event) {
    case MST_KUBE_ERROR:
        if (mst_json_int(object, "code", 0) != 410)
            w->failures++;
        relist(w, mst_json_str(object, "message") != NULL
                      ? mst_json_str(object, "message")
                      : "an ERROR event");
        return false;
    case MST_KUBE_STRANGE:
        relist(w, "a line that is no event");
        return false;
    case MST_KUBE_BOOKMARK:
        set_version(w, object);
        return true;
    default:
        break;
    }
    rc = mst_known_event(&w->known, event, object, tell_pod, w);
    if (rc == MST_KNOWN_OK && set_version(w, object)) {
        w->failures = 0;
        return true;
    }
    relist(w, rc == MST_KNOWN_NOMEM ? "no memory" : "an event without a Pod");
    return false;
}

static bool take_bytes(void *arg, const char *data, size_t len)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;

    if (len == 0) {
        is_back(w);
        return true;
    }
    if (mst_kube_lines_take(&w->lines, data, len))
        return true;
    if (w->lines.too_long)
        relist(w, "a line is too long, or no memory");
    return false;
}

/* The stream is over: is that a failure? False: it is all over. */
static bool after_stream(mst_kube_watch *w, mst_kube_request *request,
                         int64_t began_ms)
{
    const bool opened = request->status == 200;
    const bool quick = mst_now_ms() - began_ms < SHORT_MS;

    if (request->rc == MUSTER_ECANCELED)
        return false;
    w->watched = w->watched || opened || request->status == 410;
    if (request->status == 410) {
        relist(w, "410 Gone");
    } else if (!opened && request->rc != MUSTER_OK) {
        if (!on_failure(w, request))
            return false;
        pause_a_while(w);
        return true;
    }
    if (quick && w->failures++ > 0)
        pause_a_while(w);
    else if (!quick)
        w->failures = 0;
    return true;
}

static bool stream(mst_kube_watch *w)
{
    const unsigned seconds = STREAM_S + randombytes_uniform(STREAM_MORE_S + 1);
    MST_AUTO(mst_drop) char *path = path_of(w, true, seconds);
    mst_kube_request request =
        request_of(w, "watch", path, (int64_t)seconds * 1000 + STREAM_SPARE_MS);
    const int64_t began_ms = mst_now_ms();
    bool go_on;

    if (path == NULL) {
        pause_a_while(w);
        return true;
    }
    w->lines = (mst_kube_lines){.fn = take_event, .arg = w};
    mst_kube_http_stream(w->http, &request, QUIET_MS, take_bytes, w);
    mst_kube_lines_fini(&w->lines);
    go_on = after_stream(w, &request, began_ms);
    mst_kube_request_fini(&request);
    return go_on;
}

static void *run(void *arg)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;
    bool go_on = true;

    while (go_on && !is_stopped(w))
        go_on = w->version[0] == '\0' ? list(w) : stream(w);
    return NULL;
}

/* ------------------------------------------------------------- start, stop --
 */

static void destroy(mst_kube_watch **watch)
{
    mst_kube_watch *w = *watch;

    mst_kube_http_destroy(&w->http);
    mst_known_fini(&w->known);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    mst_free(w->ns);
    mst_free(w->selector);
    mst_free(w);
    *watch = NULL;
}

/* Signals are for the program's own threads. */
static int begin_thread(mst_kube_watch *w)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

muster_err mst_kube_watch_start(mst_kube_access *access, mst_log *log,
                                const char *selector,
                                const mst_kube_watch_calls *calls, void *arg,
                                mst_kube_watch **watch, muster_error *err)
{
    mst_kube_watch *w = mst_calloc(1, sizeof(*w));
    muster_err rc;
    int sys;

    if (w == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a watch of Pods");
    pthread_mutex_init(&w->lock, NULL);
    sys = mst_cond_init(&w->wake);
    if (sys != 0) {
        pthread_mutex_destroy(&w->lock);
        mst_free(w);
        return mst_fail_sys(err, sys, "a watch of Pods");
    }
    w->log = log;
    w->calls = *calls;
    w->arg = arg;
    w->ns = mst_strdup(mst_kube_namespace(access));
    w->selector = mst_kube_escape(selector);
    rc = w->ns != NULL && w->selector != NULL
             ? mst_kube_http_create(access, log, &w->http, err)
             : mst_fail(err, MUSTER_ENOMEM, "a watch of Pods");
    if (rc == MUSTER_OK) {
        sys = begin_thread(w);
        if (sys != 0)
            rc = mst_fail_sys(err, sys, "start the watch of Pods");
    }
    if (rc != MUSTER_OK) {
        destroy(&w);
        return rc;
    }
    *watch = w;
    return MUSTER_OK;
}

void mst_kube_watch_stop(mst_kube_watch **watch)
{
    mst_kube_watch *w = *watch;

    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    mst_kube_http_stop(w->http);
    pthread_join(w->thread, NULL);
    destroy(watch);
}
