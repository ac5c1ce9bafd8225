/* plan.h - the options of the launcher, with all that was found out: what
 * every Pod of the session has in common. */
#ifndef MST_KUBE_PLAN_H
#define MST_KUBE_PLAN_H

#include <muster/kube.h>

#include "base/log.h"
#include "launch/kube/access.h"
#include "launch/kube/http.h"
#include "launch/kube/manifest.h"

typedef struct mst_plan {
    mst_kube_access *access;
    mst_kube_http *http;
    mst_pod_plan pod; /* its strings are ours */
    muster_keep keep;
    cJSON *manager; /* the Pod that we are in, or NULL */
    cJSON *pod_template;
    char *strings[16];              /* what pod.* points to */
    char **env;                     /* that of pod.env, or NULL */
    char address[64];               /* of the manager's Pod; "": not known */
    size_t pods_stay, secrets_stay; /* those that could not be deleted */
} mst_plan;

/* What there is to know before. All of it is copied, but the session, which is
 * borrowed for as long as the plan lives. */
typedef struct mst_plan_setup {
    const muster_kube_options *options; /* NULL: all defaults */
    const char *session;                /* public id */
    const char *worker;     /* path in the image; NULL: muster-worker */
    const char *const *env; /* of workers; may be NULL */
    int64_t grace_ms;       /* of their handlers */
} mst_plan_setup;

/* Find out everything.
 *
 * In a Pod this makes one request: for that Pod. Where that is refused, what
 * it would have told must be said (the image), and workers have no owner.
 *
 * Errors: MUSTER_EKUBE, MUSTER_ENOSERVER, MUSTER_EDENIED, MUSTER_ENOMEM
 */
muster_err mst_plan_create(const mst_plan_setup *setup, mst_log *log,
                           mst_plan **out, muster_error *err);
void mst_plan_destroy(mst_plan **plan);

#endif
