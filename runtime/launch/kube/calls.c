#include "launch/kube/calls.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/refusal.h"
#include "launch/kube/secret.h"

#define PATH_BYTES 512 /* names are checked: none needs to be escaped */
#define OWN_MS 15000   /* for the Pod that we are in */
#define TAIL_BYTES 8192

static void path_of(char path[PATH_BYTES], const char *ns, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

static void path_of(char path[PATH_BYTES], const char *ns, const char *format,
                    ...)
{
    const int n = snprintf(path, PATH_BYTES, "/api/v1/namespaces/%s", ns);
    va_list args;

    va_start(args, format);
    vsnprintf(path + n, PATH_BYTES - (size_t)n, format, args);
    va_end(args);
}

muster_err mst_calls_create_secret(mst_plan *plan, const char *name,
                                   const mst_secret_item *items, size_t n,
                                   bool *unclear, muster_error *err)
{
    char path[PATH_BYTES];
    MST_AUTO(mst_drop_guarded) char *text = NULL;
    size_t len = 0;
    mst_kube_request r = {.what = {"create", "secrets", plan->pod.ns, NULL},
                          .method = "POST",
                          .path = path,
                          .ours = true,
                          .until_ms = mst_until_ms(MST_CALLS_MS)};
    muster_err rc =
        mst_manifest_secret(&plan->pod, name, items, n, &text, &len, err);

    *unclear = false;
    if (rc != MUSTER_OK)
        return rc;
    path_of(path, plan->pod.ns, "/secrets");
    r.body = text;
    (void)mst_kube_http_run(plan->http, &r, 1);
    rc = r.rc;
    *unclear = rc != MUSTER_OK && r.unclear;
    if (rc != MUSTER_OK && err != NULL)
        *err = r.err;
    if (rc == MUSTER_EDENIED &&
        mst_refusal_of(r.status, r.answer) == MST_REFUSAL_RBAC)
        mst_fail(err, rc,
                 "%.800s; or --cookie-via env, which shows cookies "
                 "to whoever may read Pods",
                 r.err.text);
    if (rc != MUSTER_OK && err != NULL)
        err->http = r.status;
    mst_kube_request_fini(&r);
    return rc;
}

static void free_text(char **text)
{
    if (*text != NULL)
        sodium_memzero(*text, strlen(*text)); /* it may hold the cookie */
    free(*text);
    *text = NULL;
}

/* The manifest as text; cJSON's allocator made it. */
static char *manifest(mst_plan *plan, mst_call_pod *c)
{
    MST_AUTO(mst_drop_secret_json) cJSON *pod = NULL;
    char *text;

    c->rc = mst_manifest_pod(&plan->pod, c->rank, c->incarnation, c->secret,
                             c->cookie, &pod, &c->err);
    if (c->rc != MUSTER_OK)
        return NULL;
    text = cJSON_PrintUnformatted(pod);
    if (text == NULL)
        c->rc = mst_fail(&c->err, MUSTER_ENOMEM, "a manifest");
    return text;
}

void mst_calls_create_pods(mst_plan *plan, mst_call_pod *pods, size_t n)
{
    mst_kube_request requests[MST_KUBE_WIDTH];
    char *texts[MST_KUBE_WIDTH];
    size_t of[MST_KUBE_WIDTH], sent = 0;
    char path[PATH_BYTES];

    path_of(path, plan->pod.ns, "/pods");
    for (size_t i = 0; i < n; i++) {
        texts[sent] = manifest(plan, &pods[i]);
        if (texts[sent] == NULL)
            continue;
        of[sent] = i;
        requests[sent] = (mst_kube_request){
            .what = {"create", "pods", plan->pod.ns, pods[i].name},
            .method = "POST",
            .path = path,
            .body = texts[sent],
            .ours = true,
            .until_ms = mst_until_ms(MST_CALLS_MS)};
        sent++;
    }
    (void)mst_kube_http_run(plan->http, requests, sent);
    for (size_t k = 0; k < sent; k++) {
        mst_call_pod *c = &pods[of[k]];

        c->rc = requests[k].rc;
        c->err = requests[k].err;
        c->unclear = c->rc != MUSTER_OK && requests[k].unclear;
        mst_kube_request_fini(&requests[k]);
        free_text(&texts[k]);
    }
}

char *mst_calls_log_tail(mst_plan *plan, mst_log *log, const char *name,
                         bool *refused)
{
    char path[PATH_BYTES];
    mst_kube_request r = {.what = {"get", "pods/log", plan->pod.ns, name},
                          .method = "GET",
                          .path = path,
                          .until_ms = mst_until_ms(2000),
                          .text = true,
                          .most_bytes = TAIL_BYTES};
    char *tail;

    path_of(path, plan->pod.ns,
            "/pods/%s/log?container=" MST_CONTAINER "&tailLines=10"
            "&limitBytes=%d",
            name, TAIL_BYTES);
    (void)mst_kube_http_run(plan->http, &r, 1);
    *refused = r.rc == MUSTER_EDENIED &&
               mst_refusal_of(r.status, r.answer) == MST_REFUSAL_RBAC;
    if (*refused)
        mst_log_line(log, MUSTER_LOG_WARN, "KUBE-NO-LOGS", "why=%s",
                     r.err.text);
    tail = r.rc == MUSTER_OK ? MST_MOVE(r.said) : NULL;
    mst_kube_request_fini(&r);
    return tail;
}

/* False: it was stopped, or it stays, which is said and counted; not where it
 * may not be deleted at all, which is said, too. */
static bool dropped(mst_plan *plan, mst_kube_request *r, mst_log *log,
                    bool *refused)
{
    const bool stopped = r->rc == MUSTER_ECANCELED;
    const bool fine = r->rc == MUSTER_OK || r->status == 404 || stopped;
    bool again = stopped;

    if (!fine && mst_refusal_of(r->status, r->answer) == MST_REFUSAL_RBAC) {
        if (!*refused)
            mst_log_line(log, MUSTER_LOG_WARN, "KUBE-NO-DELETE",
                         "%s stay until their owner is deleted: why=%s",
                         r->what.resource, r->err.text);
        *refused = true;
    } else if (!fine) {
        again = true;
        (*(r->what.resource[0] == 'p' ? &plan->pods_stay
                                      : &plan->secrets_stay))++;
        mst_log_line(log, MUSTER_LOG_WARN, "KUBE-NOT-DELETED", "name=%s why=%s",
                     r->what.name, r->err.text);
    }
    mst_kube_request_fini(r);
    return !again;
}

void mst_calls_drop_pods(mst_plan *plan, mst_kube_http *http, mst_log *log,
                         mst_call_drop *drops, size_t n, int64_t until_ms,
                         bool *refused)
{
    mst_kube_request requests[MST_KUBE_WIDTH];
    char paths[MST_KUBE_WIDTH][PATH_BYTES];

    for (size_t i = 0; i < n; i++) {
        path_of(paths[i], plan->pod.ns, "/pods/%s?gracePeriodSeconds=%d",
                drops[i].name, drops[i].grace_s);
        requests[i] = (mst_kube_request){
            .what = {"delete", "pods", plan->pod.ns, drops[i].name},
            .method = "DELETE",
            .path = paths[i],
            .until_ms = until_ms};
    }
    (void)mst_kube_http_run(http, requests, n);
    for (size_t i = 0; i < n; i++)
        drops[i].stays = !dropped(plan, &requests[i], log, refused);
}

bool mst_calls_drop_secret(mst_plan *plan, mst_kube_http *http, mst_log *log,
                           const char *name, int64_t until_ms)
{
    char path[PATH_BYTES];
    bool refused = false;
    mst_kube_request r = {.what = {"delete", "secrets", plan->pod.ns, name},
                          .method = "DELETE",
                          .path = path,
                          .until_ms = until_ms};

    path_of(path, plan->pod.ns, "/secrets/%s", name);
    (void)mst_kube_http_run(http, &r, 1);
    return dropped(plan, &r, log, &refused);
}

bool mst_calls_drop_session(mst_plan *plan, mst_kube_http *http, mst_log *log,
                            int grace_s, int64_t until_ms)
{
    char path[PATH_BYTES];
    mst_kube_request r = {
        .what = {"deletecollection", "pods", plan->pod.ns, NULL},
        .method = "DELETE",
        .path = path,
        .until_ms = until_ms};
    bool done;

    path_of(path, plan->pod.ns,
            "/pods?labelSelector=muster%%2Fsession%%3D%s&gracePeriodSeconds=%d",
            plan->pod.session, grace_s);
    (void)mst_kube_http_run(http, &r, 1);
    done = r.rc == MUSTER_OK;
    if (done)
        plan->pods_stay = 0;
    else
        mst_log_line(log, MUSTER_LOG_INFO, "KUBE-NO-DELETECOLLECTION",
                     "one by one, then: why=%s", r.err.text);
    mst_kube_request_fini(&r);
    return done;
}

muster_err mst_calls_get_pod(mst_kube_http *http, const char *ns,
                             const char *name, cJSON **pod, muster_error *err)
{
    char path[PATH_BYTES];
    mst_kube_request r = {.what = {"get", "pods", ns, name},
                          .method = "GET",
                          .path = path,
                          .until_ms = mst_until_ms(OWN_MS)};
    muster_err rc;

    path_of(path, ns, "/pods/%s", name);
    (void)mst_kube_http_run(http, &r, 1);
    rc = r.rc;
    if (rc == MUSTER_OK && r.answer == NULL)
        rc = mst_fail(&r.err, MUSTER_ENOSERVER, "get pods: no answer");
    if (rc == MUSTER_OK)
        *pod = MST_MOVE(r.answer);
    else if (err != NULL)
        *err = r.err;
    mst_kube_request_fini(&r);
    return rc;
}
