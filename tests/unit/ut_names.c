/* ut_names.c - names of Pods, labels, prefixes. */
#include "unit.h"

#include <muster/error.h>

#include "launch/kube/names.h"

#define SESSION "0123456789abcdef"

static void a_name_has_prefix_session_and_rank(void **state)
{
    char name[MST_KUBE_LABEL];

    (void)state;
    mst_kube_pod_name("job-worker", SESSION, 3, 1, name);
    assert_string_equal(name, "job-worker-01234567-3");
    mst_kube_pod_name("job-worker", SESSION, 3, 2, name);
    assert_string_equal(name, "job-worker-01234567-3-r2");
    mst_kube_pod_name("w", "s", UINT32_MAX, UINT32_MAX, name);
    assert_string_equal(name, "w-s-4294967295-r4294967295");
}

/* What the server takes as a host name, RFC 1123. */
static int is_dns_label(const char *name)
{
    const size_t len = strlen(name);

    return len > 0 && len <= 63 && name[0] != '-' && name[len - 1] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void a_long_prefix_is_cut_and_stays_itself(void **state)
{
    char prefix[254], one[MST_KUBE_LABEL], other[MST_KUBE_LABEL];

    (void)state;
    for (size_t len = 1; len < sizeof(prefix); len++) {
        memset(prefix, 'p', sizeof(prefix));
        prefix[len] = '\0';
        for (size_t i = 1; i + 1 < len; i += 2)
            prefix[i] = '-'; /* wherever the cut is, it may be at one */
        mst_kube_pod_name(prefix, SESSION, 4000000000u, 77, one);
        if (!is_dns_label(one))
            fail_msg("%zu: %s", len, one);
        assert_non_null(strstr(one, "-01234567-4000000000-r77"));
        prefix[len - 1] = 'q';
        mst_kube_pod_name(prefix, SESSION, 4000000000u, 77, other);
        assert_string_not_equal(one, other);
    }
}

static void a_label_is_as_it_is_or_cut(void **state)
{
    char text[100], label[MST_KUBE_LABEL];

    (void)state;
    memset(text, 'A', sizeof(text));
    text[63] = '\0';
    mst_kube_label(text, label);
    assert_string_equal(label, text);
    text[63] = 'A';
    text[99] = '\0';
    mst_kube_label(text, label);
    assert_int_equal(strlen(label), 63);
    assert_memory_equal(label, text, 54);
    assert_int_equal(label[54], '-');
    memset(text, '-', 99); /* nothing of it can be at the end */
    mst_kube_label(text, label);
    assert_true(is_dns_label(label));
    assert_int_equal(strlen(label), 8);
}

static void a_bad_prefix_is_explained(void **state)
{
    static const struct {
        const char *prefix, *has, *better;
    } cases[] = {{"", "must begin and end", "\"muster\" would do"},
                 {"-a", "must begin and end", "\"a\""},
                 {"a-", "must begin and end", "\"a\""},
                 {"My_job", "must begin and end", "\"my-job\""},
                 {"my_job", "has '_' in it", "\"my-job\""},
                 {"a.b", "has '.' in it", "\"a-b\""},
                 {"stra\xc3\x9f"
                  "e",
                  "has '\xc3\x9f' in it", "\"stra--e\""},
                 {"a\nb", "has ' ' in it", "\"a-b\""}};
    muster_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mst_kube_prefix_check(cases[i].prefix, &err),
                         MUSTER_EINVAL);
        if (strstr(err.text, cases[i].has) == NULL ||
            strstr(err.text, cases[i].better) == NULL)
            fail_msg("%s: %s", cases[i].prefix, err.text);
    }
    assert_int_equal(mst_kube_prefix_check("a", NULL), MUSTER_OK);
    assert_int_equal(mst_kube_prefix_check("0-a", NULL), MUSTER_OK);
}

static void a_prefix_has_a_limit(void **state)
{
    char text[255];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[254] = '\0';
    assert_int_equal(mst_kube_prefix_check(text, NULL), MUSTER_EINVAL);
    text[253] = '\0';
    assert_int_equal(mst_kube_prefix_check(text, NULL), MUSTER_OK);
}

static void any_host_name_gives_a_prefix(void **state)
{
    char text[300], prefix[MST_KUBE_LABEL];
    uint64_t seed = 7;

    (void)state;
    mst_kube_prefix_from("Node.Example.COM", prefix);
    assert_string_equal(prefix, "node-example-com");
    mst_kube_prefix_from("...", prefix);
    assert_string_equal(prefix, "muster");
    for (int round = 0; round < 2000; round++) {
        const size_t len = unit_random(&seed) % (sizeof(text) - 1);

        for (size_t i = 0; i < len; i++)
            text[i] = (char)(1 + unit_random(&seed) % 255);
        text[len] = '\0';
        mst_kube_prefix_from(text, prefix);
        assert_int_equal(mst_kube_prefix_check(prefix, NULL), MUSTER_OK);
        assert_true(is_dns_label(prefix));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_prefix_session_and_rank),
        cmocka_unit_test(a_long_prefix_is_cut_and_stays_itself),
        cmocka_unit_test(a_label_is_as_it_is_or_cut),
        cmocka_unit_test(a_bad_prefix_is_explained),
        cmocka_unit_test(a_prefix_has_a_limit),
        cmocka_unit_test(any_host_name_gives_a_prefix)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
