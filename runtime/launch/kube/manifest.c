#include "launch/kube/manifest.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/merge.h"
#include "launch/kube/names.h"

#define GRACE_S 5      /* from SIGTERM to SIGKILL */
#define FS_GROUP 65532 /* so that any user of the image can read its cookie */
#define COOKIE_MODE 0440

/* -------------------------------------------------------------- metadata -- */

static bool add_labels(const mst_pod_plan *plan, cJSON *labels)
{
    char prefix[MST_KUBE_LABEL];

    mst_kube_label(plan->prefix, prefix);
    return labels != NULL &&
           mst_json_set_str(labels, MST_LABEL_MANAGED, "muster") &&
           mst_json_set_str(labels, MST_LABEL_SESSION, plan->session) &&
           mst_json_set_str(labels, MST_LABEL_PREFIX, prefix);
}

bool mst_manifest_owner(const mst_pod_plan *plan, cJSON *metadata)
{
    cJSON *list, *owner;

    if (plan->owner_name == NULL)
        return true;
    list = cJSON_AddArrayToObject(metadata, "ownerReferences");
    owner = cJSON_CreateObject();
    if (list == NULL || owner == NULL || !cJSON_AddItemToArray(list, owner)) {
        cJSON_Delete(owner);
        return false;
    }
    return mst_json_set_str(owner, "apiVersion", "v1") &&
           mst_json_set_str(owner, "kind", "Pod") &&
           mst_json_set_str(owner, "name", plan->owner_name) &&
           mst_json_set_str(owner, "uid", plan->owner_uid) &&
           mst_json_set_bool(owner, "controller", false) &&
           mst_json_set_bool(owner, "blockOwnerDeletion", false);
}

static bool add_metadata(const mst_pod_plan *plan, uint32_t rank,
                         uint32_t incarnation, cJSON *pod)
{
    cJSON *metadata = mst_json_make(pod, "metadata");
    cJSON *labels = mst_json_make(metadata, "labels");
    cJSON *notes = mst_json_make(metadata, "annotations");
    char name[MST_KUBE_LABEL], number[16];

    if (notes == NULL || !add_labels(plan, labels))
        return false;
    mst_kube_pod_name(plan->prefix, plan->session, rank, incarnation, name);
    if (!mst_json_set_str(metadata, "name", name) ||
        !mst_json_set_str(metadata, "namespace", plan->ns))
        return false;
    snprintf(number, sizeof(number), "%u", rank);
    if (!mst_json_set_str(labels, MST_LABEL_RANK, number))
        return false;
    snprintf(number, sizeof(number), "%u", incarnation);
    /* a service mesh cannot pass CURVE on, and its sidecar would never end */
    return mst_json_set_str(labels, MST_LABEL_INCARNATION, number) &&
           mst_json_set_str(labels, "sidecar.istio.io/inject", "false") &&
           mst_json_set_str(notes, "sidecar.istio.io/inject", "false") &&
           mst_manifest_owner(plan, metadata);
}

/* ---------------------------------------------------------------- security --
 */

static const cJSON *container_of(const cJSON *pod, const char *name)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, mst_json_list(pod, "spec.containers"))
    {
        const char *its = mst_json_str(one, "name");

        if (its != NULL && name != NULL && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

static bool copy(const cJSON *from, const char *name, cJSON *to)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, name);
    cJSON *twin;

    if (value == NULL || cJSON_IsNull(value))
        return true;
    twin = cJSON_Duplicate(value, true);
    if (twin != NULL && cJSON_AddItemToObject(to, name, twin))
        return true;
    cJSON_Delete(twin);
    return false;
}

/* The Pod's: as the manager's, which runs here, and so that the cookie can be
 * read. */
