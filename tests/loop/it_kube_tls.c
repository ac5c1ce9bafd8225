/* it_kube_tls.c - whom the client of the API server believes, what it shows,
 * and proxies on the way. */
#include "kube_rig.h"

#include <pthread.h>
#include <signal.h>

static const char *const tls[] = {"--tls", NULL};

/* `format` with the directory of the certificates in it. */
static const char *in_dir(const rig *r, const char *format, char text[512])
{
    const char *at = strchr(format, '$');
    size_t used = 0;

    for (; at != NULL; at = strchr(format, '$')) {
        used += (size_t)snprintf(text + used, 512 - used, "%.*s%s",
                                 (int)(at - format), format, r->server.dir);
        format = at + 1;
    }
    snprintf(text + used, 512 - used, "%s", format);
    return text;
}

/* Access anew; $ is the directory. */
static void again(rig *r, const char *server, const char *cluster,
                  const char *user)
{
    char one[512], other[512];

    mst_kube_http_destroy(&r->http);
    mst_kube_access_close(&r->access);
    r->access = scripted_access(
        &r->server, server, cluster != NULL ? in_dir(r, cluster, one) : NULL,
        user != NULL ? in_dir(r, user, other) : NULL);
    rig_new_http(r);
}

static void assert_answered(rig *r)
{
    mst_kube_request q = rig_request("GET", "/p", 5000);

    scripted_on(&r->server, "/p", "[{\"body\": {}}]");
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    mst_kube_request_fini(&q);
}

/* At once, although there is time. */
static void assert_final(rig *r, const char *words)
{
    mst_kube_request q = rig_request("GET", "/p", 20000);

    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, 1, words);
    assert_words(&q, "127.0.0.1:");
    assert_false(q.unclear);
    assert_took(r, 0, 2000);
    mst_kube_request_fini(&q);
}

#define CA "certificate-authority: $/ca.pem"

static void a_server_is_known_by_its_authority(void **state)
{
    rig r;
    scripted other;
    char text[256];

    (void)state;
    rig_up(&r, tls, NULL, NULL, NULL);
    scripted_up(&other, tls);
    again(&r, NULL, CA, NULL);
    assert_answered(&r);
    /* another authority of the same name */
    snprintf(text, sizeof(text), "certificate-authority: %s/ca.pem", other.dir);
    again(&r, NULL, text, NULL);
    assert_final(&r, "unknown authority");
    /* the system's do not know it */
    again(&r, NULL, NULL, NULL);
    assert_final(&r, "check certificate-authority in");
    assert_int_equal(scripted_count(&r.server, "/p"), 1);
    again(&r, NULL, "insecure-skip-tls-verify: true", NULL);
    assert_answered(&r);
    assert_non_null(strstr(r.log.text, "KUBE-INSECURE"));
    scripted_down(&other);
    rig_down(&r);
}

static void a_certificate_has_its_time(void **state)
{
    rig r;

    (void)state;
    rig_up(&r, (const char *const[]){"--tls", "--expired", NULL}, NULL, NULL,
           NULL);
    again(&r, NULL, CA, NULL);
    assert_final(&r, "its certificate has expired");
    rig_down(&r);
}

static void a_certificate_has_its_names(void **state)
{
    rig r;
    cJSON *asked;
    char host[64];

    (void)state;
    rig_up(&r, (const char *const[]){"--tls", "--san", "DNS:kube.test", NULL},
           NULL, NULL, NULL);
    again(&r, NULL, CA, NULL);
    assert_final(&r, "its certificate is for other names");
    again(&r, NULL, CA ", tls-server-name: other.test", NULL);
    assert_final(&r, "set tls-server-name in");
    again(&r, NULL, CA ", tls-server-name: kube.test", NULL);
    assert_answered(&r);
    asked = scripted_asked(&r.server, "/p");
    assert_int_equal(cJSON_GetArraySize(asked), 1);
    assert_string_equal(mst_json_str(asked, "0.sni"), "kube.test");
    snprintf(host, sizeof(host), "127.0.0.1:%d", r.server.port);
    assert_string_equal(mst_json_str(asked, "0.headers.host"), host);
    cJSON_Delete(asked);
    rig_down(&r);
}

static void a_client_shows_its_certificate(void **state)
{
    rig r;
    mst_kube_request q = rig_request("GET", "/p", 20000);

    (void)state;
    rig_up(&r, (const char *const[]){"--tls", "--client", NULL}, NULL, NULL,
           NULL);
    again(&r, NULL, CA,
          "client-certificate: $/client.pem, client-key: $/client.key");
    assert_answered(&r);
    again(&r, NULL, CA, NULL);
    rig_run(&r, &q);
    /* with TLS 1.3 the request may be on its way when the reason comes */
    assert_outcome(&q, MUSTER_ENOSERVER, 0, 1, "check the user in");
    assert_took(&r, 0, 2000);
    mst_kube_request_fini(&q);
    /* a key of another certificate */
    again(&r, NULL, CA,
          "client-certificate: $/client.pem, client-key: $/ca.key");
    assert_final(&r, "the client certificate or its key");
    rig_down(&r);
}

