/* dry.c - what would be created. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/names.h"
#include "launch/kube/plan.h"
#include "launch/kube/secret.h"

static void drop_plan(mst_plan **plan)
{
    mst_plan_destroy(plan);
}

static muster_err add_secret(const mst_plan *plan, const char *name,
                             const mst_secret_item *items, uint32_t n,
                             cJSON *list, muster_error *err)
{
    MST_AUTO(mst_drop_guarded) char *text = NULL;
    size_t len = 0;
    cJSON *secret;
    muster_err rc =
        mst_manifest_secret(&plan->pod, name, items, n, &text, &len, err);

    if (rc != MUSTER_OK)
        return rc;
    secret = mst_json_parse(text, len);
    if (secret == NULL || !cJSON_AddItemToArray(list, secret))
        return mst_fail(err, MUSTER_ENOMEM, "the manifests");
    return MUSTER_OK;
}

static muster_err add_pods(const mst_plan *plan, const char *secret,
                           const mst_secret_item *items, uint32_t n,
                           cJSON *list, muster_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        cJSON *pod = NULL;
        const bool env = plan->pod.cookie_in_env;
        muster_err rc =
            mst_manifest_pod(&plan->pod, items[i].rank, 1, env ? NULL : secret,
                             env ? "(secret)" : NULL, &pod, err);

        if (rc != MUSTER_OK)
            return rc;
        if (!cJSON_AddItemToArray(list, pod))
            return mst_fail(err, MUSTER_ENOMEM, "the manifests");
    }
    return MUSTER_OK;
}

static muster_err print(const mst_plan *plan, uint32_t n, char **text,
                        muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *all = cJSON_CreateObject();
    MST_AUTO(mst_drop)
    mst_secret_item *items = mst_calloc(n, sizeof(*items));
    cJSON *list = cJSON_AddArrayToObject(all, "items");
    char name[MST_KUBE_LABEL];
    muster_err rc = MUSTER_OK;

    if (items == NULL || list == NULL ||
        !mst_json_set_str(all, "apiVersion", "v1") ||
        !mst_json_set_str(all, "kind", "List"))
        return mst_fail(err, MUSTER_ENOMEM, "the manifests");
    for (uint32_t i = 0; i < n; i++)
        items[i].rank = i + 1;
    snprintf(name, sizeof(name), "muster-%.32s-1", plan->pod.session);
    if (!plan->pod.cookie_in_env)
        rc = add_secret(plan, name, items, n, list, err);
    if (rc == MUSTER_OK)
        rc = add_pods(plan, name, items, n, list, err);
    if (rc != MUSTER_OK)
        return rc;
    *text = cJSON_Print(all);
    return *text != NULL ? MUSTER_OK
                         : mst_fail(err, MUSTER_ENOMEM, "the manifests");
}

muster_err muster_manifests(const muster_options *options, uint32_t n,
                            char **text, muster_error *err)
{
    const muster_options defaults = MUSTER_OPTIONS_INIT;
    const muster_options *o = options != NULL ? options : &defaults;
    MST_AUTO(drop_plan) mst_plan *plan = NULL;
    uint8_t id[16];
    char session[2 * sizeof(id) + 1];
    const mst_plan_setup setup = {o->kube, session, o->worker, o->env,
                                  o->grace_ms};
    mst_log log;
    muster_err rc;

    if (n == 0 || n > 65535)
        return mst_fail(err, MUSTER_EINVAL,
                        "the number of workers must be 1 to 65535, not %u", n);
    if (sodium_init() < 0)
        return mst_fail(err, MUSTER_ESYS, "libsodium cannot begin");
    randombytes_buf(id, sizeof(id));
    sodium_bin2hex(session, sizeof(session), id, sizeof(id));
    mst_log_init(&log, o->log_level, o->on_log, o->arg);
    rc = mst_plan_create(&setup, &log, &plan, err);
    if (rc == MUSTER_OK)
        rc = print(plan, n, text, err);
    mst_log_fini(&log);
    return rc;
}
