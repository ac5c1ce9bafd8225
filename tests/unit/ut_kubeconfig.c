/* ut_kubeconfig.c - where the API server is, and who we are to it. */
#include "kubedir.h"

#include <cjson/cJSON.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "launch/kube/kubeconfig.h"

static const mst_patience forever = {MST_NEVER, NULL};
static const mst_kube_where nothing; /* nothing is said */

#define ONE                                                                    \
    "apiVersion: v1\nkind: Config\ncurrent-context: one\n"                     \
    "clusters:\n- name: c1\n  cluster: {server: https://one:6443/}\n"          \
    "users:\n- name: u1\n  user: {token: secret1}\n"                           \
    "contexts:\n- name: one\n  context: {cluster: c1, user: u1}\n"

static void check_token(mst_kube_access *a, const char *token)
{
    mst_kube_auth auth = {0};
    muster_error err = {0};

    if (mst_kube_auth_get(a, false, &forever, &auth, &err) != MUSTER_OK)
        fail_msg("no credentials: %s", err.text);
    if (token == NULL)
        assert_null(auth.token);
    else
        assert_string_equal(auth.token, token);
    mst_kube_auth_fini(&auth);
    assert_null(auth.token);
}

static void the_current_context_says_all(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    char source[256];

    (void)state;
    setenv("KUBECONFIG", kubedir_file("k", 0644, ONE), 1);
    a = kubedir_open(&nothing);
    assert_string_equal(mst_kube_server(a), "https://one:6443");
    assert_string_equal(mst_kube_namespace(a), "default");
    snprintf(source, sizeof(source), "the context one of %s",
             kubedir_path("k"));
    assert_string_equal(mst_kube_source(a), source);
    assert_false(mst_kube_in_pod(a));
    assert_false(mst_kube_insecure(a));
    assert_null(mst_kube_ca(a));
    assert_null(mst_kube_tls_name(a));
    assert_null(mst_kube_proxy(a));
    check_token(a, "secret1");
}

static void every_field_is_read(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    mst_kube_where where = {.context = "two"};
    mst_kube_auth auth = {0};

    (void)state;
    kubedir_file("d/ca", 0600, PEM);
    kubedir_file("d/key", 0600, PEM "2");
    where.kubeconfig = kubedir_file(
        "d/k", 0600,
        ONE "- name: two\n  context: {cluster: c2, user: u2, namespace: n2}\n"
            "- name: three\n  context: {cluster: c3}\n"
            "- name: four\n  context: {cluster: c4, user: u4}\n");
    kubedir_file("d/rest", 0600,
                 "clusters:\n- name: c2\n  cluster:\n"
                 "    server: http://[::1]:80/base//\n"
                 "    certificate-authority: ca\n    tls-server-name: other\n"
                 "    proxy-url: socks5://p:1\n"
                 "- name: c3\n  cluster:\n    server: https://three\n"
                 "    insecure-skip-tls-verify: true\n"
                 "- name: c4\n  cluster:\n    server: https://four\n"
                 "    certificate-authority: /none\n"
                 "    certificate-authority-data: " PEM64 "\n"
                 "users:\n- name: u2\n  user:\n"
                 "    client-certificate-data: " PEM64 "\n"
                 "    client-key: ./key\n"
                 "- name: u4\n  user: {username: me, password: '123'}\n");
    {
        char list[256];

        snprintf(list, sizeof(list), "%s:%s", where.kubeconfig,
                 kubedir_path("d/rest"));
        setenv("KUBECONFIG", list, 1);
        where.kubeconfig = NULL;
    }
    a = kubedir_open(&where);
    assert_string_equal(mst_kube_server(a), "http://[::1]:80/base");
    assert_string_equal(mst_kube_namespace(a), "n2");
    assert_string_equal(mst_kube_ca(a), PEM);
    assert_string_equal(mst_kube_tls_name(a), "other");
    assert_string_equal(mst_kube_proxy(a), "socks5://p:1");
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, NULL),
                     MUSTER_OK);
    assert_string_equal(auth.cert, PEM);
    assert_string_equal(auth.key, PEM "2");
    assert_null(auth.token);
    mst_kube_auth_fini(&auth);
    kubedir_file("d/key", 0600, PEM "3"); /* it is read anew */
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, NULL),
                     MUSTER_OK);
    assert_string_equal(auth.key, PEM "3");
    mst_kube_auth_fini(&auth);
    mst_kube_access_close(&a);

    where.context = "three";
    a = kubedir_open(&where);
    assert_true(mst_kube_insecure(a));
    check_token(a, NULL);
    mst_kube_access_close(&a);

    where.context = "four";
    where.ns = "said";
    a = kubedir_open(&where);
    assert_string_equal(mst_kube_ca(a), PEM);
    assert_string_equal(mst_kube_namespace(a), "said");
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, NULL),
                     MUSTER_OK);
    assert_string_equal(auth.user, "me");
    assert_string_equal(auth.password, "123");
    mst_kube_auth_fini(&auth);
}

