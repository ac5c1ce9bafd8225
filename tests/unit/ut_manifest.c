/* ut_manifest.c - Pods and Secrets against golden files, and what template and
 * configure must not change. */
#include "golden.h"

#include <sodium.h>

#include <muster/error.h>

#include "launch/kube/manifest.h"
#include "launch/kube/secret.h"

#define UID "11111111-2222-3333-4444-555555555555"

static const mst_pod_plan plain = {.ns = "lab",
                                   .prefix = "job-worker",
                                   .session = "0123456789abcdef",
                                   .image = "registry.local/solver:7",
                                   .cpu = "1",
                                   .memory = "4Gi"};

static cJSON *pod_of(const mst_pod_plan *plan, uint32_t incarnation,
                     const char *secret, const char *cookie)
{
    muster_error err = {.text = ""};
    cJSON *pod = NULL;

    if (mst_manifest_check(plan, &err) != MUSTER_OK ||
        mst_manifest_pod(plan, 2, incarnation, secret, cookie, &pod, &err) !=
            MUSTER_OK)
        fail_msg("%s", err.text);
    return pod;
}

static void a_plain_pod(void **state)
{
    cJSON *pod = pod_of(&plain, 1, "s-1", NULL);

    (void)state;
    golden_is("plain", pod);
    cJSON_Delete(pod);
}

static void one_with_everything_of_a_restricted_manager(void **state)
{
    static const char *const env[] = {"MODE=first", "PRICE=$(MODE) $$5",
                                      "EMPTY=", "MODE=last", NULL};
    cJSON *manager = golden_read("manager");
    mst_pod_plan plan = plain;
    cJSON *pod;

    (void)state;
    plan.manager = manager;
    plan.owner_name = "job";
    plan.owner_uid = UID;
    plan.worker = "/opt/muster/bin/muster-worker";
    plan.pull_policy = "Always";
    plan.cpu = "500m";
    plan.memory = "512Mi";
    plan.deadline_s = 3600;
    plan.env = env;
    pod = pod_of(&plan, 3, "s-1", NULL);
    golden_is("owned", pod);
    cJSON_Delete(pod);
    cJSON_Delete(manager);
}

static void the_cookie_in_the_environment(void **state)
{
    mst_pod_plan plan = plain;
    cJSON *pod;

    (void)state;
    plan.cookie_in_env = true;
    pod = pod_of(&plan, 1, NULL, "c00kie");
    golden_is("cookie_env", pod);
    cJSON_Delete(pod);
}

static int add_label(void *arg, uint32_t rank, cJSON *pod)
{
    char text[32];

    (void)arg;
    snprintf(text, sizeof(text), "rank-%u", rank);
    return !mst_json_set_str(
        mst_json_make(mst_json_make(pod, "metadata"), "labels"), "configured",
        text);
}

static void template_and_then_configure(void **state)
{
    cJSON *pod_template = golden_read("template");
    mst_pod_plan plan = plain;
    cJSON *pod;

    (void)state;
    plan.pod_template = pod_template;
    plan.configure = add_label;
    pod = pod_of(&plan, 1, "s-1", NULL);
    golden_is("templated", pod);
    cJSON_Delete(pod);
    cJSON_Delete(pod_template);
}

static void a_secret_has_each_cookie_as_base64(void **state)
{
    const mst_secret_item items[] = {{1, "first", 5},
                                     {UINT32_MAX, "\x00\x01\xff\xfe", 4}};
    const mst_secret_item dry[] = {{1, NULL, 0}};
    mst_pod_plan plan = plain;
    char *text = NULL;
    size_t len = 0;
    cJSON *json;

    (void)state;
    plan.owner_name = "job";
    plan.owner_uid = UID;
    assert_int_equal(
        mst_manifest_secret(&plan, "s-1", items, 2, &text, &len, NULL),
        MUSTER_OK);
    json = mst_json_parse(text, len);
    assert_non_null(json);
    golden_is("secret", json);
    cJSON_Delete(json);
    mst_drop_guarded(&text);
    assert_int_equal(
        mst_manifest_secret(&plain, "s-1", dry, 1, &text, &len, NULL),
        MUSTER_OK);
    json = mst_json_parse(text, len);
    golden_is("secret_dry", json);
    cJSON_Delete(json);
    mst_drop_guarded(&text);
}

