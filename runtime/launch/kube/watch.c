#include "launch/kube/watch.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/sync.h"
#include "launch/kube/json.h"
#include "launch/kube/refusal.h"
#include "launch/kube/retry.h"

#define PATH_BYTES 1024
#define LIST_MS 2000    /* of one list, with its tries; then it is "away" */
#define WATCH_S 280     /* of one watch: servers end them after 5 to 10 min */
#define QUIET_MS 150000 /* bookmarks come about each minute */
#define SHORT_MS 1000   /* a watch that ends sooner is not begun at once */

struct mst_kube_watch {
    mst_kube_http *http;
    mst_kube_access *access;
    mst_log *log;
    mst_kube_watch_calls calls;
    void *arg;
    char *selector; /* escaped */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool stop; /* with the lock */
    /* the thread's own */
    char version[64]; /* where the next watch begins; "": list first */
    cJSON *known;     /* {"metadata": ...} of each Pod, by name */
    mst_kube_lines lines;
    bool away;
    int tries; /* that failed in a row */
};

/* False: it is to stop. */
static bool pause_for(mst_kube_watch *w, int64_t ms)
{
    const int64_t until = mst_until_ms(ms);
    bool stop;

    pthread_mutex_lock(&w->lock);
    while (!w->stop && mst_now_ms() < until)
        mst_cond_wait_until(&w->cond, &w->lock, until);
    stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return !stop;
}

static void is_away(mst_kube_watch *w, const muster_error *err)
{
    w->tries++;
    if (!w->away)
        w->calls.away(w->arg, true, err);
    w->away = true;
}

static void is_back(mst_kube_watch *w)
{
    w->tries = 0;
    if (w->away)
        w->calls.away(w->arg, false, NULL);
    w->away = false;
}

/* ---------------------------------------------------------- what is known --
 */

static const char *name_of(const cJSON *pod)
{
    return mst_json_str(pod, "metadata.name");
}

/* Its metadata is enough to say later that it is gone. */
static void know(mst_kube_watch *w, const cJSON *pod)
{
    const char *name = name_of(pod);
    const cJSON *metadata = mst_json_object(pod, "metadata");
    cJSON *entry;

    if (name == NULL || metadata == NULL)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(w->known, name);
    entry = cJSON_AddObjectToObject(w->known, name);
    if (entry != NULL)
        (void)cJSON_AddItemToObject(entry, "metadata",
                                    cJSON_Duplicate(metadata, true));
}

static bool in_list(const cJSON *items, const char *name)
{
    const cJSON *pod;

    cJSON_ArrayForEach(pod, items)
    {
        const char *its = name_of(pod);

        if (its != NULL && strcmp(its, name) == 0)
            return true;
    }
    return false;
}

static void take_list(mst_kube_watch *w, const cJSON *list)
{
    const cJSON *items = mst_json_list(list, "items");
    cJSON *before = w->known;
    const cJSON *pod;

    w->known = cJSON_CreateObject();
    cJSON_ArrayForEach(pod, before)
    {
        if (!in_list(items, pod->string))
            w->calls.pod(w->arg, MST_KUBE_DELETED, pod);
    }
    cJSON_ArrayForEach(pod, items)
    {
        w->calls.pod(w->arg,
                     cJSON_GetObjectItemCaseSensitive(
                         before, name_of(pod) != NULL ? name_of(pod) : "") !=
                             NULL
                         ? MST_KUBE_MODIFIED
                         : MST_KUBE_ADDED,
                     pod);
        know(w, pod);
    }
    cJSON_Delete(before);
}

static void keep_version(mst_kube_watch *w, const cJSON *object)
{
    const char *version = mst_json_str(object, "metadata.resourceVersion");

    if (version != NULL && strlen(version) < sizeof(w->version))
        snprintf(w->version, sizeof(w->version), "%s", version);
}

static bool on_event(void *arg, mst_kube_event event, const cJSON *object)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;

    switch (event) {
    case MST_KUBE_ADDED:
    case MST_KUBE_MODIFIED:
        know(w, object);
        w->calls.pod(w->arg, event, object);
        break;
    case MST_KUBE_DELETED:
        if (name_of(object) != NULL)
            cJSON_DeleteItemFromObjectCaseSensitive(w->known, name_of(object));
        w->calls.pod(w->arg, event, object);
        break;
    case MST_KUBE_BOOKMARK:
        break;
    case MST_KUBE_ERROR: /* 410: too old; others: begin anew, too */
    case MST_KUBE_STRANGE:
        w->version[0] = '\0';
        return false;
    }
    keep_version(w, object);
    return true;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;

    is_back(w);
    return mst_kube_lines_take(&w->lines, data, len);
}

/* ---------------------------------------------------------- list, watch -- */

