/* fz_yaml.c - what YAML becomes is a tree within the limits, and its JSON is
 * that tree again. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/json.h"
#include "launch/kube/yaml.h"

static size_t measure(const cJSON *json, int depth)
{
    const cJSON *item;
    size_t nodes = 1;

    must(depth <= MST_YAML_DEPTH);
    must(!cJSON_IsInvalid(json));
    cJSON_ArrayForEach(item, json)
    {
        must((item->string != NULL) == cJSON_IsObject(json));
        nodes += measure(item, depth + 1);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *json = NULL, *again;
    muster_error err = {0};
    muster_err rc = mst_yaml_parse((const char *)data, size, "f", &json, &err);
    size_t nodes;
    char *text, *second;

    must((rc == MUSTER_OK) == (json != NULL));
    if (rc != MUSTER_OK) {
        must(rc == MUSTER_EINVAL && err.code == rc);
        must(strncmp(err.text, "f:", 2) == 0);
        return 0;
    }
    nodes = measure(json, 1);
    must(nodes <= MST_YAML_NODES);
    text = cJSON_PrintUnformatted(json);
    must(text != NULL);
    again = mst_json_parse(text, strlen(text));
    must(again != NULL);
    second = cJSON_PrintUnformatted(again);
    must(second != NULL && strcmp(text, second) == 0);
    cJSON_free(second);
    cJSON_Delete(again);
    cJSON_free(text);
    cJSON_Delete(json);
    return 0;
}
