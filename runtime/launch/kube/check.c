/* check.c - what a plan has to be, what template and configure must leave, and
 * which of the manager's containers is the manager. */
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"
#include "launch/kube/names.h"

/* -------------------------------------------------------------- plan -- */

/* Source: k8s.io/apimachinery/pkg/api/resource, Quantity. */
static bool is_quantity(const char *text)
{
    static const char *const suffixes[] = {"",   "n",  "u",  "m", "k",  "M",
                                           "G",  "T",  "P",  "E", "Ki", "Mi",
                                           "Gi", "Ti", "Pi", "Ei"};
    const char *at = text[0] == '+' ? text + 1 : text; /* not below zero */
    size_t digits = strspn(at, "0123456789");

    at += digits;
    if (*at == '.') {
        const size_t more = strspn(at + 1, "0123456789");

        digits += more;
        at += 1 + more;
    }
    if (digits == 0)
        return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcmp(at, suffixes[i]) == 0)
            return true;
    if (*at != 'e' && *at != 'E')
        return false;
    at += at[1] == '-' || at[1] == '+' ? 2 : 1;
    digits = strspn(at, "0123456789");
    return digits > 0 && at[digits] == '\0';
}

/* Source: k8s.io/apimachinery/pkg/util/validation, IsEnvVarName. */
static bool is_env(const char *text)
{
    const char *end = strchr(text, '=');
    const size_t good =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789_.-");

    return end != NULL && end > text && text + good == end &&
           end - text < MST_ENV_NAME && (text[0] < '0' || text[0] > '9');
}

static bool is_label(const char *text)
{
    const size_t len = strlen(text);

    return len > 0 && len < MST_KUBE_LABEL && text[0] != '-' &&
           text[len - 1] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool is_policy(const char *text)
{
    return text == NULL || strcmp(text, "Always") == 0 ||
           strcmp(text, "IfNotPresent") == 0 || strcmp(text, "Never") == 0;
}

muster_err mst_manifest_check(const mst_pod_plan *plan, muster_error *err)
{
    const char *kind = mst_json_str(plan->pod_template, "kind");
    const muster_err rc = mst_kube_prefix_check(plan->prefix, err);

    if (rc != MUSTER_OK)
        return rc;
    if (!is_label(plan->ns))
        return mst_fail(err, MUSTER_EKUBE,
                        "\"%.80s\" cannot be a namespace: a-z, 0-9 and -, at "
                        "most 63 bytes",
                        plan->ns);
    if (!is_quantity(plan->cpu))
        return mst_fail(err, MUSTER_EKUBE,
                        "cpu \"%.40s\" is no quantity: 2, 0.5 or 500m",
                        plan->cpu);
    if (!is_quantity(plan->memory))
        return mst_fail(err, MUSTER_EKUBE,
                        "memory \"%.40s\" is no quantity: 512Mi or 4Gi",
                        plan->memory);
    if (plan->image[0] == '\0')
        return mst_fail(err, MUSTER_EKUBE, "the image is empty");
    if (!is_policy(plan->pull_policy))
        return mst_fail(err, MUSTER_EKUBE,
                        "image pull policy \"%.40s\" is none of Always, "
                        "IfNotPresent and Never",
                        plan->pull_policy);
    if (plan->deadline_s < 0 || plan->deadline_s > INT32_MAX)
        return mst_fail(err, MUSTER_EKUBE,
                        "a Pod's deadline cannot be %lld seconds",
                        (long long)plan->deadline_s);
    if (plan->pod_template != NULL && !cJSON_IsObject(plan->pod_template))
        return mst_fail(err, MUSTER_EKUBE, "the Pod template is no object");
    if (kind != NULL && strcmp(kind, "Pod") != 0)
        return mst_fail(err, MUSTER_EKUBE, "the template is a %.40s, not a Pod",
                        kind);
    for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++) {
        const int len = (int)strcspn(plan->env[i], "=");

        if (!is_env(plan->env[i]))
            return mst_fail(err, MUSTER_EKUBE,
                            "\"%.*s\" cannot be a variable of a container: a "
                            "letter, _, . or -, then these and digits, then =",
                            len < 60 ? len : 60, plan->env[i]);
    }
    return MUSTER_OK;
}

/* --------------------------------------------------------------- Pod -- */

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

static bool has_text(const cJSON *list, const char *part)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, list)
    {
        const char *text = cJSON_GetStringValue(one);

        if (text != NULL && strstr(text, part) != NULL)
            return true;
    }
    return false;
}

/* It may be started by another program, which is given the path. */
static bool gets_cookie(const cJSON *container)
{
    return has_text(mst_json_list(container, "args"), MST_COOKIE_PATH) ||
           has_text(mst_json_list(container, "command"), MST_COOKIE_PATH);
}

static bool has_cookie_env(const cJSON *container)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, mst_json_list(container, "env"))
    {
        if (is(one, "name", MST_COOKIE_ENV))
            return true;
    }
    return false;
}

static bool has_volume(const cJSON *pod, const char *secret)
{
    const cJSON *volume;

    cJSON_ArrayForEach(volume, mst_json_list(pod, "spec.volumes"))
    {
        if (is(volume, "name", "cookie"))
            return is(volume, "secret.secretName", secret);
    }
    return false;
}

