#include "launch/kube/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/merge.h"
#include "launch/kube/names.h"
#include "launch/kube/secret.h"

#define GRACE_S 4      /* from SIGTERM to SIGKILL, beyond the handlers' */
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
    from = mst_json_object(mst_manifest_container(plan->manager, name),
                           "securityContext");
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

/* A kubelet turns $(NAME) into the value of NAME, and $$ into $: doubled, each
 * stays as it is. NULL: no memory; mst_free. */
static char *literal(const char *value)
{
    size_t len = 0, n = 0;
    char *text;

    for (const char *c = value; *c != '\0'; c++)
        len += *c == '$' ? 2 : 1;
    text = mst_alloc(len + 1);
    if (text == NULL)
        return NULL;
    for (; *value != '\0'; value++) {
        if (*value == '$')
            text[n++] = '$';
        text[n++] = *value;
    }
    text[n] = '\0';
    return text;
}

/* The last one of a name counts. */
static bool set_env(cJSON *list, const char *name, const char *value)
{
    MST_AUTO(mst_drop_secret) char *text = literal(value); /* or a cookie */
    cJSON *one;

    if (text == NULL)
        return false;
    cJSON_ArrayForEach(one, list)
    {
        const char *its = mst_json_str(one, "name");

        if (its != NULL && strcmp(its, name) == 0)
            return mst_json_set_str(one, "value", text);
    }
    one = add_object(list);
    return one != NULL && mst_json_set_str(one, "name", name) &&
           mst_json_set_str(one, "value", text);
}

static bool add_env(const mst_pod_plan *plan, const char *cookie,
                    cJSON *container)
{
    cJSON *list = cJSON_AddArrayToObject(container, "env");
    char name[MST_ENV_NAME];

    if (list == NULL)
        return false;
    for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++) {
        const size_t len = strcspn(plan->env[i], "=");

        snprintf(name, sizeof(name), "%.*s", (int)len, plan->env[i]);
        if (!set_env(list, name,
                     plan->env[i] + len + (plan->env[i][len] == '=')))
            return false;
    }
    return cookie == NULL || set_env(list, MST_COOKIE_ENV, cookie);
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

/* What the handlers have, and then some to say goodbye. */
static int64_t grace_s(const mst_pod_plan *plan)
{
    return GRACE_S +
           (plan->grace_ms > 1000 ? (plan->grace_ms + 999) / 1000 : 1);
}

static bool add_spec(const mst_pod_plan *plan, uint32_t rank,
                     const char *secret, const char *cookie, cJSON *pod)
{
    cJSON *spec = mst_json_make(pod, "spec");
    const cJSON *manager = mst_json_object(plan->manager, "spec");

    return spec != NULL && mst_json_set_str(spec, "restartPolicy", "Never") &&
           mst_json_set_bool(spec, "automountServiceAccountToken", false) &&
           mst_json_set_bool(spec, "enableServiceLinks", false) &&
           mst_json_set_int(spec, "terminationGracePeriodSeconds",
                            grace_s(plan)) &&
           (plan->deadline_s == 0 ||
            mst_json_set_int(spec, "activeDeadlineSeconds",
                             plan->deadline_s)) &&
           copy(manager, "serviceAccountName", spec) &&
           copy(manager, "imagePullSecrets", spec) &&
           add_pod_security(plan, spec) &&
           add_container(plan, secret, cookie, spec) &&
           add_volumes(rank, secret, spec);
}

/* ------------------------------------------------------------------- whole --
 */

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
                            const char *cookie, cJSON **pod, muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *made = cJSON_CreateObject();
    muster_err rc;

    if (made == NULL || !mst_json_set_str(made, "apiVersion", "v1") ||
        !mst_json_set_str(made, "kind", "Pod") ||
        !add_metadata(plan, rank, incarnation, made) ||
        !add_spec(plan, rank, secret, cookie, made))
        return mst_fail(err, MUSTER_ENOMEM, "the Pod of rank %u", rank);
    rc = change_pod(plan, rank, made, err);
    if (rc == MUSTER_OK)
        rc = mst_manifest_keeps(plan, rank, incarnation, secret, made, err);
    if (rc == MUSTER_OK)
        *pod = MST_MOVE(made);
    return rc;
}