/* ------------------------------------------------------------ refusals -- */

static void a_plan_that_cannot_be_is_refused(void **state)
{
    static const char *const good[] = {"1",    "0.5",   "500m", "4Gi",  "1Pi",
                                       ".5",   "1.",    "12E",  "1e3",  "1E3",
                                       "1e-3", "+1.5k", "0",    "64Mi", "100M"};
    static const char *const bad[] = {"",   "1G i", "4gi",   "Gi",   "-1",
                                      "1e", "1e+",  "e3",    ".",    "1.2.3",
                                      " 1", "1 ",   "1e\t3", "1KiB", "0x10"};
    mst_pod_plan plan = plain;
    muster_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        plan.cpu = plan.memory = good[i];
        if (mst_manifest_check(&plan, &err) != MUSTER_OK)
            fail_msg("%s: %s", good[i], err.text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        plan = plain;
        plan.cpu = bad[i];
        if (mst_manifest_check(&plan, &err) != MUSTER_EKUBE)
            fail_msg("cpu \"%s\" was taken", bad[i]);
        assert_non_null(strstr(err.text, "is no quantity"));
        plan = plain;
        plan.memory = bad[i];
        assert_int_equal(mst_manifest_check(&plan, &err), MUSTER_EKUBE);
    }
}

static void refuse(const mst_pod_plan *plan, muster_err rc, const char *says)
{
    muster_error err = {.text = ""};

    assert_int_equal(mst_manifest_check(plan, &err), rc);
    if (strstr(err.text, says) == NULL)
        fail_msg("\"%s\", not \"%s\"", err.text, says);
}

static void so_are_other_strings(void **state)
{
    static const char *const envs[] = {"1A=x", "A B=x", "=x", "A", "\xc3=x"};
    mst_pod_plan plan = plain;
    cJSON *job = json_of("{\"kind\":\"Job\",\"spec\":{}}");
    cJSON *list = json_of("[]");

    (void)state;
    plan.prefix = "Job";
    refuse(&plan, MUSTER_EINVAL, "\"job\" would do");
    plan = plain;
    plan.ns = "a/b";
    refuse(&plan, MUSTER_EKUBE, "cannot be a namespace");
    plan = plain;
    plan.image = "";
    refuse(&plan, MUSTER_EKUBE, "image is empty");
    plan = plain;
    plan.pull_policy = "always";
    refuse(&plan, MUSTER_EKUBE, "none of Always");
    plan = plain;
    plan.deadline_s = -1;
    refuse(&plan, MUSTER_EKUBE, "-1 seconds");
    plan = plain;
    plan.pod_template = job;
    refuse(&plan, MUSTER_EKUBE, "the template is a Job, not a Pod");
    plan.pod_template = list;
    refuse(&plan, MUSTER_EKUBE, "no object");
    for (size_t i = 0; i < sizeof(envs) / sizeof(envs[0]); i++) {
        const char *const env[] = {envs[i], NULL};

        plan = plain;
        plan.env = env;
        refuse(&plan, MUSTER_EKUBE, "cannot be a variable");
    }
    cJSON_Delete(job);
    cJSON_Delete(list);
}

static void the_value_of_a_variable_is_in_no_error(void **state)
{
    static const char *const env[] = {"MY TOKEN=hunter2", NULL};
    mst_pod_plan plan = plain;
    muster_error err;

    (void)state;
    plan.env = env;
    assert_int_equal(mst_manifest_check(&plan, &err), MUSTER_EKUBE);
    assert_null(strstr(err.text, "hunter2"));
}