static void both_sides_speak_tls_or_none(void **state)
{
    rig r;
    char url[64];
    mst_kube_request q = rig_request("GET", "/p", 600);

    (void)state;
    rig_up(&r, NULL, NULL, NULL, NULL);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", r.server.port);
    again(&r, url, NULL, NULL);
    assert_final(&r, "it does not speak TLS");
    rig_down(&r);
    rig_up(&r, tls, NULL, NULL, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", r.server.port);
    again(&r, url, NULL, NULL);
    rig_run(&r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, -1, "get pods in namespace demo");
    assert_took(&r, 0, 1200);
    rig_down(&r);
}

/* What a peer that hangs up in the middle would do to us. */
static void sigpipe_stays_ours(void **state)
{
    const size_t len = 8u << 20;
    struct sigaction old, fresh = {.sa_handler = SIG_DFL};
    mst_kube_request q = rig_request("POST", "/p", 20000);
    char *body = malloc(len + 1);
    sigset_t set, before, pending;
    rig r;

    (void)state;
    assert_non_null(body);
    memset(body, ' ', len);
    body[len] = '\0';
    q.body = body;
    q.once = true;
    sigaction(SIGPIPE, &fresh, &old);
    rig_up(&r, tls, NULL, NULL, NULL);
    again(&r, NULL, CA, NULL);
    scripted_on(&r.server, "/p",
                "[{\"status\": 0, \"early\": true, \"then\": \"reset\"}]");
    for (int i = 0; i < 5; i++) {
        rig_run(&r, &q);
        assert_outcome(&q, MUSTER_ENOSERVER, 0, 1, NULL);
        assert_true(q.unclear);
    }
    /* one that is the program's own is still there afterwards */
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    pthread_kill(pthread_self(), SIGPIPE);
    assert_answered(&r);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGPIPE));
    assert_int_equal(sigtimedwait(&set, NULL, &(struct timespec){0}), SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    rig_down(&r);
    sigaction(SIGPIPE, &old, NULL);
    free(body);
}

/* ----------------------------------------------------------------- proxies --
 */

static void a_proxy_of_the_kubeconfig_is_used(void **state)
{
    mst_kube_request q = rig_request("GET", "/p", 5000);
    char cluster[128];
    rig r;

    (void)state;
    setenv("no_proxy", "*", 1); /* is not about it */
    rig_up(&r, NULL, NULL, NULL, NULL);
    snprintf(cluster, sizeof(cluster),
             "proxy-url: \"http://me:s3cret@127.0.0.1:%d\"", r.server.port);
    again(&r, "http://api.invalid:6443", cluster, NULL);
    scripted_on(&r.server, "GET http://api.invalid:6443/p", "[{\"body\": {}}]");
    rig_run(&r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    mst_kube_request_fini(&q);
    /* one that does not let us through */
    again(&r, "https://api.invalid:6443", cluster, NULL);
    scripted_on(&r.server, "CONNECT", "[{\"status\": 403}]");
    q.until_ms = mst_until_ms(800);
    rig_run(&r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, -1, -1, "response 403");
    assert_null(strstr(q.err.text, "s3cret"));
    assert_took(&r, 500, 1300);
    unsetenv("no_proxy");
    rig_down(&r);
}

static void a_proxy_of_the_environment_is_used(void **state)
{
    mst_kube_request q = rig_request("GET", "/p", 5000);
    char url[64];
    rig r;

    (void)state;
    rig_up(&r, NULL, NULL, NULL, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", r.server.port);
    setenv("http_proxy", url, 1);
    again(&r, "http://api.invalid:6443", NULL, NULL);
    scripted_on(&r.server, "GET http://api.invalid:6443/p", "[{\"body\": {}}]");
    rig_run(&r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    mst_kube_request_fini(&q);
    setenv("no_proxy", "127.0.0.1", 1);
    again(&r, NULL, NULL, NULL);
    assert_answered(&r);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    rig_down(&r);
}

static void a_name_that_is_not_known_is_said(void **state)
{
    mst_kube_request q = rig_request("GET", "/p", 700);
    rig r;

    (void)state;
    rig_up(&r, NULL, NULL, NULL, NULL);
    again(&r, "https://api.invalid:6443", NULL, NULL);
    rig_run(&r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, -1, "was not reached");
    assert_false(q.unclear);
    assert_took(&r, 0, 1200);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_known_by_its_authority),
        cmocka_unit_test(a_certificate_has_its_time),
        cmocka_unit_test(a_certificate_has_its_names),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(both_sides_speak_tls_or_none),
        cmocka_unit_test(sigpipe_stays_ours),
        cmocka_unit_test(a_proxy_of_the_kubeconfig_is_used),
        cmocka_unit_test(a_proxy_of_the_environment_is_used),
        cmocka_unit_test(a_name_that_is_not_known_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
