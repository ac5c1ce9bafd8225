#include "launch/kube/clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/http.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"

#define REQUEST_MS 30000
#define PATH_BYTES 512

typedef struct cleaning {
    const mst_clean *clean;
    mst_kube_access *access;
    mst_kube_http *http;
    cJSON *pods, *secrets; /* lists, as the server gave them */
    muster_err rc;
    muster_error err; /* the first one */
} cleaning;

static muster_err list(cleaning *c, const char *resource, cJSON **to)
{
    char path[PATH_BYTES];
    const char *ns = mst_kube_namespace(c->access);
    mst_kube_request r = {.what = {"list", resource, ns, NULL},
                          .method = "GET",
                          .path = path,
                          .until_ms = mst_until_ms(REQUEST_MS)};

    snprintf(path, sizeof(path),
             "/api/v1/namespaces/%s/%s?labelSelector="
             "app.kubernetes.io%%2Fmanaged-by%%3Dmuster",
             ns, resource);
    (void)mst_kube_http_run(c->http, &r, 1);
    c->rc = r.rc;
    c->err = r.err;
    if (r.rc == MUSTER_OK)
        *to = MST_MOVE(r.answer);
    mst_kube_request_fini(&r);
    return c->rc;
}

static const char *session_of(const cJSON *object)
{
    const char *session = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
        mst_json_object(object, "metadata.labels"), MST_LABEL_SESSION));

    return session != NULL ? session : "";
}

static bool is_young(const cJSON *object)
{
    const char *text = mst_json_str(object, "metadata.creationTimestamp");
    struct tm tm = {0};

    return text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL ||
           time(NULL) - timegm(&tm) < MST_CLEAN_YOUNG_S;
}

/* Why something of this session stays; NULL: it can go. */
static const char *why_stays(const cleaning *c, const cJSON *object)
{
    const char *session = session_of(object);
    const cJSON *one;

    if (c->clean->session != NULL)
        return strcmp(session, c->clean->session) == 0 ? NULL : "";
    if (c->clean->all)
        return NULL;
    cJSON_ArrayForEach(one, mst_json_list(c->pods, "items"))
    {
        const char *phase = mst_json_str(one, "status.phase");

        if (strcmp(session_of(one), session) == 0 &&
            (phase == NULL ||
             (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)))
            return "its session has Pods that run";
    }
    return is_young(object) ? "it is younger than 5 minutes" : NULL;
}

static void drop_one(cleaning *c, const char *kind, const char *resource,
                     const char *name)
{
    char path[PATH_BYTES];
    const char *ns = mst_kube_namespace(c->access);
    mst_kube_request r = {.what = {"delete", resource, ns, name},
                          .method = "DELETE",
                          .path = path,
                          .until_ms = mst_until_ms(REQUEST_MS)};

    snprintf(path, sizeof(path), "/api/v1/namespaces/%s/%s/%s%s", ns, resource,
             name, strcmp(kind, "pod") == 0 ? "?gracePeriodSeconds=1" : "");
    if (!c->clean->dry_run)
        (void)mst_kube_http_run(c->http, &r, 1);
    if (r.rc == MUSTER_OK || r.status == 404) {
        c->clean->told(c->clean->arg, kind, name, NULL);
    } else {
        c->clean->told(c->clean->arg, kind, name, r.err.text);
        if (c->rc == MUSTER_OK) {
            c->rc = r.rc;
            c->err = r.err;
        }
    }
    mst_kube_request_fini(&r);
}

static void drop_list(cleaning *c, const cJSON *objects, const char *kind,
                      const char *resource)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, mst_json_list(objects, "items"))
    {
        const char *name = mst_json_str(one, "metadata.name");
        const char *why = why_stays(c, one);

        if (name == NULL)
            continue;
        if (why == NULL)
            drop_one(c, kind, resource, name);
        else if (why[0] != '\0')
            c->clean->told(c->clean->arg, kind, name, why);
    }
}

muster_err mst_kube_clean(const mst_clean *clean, mst_log *log,
                          muster_error *err)
{
    cleaning c = {.clean = clean};

    c.rc = mst_kube_access_open(&clean->where, &c.access, &c.err);
    if (c.rc == MUSTER_OK)
        c.rc = mst_kube_http_create(c.access, log, &c.http, &c.err);
    if (c.rc == MUSTER_OK)
        c.rc = list(&c, "pods", &c.pods);
    if (c.rc == MUSTER_OK)
        c.rc = list(&c, "secrets", &c.secrets);
    if (c.rc == MUSTER_OK) {
        drop_list(&c, c.secrets, "secret", "secrets");
        drop_list(&c, c.pods, "pod", "pods");
    }
    cJSON_Delete(c.pods);
    cJSON_Delete(c.secrets);
    mst_kube_http_destroy(&c.http);
    mst_kube_access_close(&c.access);
    if (c.rc != MUSTER_OK && err != NULL)
        *err = c.err;
    return c.rc;
}