static void the_first_file_of_a_list_wins(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    char list[512];

    (void)state;
    kubedir_file("none", 0600, "# empty\n");
    kubedir_file("first/k", 0600,
                 "users:\n- name: u1\n  user: {tokenFile: token}\n"
                 "contexts:\n- name: x\n  context: {cluster: c1}\n");
    kubedir_file("second", 0600, ONE "- name: x\n  context: {cluster: none}\n");
    kubedir_file("third", 0600,
                 "current-context: x\nclusters:\n- name: c1\n"
                 "  cluster: {server: https://third}\n");
    snprintf(list, sizeof(list),
             ":%s/missing:%s/none:%s/first/k::%s/second:"
             "%s/second/no:%s/third:",
             kubedir, kubedir, kubedir, kubedir, kubedir, kubedir);
    setenv("KUBECONFIG", list, 1);
    a = kubedir_open(&nothing);
    assert_string_equal(mst_kube_server(a), "https://one:6443");
    kubedir_file("first/token", 0600, " \nof-a-file\n");
    check_token(a, "of-a-file");
    kubedir_file("first/token", 0600, "renewed");
    check_token(a, "renewed");
    mst_kube_access_close(&a);
    a = kubedir_open(&(mst_kube_where){.context = "x"});
    assert_string_equal(mst_kube_server(a), "https://one:6443");
    check_token(a, NULL);
}

static void a_relative_kubeconfig_outlives_chdir(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    char old[512];

    (void)state;
    assert_non_null(getcwd(old, sizeof(old)));
    kubedir_file("sub/token", 0600, "t");
    kubedir_file("sub/k", 0600,
                 ONE "- name: r\n  context: {cluster: c1, user: u2}\n");
    kubedir_file("sub/u", 0600,
                 "users:\n- name: u2\n  user: {tokenFile: token}\n");
    assert_int_equal(chdir(kubedir), 0);
    setenv("KUBECONFIG", "sub/k:sub/u", 1);
    a = kubedir_open(&(mst_kube_where){.context = "r"});
    assert_int_equal(chdir(old), 0);
    check_token(a, "t");
}

