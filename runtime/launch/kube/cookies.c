/* cookies.c - the Secret of a launch. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"
#include "launch/kube/names.h"

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
            at += sprintf(at, "KHNlY3JldCk="); /* "(secret)" */
        }
        *at++ = '"';
    }
    at += sprintf(at, "}}");
    return (size_t)(at - begin);
}

muster_err mst_manifest_secret(const mst_pod_plan *plan, const char *name,
                               const mst_secret_item *items, size_t n,
                               char **text, size_t *len, muster_error *err)
{
    MST_AUTO(mst_drop_json) cJSON *secret = frame(plan, name);
    char *head = secret != NULL ? cJSON_PrintUnformatted(secret) : NULL;
    size_t used, room;
    char *made;

    if (head == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a Secret");
    used = strlen(head);
    room = used + data_bytes(items, n);
    made = sodium_init() >= 0 ? sodium_malloc(room) : NULL;
    if (made != NULL) {
        memcpy(made, head, used);
        used--; /* its last brace */
        used += put_data(made + used, items, n);
        *text = made;
        *len = used;
    }
    cJSON_free(head);
    return made != NULL ? MUSTER_OK : mst_fail(err, MUSTER_ENOMEM, "a Secret");
}
