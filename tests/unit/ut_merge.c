/* ut_merge.c - a Pod template over a Pod, case by case. */
#include "golden.h"

#include <muster/error.h>

#include "launch/kube/merge.h"

static void each_case_gives_what_it_should(void **state)
{
    static const struct {
        const char *why, *into, *patch, *want;
    } cases[] = {
        {"nothing", "{\"a\":1}", "{}", "{\"a\":1}"},
        {"maps are made", "{}", "{\"a\":{\"b\":{\"c\":1}}}",
         "{\"a\":{\"b\":{\"c\":1}}}"},
        {"maps are merged", "{\"a\":{\"b\":1,\"c\":2}}",
         "{\"a\":{\"c\":3,\"d\":4}}", "{\"a\":{\"b\":1,\"c\":3,\"d\":4}}"},
        {"null removes", "{\"a\":1,\"b\":{\"c\":1,\"d\":2}}",
         "{\"a\":null,\"b\":{\"c\":null},\"e\":null}", "{\"b\":{\"d\":2}}"},
        {"null in what is new is not there", "{}",
         "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}"},
        {"an object in place of a text", "{\"a\":\"x\"}", "{\"a\":{\"b\":1}}",
         "{\"a\":{\"b\":1}}"},
        {"a text in place of an object", "{\"a\":{\"b\":1}}", "{\"a\":\"x\"}",
         "{\"a\":\"x\"}"},
        {"containers by name",
         "{\"containers\":[{\"name\":\"worker\",\"image\":\"i\"}]}",
         "{\"containers\":[{\"name\":\"log\",\"image\":\"l\"},"
         "{\"name\":\"worker\",\"tty\":true}]}",
         "{\"containers\":[{\"name\":\"worker\",\"image\":\"i\",\"tty\":true},"
         "{\"name\":\"log\",\"image\":\"l\"}]}"},
        {"env by name", "{\"env\":[{\"name\":\"A\",\"value\":\"1\"}]}",
         "{\"env\":[{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\","
         "\"value\":null,\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"x\"}}}]}",
         "{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":"
         "{\"fieldPath\":\"x\"}}},{\"name\":\"B\",\"value\":\"2\"}]}"},
        {"volumes by name",
         "{\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{}}]}",
         "{\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{\"medium\":"
         "\"Memory\"}},{\"name\":\"d\",\"hostPath\":{\"path\":\"/d\"}}]}",
         "{\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{\"medium\":"
         "\"Memory\"}},{\"name\":\"d\",\"hostPath\":{\"path\":\"/d\"}}]}"},
        {"mounts by path",
         "{\"volumeMounts\":[{\"mountPath\":\"/tmp\",\"name\":\"tmp\"}]}",
         "{\"volumeMounts\":[{\"mountPath\":\"/tmp\",\"name\":\"big\"},"
         "{\"mountPath\":\"/d\",\"name\":\"d\"}]}",
         "{\"volumeMounts\":[{\"mountPath\":\"/tmp\",\"name\":\"big\"},"
         "{\"mountPath\":\"/d\",\"name\":\"d\"}]}"},
        {"ports by number",
         "{\"ports\":[{\"containerPort\":80,\"name\":\"a\"}]}",
         "{\"ports\":[{\"containerPort\":80,\"name\":\"b\"},"
         "{\"containerPort\":81}]}",
         "{\"ports\":[{\"containerPort\":80,\"name\":\"b\"},"
         "{\"containerPort\":81}]}"},
        {"pull secrets by name", "{\"imagePullSecrets\":[{\"name\":\"a\"}]}",
         "{\"imagePullSecrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"imagePullSecrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"},
        {"host aliases by address",
         "{\"hostAliases\":[{\"ip\":\"::1\",\"hostnames\":[\"a\"]}]}",
         "{\"hostAliases\":[{\"ip\":\"::1\",\"hostnames\":[\"b\"]}]}",
         "{\"hostAliases\":[{\"ip\":\"::1\",\"hostnames\":[\"b\"]}]}"},
        {"spread by topology",
         "{\"topologySpreadConstraints\":[{\"topologyKey\":\"z\",\"maxSkew\":1}"
         "]}",
         "{\"topologySpreadConstraints\":[{\"topologyKey\":\"z\",\"maxSkew\":2}"
         ",{\"topologyKey\":\"h\",\"maxSkew\":1}]}",
         "{\"topologySpreadConstraints\":[{\"topologyKey\":\"z\",\"maxSkew\":2}"
         ",{\"topologyKey\":\"h\",\"maxSkew\":1}]}"},
        {"tolerations are replaced", "{\"tolerations\":[{\"key\":\"a\"}]}",
         "{\"tolerations\":[{\"key\":\"b\"}]}",
         "{\"tolerations\":[{\"key\":\"b\"}]}"},
        {"args are replaced", "{\"args\":[\"a\",\"b\"]}", "{\"args\":[\"c\"]}",
         "{\"args\":[\"c\"]}"},
        {"a keyed list that is new: null in it removes", "{}",
         "{\"initContainers\":[{\"name\":\"a\",\"image\":null}]}",
         "{\"initContainers\":[{\"name\":\"a\"}]}"},
        {"a keyed list that is new: one of a name", "{}",
         "{\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"A\","
         "\"value\":\"2\"}]}",
         "{\"env\":[{\"name\":\"A\",\"value\":\"2\"}]}"},
        {"a keyed list goes by null", "{\"env\":[{\"name\":\"A\"}]}",
         "{\"env\":null}", "{}"},
        {"names are case-sensitive", "{\"Spec\":1}", "{\"spec\":2}",
         "{\"Spec\":1,\"spec\":2}"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *into = json_of(cases[i].into);
        cJSON *patch = json_of(cases[i].patch);
        cJSON *want = json_of(cases[i].want);
        muster_error err = {.text = ""};
        const muster_err rc = mst_merge(into, patch, &err);

        if (rc != MUSTER_OK)
            fail_msg("%s: %s", cases[i].why, err.text);
        if (golden_compare(cases[i].why, want, into) != 0)
            fail_msg("%s", cases[i].why);
        cJSON_Delete(into);
        cJSON_Delete(patch);
        cJSON_Delete(want);
    }
}

/* An element that the template does not name stays, and one that it names
 * keeps what the template does not say. */
static void each_list_is_merged_by_its_key(void **state)
{
    static const char *const lists[][2] = {
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
        {"ownerReferences", "uid"}};

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *list = lists[i][0], *key = lists[i][1];
        char text[256];
        cJSON *into, *patch, *want;

        snprintf(text, sizeof(text),
                 "{\"%s\":[{\"%s\":\"1\",\"x\":1},{\"%s\":\"2\"}]}", list, key,
                 key);
        into = json_of(text);
        snprintf(text, sizeof(text),
                 "{\"%s\":[{\"%s\":\"3\"},{\"%s\":\"1\",\"y\":1}]}", list, key,
                 key);
        patch = json_of(text);
        snprintf(text, sizeof(text),
                 "{\"%s\":[{\"%s\":\"1\",\"x\":1,\"y\":1},"
                 "{\"%s\":\"2\"},{\"%s\":\"3\"}]}",
                 list, key, key, key);
        want = json_of(text);
        assert_int_equal(mst_merge(into, patch, NULL), MUSTER_OK);
        if (golden_compare(list, want, into) != 0)
            fail_msg("%s", list);
        cJSON_Delete(into);
        cJSON_Delete(patch);
        cJSON_Delete(want);
    }
}

static void what_cannot_be_merged_is_refused(void **state)
{
    static const struct {
        const char *into, *patch, *says;
    } cases[] = {
        {"{}", "[]", "no object"},
        {"{}", "{\"$patch\":\"delete\"}", "$patch is a directive"},
        {"{}", "{\"a\":{\"$retainKeys\":[]}}", "$retainKeys is a directive"},
        {"{}", "{\"env\":[{\"name\":\"A\",\"$patch\":\"delete\"}]}",
         "$patch is a directive"},
        {"{\"env\":[]}", "{\"env\":[{\"value\":\"1\"}]}",
         "an element of env has no \"name\""},
        {"{}", "{\"env\":[{\"name\":null}]}", "has no \"name\""},
        {"{}", "{\"volumeMounts\":[{\"name\":\"A\"}]}", "no \"mountPath\""},
        {"{}", "{\"containers\":[\"worker\"]}", "has no \"name\""},
        {"{}", "{\"containers\":[[1]]}", "has no \"name\""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *into = json_of(cases[i].into);
        cJSON *patch = json_of(cases[i].patch);
        muster_error err = {.text = ""};

        if (mst_merge(into, patch, &err) != MUSTER_EKUBE ||
            strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].patch, err.text,
                     cases[i].says);
        cJSON_Delete(into);
        cJSON_Delete(patch);
    }
}

static void a_merge_without_memory_says_so(void **state)
{
    const char *text = "{\"a\":{\"b\":[1,{\"c\":2}]},\"env\":[{\"name\":\"A\"},"
                       "{\"name\":\"B\",\"x\":{\"y\":null,\"z\":\"t\"}}]}";
    cJSON *patch = json_of(text);
    muster_err rc = MUSTER_ENOMEM;
    long n;

    (void)state;
    for (n = 1; rc != MUSTER_OK && n < 500; n++) {
        cJSON *into = json_of("{\"env\":[{\"name\":\"B\",\"x\":1}]}");
        muster_error err = {.text = ""};

        mst_alloc_fail_after(n);
        rc = mst_merge(into, patch, &err);
        mst_alloc_fail_after(0);
        if (rc != MUSTER_OK && rc != MUSTER_ENOMEM)
            fail_msg("%ld: %s", n, err.text);
        cJSON_Delete(into);
    }
    assert_int_equal(rc, MUSTER_OK);
    assert_true(n > 10);
    cJSON_Delete(patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_gives_what_it_should),
        cmocka_unit_test(each_list_is_merged_by_its_key),
        cmocka_unit_test(what_cannot_be_merged_is_refused),
        cmocka_unit_test(a_merge_without_memory_says_so)};

    golden_hooks();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