/* It may be different next time; else it is a refusal. */
static bool may_pass(const mst_kube_request *r)
{
    return r->rc != MUSTER_EDENIED || mst_retry_status(r->status) ||
           r->status == 401;
}

/* False: it cannot go on. */
static bool failed(mst_kube_watch *w, const mst_kube_request *r)
{
    if (r->rc == MUSTER_ECANCELED)
        return false;
    if (may_pass(r)) {
        is_away(w, &r->err);
        return pause_for(w, mst_retry_delay_ms(w->tries, -1));
    }
    w->calls.failed(w->arg, &r->err);
    return false;
}

static bool list(mst_kube_watch *w)
{
    char path[PATH_BYTES];
    mst_kube_request r = {
        .what = {"list", "pods", mst_kube_namespace(w->access), NULL},
        .method = "GET",
        .path = path,
        .until_ms = mst_until_ms(LIST_MS)};
    bool go_on = true;

    snprintf(path, sizeof(path), "/api/v1/namespaces/%s/pods?labelSelector=%s",
             mst_kube_namespace(w->access), w->selector);
    if (mst_kube_http_run(w->http, &r, 1)) {
        is_back(w);
        take_list(w, r.answer);
        keep_version(w, r.answer);
        if (w->version[0] == '\0') { /* a list that says no version */
            w->tries++;
            go_on = pause_for(w, mst_retry_delay_ms(w->tries, -1));
        }
    } else {
        go_on = failed(w, &r);
    }
    mst_kube_request_fini(&r);
    return go_on;
}

static bool watch(mst_kube_watch *w)
{
    char path[PATH_BYTES];
    mst_kube_request r = {
        .what = {"watch", "pods", mst_kube_namespace(w->access), NULL},
        .method = "GET",
        .path = path,
        .until_ms = MST_NEVER};
    const int64_t begun = mst_now_ms();
    bool go_on = true;

    snprintf(path, sizeof(path),
             "/api/v1/namespaces/%s/pods?watch=1&allowWatchBookmarks=true"
             "&resourceVersion=%s&timeoutSeconds=%u&labelSelector=%s",
             mst_kube_namespace(w->access), w->version,
             WATCH_S + randombytes_uniform(WATCH_S / 4), w->selector);
    (void)mst_kube_http_stream(w->http, &r, QUIET_MS, on_data, w);
    mst_kube_lines_fini(&w->lines);
    if (r.status == 410)
        w->version[0] = '\0';
    else if (r.rc != MUSTER_OK)
        go_on = failed(w, &r);
    /* what ends at once, again and again, is not asked for without a pause */
    if (go_on && (r.rc == MUSTER_OK || r.status == 410) &&
        mst_now_ms() - begun < SHORT_MS)
        go_on = pause_for(w, mst_retry_delay_ms(1, -1));
    mst_kube_request_fini(&r);
    return go_on;
}

static void *run(void *arg)
{
    mst_kube_watch *w = (mst_kube_watch *)arg;

    while (w->version[0] == '\0' ? list(w) : watch(w))
        ;
    return NULL;
}

/* -------------------------------------------------------- begin and end -- */

static void destroy(mst_kube_watch *w)
{
    mst_kube_http_destroy(&w->http);
    mst_kube_lines_fini(&w->lines);
    cJSON_Delete(w->known);
    mst_free(w->selector);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->cond);
    mst_free(w);
}

muster_err mst_kube_watch_start(mst_kube_access *access, mst_log *log,
                                const char *selector,
                                const mst_kube_watch_calls *calls, void *arg,
                                mst_kube_watch **out, muster_error *err)
{
    mst_kube_watch *w = mst_calloc(1, sizeof(*w));
    muster_err rc = MUSTER_OK;

    if (w == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a watch");
    w->access = access;
    w->log = log;
    w->calls = *calls;
    w->arg = arg;
    w->lines.fn = on_event;
    w->lines.arg = w;
    pthread_mutex_init(&w->lock, NULL);
    mst_cond_init(&w->cond);
    w->selector = mst_kube_escape(selector);
    w->known = cJSON_CreateObject();
    if (w->selector == NULL || w->known == NULL)
        rc = mst_fail(err, MUSTER_ENOMEM, "a watch");
    if (rc == MUSTER_OK)
        rc = mst_kube_http_create(access, log, &w->http, err);
    if (rc == MUSTER_OK && pthread_create(&w->thread, NULL, run, w) != 0)
        rc = mst_fail(err, MUSTER_ENOMEM, "a thread for the watch");
    if (rc == MUSTER_OK)
        *out = w;
    else
        destroy(w);
    return rc;
}

void mst_kube_watch_stop(mst_kube_watch **watchp)
{
    mst_kube_watch *w = *watchp;

    *watchp = NULL;
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
    mst_kube_http_stop(w->http);
    pthread_join(w->thread, NULL);
    destroy(w);
}
