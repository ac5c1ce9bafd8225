#include "launch/kube/known.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "launch/kube/json.h"

/* What a verdict may need later: not the spec, not who set which field. */
static cJSON *brief(const cJSON *pod)
{
    static const char *const fields[] = {"name", "namespace", "uid",
                                         "resourceVersion", "labels"};
    MST_AUTO(mst_drop_json) cJSON *copy = cJSON_CreateObject();
    const cJSON *status = mst_json_object(pod, "status");
    const cJSON *node = mst_json_at(pod, "spec.nodeName");
    cJSON *metadata = mst_json_make(copy, "metadata");
    cJSON *spec = mst_json_make(copy, "spec");

    if (metadata == NULL || spec == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(
            mst_json_object(pod, "metadata"), fields[i]);
        cJSON *dup = item != NULL ? cJSON_Duplicate(item, true) : NULL;

        if (item != NULL && !cJSON_AddItemToObject(metadata, fields[i], dup)) {
            cJSON_Delete(dup);
            return NULL;
        }
    }
    if (cJSON_IsString(node) &&
        !mst_json_set_str(spec, "nodeName", node->valuestring))
        return NULL;
    if (status != NULL) {
        cJSON *dup = cJSON_Duplicate(status, true);

        if (!cJSON_AddItemToObject(copy, "status", dup)) {
            cJSON_Delete(dup);
            return NULL;
        }
    }
    return MST_MOVE(copy);
}

static mst_known_pod *find(mst_known *known, const char *name)
{
    for (size_t i = 0; i < known->n; i++)
        if (strcmp(known->pods[i].name, name) == 0)
            return &known->pods[i];
    return NULL;
}

static void forget(mst_known *known, mst_known_pod *pod)
{
    cJSON_Delete(pod->pod);
    *pod = known->pods[--known->n];
}

static bool make_room(mst_known *known)
{
    const size_t room = known->room > 0 ? 2 * known->room : 16;
    mst_known_pod *more;

    if (known->n < known->room)
        return true;
    more = mst_realloc(known->pods, room * sizeof(*more));
    if (more == NULL)
        return false;
    known->pods = more;
    known->room = room;
    return true;
}

/* Takes `copy`. */
static void put(mst_known_pod *to, cJSON *copy)
{
    cJSON_Delete(to->pod);
    *to = (mst_known_pod){
        .pod = copy,
        .name = mst_json_str(copy, "metadata.name"),
        .uid = mst_json_str(copy, "metadata.uid"),
        .version = mst_json_str(copy, "metadata.resourceVersion"),
        .seen = true,
    };
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

mst_known_rc mst_known_event(mst_known *known, mst_kube_event event,
                             const cJSON *pod, mst_known_fn fn, void *arg)
{
    const char *name = mst_json_str(pod, "metadata.name");
    const char *version = mst_json_str(pod, "metadata.resourceVersion");
    mst_known_pod *old;
    cJSON *copy;

    if (name == NULL || version == NULL)
        return MST_KNOWN_STRANGE;
    old = find(known, name);
    if (old != NULL && !same(old->uid, mst_json_str(pod, "metadata.uid"))) {
        fn(arg, MST_KUBE_DELETED, old->pod);
        forget(known, old);
        old = NULL;
    }
    if (event == MST_KUBE_DELETED) {
        if (old == NULL)
            return MST_KNOWN_OK;
        fn(arg, MST_KUBE_DELETED, pod);
        forget(known, old);
        return MST_KNOWN_OK;
    }
    if (old != NULL && same(old->version, version)) {
        old->seen = true;
        return MST_KNOWN_OK;
    }
    copy = brief(pod);
    if (copy == NULL || !make_room(known)) {
        cJSON_Delete(copy);
        return MST_KNOWN_NOMEM;
    }
    event = old != NULL ? MST_KUBE_MODIFIED : MST_KUBE_ADDED;
    /* make_room may have moved it */
    old = find(known, name);
    if (old == NULL) {
        old = &known->pods[known->n++];
        old->pod = NULL;
    }
    put(old, copy);
    fn(arg, event, pod);
    return MST_KNOWN_OK;
}

mst_known_rc mst_known_list(mst_known *known, const cJSON *items,
                            mst_known_fn fn, void *arg)
{
    const cJSON *pod;

    for (size_t i = 0; i < known->n; i++)
        known->pods[i].seen = false;
    cJSON_ArrayForEach(pod, items)
    {
        const mst_known_rc rc =
            mst_known_event(known, MST_KUBE_MODIFIED, pod, fn, arg);

        if (rc != MST_KNOWN_OK)
            return rc;
    }
    for (size_t i = known->n; i-- > 0;) {
        mst_known_pod *old = &known->pods[i];

        if (old->seen)
            continue;
        fn(arg, MST_KUBE_DELETED, old->pod);
        forget(known, old);
    }
    return MST_KNOWN_OK;
}

void mst_known_fini(mst_known *known)
{
    for (size_t i = 0; i < known->n; i++)
        cJSON_Delete(known->pods[i].pod);
    mst_free(known->pods);
    *known = (mst_known){0};
}