static bool add_pod_security(const mst_pod_plan *plan, cJSON *spec)
{
    static const char *const kept[] = {
        "runAsUser",          "runAsGroup",     "runAsNonRoot",  "fsGroup",
        "supplementalGroups", "seccompProfile", "seLinuxOptions"};
    const cJSON *from = mst_json_object(plan->manager, "spec.securityContext");
    cJSON *to = mst_json_make(spec, "securityContext");
    cJSON *profile;

    if (to == NULL)
        return false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (!copy(from, kept[i], to))
            return false;
    if (cJSON_GetObjectItemCaseSensitive(to, "fsGroup") == NULL &&
        !mst_json_set_int(to, "fsGroup", FS_GROUP))
        return false;
    if (cJSON_GetObjectItemCaseSensitive(to, "seccompProfile") != NULL)
        return true;
    profile = mst_json_make(to, "seccompProfile");
    return profile != NULL &&
           mst_json_set_str(profile, "type", "RuntimeDefault");
}

/* The container's: what the manager's has, and never more than nothing. */
static bool add_security(const mst_pod_plan *plan, cJSON *container)
{
    static const char *const kept[] = {"runAsUser", "runAsGroup",
                                       "runAsNonRoot", "readOnlyRootFilesystem",
                                       "seccompProfile"};
    const char *name = NULL;
    const cJSON *from;
    cJSON *to = mst_json_make(container, "securityContext");
    cJSON *capabilities = mst_json_make(to, "capabilities");
    cJSON *drop = cJSON_AddArrayToObject(capabilities, "drop");
    cJSON *all = cJSON_CreateString("ALL");

    (void)mst_manifest_image(plan->manager, &name);
    from =
        mst_json_object(container_of(plan->manager, name), "securityContext");
    if (drop == NULL || all == NULL || !cJSON_AddItemToArray(drop, all)) {
        cJSON_Delete(all);
        return false;
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (!copy(from, kept[i], to))
            return false;
    return mst_json_set_bool(to, "allowPrivilegeEscalation", false);
}

/* --------------------------------------------------------------- container --
 */

static bool add_text(cJSON *list, const char *text)
{
    cJSON *item = cJSON_CreateString(text);

    if (item != NULL && cJSON_AddItemToArray(list, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static cJSON *add_object(cJSON *list)
{
    cJSON *item = cJSON_CreateObject();

    if (item != NULL && cJSON_AddItemToArray(list, item))
        return item;
    cJSON_Delete(item);
    return NULL;
}

static bool add_env(const mst_pod_plan *plan, const char *cookie,
                    cJSON *container)
{
    cJSON *list = cJSON_AddArrayToObject(container, "env");
    cJSON *one;
    char name[256];

    if (list == NULL)
        return false;
    for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++) {
        const char *is = strchr(plan->env[i], '=');

        snprintf(name, sizeof(name), "%.*s", (int)(is - plan->env[i]),
                 plan->env[i]);
        one = add_object(list);
        if (one == NULL || !mst_json_set_str(one, "name", name) ||
            !mst_json_set_str(one, "value", is + 1))
            return false;
    }
    if (cookie == NULL)
        return true;
    one = add_object(list);
    return one != NULL && mst_json_set_str(one, "name", MST_COOKIE_ENV) &&
           mst_json_set_str(one, "value", cookie);
}

static bool add_resources(const mst_pod_plan *plan, cJSON *container)
{
    static const char *const kinds[] = {"requests", "limits"};
    cJSON *resources = mst_json_make(container, "resources");

    for (int i = 0; i < 2; i++) {
        cJSON *of = mst_json_make(resources, kinds[i]);

        if (of == NULL || !mst_json_set_str(of, "cpu", plan->cpu) ||
            !mst_json_set_str(of, "memory", plan->memory))
            return false;
    }
    return true;
}

static bool add_mount(cJSON *mounts, const char *name, const char *path,
                      bool read_only)
{
    cJSON *mount = add_object(mounts);

    return mount != NULL && mst_json_set_str(mount, "name", name) &&
           mst_json_set_str(mount, "mountPath", path) &&
           (!read_only || mst_json_set_bool(mount, "readOnly", true));
}

static bool add_container(const mst_pod_plan *plan, const char *secret,
                          const char *cookie, cJSON *spec)
{
    cJSON *container = add_object(cJSON_AddArrayToObject(spec, "containers"));
    cJSON *command, *args, *mounts;

    if (container == NULL ||
        !mst_json_set_str(container, "name", MST_CONTAINER) ||
        !mst_json_set_str(container, "image", plan->image) ||
        (plan->pull_policy != NULL &&
         !mst_json_set_str(container, "imagePullPolicy", plan->pull_policy)))
        return false;
    command = cJSON_AddArrayToObject(container, "command");
    if (!add_text(command,
                  plan->worker != NULL ? plan->worker : "muster-worker"))
        return false;
    mounts = cJSON_AddArrayToObject(container, "volumeMounts");
    if (!add_mount(mounts, "tmp", "/tmp", false))
        return false;
    if (secret != NULL) {
        args = cJSON_AddArrayToObject(container, "args");
        if (!add_text(args, "--cookie") || !add_text(args, MST_COOKIE_PATH) ||
            !add_mount(mounts, "cookie", MST_COOKIE_DIR, true))
            return false;
    }
    return add_env(plan, cookie, container) && add_resources(plan, container) &&
           add_security(plan, container);
}

/* -------------------------------------------------------------------- spec --
 */

static bool add_cookie(cJSON *volumes, uint32_t rank, const char *secret)
{
    cJSON *volume = add_object(volumes);
    cJSON *source = mst_json_make(volume, "secret");
    cJSON *item = add_object(cJSON_AddArrayToObject(source, "items"));
    char key[32];

    snprintf(key, sizeof(key), "rank-%u", rank);
    return item != NULL && mst_json_set_str(volume, "name", "cookie") &&
           mst_json_set_str(source, "secretName", secret) &&
           mst_json_set_str(item, "key", key) &&
           mst_json_set_str(item, "path", "cookie") &&
           mst_json_set_int(item, "mode", COOKIE_MODE);
}

static bool add_volumes(uint32_t rank, const char *secret, cJSON *spec)
{
    cJSON *volumes = cJSON_AddArrayToObject(spec, "volumes");
    cJSON *tmp = add_object(volumes);

    return tmp != NULL && mst_json_set_str(tmp, "name", "tmp") &&
           cJSON_AddObjectToObject(tmp, "emptyDir") != NULL &&
           (secret == NULL || add_cookie(volumes, rank, secret));
}

static bool add_spec(const mst_pod_plan *plan, uint32_t rank,
                     const char *secret, const char *cookie, cJSON *pod)
{
    cJSON *spec = mst_json_make(pod, "spec");
    const cJSON *manager = mst_json_object(plan->manager, "spec");

    return spec != NULL && mst_json_set_str(spec, "restartPolicy", "Never") &&
           mst_json_set_bool(spec, "automountServiceAccountToken", false) &&
           mst_json_set_bool(spec, "enableServiceLinks", false) &&
           mst_json_set_int(spec, "terminationGracePeriodSeconds", GRACE_S) &&
           (plan->deadline_s == 0 ||
            mst_json_set_int(spec, "activeDeadlineSeconds",
                             plan->deadline_s)) &&
           copy(manager, "imagePullSecrets", spec) &&
           add_pod_security(plan, spec) &&
           add_container(plan, secret, cookie, spec) &&
           add_volumes(rank, secret, spec);
}

/* ------------------------------------------------------------------ checks --
 */

static bool is(const cJSON *pod, const char *path, const char *want)
{
    const char *text = mst_json_str(pod, path);

    return text != NULL && strcmp(text, want) == 0;
}

static bool has_label(const cJSON *pod, const char *label, const char *want)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
        mst_json_object(pod, "metadata.labels"), label));

    return text != NULL && strcmp(text, want) == 0;
}

