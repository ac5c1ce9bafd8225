/* golden.h - JSON files that a test compares with, by value and not by bytes.
 * GOLDEN is their folder. */
#ifndef UNIT_GOLDEN_H
#define UNIT_GOLDEN_H

#include "unit.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "launch/kube/json.h"

/* cJSON_Delete it; a file that is missing or no JSON fails the test. */
static inline cJSON *golden_read(const char *name)
{
    static char text[1 << 16];
    char path[512];
    FILE *file;
    size_t len;
    cJSON *json;

    snprintf(path, sizeof(path), GOLDEN "/%s.json", name);
    file = fopen(path, "re");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    json = mst_json_parse(text, len);
    if (json == NULL)
        fail_msg("%s is no JSON", path);
    return json;
}

static inline int golden_differs(const char *path, const char *what,
                                 const cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);

    print_error("%s: %s: %s\n", path, what, text);
    cJSON_free(text);
    return 1;
}

/* How many places differ; each is printed with its path. */
static inline int golden_compare(const char *path, const cJSON *want,
                                 const cJSON *have)
{
    const cJSON *one;
    char below[512];
    int n = 0, at = 0;

    if (cJSON_Compare(want, have, true))
        return 0;
    if (cJSON_IsArray(want) && cJSON_IsArray(have) &&
        cJSON_GetArraySize(want) == cJSON_GetArraySize(have)) {
        cJSON_ArrayForEach(one, want)
        {
            snprintf(below, sizeof(below), "%s.%d", path, at);
            n += golden_compare(below, one, cJSON_GetArrayItem(have, at++));
        }
        return n;
    }
    if (!cJSON_IsObject(want) || !cJSON_IsObject(have))
        return golden_differs(path, "should be", want) +
               golden_differs(path, "but it is", have);
    cJSON_ArrayForEach(one, want)
    {
        const cJSON *its = cJSON_GetObjectItemCaseSensitive(have, one->string);

        snprintf(below, sizeof(below), "%s.%s", path, one->string);
        n += its != NULL ? golden_compare(below, one, its)
                         : golden_differs(below, "is missing", one);
    }
    cJSON_ArrayForEach(one, have)
    {
        snprintf(below, sizeof(below), "%s.%s", path, one->string);
        if (cJSON_GetObjectItemCaseSensitive(want, one->string) == NULL)
            n += golden_differs(below, "should not be there", one);
    }
    return n;
}

static inline void golden_is(const char *name, const cJSON *have)
{
    cJSON *want = golden_read(name);
    const int n = golden_compare(name, want, have);

    cJSON_Delete(want);
    if (n > 0) {
        char *text = cJSON_Print(have);

        print_error("the whole:\n%s\n", text);
        cJSON_free(text);
        fail_msg("%s.json: %d differences", name, n);
    }
}

/* cJSON takes its memory where we do, so that mst_alloc_fail_after is about
 * both. */
static inline void golden_hooks(void)
{
    cJSON_Hooks hooks = {mst_alloc, mst_free};

    cJSON_InitHooks(&hooks);
}

static inline cJSON *json_of(const char *text)
{
    cJSON *json = mst_json_parse(text, strlen(text));

    if (json == NULL)
        fail_msg("no JSON: %s", text);
    return json;
}

#endif
