/* cookies.c - the Secret, and what a plan's strings have to be. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"
#include "launch/kube/names.h"

/* ---------------------------------------------------------------- Secret -- */

/* All but its data. */
static cJSON *frame(const mst_pod_plan *plan, const char *name)
{
    MST_AUTO(mst_drop_json) cJSON *secret = cJSON_CreateObject();
    cJSON *metadata = mst_json_make(secret, "metadata");
    cJSON *labels = mst_json_make(metadata, "labels");
    char prefix[MST_KUBE_LABEL];

    mst_kube_label(plan->prefix, prefix);
    if (labels == NULL || !mst_json_set_str(secret, "apiVersion", "v1") ||
        !mst_json_set_str(secret, "kind", "Secret") ||
        !mst_json_set_str(secret, "type", "Opaque") ||
        !mst_json_set_bool(secret, "immutable", true) ||
        !mst_json_set_str(metadata, "name", name) ||
        !mst_json_set_str(metadata, "namespace", plan->ns) ||
        !mst_json_set_str(labels, MST_LABEL_MANAGED, "muster") ||
        !mst_json_set_str(labels, MST_LABEL_SESSION, plan->session) ||
        !mst_json_set_str(labels, MST_LABEL_PREFIX, prefix) ||
        !mst_manifest_owner(plan, metadata))
        return NULL;
    return MST_MOVE(secret);
}

static size_t data_bytes(const mst_secret_item *items, size_t n)
{
    size_t bytes = 64;

    for (size_t i = 0; i < n; i++)
        bytes += 64 + sodium_base64_ENCODED_LEN(items[i].cookie_len,
                                                sodium_base64_VARIANT_ORIGINAL);
    return bytes;
}

/* ,"data":{"rank-1":"...",...}} */
static size_t put_data(char *at, const mst_secret_item *items, size_t n)
{
    char *const begin = at;

    at += sprintf(at, ",\"data\":{");
    for (size_t i = 0; i < n; i++) {
        at += sprintf(at, "%s\"rank-%u\":\"", i > 0 ? "," : "", items[i].rank);
        if (items[i].cookie != NULL) {
            const size_t room = sodium_base64_ENCODED_LEN(
                items[i].cookie_len, sodium_base64_VARIANT_ORIGINAL);

            sodium_bin2base64(at, room, (const unsigned char *)items[i].cookie,
                              items[i].cookie_len,
                              sodium_base64_VARIANT_ORIGINAL);
            at += strlen(at);
        } else {
            at += sprintf(at, "(secret)");
        }
        *at++ = '"';
    }
    at += sprintf(at, "}}");
    return (size_t)(at - begin);
}

muster_err mst_manifest_secret(const mst_pod_plan *plan, const char *name,
                               const mst_secret_item *items, size_t n,
                               char **out, size_t *len, muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *secret = frame(plan, name);
    char *head = secret != NULL ? cJSON_PrintUnformatted(secret) : NULL;
    size_t used, room;
    char *text;

    if (head == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a Secret");
    used = strlen(head);
    room = used + data_bytes(items, n);
    text = mst_alloc(room);
    if (text != NULL) {
        memcpy(text, head, used);
        used--; /* its last brace */
        used += put_data(text + used, items, n);
        *out = text;
        *len = used;
    }
    cJSON_free(head);
    return text != NULL ? MUSTER_OK : mst_fail(err, MUSTER_ENOMEM, "a Secret");
}

/* ------------------------------------------------------------------ checks --
 */

/* Source: k8s.io/apimachinery/pkg/api/resource, Quantity. */
static bool is_quantity(const char *text)
{
    static const char *const suffixes[] = {"",   "n",  "u",  "m", "k",  "M",
                                           "G",  "T",  "P",  "E", "Ki", "Mi",
                                           "Gi", "Ti", "Pi", "Ei"};
    const char *at = text;
    char *end;
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
    (void)strtol(at + 1, &end, 10);
    return end != at + 1 && *end == '\0' && at[1] != ' ';
}

/* Source: k8s.io/apimachinery/pkg/util/validation, IsEnvVarName. */
static bool is_env(const char *text)
{
    const char *end = strchr(text, '=');
    const size_t good =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789_.-");

    return end != NULL && end > text && text + good == end &&
           end - text < 256 && (text[0] < '0' || text[0] > '9');
}

static bool is_label(const char *text)
{
    const size_t len = strlen(text);

    return len > 0 && len < MST_KUBE_LABEL && text[0] != '-' &&
           text[len - 1] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

muster_err mst_manifest_check(const mst_pod_plan *plan, muster_error *err)
{
    const char *kind = mst_json_str(plan->pod_template, "kind");

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
    if (plan->pod_template != NULL && !cJSON_IsObject(plan->pod_template))
        return mst_fail(err, MUSTER_EKUBE, "the Pod template is no object");
    if (kind != NULL && strcmp(kind, "Pod") != 0)
        return mst_fail(err, MUSTER_EKUBE, "the template is a %.40s, not a Pod",
                        kind);
    for (size_t i = 0; plan->env != NULL && plan->env[i] != NULL; i++)
        if (!is_env(plan->env[i]))
            return mst_fail(err, MUSTER_EKUBE,
                            "\"%.40s\" is no NAME=VALUE for a container",
                            plan->env[i]);
    return MUSTER_OK;
}

/* ------------------------------------------------------------------- image --
 */

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

const char *mst_manifest_image(const cJSON *pod, const char **name)
{
    const cJSON *containers = mst_json_list(pod, "spec.containers");
    const cJSON *one, *best = NULL;

    cJSON_ArrayForEach(one, containers)
    {
        const char *its = mst_json_str(one, "name");

        if (its == NULL || mst_json_str(one, "image") == NULL)
            continue;
        if (strcmp(its, "manager") == 0) {
            best = one;
            break;
        }
        if (best == NULL || is_sidecar(mst_json_str(best, "name")))
            best = one;
    }
    if (name != NULL)
        *name = mst_json_str(best, "name");
    return mst_json_str(best, "image");
}