static const char *wrong_cookie(const cJSON *pod, const cJSON *worker,
                                const char *secret)
{
    if (secret == NULL)
        return has_cookie_env(worker) ? NULL
                                      : "its variable " MST_COOKIE_ENV
                                        " must stay";
    if (!mounts_cookie(worker) || !has_volume(pod, secret))
        return "the volume of its cookie and its mount at " MST_COOKIE_DIR
               " must stay";
    return gets_cookie(worker)
               ? NULL
               : "command or args must have --cookie " MST_COOKIE_PATH;
}

/* The owner is ours and no other; where we have none, it may have one. */
static const char *wrong_owner(const mst_pod_plan *plan, const cJSON *pod)
{
    const cJSON *owners = mst_json_list(pod, "metadata.ownerReferences");

    if (cJSON_GetArraySize(owners) > 1)
        return "a second owner would keep it when the first is gone";
    if (plan->owner_name != NULL && !is(owners, "0.uid", plan->owner_uid))
        return "its owner, the manager's Pod, must stay";
    return NULL;
}

static bool has_labels(const mst_pod_plan *plan, const cJSON *pod,
                       uint32_t rank, uint32_t incarnation)
{
    char prefix[MST_KUBE_LABEL], number[16], turn[16];

    mst_kube_label(plan->prefix, prefix);
    snprintf(number, sizeof(number), "%u", rank);
    snprintf(turn, sizeof(turn), "%u", incarnation);
    return has_label(pod, MST_LABEL_SESSION, plan->session) &&
           has_label(pod, MST_LABEL_PREFIX, prefix) &&
           has_label(pod, MST_LABEL_RANK, number) &&
           has_label(pod, MST_LABEL_INCARNATION, turn) &&
           has_label(pod, MST_LABEL_MANAGED, "muster");
}

static const char *wrong_worker(const cJSON *pod, const cJSON *worker,
                                const char *secret)
{
    const char *image = mst_json_str(worker, "image");

    if (worker == NULL)
        return "the container \"worker\" must stay";
    if (image == NULL || image[0] == '\0')
        return "the container \"worker\" must have an image";
    if (!is(pod, "spec.restartPolicy", "Never"))
        return "restartPolicy must stay Never: a worker is begun once";
    return wrong_cookie(pod, worker, secret);
}

muster_err mst_manifest_keeps(const mst_pod_plan *plan, uint32_t rank,
                              uint32_t incarnation, const char *secret,
                              const cJSON *pod, muster_error *err)
{
    const cJSON *worker = mst_manifest_container(pod, MST_CONTAINER);
    const char *wrong = NULL;
    char name[MST_KUBE_LABEL];

    mst_kube_pod_name(plan->prefix, plan->session, rank, incarnation, name);
    if (!is(pod, "kind", "Pod") || !is(pod, "apiVersion", "v1"))
        wrong = "kind and apiVersion must stay Pod and v1";
    else if (!is(pod, "metadata.name", name) ||
             !is(pod, "metadata.namespace", plan->ns))
        wrong = "metadata.name and namespace must stay (see --worker-prefix "
                "and --namespace)";
    else if (!has_labels(plan, pod, rank, incarnation))
        wrong = "muster's labels must stay";
    else
        wrong = wrong_owner(plan, pod);
    if (wrong == NULL)
        wrong = wrong_worker(pod, worker, secret);
    return wrong == NULL ? MUSTER_OK
                         : mst_fail(err, MUSTER_EKUBE, "the Pod of rank %u: %s",
                                    rank, wrong);
}

/* ----------------------------------------------------------- manager -- */

static const char *const sidecars[] = {
    "istio-proxy",    "linkerd-proxy", "vault-agent", "cloud-sql-proxy",
    "cloudsql-proxy", "envoy",         "fluent-bit",  "aws-otel-collector",
    "datadog-agent",  "kuma-sidecar",  "daprd"};

static bool is_sidecar(const char *name)
{
    for (size_t i = 0; i < sizeof(sidecars) / sizeof(sidecars[0]); i++)
        if (strcmp(name, sidecars[i]) == 0)
            return true;
    return false;
}

const cJSON *mst_manifest_container(const cJSON *pod, const char *name)
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

/* What kubectl logs and exec take, where nothing else is said. */
static const char *named_default(const cJSON *pod)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
        mst_json_object(pod, "metadata.annotations"),
        "kubectl.kubernetes.io/default-container"));
}

/* The first one with an image; `ours`: that is no known sidecar. */
static const cJSON *first(const cJSON *pod, bool ours)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, mst_json_list(pod, "spec.containers"))
    {
        const char *its = mst_json_str(one, "name");

        if (its != NULL && mst_json_str(one, "image") != NULL &&
            !(ours && is_sidecar(its)))
            return one;
    }
    return NULL;
}

const char *mst_manifest_image(const cJSON *pod, const char **name)
{
    const cJSON *best = mst_manifest_container(pod, "manager");

    if (mst_json_str(best, "image") == NULL)
        best = mst_manifest_container(pod, named_default(pod));
    if (mst_json_str(best, "image") == NULL)
        best = first(pod, true);
    if (best == NULL)
        best = first(pod, false);
    if (name != NULL)
        *name = mst_json_str(best, "name");
    return mst_json_str(best, "image");
}