static bool mounts_cookie(const cJSON *container)
{
    const cJSON *mount;

    cJSON_ArrayForEach(mount, mst_json_list(container, "volumeMounts"))
    {
        if (is(mount, "mountPath", MST_COOKIE_DIR) &&
            is(mount, "name", "cookie"))
            return true;
    }
    return false;
}

/* What template and configure must leave as it was. */
static muster_err check_pod(const mst_pod_plan *plan, const cJSON *pod,
                            const char *name, const char *rank,
                            const char *secret, muster_error *err)
{
    const cJSON *worker = container_of(pod, MST_CONTAINER);
    const char *wrong =
        !is(pod, "kind", "Pod") || !is(pod, "apiVersion", "v1")
            ? "kind and apiVersion must stay Pod and v1"
        : !is(pod, "metadata.name", name) ||
                !is(pod, "metadata.namespace", plan->ns)
            ? "metadata.name and namespace must stay (see --worker-prefix and "
              "--namespace)"
        : !has_label(pod, MST_LABEL_SESSION, plan->session) ||
                !has_label(pod, MST_LABEL_RANK, rank) ||
                !has_label(pod, MST_LABEL_MANAGED, "muster")
            ? "muster's labels must stay"
        : worker == NULL ? "the container \"worker\" must stay"
        : mst_json_str(worker, "image") == NULL
            ? "the container \"worker\" must have an image"
        : !is(pod, "spec.restartPolicy", "Never")
            ? "restartPolicy must stay Never: a worker is begun once"
        : secret != NULL && !mounts_cookie(worker)
            ? "the mount of its cookie at " MST_COOKIE_DIR " must stay"
        : cJSON_GetArraySize(mst_json_list(pod, "metadata.ownerReferences")) >
                (plan->owner_name != NULL)
            ? "a second owner would keep it when the first is gone"
            : NULL;

    return wrong == NULL ? MUSTER_OK
                         : mst_fail(err, MUSTER_EKUBE, "the Pod of rank %s: %s",
                                    rank, wrong);
}

