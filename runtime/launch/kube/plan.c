#include "launch/kube/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/calls.h"
#include "launch/kube/json.h"
#include "launch/kube/own.h"
#include "launch/kube/yaml.h"

/* A copy that lives as long as the plan; NULL in, NULL out. */
static bool keep(mst_plan *plan, const char **to, const char *text)
{
    size_t i = 0;

    *to = NULL;
    if (text == NULL)
        return true;
    while (plan->strings[i] != NULL)
        i++;
    plan->strings[i] = mst_strdup(text);
    *to = plan->strings[i];
    return *to != NULL;
}

static bool keep_env(mst_plan *plan, const char *const *env)
{
    size_t n = 0;

    if (env == NULL)
        return true;
    while (env[n] != NULL)
        n++;
    plan->env = mst_calloc(n + 1, sizeof(*plan->env));
    for (size_t i = 0; plan->env != NULL && i < n; i++) {
        plan->env[i] = mst_strdup(env[i]);
        if (plan->env[i] == NULL)
            return false;
    }
    plan->pod.env = (const char *const *)plan->env;
    return plan->env != NULL;
}

/* ------------------------------------------------------- the own Pod -- */

/* What there is to know of the Pod we run in. It is an error only where
 * something cannot be had otherwise. */
static muster_err ask_own_pod(mst_plan *plan, const char *name,
                              const char *own_ns, mst_log *log,
                              bool image_is_said, muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *pod = NULL;
    char address[MST_OWN_ADDRESS] = "";
    bool ours = false;
    muster_error why = {0};
    muster_err rc =
        mst_own_pod(plan->http, own_ns, name, &pod, &ours, address, &why);

    if (rc != MUSTER_OK && !image_is_said) {
        if (err != NULL)
            *err = why;
        return mst_because(err, rc,
                           "the image of workers is that of this Pod, unless "
                           "--image says it");
    }
    if (rc != MUSTER_OK) {
        mst_log_line(log, MUSTER_LOG_WARN, "KUBE-NO-OWNER",
                     "workers have no owner, and what a crash leaves is for "
                     "muster clean: why=%s",
                     why.text);
        return MUSTER_OK;
    }
    if (!ours) {
        mst_log_line(log, MUSTER_LOG_WARN, "KUBE-NO-OWNER",
                     "pod=%s address=%s: not of this machine; with "
                     "hostNetwork set MUSTER_POD_NAME from metadata.name",
                     name, address);
        if (!image_is_said)
            return mst_fail(err, MUSTER_EKUBE,
                            "Pod %s is not the one this runs in (its address "
                            "%s is not ours): set MUSTER_POD_NAME, or --image",
                            name, address);
        return MUSTER_OK;
    }
    snprintf(plan->address, sizeof(plan->address), "%s", address);
    plan->manager = MST_MOVE(pod);
    return MUSTER_OK;
}

/* ------------------------------------------------------------- options -- */

