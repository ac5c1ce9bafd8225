#include "launch/kube/merge.h"

#include <stdbool.h>
#include <string.h>

#include "base/fail.h"
#include "launch/kube/json.h"

static const struct {
    const char *list, *key;
} keys[] = {
    {"containers", "name"},
    {"initContainers", "name"},
    {"ephemeralContainers", "name"},
    {"env", "name"},
    {"volumes", "name"},
    {"imagePullSecrets", "name"},
    {"volumeMounts", "mountPath"},
    {"volumeDevices", "devicePath"},
    {"ports", "containerPort"},
    {"hostAliases", "ip"},
    {"topologySpreadConstraints", "topologyKey"},
    {"resourceClaims", "name"},
    {"schedulingGates", "name"},
    {"ownerReferences", "uid"},
};

static const char *key_of(const char *list)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i].list, list) == 0)
            return keys[i].key;
    return NULL;
}

/* The element whose key has the same value. */
static cJSON *find(const cJSON *list, const char *key, const cJSON *like)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(like, key);
    cJSON *one;

    /* a key is a word or a number; to compare trees may take for ever */
    if (!cJSON_IsString(want) && !cJSON_IsNumber(want))
        return NULL;
    cJSON_ArrayForEach(one, list)
    {
        if (cJSON_Compare(cJSON_GetObjectItemCaseSensitive(one, key), want,
                          true))
            return one;
    }
    return NULL;
}

static muster_err merge_object(cJSON *into, const cJSON *patch,
                               muster_error *err);

static muster_err no_memory(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOMEM, "a Pod template");
}

/* Merged into nothing, so that directives and nulls in it are seen, too. */
static muster_err add(cJSON *list, const cJSON *element, muster_error *err)
{
    cJSON *copy = cJSON_CreateObject();

    if (copy == NULL || !cJSON_AddItemToArray(list, copy)) {
        cJSON_Delete(copy);
        return no_memory(err);
    }
    return merge_object(copy, element, err);
}

static muster_err merge_list(cJSON *into, const cJSON *patch, const char *key,
                             muster_error *err)
{
    const cJSON *element;

    cJSON_ArrayForEach(element, patch)
    {
        const cJSON *its = cJSON_IsObject(element)
                               ? cJSON_GetObjectItemCaseSensitive(element, key)
                               : NULL;
        cJSON *there;
        muster_err rc;

        if (!cJSON_IsString(its) && !cJSON_IsNumber(its))
            return mst_fail(
                err, MUSTER_EKUBE, "an element of %.60s has no \"%s\"",
                patch->string != NULL ? patch->string : "a list", key);
        there = find(into, key, element);
        rc = there != NULL ? merge_object(there, element, err)
                           : add(into, element, err);
        if (rc != MUSTER_OK)
            return rc;
    }
    return MUSTER_OK;
}

/* A new value in place of the old one, or of none. */
static muster_err replace(cJSON *into, const cJSON *value, const char *key,
                          muster_error *err)
{
    const bool keyed = cJSON_IsArray(value) && key != NULL;
    cJSON *copy = cJSON_IsObject(value) ? cJSON_CreateObject()
                  : keyed               ? cJSON_CreateArray()
                                        : cJSON_Duplicate(value, true);

    if (copy == NULL)
        return no_memory(err);
    cJSON_DeleteItemFromObjectCaseSensitive(into, value->string);
    if (!cJSON_AddItemToObject(into, value->string, copy)) {
        cJSON_Delete(copy);
        return no_memory(err);
    }
    if (keyed)
        return merge_list(copy, value, key, err);
    return cJSON_IsObject(value) ? merge_object(copy, value, err) : MUSTER_OK;
}

static muster_err merge_member(cJSON *into, const cJSON *value,
                               muster_error *err)
{
    cJSON *there = cJSON_GetObjectItemCaseSensitive(into, value->string);
    const char *key = key_of(value->string);

    if (value->string[0] == '$')
        return mst_fail(err, MUSTER_EKUBE,
                        "%.60s is a directive, which is not taken here; null "
                        "removes",
                        value->string);
    if (cJSON_IsNull(value)) {
        cJSON_DeleteItemFromObjectCaseSensitive(into, value->string);
        return MUSTER_OK;
    }
    if (cJSON_IsObject(value) && cJSON_IsObject(there))
        return merge_object(there, value, err);
    if (cJSON_IsArray(value) && cJSON_IsArray(there) && key != NULL)
        return merge_list(there, value, key, err);
    return replace(into, value, key, err);
}

static muster_err merge_object(cJSON *into, const cJSON *patch,
                               muster_error *err)
{
    const cJSON *value;

    cJSON_ArrayForEach(value, patch)
    {
        const muster_err rc = merge_member(into, value, err);

        if (rc != MUSTER_OK)
            return rc;
    }
    return MUSTER_OK;
}

muster_err mst_merge(cJSON *into, const cJSON *patch, muster_error *err)
{
    if (!cJSON_IsObject(into) || !cJSON_IsObject(patch))
        return mst_fail(err, MUSTER_EKUBE, "it is no object");
    return merge_object(into, patch, err);
}
