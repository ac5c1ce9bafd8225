#include "launch/kube/json.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

void mst_drop_json(cJSON **json)
{
    cJSON_Delete(*json);
}

static bool is_name(const cJSON *item, const char *name, size_t len)
{
    return item->string != NULL && strncmp(item->string, name, len) == 0 &&
           item->string[len] == '\0';
}

static const cJSON *member(const cJSON *object, const char *name, size_t len)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, object)
    {
        if (is_name(item, name, len))
            return item;
    }
    return NULL;
}

static const cJSON *element(const cJSON *list, const char *number, size_t len)
{
    const cJSON *item = list->child;
    size_t index = 0;

    if (len == 0 || len > 9)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        if (number[i] < '0' || number[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(number[i] - '0');
    }
    while (item != NULL && index-- > 0)
        item = item->next;
    return item;
}

const cJSON *mst_json_at(const cJSON *json, const char *path)
{
    while (json != NULL) {
        const size_t len = strcspn(path, ".");

        if (cJSON_IsArray(json))
            json = element(json, path, len);
        else if (cJSON_IsObject(json))
            json = member(json, path, len);
        else
            return NULL;
        if (path[len] == '\0')
            return json;
        path += len + 1;
    }
    return NULL;
}

const char *mst_json_str(const cJSON *json, const char *path)
{
    return cJSON_GetStringValue(mst_json_at(json, path));
}

int64_t mst_json_int(const cJSON *json, const char *path, int64_t absent)
{
    const cJSON *item = mst_json_at(json, path);
    double number;

    if (!cJSON_IsNumber(item))
        return absent;
    number = item->valuedouble;
    /* 2^63 is a double, 2^63 - 1 is not */
    if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) ||
        number != (double)(int64_t)number)
        return absent;
    return (int64_t)number;
}

bool mst_json_bool(const cJSON *json, const char *path, bool absent)
{
    const cJSON *item = mst_json_at(json, path);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : absent;
}

const cJSON *mst_json_list(const cJSON *json, const char *path)
{
    static const cJSON empty = {.type = cJSON_Array};
    const cJSON *item = mst_json_at(json, path);

    return cJSON_IsArray(item) ? item : &empty;
}

const cJSON *mst_json_object(const cJSON *json, const char *path)
{
    const cJSON *item = mst_json_at(json, path);

    return cJSON_IsObject(item) ? item : NULL;
}

cJSON *mst_json_parse(const char *text, size_t len)
{
    MST_AUTO(mst_drop_json) cJSON *json = NULL;
    const char *end = NULL;

    if (text == NULL || len == 0)
        return NULL;
    json = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (json == NULL || end == NULL)
        return NULL;
    for (; end < text + len; end++)
        if (*end == '\0' || strchr(" \t\r\n", *end) == NULL)
            return NULL;
    return MST_MOVE(json);
}

/* Puts `item` where `name` is, or at the end; takes it, also when it fails. */
static bool set(cJSON *object, const char *name, cJSON *item)
{
    cJSON *old = cJSON_GetObjectItemCaseSensitive(object, name);

    if (item == NULL)
        return false;
    if (old == NULL) {
        if (cJSON_AddItemToObject(object, name, item))
            return true;
        cJSON_Delete(item);
        return false;
    }
    /* The name moves over: cJSON_ReplaceItemInObject would copy it, and does
     * not see that there was no memory for that. */
    item->string = MST_MOVE(old->string);
    item->type |= old->type & cJSON_StringIsConst;
    return cJSON_ReplaceItemViaPointer(object, old, item);
}

cJSON *mst_json_make(cJSON *object, const char *name)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (item != NULL && !cJSON_IsNull(item))
        return cJSON_IsObject(item) ? item : NULL;
    if (!cJSON_IsObject(object))
        return NULL;
    item = cJSON_CreateObject();
    return set(object, name, item) ? item : NULL;
}

bool mst_json_set_str(cJSON *object, const char *name, const char *value)
{
    return set(object, name, cJSON_CreateString(value));
}

bool mst_json_set_int(cJSON *object, const char *name, int64_t value)
{
    return set(object, name, cJSON_CreateNumber((double)value));
}

bool mst_json_set_bool(cJSON *object, const char *name, bool value)
{
    return set(object, name, cJSON_CreateBool(value));
}