static const cJSON *own_container(const mst_plan *plan, const char *name)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, mst_json_list(plan->manager, "spec.containers"))
    {
        const char *its = mst_json_str(one, "name");

        if (its != NULL && name != NULL && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

static muster_err set_image(mst_plan *plan, const muster_kube_options *o,
                            muster_error *err)
{
    const char *name = NULL;
    const char *own = mst_manifest_image(plan->manager, &name);
    const char *policy = o->pull_policy;

    if (o->image == NULL && own == NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        plan->manager != NULL
                            ? "no container of this Pod has an image to take: "
                              "say --image"
                            : "which image? Outside a cluster it must be said: "
                              "--image IMAGE");
    if (policy == NULL && o->image == NULL)
        policy = mst_json_str(own_container(plan, name), "imagePullPolicy");
    return keep(plan, &plan->pod.image, o->image != NULL ? o->image : own) &&
                   keep(plan, &plan->pod.pull_policy, policy)
               ? MUSTER_OK
               : mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
}

static muster_err set_owner(mst_plan *plan, muster_error *err)
{
    const char *name = mst_json_str(plan->manager, "metadata.name");
    const char *uid = mst_json_str(plan->manager, "metadata.uid");
    const char *ns = mst_json_str(plan->manager, "metadata.namespace");

    /* an owner in another namespace is none: the garbage collector would
     * delete the workers at once */
    if (name == NULL || uid == NULL || ns == NULL ||
        strcmp(ns, plan->pod.ns) != 0)
        return MUSTER_OK;
    plan->pod.manager = plan->manager;
    return keep(plan, &plan->pod.owner_name, name) &&
                   keep(plan, &plan->pod.owner_uid, uid)
               ? MUSTER_OK
               : mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
}

static muster_err set_prefix(mst_plan *plan, const muster_kube_options *o,
                             const char *name, muster_error *err)
{
    char own[MST_KUBE_LABEL], prefix[MST_KUBE_LABEL + 8];

    if (o->worker_prefix != NULL) {
        muster_err rc = mst_kube_prefix_check(o->worker_prefix, err);

        if (rc != MUSTER_OK)
            return rc;
    }
    mst_kube_prefix_from(name, own);
    snprintf(prefix, sizeof(prefix), "%s-worker", own);
    return keep(plan, &plan->pod.prefix,
                o->worker_prefix != NULL ? o->worker_prefix : prefix)
               ? MUSTER_OK
               : mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
}

static muster_err set_rest(mst_plan *plan, const muster_kube_options *o,
                           muster_error *err)
{
    if (!keep(plan, &plan->pod.cpu, o->cpu != NULL ? o->cpu : "1") ||
        !keep(plan, &plan->pod.memory, o->memory != NULL ? o->memory : "4Gi"))
        return mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
    plan->pod.deadline_s = o->deadline_s;
    plan->pod.cookie_in_env = o->cookie_in_env;
    plan->pod.configure = o->configure;
    plan->pod.configure_arg = o->configure_arg;
    plan->keep = o->keep;
    if (o->pod_template != NULL) {
        muster_err rc =
            mst_yaml_read(o->pod_template, &plan->pod_template, err);

        if (rc != MUSTER_OK)
            return mst_because(err, rc, "--pod-template");
        plan->pod.pod_template = plan->pod_template;
    }
    return MUSTER_OK;
}

static muster_err check(const muster_kube_options *o, muster_error *err)
{
    if (o->bytes != sizeof(*o))
        return mst_fail(err, MUSTER_EINVAL,
                        "Kubernetes options of %zu bytes, not %zu: start from "
                        "MUSTER_KUBE_OPTIONS_INIT of this release",
                        o->bytes, sizeof(*o));
    if (o->deadline_s < 0)
        return mst_fail(err, MUSTER_EINVAL, "deadline_s must not be %lld",
                        (long long)o->deadline_s);
    if ((unsigned)o->keep > MUSTER_KEEP_ALL)
        return mst_fail(err, MUSTER_EINVAL, "keep must not be %d",
                        (int)o->keep);
    return MUSTER_OK;
}

static muster_err find_out(mst_plan *plan, const muster_kube_options *o,
                           mst_log *log, muster_error *err)
{
    const mst_kube_where where = {.kubeconfig = o->kubeconfig,
                                  .context = o->context,
                                  .ns = o->namespace_};
    char name[HOST_NAME_MAX + 1];
    muster_err rc = mst_kube_access_open(&where, &plan->access, err);

    mst_own_name(name);
    if (rc == MUSTER_OK &&
        !keep(plan, &plan->pod.ns, mst_kube_namespace(plan->access)))
        rc = mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
    if (rc == MUSTER_OK)
        rc = mst_kube_http_create(plan->access, log, &plan->http, err);
    if (rc == MUSTER_OK && mst_kube_in_pod(plan->access))
        rc = ask_own_pod(plan, name, mst_kube_own_namespace(plan->access), log,
                         o->image != NULL, err);
    if (rc == MUSTER_OK)
        rc = set_image(plan, o, err);
    if (rc == MUSTER_OK)
        rc = set_owner(plan, err);
    if (rc == MUSTER_OK)
        rc = set_prefix(plan, o, name, err);
    if (rc == MUSTER_OK)
        rc = set_rest(plan, o, err);
    return rc;
}

muster_err mst_plan_create(const mst_plan_setup *setup, mst_log *log,
                           mst_plan **out, muster_error *err)
{
    const muster_kube_options defaults = MUSTER_KUBE_OPTIONS_INIT;
    const muster_kube_options *o =
        setup->options != NULL ? setup->options : &defaults;
    mst_plan *plan;
    muster_err rc = check(o, err);

    if (rc != MUSTER_OK)
        return rc;
    plan = mst_calloc(1, sizeof(*plan));
    if (plan == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
    plan->pod.session = setup->session;
    plan->pod.grace_ms = setup->grace_ms;
    rc = keep(plan, &plan->pod.worker, setup->worker) &&
                 keep_env(plan, setup->env)
             ? find_out(plan, o, log, err)
             : mst_fail(err, MUSTER_ENOMEM, "the launcher k8s");
    if (rc == MUSTER_OK)
        rc = mst_manifest_check(&plan->pod, err);
    if (rc == MUSTER_OK)
        *out = plan;
    else
        mst_plan_destroy(&plan);
    return rc;
}

void mst_plan_destroy(mst_plan **planp)
{
    mst_plan *plan = *planp;

    *planp = NULL;
    if (plan == NULL)
        return;
    mst_kube_http_destroy(&plan->http);
    mst_kube_access_close(&plan->access);
    cJSON_Delete(plan->manager);
    cJSON_Delete(plan->pod_template);
    for (size_t i = 0; i < sizeof(plan->strings) / sizeof(plan->strings[0]);
         i++)
        mst_free(plan->strings[i]);
    for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++)
        mst_free(plan->env[i]);
    mst_free(plan->env);
    mst_free(plan);
}