static void what_has_to_stay_stays(void **state)
{
    static const struct {
        const char *pod_template, *says;
    } cases[] = {
        {"{\"kind\":\"Job\"}", "kind and apiVersion"},
        {"{\"apiVersion\":\"v2\"}", "kind and apiVersion"},
        {"{\"metadata\":{\"name\":\"x\"}}", "metadata.name"},
        {"{\"metadata\":{\"namespace\":\"x\"}}", "metadata.name"},
        {"{\"metadata\":null}", "metadata.name"},
        {"{\"metadata\":{\"labels\":null}}", "labels"},
        {"{\"metadata\":{\"labels\":{\"muster/rank\":\"7\"}}}", "labels"},
        {"{\"metadata\":{\"labels\":{\"muster/prefix\":null}}}", "labels"},
        {"{\"metadata\":{\"labels\":{\"muster/incarnation\":2}}}", "labels"},
        {"{\"metadata\":{\"ownerReferences\":[{\"uid\":\"x\"}]}}",
         "a second owner"},
        {"{\"metadata\":{\"ownerReferences\":null}}", "its owner"},
        {"{\"spec\":\"x\"}", "container \"worker\" must stay"},
        {"{\"spec\":{\"containers\":null}}", "container \"worker\" must stay"},
        {"{\"spec\":{\"containers\":[{\"name\":\"worker\",\"image\":null}]}}",
         "must have an image"},
        {"{\"spec\":{\"restartPolicy\":\"Always\"}}", "restartPolicy"},
        {"{\"spec\":{\"volumes\":null}}", "cookie"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"cookie\",\"secret\":"
         "{\"secretName\":\"x\"}}]}}",
         "cookie"},
        {"{\"spec\":{\"containers\":[{\"name\":\"worker\",\"volumeMounts\":"
         "[{\"mountPath\":\"/run/muster\",\"name\":\"tmp\"}]}]}}",
         "cookie"},
        {"{\"spec\":{\"containers\":[{\"name\":\"worker\",\"args\":null}]}}",
         "--cookie /run/muster/cookie"},
        {"{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}",
         "the Pod template: an element of containers has no \"name\""}};
    mst_pod_plan plan = plain;

    (void)state;
    plan.owner_name = "job";
    plan.owner_uid = UID;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *pod_template = json_of(cases[i].pod_template);
        muster_error err = {.text = ""};
        cJSON *pod = NULL;

        plan.pod_template = pod_template;
        if (mst_manifest_pod(&plan, 2, 1, "s-1", NULL, &pod, &err) !=
                MUSTER_EKUBE ||
            strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: \"%s\"", cases[i].pod_template, err.text);
        assert_null(pod);
        cJSON_Delete(pod_template);
    }
}

/* The command may be wrapped, and a Pod without our owner may have one. */
static void what_may_change_changes(void **state)
{
    static const struct {
        const char *text;
    } templates[] = {
        {"{\"spec\":{\"containers\":[{\"name\":\"worker\",\"command\":[\"sh\","
         "\"-c\",\"exec muster-worker --cookie /run/muster/cookie\"],"
         "\"args\":null}]}}"},
        {"{\"metadata\":{\"ownerReferences\":[{\"uid\":\"x\"}]}}"},
        {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"spec\":{"
         "\"securityContext\":null,\"automountServiceAccountToken\":true}}"}};
    mst_pod_plan plan = plain;

    (void)state;
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        cJSON *pod_template = json_of(templates[i].text);

        plan.pod_template = pod_template;
        cJSON_Delete(pod_of(&plan, 1, "s-1", NULL));
        cJSON_Delete(pod_template);
    }
}

static int say_no(void *arg, uint32_t rank, cJSON *pod)
{
    (void)arg;
    (void)rank;
    (void)pod;
    return 7;
}

static int empty_it(void *arg, uint32_t rank, cJSON *pod)
{
    (void)arg;
    (void)rank;
    while (pod->child != NULL)
        cJSON_Delete(cJSON_DetachItemViaPointer(pod, pod->child));
    return 0;
}

static void configure_can_refuse_and_is_checked(void **state)
{
    mst_pod_plan plan = plain;
    muster_error err;
    cJSON *pod = NULL;

    (void)state;
    plan.configure = say_no;
    assert_int_equal(mst_manifest_pod(&plan, 2, 1, "s-1", NULL, &pod, &err),
                     MUSTER_EKUBE);
    assert_string_equal(err.text, "configure returned 7 for rank 2");
    plan.configure = empty_it;
    assert_int_equal(mst_manifest_pod(&plan, 2, 1, "s-1", NULL, &pod, &err),
                     MUSTER_EKUBE);
    assert_non_null(strstr(err.text, "kind and apiVersion"));
    assert_null(pod);
}