static const mst_kube_where *in_pod(const char *host)
{
    static char dir[128];
    static mst_kube_where where;

    snprintf(dir, sizeof(dir), "%s/account", kubedir);
    where = (mst_kube_where){.account_dir = dir};
    kubedir_file("account/token", 0600, "pod-token\n");
    kubedir_file("account/ca.crt", 0600, PEM);
    kubedir_file("account/namespace", 0600, "pod-ns");
    setenv("KUBERNETES_SERVICE_HOST", host, 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    return &where;
}

static void a_pod_has_its_service_account(void **state)
{
    const mst_kube_where *where = in_pod("10.0.0.1");
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    mst_kube_auth auth = {0};
    muster_error err = {0};

    (void)state;
    kubedir_file(".kube/config", 0600, ONE); /* it comes after the Pod */
    setenv("KUBECONFIG", "", 1);
    a = kubedir_open(where);
    assert_true(mst_kube_in_pod(a));
    assert_string_equal(mst_kube_server(a), "https://10.0.0.1:443");
    assert_string_equal(mst_kube_namespace(a), "pod-ns");
    assert_string_equal(mst_kube_source(a), "the service account of this Pod");
    assert_non_null(strstr(mst_kube_ca(a), "BEGIN CERTIFICATE"));
    check_token(a, "pod-token");
    kubedir_file("account/token", 0600, "rotated\n");
    check_token(a, "rotated");
    kubedir_file("account/token", 0600, "two\nlines");
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, &err),
                     MUSTER_EKUBE);
    assert_null(strstr(err.text, "lines"));
    assert_null(auth.token);
    unlink(kubedir_path("account/token"));
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, &err),
                     MUSTER_EKUBE);
    assert_non_null(strstr(err.text, "account/token"));
    mst_kube_access_close(&a);

    a = kubedir_open(where); /* without a token: ~/.kube/config */
    assert_string_equal(mst_kube_server(a), "https://one:6443");
    assert_false(mst_kube_in_pod(a));
    mst_kube_access_close(&a);

    where = in_pod("fd00::1");
    a = kubedir_open(where);
    assert_string_equal(mst_kube_server(a), "https://[fd00::1]:443");
    mst_kube_access_close(&a);

    setenv("KUBECONFIG", kubedir_file("k", 0600, ONE), 1);
    a = kubedir_open(where); /* said explicitly, it wins */
    assert_string_equal(mst_kube_server(a), "https://one:6443");
    mst_kube_access_close(&a);

    setenv("KUBECONFIG", kubedir_file("k", 0600, "kind: Config"), 1);
    a = kubedir_open(where); /* but not when it says nothing */
    assert_true(mst_kube_in_pod(a));
}

#define SIX(contexts, current)                                                 \
    "clusters:\n- name: c\n  cluster: {server: 'https://h'}\n"                 \
    "contexts:\n" contexts current "\n"

/* Namespaces: the context's, else the service account's, else "default". */
static void six_namespaces(void **state)
{
    static const struct {
        const char *text, *ns; /* NULL: none */
    } cases[] = {
        {SIX("- {name: x, context: {cluster: c, namespace: n}}\n",
             "current-context: x"),
         "n"},
        {SIX("- {name: x, context: {cluster: c, namespace: n}}\n", ""), NULL},
        {SIX("- {name: x, context: {cluster: c}}\n", "current-context: x"),
         NULL},
        {SIX("- {name: x, context: {cluster: c, namespace: }}\n"
             "- {name: y, context: {cluster: c, namespace: ''}}\n",
             "current-context: x"),
         NULL},
        {SIX("- {name: x, context: {cluster: c, namespace: n}}\n",
             "current-context: gone"),
         NULL},
        {SIX("- {name: x, context: {cluster: c, namespace: n}}\n"
             "- {name: y, context: {cluster: c, namespace: m}}\n",
             "current-context: y"),
         "m"},
    };
    const mst_kube_where *where = in_pod("h");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MST_AUTO(mst_kubeconfig_destroy) mst_kubeconfig *k = NULL;
        MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
        const char *path = kubedir_file("k", 0600, cases[i].text);
        const char *ns;

        assert_int_equal(mst_kubeconfig_load(path, &k, NULL), MUSTER_OK);
        ns = mst_kubeconfig_namespace(k, NULL);
        if (cases[i].ns == NULL)
            assert_null(ns);
        else
            assert_string_equal(ns, cases[i].ns);
        setenv("KUBECONFIG", path, 1);
        if (i == 4) {
            kubedir_refused(where, "there is no context named gone");
            continue;
        }
        a = kubedir_open(where);
        assert_string_equal(mst_kube_namespace(a),
                            cases[i].ns != NULL ? cases[i].ns : "pod-ns");
        mst_kube_access_close(&a);
        if (i == 1) /* no server is known without the Pod */
            continue;
        unlink(kubedir_path("account/namespace"));
        a = kubedir_open(where);
        assert_string_equal(mst_kube_namespace(a),
                            cases[i].ns != NULL ? cases[i].ns : "default");
        kubedir_file("account/namespace", 0600, "pod-ns\n");
        if (i == 3) {
            MST_AUTO(mst_kube_access_close)
            mst_kube_access *y = kubedir_open(&(mst_kube_where){
                .context = "y", .account_dir = where->account_dir});

            assert_string_equal(mst_kube_namespace(y), "pod-ns");
        }
    }
}