static muster_err change_pod(const mst_pod_plan *plan, uint32_t rank,
                             cJSON *pod, muster_error *err)
{
    muster_err rc = MUSTER_OK;
    int said;

    if (plan->pod_template != NULL)
        rc = mst_merge(pod, plan->pod_template, err);
    if (rc != MUSTER_OK)
        return mst_because(err, rc, "the Pod template");
    if (plan->configure == NULL)
        return MUSTER_OK;
    said = plan->configure(plan->configure_arg, rank, pod);
    return said == 0
               ? MUSTER_OK
               : mst_fail(err, MUSTER_EKUBE,
                          "configure returned %d for rank %u", said, rank);
}

muster_err mst_manifest_pod(const mst_pod_plan *plan, uint32_t rank,
                            uint32_t incarnation, const char *secret,
                            const char *cookie, cJSON **out, muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *pod = cJSON_CreateObject();
    char name[MST_KUBE_LABEL], number[16];
    muster_err rc;

    if (pod == NULL || !mst_json_set_str(pod, "apiVersion", "v1") ||
        !mst_json_set_str(pod, "kind", "Pod") ||
        !add_metadata(plan, rank, incarnation, pod) ||
        !add_spec(plan, rank, secret, cookie, pod))
        return mst_fail(err, MUSTER_ENOMEM, "the Pod of rank %u", rank);
    rc = change_pod(plan, rank, pod, err);
    mst_kube_pod_name(plan->prefix, plan->session, rank, incarnation, name);
    snprintf(number, sizeof(number), "%u", rank);
    if (rc == MUSTER_OK)
        rc = check_pod(plan, pod, name, number, secret, err);
    if (rc == MUSTER_OK)
        *out = MST_MOVE(pod);
    return rc;
}