/* --------------------------------------------------------------- image -- */

static void the_image_is_that_of_the_manager(void **state)
{
    static const struct {
        const char *pod, *name, *image;
    } cases[] = {
        {"{}", NULL, NULL},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}", NULL, NULL},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}}", "a",
         "i"},
        {"{\"spec\":{\"containers\":[{\"name\":\"istio-proxy\",\"image\":\"p\"}"
         ",{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"j\"}]}"
         "}",
         "a", "i"},
        {"{\"spec\":{\"containers\":[{\"name\":\"istio-proxy\",\"image\":\"p\"}"
         ",{\"name\":\"envoy\",\"image\":\"e\"}]}}",
         "istio-proxy", "p"},
        {"{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"
         "default-container\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
         "\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"j\"}]}}",
         "b", "j"},
        {"{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"
         "default-container\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
         "\"b\",\"image\":\"i\"},{\"name\":\"manager\",\"image\":\"m\"}]}}",
         "manager", "m"}};

    (void)state;
    assert_null(mst_manifest_image(NULL, NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *pod = json_of(cases[i].pod);
        const char *name = "";
        const char *image = mst_manifest_image(pod, &name);

        if (cases[i].image == NULL) {
            assert_null(image);
            assert_null(name);
        } else {
            assert_string_equal(image, cases[i].image);
            assert_string_equal(name, cases[i].name);
        }
        cJSON_Delete(pod);
    }
}

/* -------------------------------------------------------------- memory -- */

static void without_memory_it_says_so(void **state)
{
    static const char *const env[] = {"A=$1", "B=2", "A=3", NULL};
    const mst_secret_item items[] = {{1, "cookie", 6}};
    cJSON *manager = golden_read("manager");
    cJSON *pod_template = golden_read("template");
    mst_pod_plan plan = plain;
    muster_err rc = MUSTER_ENOMEM;
    long n;

    (void)state;
    plan.manager = manager;
    plan.owner_name = "job";
    plan.owner_uid = UID;
    plan.env = env;
    plan.pod_template = pod_template;
    for (n = 1; rc != MUSTER_OK && n < 5000; n++) {
        muster_error err = {.text = ""};
        cJSON *pod = NULL;

        mst_alloc_fail_after(n);
        rc = mst_manifest_pod(&plan, 2, 1, "s-1", NULL, &pod, &err);
        mst_alloc_fail_after(0);
        if (rc != MUSTER_OK && (rc != MUSTER_ENOMEM || pod != NULL))
            fail_msg("%ld: %s", n, err.text);
        cJSON_Delete(pod);
    }
    assert_int_equal(rc, MUSTER_OK);
    assert_true(n > 200);
    rc = MUSTER_ENOMEM;
    for (n = 1; rc != MUSTER_OK && n < 500; n++) {
        char *text = NULL;
        size_t len = 0;

        mst_alloc_fail_after(n);
        rc = mst_manifest_secret(&plan, "s", items, 1, &text, &len, NULL);
        mst_alloc_fail_after(0);
        if (rc != MUSTER_OK)
            assert_int_equal(rc, MUSTER_ENOMEM);
        mst_drop_guarded(&text);
    }
    assert_int_equal(rc, MUSTER_OK);
    assert_true(n > 20);
    cJSON_Delete(manager);
    cJSON_Delete(pod_template);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_pod),
        cmocka_unit_test(one_with_everything_of_a_restricted_manager),
        cmocka_unit_test(the_cookie_in_the_environment),
        cmocka_unit_test(template_and_then_configure),
        cmocka_unit_test(a_secret_has_each_cookie_as_base64),
        cmocka_unit_test(a_plan_that_cannot_be_is_refused),
        cmocka_unit_test(so_are_other_strings),
        cmocka_unit_test(the_value_of_a_variable_is_in_no_error),
        cmocka_unit_test(what_has_to_stay_stays),
        cmocka_unit_test(what_may_change_changes),
        cmocka_unit_test(configure_can_refuse_and_is_checked),
        cmocka_unit_test(the_image_is_that_of_the_manager),
        cmocka_unit_test(without_memory_it_says_so)};

    if (sodium_init() < 0)
        return 1;
    golden_hooks();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