static void nothing_found_says_where_was_looked(void **state)
{
    mst_kube_where where = {.kubeconfig = kubedir_path("no")};

    (void)state;
    kubedir_refused(&where, "there is no kubeconfig /tmp/muster_ut.");
    where.kubeconfig = kubedir_file("empty", 0600, "");
    kubedir_refused(&where, "empty sets no current-context");
    kubedir_refused(&nothing, "KUBECONFIG is not set; this is no Pod (KUBERN");
    kubedir_refused(&nothing, "/.kube/config is not there");
    setenv("KUBECONFIG", "/none:/there", 1);
    kubedir_refused(&nothing, "no file in KUBECONFIG=/none:/there is there");
    unsetenv("KUBECONFIG");
    setenv("KUBERNETES_SERVICE_HOST", "h", 1);
    kubedir_refused(&nothing, "this is no Pod");
    setenv("KUBERNETES_SERVICE_PORT", "1", 1);
    where = (mst_kube_where){.account_dir = kubedir};
    kubedir_refused(&where, "this Pod has no service account token");
    where.context = "c";
    kubedir_refused(&where, "a context was asked for");
    kubedir_file(".kube/config", 0600, ONE);
    kubedir_refused(&where, "there is no context named c");
}

#define CLUSTER "clusters:\n- name: c\n  cluster: "
#define USER                                                                   \
    "\ncontexts:\n- {name: x, context: {cluster: c, user: u}}\n"               \
    "current-context: x\nusers:\n- name: u\n  user: "
#define GOOD CLUSTER "{server: https://h}" USER

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"a: ]", "k:1: "},
        {"[]", "is no kubeconfig"},
        {"kind: Pod", "is no kubeconfig"},
        {"clusters: {}", "clusters in "},
        {CLUSTER "{}" USER "{}", "has no server"},
        {CLUSTER USER "{}", "has no server"},
        {CLUSTER "{server: 7}" USER "{}", "server of the cluster c"},
        {CLUSTER "{server: 'h:80'}" USER "{}", "must be a URL"},
        {CLUSTER "{server: 'https://'}" USER "{}", "must be a URL"},
        {CLUSTER "{server: 'https://u:p@h'}" USER "{}", "must be a URL"},
        {CLUSTER "{server: 'https://h/?x'}" USER "{}", "must be a URL"},
        {CLUSTER "{server: https://h, certificate-authority: /none}" USER "{}",
         "cannot read /none"},
        {CLUSTER "{server: https://h, certificate-authority-data: '*'}" USER
                 "{}",
         "is no base64"},
        {CLUSTER "{server: https://h, certificate-authority-data: eA==}" USER
                 "{}",
         "there is no PEM in certificate-authority-data of the cluster c"},
        {CLUSTER "{server: https://h, insecure-skip-tls-verify: true, "
                 "certificate-authority-data: " PEM64 "}" USER "{}",
         "has both a certificate-authority and insecure"},
        {CLUSTER "{server: https://h, insecure-skip-tls-verify: 'true'}" USER
                 "{}",
         "neither true nor false"},
        {GOOD "{token: 12345}", "token of the user u"},
        {GOOD "{auth-provider: {name: gcp}}", "has auth-provider"},
        {GOOD "{as: admin}", "does not impersonate"},
        {GOOD "{password: x}", "password without username"},
        {GOOD "{username: x, token: y}", "both a token and a username"},
        {GOOD "{client-key: x}", "has a client-certificate without"},
        {GOOD "{client-certificate-data: " PEM64 "}",
         "has a client-certificate without"},
        {GOOD "{client-certificate-data: AAAA, client-key: x}", "is no base64"},
        {GOOD "{exec: [x]}", "exec of the user u"},
        {GOOD "{exec: {apiVersion: client.authentication.k8s.io/v1}}",
         "has no command"},
        {GOOD "{exec: {command: x, apiVersion: "
              "client.authentication.k8s.io/v1alpha1}}",
         "has the apiVersion client.authentication.k8s.io/v1alpha1"},
        {GOOD "{exec: {command: x}}", "has the apiVersion none"},
        {GOOD "[]", "the user u in "},
        {GOOD "{}\n- name: u\n  user: {}", "has two users named u"},
        {CLUSTER "{server: https://h}\ncontexts:\n- name: x\n"
                 "  context: {cluster: d}\ncurrent-context: x",
         "there is no cluster named d"},
        {CLUSTER "{server: https://h}\ncontexts:\n- name: x\n"
                 "  context: {cluster: c, user: v}\ncurrent-context: x",
         "there is no user named v"},
        {"contexts:\n- name: x\ncurrent-context: x", "has no cluster"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("KUBECONFIG", kubedir_file("k", 0600, cases[i].text), 1);
        kubedir_refused(&nothing, cases[i].words);
    }
    setenv("KUBECONFIG", kubedir, 1);
    kubedir_refused(&nothing, "cannot read");
}

