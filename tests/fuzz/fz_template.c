/* fz_template.c - a Pod template: what comes out is a worker's Pod or a
 * refusal, and a template merged twice is a template merged once. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"
#include "launch/kube/merge.h"

static const mst_pod_plan plain = {.ns = "lab",
                                   .prefix = "job-worker",
                                   .session = "0123456789abcdef",
                                   .image = "solver:7",
                                   .cpu = "1",
                                   .memory = "4Gi",
                                   .owner_name = "job",
                                   .owner_uid = "1-2-3"};

static int depth_of(const cJSON *json)
{
    const cJSON *item;
    int most = 0;

    cJSON_ArrayForEach(item, json)
    {
        const int depth = depth_of(item);

        most = depth > most ? depth : most;
    }
    return most + 1;
}

/* Names that come twice, which the reader of templates refuses, and infinities
 * make it unlike itself. */
static int is_plain(const cJSON *json)
{
    cJSON *twin = cJSON_Duplicate(json, 1);
    const int same = cJSON_Compare(json, twin, 1);

    cJSON_Delete(twin);
    return same;
}

static void must_stay(cJSON *pod, const cJSON *template_)
{
    cJSON *once = cJSON_Duplicate(pod, 1);

    must(mst_merge(pod, template_, NULL) == MUSTER_OK);
    must(cJSON_Compare(once, pod, 1));
    must(mst_manifest_keeps(&plain, 7, 2, "s", pod, NULL) == MUSTER_OK);
    cJSON_Delete(once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_pod_plan plan = plain;
    cJSON *json = mst_json_parse((const char *)data, size);
    cJSON *pod = NULL;
    muster_error err = {.text = ""};

    /* to compare takes twice as long for each level */
    if (json == NULL || depth_of(json) > 16 || !is_plain(json)) {
        cJSON_Delete(json);
        return 0;
    }
    plan.pod_template = json;
    if (mst_manifest_check(&plan, &err) == MUSTER_OK &&
        mst_manifest_pod(&plan, 7, 2, "s", NULL, &pod, &err) == MUSTER_OK)
        must_stay(pod, json);
    else
        must(err.text[0] != '\0' && pod == NULL);
    cJSON_Delete(pod);
    cJSON_Delete(json);
    return 0;
}