static void a_token_file_that_is_gone_leaves_the_token(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;

    (void)state;
    setenv("KUBECONFIG",
           kubedir_file("k", 0600, GOOD "{token: kept, tokenFile: token}"), 1);
    a = kubedir_open(&nothing);
    check_token(a, "kept");
    kubedir_file("token", 0600, "new");
    check_token(a, "new");
}

static void without_memory_it_says_so(void **state)
{
    cJSON_Hooks hooks = {mst_alloc, mst_free};
    muster_err rc = MUSTER_ENOMEM;
    int failures = 0;

    (void)state;
    kubedir_file("ca", 0600, PEM);
    kubedir_file("token", 0600, "t");
    setenv("KUBECONFIG",
           kubedir_file("k", 0600,
                        CLUSTER
                        "{server: https://h, certificate-authority: ca, "
                        "tls-server-name: n}" USER
                        "{tokenFile: token, client-certificate-data: " PEM64
                        ", client-key: ca, exec: {command: x, args: [y], "
                        "apiVersion: client.authentication.k8s.io/v1, "
                        "env: [{name: a, value: b}], "
                        "provideClusterInfo: true}}"),
           1);
    cJSON_InitHooks(&hooks);
    for (long n = 1; rc != MUSTER_OK; n++) {
        MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
        mst_kube_auth auth = {0};
        muster_error err = {0};

        mst_alloc_fail_after(n);
        rc = mst_kube_access_open(&nothing, &a, &err);
        if (rc == MUSTER_OK)
            rc = mst_kube_auth_get(a, false, &forever, &auth, &err);
        mst_alloc_fail_after(0);
        if (rc != MUSTER_OK && (rc != MUSTER_ENOMEM || err.code != rc))
            fail_msg("allocation %ld: %d %s", n, rc, err.text);
        failures += rc != MUSTER_OK;
        mst_kube_auth_fini(&auth);
    }
    cJSON_InitHooks(NULL);
    assert_true(failures > 60);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kubedir_up, kubedir_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_current_context_says_all),
        TEST(every_field_is_read),
        TEST(the_first_file_of_a_list_wins),
        TEST(a_relative_kubeconfig_outlives_chdir),
        TEST(a_pod_has_its_service_account),
        TEST(six_namespaces),
        TEST(nothing_found_says_where_was_looked),
        TEST(what_is_wrong_is_named),
        TEST(a_token_file_that_is_gone_leaves_the_token),
        TEST(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
