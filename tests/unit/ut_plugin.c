/* ut_plugin.c - credential plugins that are real programs: good, failing, slow
 * and talking nonsense. */
#include "kubedir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "launch/kube/exec.h"
#include "launch/kube/json.h"
#include "launch/kube/plugin.h"
#include "launch/kube/secret.h"

#define V1 "client.authentication.k8s.io/v1"
#define HEAD "#!/bin/sh\necho x >>\"$(dirname \"$0\")/runs\"\n"
#define SAY(status)                                                            \
    "cat <<'END'\n{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\","     \
    "\"status\":" status "}\nEND\n"

static const mst_patience forever = {MST_NEVER, NULL};

/* Open with a plugin ./plugin of that text; `more` are members of exec. */
static mst_kube_access *open_with(const char *script, const char *more)
{
    char text[2048];

    kubedir_file("plugin", 0700, script);
    snprintf(text, sizeof(text),
             "current-context: x\n"
             "contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
             "clusters:\n- name: c\n  cluster:\n    server: https://h/\n"
             "    tls-server-name: other\n"
             "    certificate-authority-data: " PEM64 "\n"
             "    extensions:\n"
             "    - {name: client.authentication.k8s.io/exec, "
             "extension: {audience: me}}\n"
             "users:\n- name: u\n  user:\n    exec:\n"
             "      apiVersion: " V1 "\n      command: ./plugin\n%s",
             more);
    return kubedir_open(
        &(mst_kube_where){.kubeconfig = kubedir_file("k", 0600, text)});
}

static int runs(void)
{
    struct stat info;

    return stat(kubedir_path("runs"), &info) == 0 ? (int)info.st_size / 2 : 0;
}

static void check_token(mst_kube_access *a, bool renew, const char *token)
{
    mst_kube_auth auth = {0};
    muster_error err = {0};

    if (mst_kube_auth_get(a, renew, &forever, &auth, &err) != MUSTER_OK)
        fail_msg("no credentials: %s", err.text);
    assert_string_equal(auth.token, token);
    mst_kube_auth_fini(&auth);
}

static void check_failure(const char *script, const char *more,
                          const char *words)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(script, more);
    mst_kube_auth auth = {0};
    muster_error err = {0};
    const muster_err rc = mst_kube_auth_get(a, false, &forever, &auth, &err);

    if (rc != MUSTER_EKUBE || strstr(err.text, words) == NULL)
        fail_msg("\"%s\" is not in %d: %s", words, rc, err.text);
    assert_null(auth.token);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_good_answer_is_kept(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(HEAD SAY("{\"token\":\"t\"}"), "");

    (void)state;
    check_token(a, false, "t");
    check_token(a, false, "t");
    assert_int_equal(runs(), 1);
    check_token(a, true, "t"); /* refused by the server */
    assert_int_equal(runs(), 2);
}

static void an_expired_answer_is_renewed(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(
        HEAD "n=$(wc -l <\"$(dirname \"$0\")/runs\")\n"
             "y=$([ $n = 1 ] && echo 2020 || echo 2999)\n"
             "echo '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\","
             "\"status\":{\"token\":\"t'$n'\",\"expirationTimestamp\":\"'$y"
             "'-01-01T00:00:00Z\"}}'\n",
        "");

    (void)state;
    check_token(a, false, "t1");
    check_token(a, false, "t2");
    check_token(a, false, "t2");
    assert_int_equal(runs(), 2);
}

static void a_certificate_comes_whole(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a =
        open_with(HEAD SAY("{\"clientCertificateData\":\"C\\nC\","
                           "\"clientKeyData\":\"K\"}"),
                  "");
    mst_kube_auth auth = {0};

    (void)state;
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, NULL),
                     MUSTER_OK);
    assert_string_equal(auth.cert, "C\nC");
    assert_string_equal(auth.key, "K");
    assert_null(auth.token);
    mst_kube_auth_fini(&auth);
}

static void it_gets_arguments_environment_and_cluster(void **state)
{
    MST_AUTO(mst_kube_access_close) mst_kube_access *a = NULL;
    MST_AUTO(mst_drop_json) cJSON *info = NULL;
    MST_AUTO(mst_drop_secret) char *text = NULL;
    size_t len;

    (void)state;
    setenv("MUSTER_UT_OURS", "ours", 1);
    setenv("MUSTER_UT_BOTH", "ours", 1);
    setenv("KUBERNETES_EXEC_INFO", "stale", 1);
    a = open_with(HEAD "printf %s \"$KUBERNETES_EXEC_INFO\" >\"$3\"\n"
                       "[ -t 0 ] && exit 9\n"
                       "[ -z \"$(ls /proc/self/fd | grep -v '^[0-3]$')\" ] || "
                       "exit 8\n"
                       "echo '{\"apiVersion\":\"" V1
                       "\",\"kind\":\"ExecCredential\",\"status\":"
                       "{\"token\":\"'\"$#.$1.$2.$MUSTER_UT_OURS."
                       "$MUSTER_UT_BOTH.$MUSTER_UT_NEW\"'\"}}'\n",
                  "      args: ['-a', 'b;c', INFO]\n"
                  "      env: [{name: MUSTER_UT_BOTH, value: theirs}, "
                  "{name: MUSTER_UT_NEW, value: ''}]\n"
                  "      provideClusterInfo: true\n"
                  "      interactiveMode: Never\n");
    assert_int_equal(chdir(kubedir), 0);
    check_token(a, false, "3.-a.b;c.ours.theirs.");
    assert_int_equal(
        mst_secret_read(kubedir_path("INFO"), 9999, &text, &len, NULL),
        MUSTER_OK);
    info = mst_json_parse(text, len);
    assert_string_equal(mst_json_str(info, "apiVersion"), V1);
    assert_string_equal(mst_json_str(info, "kind"), "ExecCredential");
    assert_false(mst_json_bool(info, "spec.interactive", true));
    assert_string_equal(mst_json_str(info, "spec.cluster.server"),
                        "https://h/");
    assert_string_equal(mst_json_str(info, "spec.cluster.tls-server-name"),
                        "other");
    assert_string_equal(
        mst_json_str(info, "spec.cluster.certificate-authority-data"), PEM64);
    assert_string_equal(mst_json_str(info, "spec.cluster.config.audience"),
                        "me");
    assert_int_equal(chdir("/"), 0);
}

static void failures_are_told_in_its_words(void **state)
{
    const int64_t since_ms = mst_now_ms();

    (void)state;
    check_failure("#!/bin/sh\nprintf '\\n no\\n luck \\n' >&2\nexit 3\n", "",
                  "/plugin: it ended with status 3: no  luck");
    check_failure("#!/bin/sh\nkill -9 $$\n", "", "it was ended by signal 9");
    check_failure("#!/bin/sh\nexit 0\n", "", "it wrote no ExecCredential");
    check_failure("#!/bin/sh\necho '[1, 2'; echo why >&2\n", "",
                  "it wrote no ExecCredential: why");
    check_failure("#!/bin/sh\nyes\n", "", "it wrote more than 1048576 bytes");
    check_failure("#!/bin/sh\n(sleep 10 >&2)& exit 1\n", "", "status 1");
    check_failure(HEAD SAY("{}"), "", "neither a token nor a certificate");
    check_failure(HEAD SAY("null"), "", "neither a token nor a certificate");
    check_failure(HEAD SAY("{\"clientKeyData\":\"k\"}"), "",
                  "a certificate without its key");
    check_failure(
        HEAD SAY("{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}"), "",
        "its expirationTimestamp is no time: soon");
    check_failure(HEAD "echo '{\"apiVersion\":\"" V1 "beta1\",\"kind\":"
                       "\"ExecCredential\",\"status\":{\"token\":\"t\"}}'",
                  "", "it answered in " V1 "beta1, asked was " V1);
    check_failure(HEAD SAY("{\"token\":\"a\\r\\nb\"}"), "", "white space");
    check_failure("\x7f"
                  "ELF",
                  "      installHint: 'run\n        this'\n",
                  "run this: cannot start /tmp/");
    check_failure("", "      interactiveMode: Always\n", "wants a terminal");
    /* also when a child of it holds on to its standard error */
    assert_in_range(mst_now_ms() - since_ms, 0, 9000);
}

/* Nothing a plugin wrote on standard output is in an error. */
static void no_error_has_a_secret_in_it(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a =
        open_with(HEAD "echo '{\"token\":\"hush\"'\nexit 1", "");
    mst_kube_auth auth = {0};
    muster_error err = {0};

    (void)state;
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, &err),
                     MUSTER_EKUBE);
    assert_null(strstr(err.text, "hush"));
}

static void a_slow_one_is_killed_with_its_children(void **state)
{
    mst_kubeconfig_part user = {.kind = "user", .name = "u", .file = "/f"};
    MST_AUTO(mst_drop_json)
    cJSON *json = mst_json_parse(
        "{\"exec\":{\"command\":\"sh\",\"apiVersion\":\"" V1 "\",\"args\":"
        "[\"-c\",\"sleep 60 & echo $! >&2; wait\"]}}",
        sizeof("{\"exec\":{\"command\":\"sh\",\"apiVersion\":\"" V1
               "\",\"args\":[\"-c\",\"sleep 60 & echo $! >&2; wait\"]}}") -
            1);
    MST_AUTO(mst_plugin_destroy) mst_plugin *plugin = NULL;
    const int64_t since_ms = mst_now_ms();
    mst_patience patience = {0};
    mst_grant grant = {0};
    muster_error err = {0};
    struct pollfd fd = {.events = POLLIN};
    const char *pid;

    (void)state;
    user.json = json;
    assert_int_equal(mst_plugin_create(&user, &user, NULL, &plugin, &err),
                     MUSTER_OK);
    patience.until_ms = mst_until_ms(500);
    assert_int_equal(mst_plugin_run(plugin, &patience, &grant, &err),
                     MUSTER_EKUBE);
    assert_in_range(mst_now_ms() - since_ms, 500, 20000);
    pid = strstr(err.text, "it took too long: ");
    if (pid == NULL) {
        fail_msg("%s", err.text);
        return;
    }
    fd.fd = pidfd_open(
        (pid_t)strtol(pid + strlen("it took too long: "), NULL, 10), 0);
    if (fd.fd < 0)
        assert_int_equal(errno, ESRCH); /* it has been reaped */
    else
        assert_int_equal(poll(&fd, 1, 10000), 1); /* it ends */
    if (fd.fd >= 0)
        close(fd.fd);
}

/* Where a program ignores SIGCHLD the kernel reaps, and no status is known. */
static bool late; /* the next pidfd_open comes when the child has gone */

/* Before libc's. */
int pidfd_open(pid_t pid, unsigned flags)
{
    while (late && (kill(pid, 0) == 0 || errno != ESRCH))
        poll(NULL, 0, 1);
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static void ignored_children_do_no_harm(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(HEAD SAY("{\"token\":\"t\"}"), "");

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    check_token(a, false, "t");
    late = true;
    check_token(a, true, "t");
    late = false;
    signal(SIGCHLD, SIG_DFL);
}

/* Many requests at once fail as one does, and not one after the other. */
static void one_that_failed_is_not_run_again_at_once(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(HEAD "echo no such user >&2\nexit 1", "");
    muster_error err = {0}, again = {0};
    mst_kube_auth auth = {0};

    (void)state;
    assert_int_equal(mst_kube_auth_get(a, false, &forever, &auth, &err),
                     MUSTER_EKUBE);
    assert_int_equal(mst_kube_auth_get(a, true, &forever, &auth, &again),
                     MUSTER_EKUBE);
    assert_non_null(strstr(again.text, "no such user"));
    assert_string_equal(again.text, err.text);
    assert_int_equal(runs(), 1);
}

static void *stop_soon(void *arg)
{
    poll(NULL, 0, 200);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void one_that_nobody_waits_for_is_ended(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(HEAD "exec sleep 60", "");
    const int64_t since_ms = mst_now_ms();
    atomic_bool stopped = false;
    const mst_patience until_stopped = {MST_NEVER, &stopped};
    const mst_patience no_more = {since_ms, NULL};
    mst_kube_auth auth = {0};
    muster_error err = {0};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, &stopped), 0);
    assert_int_equal(mst_kube_auth_get(a, false, &until_stopped, &auth, &err),
                     MUSTER_EKUBE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(strstr(err.text, "it was stopped"));
    assert_in_range(mst_now_ms() - since_ms, 200, 20000);
    assert_int_equal(mst_kube_auth_get(a, false, &no_more, &auth, &err),
                     MUSTER_EKUBE);
    assert_non_null(strstr(err.text, "no time is left"));
    assert_int_equal(runs(), 1);
}

static void a_plugin_in_path_is_found_or_hinted_at(void **state)
{
    static const char text[] =
        "{\"exec\":{\"command\":\"muster-ut-plugin\",\"apiVersion\":\"" V1
        "\",\"installHint\":\"get it at home\"}}";
    MST_AUTO(mst_drop_json) cJSON *json = mst_json_parse(text, strlen(text));
    MST_AUTO(mst_plugin_destroy) mst_plugin *plugin = NULL;
    mst_kubeconfig_part user = {"user", "u", "/f", json};
    char path[4096];
    mst_grant grant = {0};
    muster_error err = {0};

    (void)state;
    assert_int_equal(mst_plugin_create(&user, &user, NULL, &plugin, &err),
                     MUSTER_OK);
    assert_int_equal(mst_plugin_run(plugin, &forever, &grant, &err),
                     MUSTER_EKUBE);
    assert_string_equal(err.text,
                        "the credential plugin muster-ut-plugin: get it at "
                        "home: cannot start muster-ut-plugin: No such file or "
                        "directory");
    kubedir_file("muster-ut-plugin", 0700, HEAD SAY("{\"token\":\"t\"}"));
    snprintf(path, sizeof(path), "%s:%s", kubedir, getenv("PATH"));
    setenv("PATH", path, 1);
    assert_int_equal(mst_plugin_run(plugin, &forever, &grant, &err), MUSTER_OK);
    assert_string_equal(grant.token, "t");
    assert_true(grant.until == INT64_MAX);
    mst_grant_fini(&grant);
}

/* With a terminal as standard input it may ask there. */
static void on_a_terminal_it_may_ask(void **state)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = open_with(
        HEAD "[ -t 0 ] || exit 7\nprintf 'code: ' >&2\nread code\n"
             "echo '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\","
             "\"status\":{\"token\":\"'$code'\"}}'\n",
        "      interactiveMode: Always\n");
    const int far = posix_openpt(O_RDWR | O_NOCTTY), in = dup(0), out = dup(2);
    char said[64] = "";
    int near;

    (void)state;
    assert_true(far >= 0 && grantpt(far) == 0 && unlockpt(far) == 0);
    near = open(ptsname(far), O_RDWR | O_NOCTTY);
    assert_true(near >= 0);
    assert_int_equal(write(far, "1234\n", 5), 5);
    dup2(near, 0);
    dup2(near, 2);
    check_token(a, false, "1234");
    dup2(in, 0);
    dup2(out, 2);
    /* the echo of what was typed, then what the plugin asked */
    for (size_t n = 0; strstr(said, "code: ") == NULL;) {
        const ssize_t got = read(far, said + n, sizeof(said) - 1 - n);

        assert_true(got > 0);
        n += (size_t)got;
    }
    close(near);
    close(far);
    close(in);
    close(out);
}

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } times[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2024-02-29T12:30:45.123456Z", 1709209845},
                 {"2024-02-29t14:30:45+02:00", 1709209845},
                 {"2024-02-29T07:00:45-05:30", 1709209845}};
    static const char *const wrong[] = {"",
                                        "2024",
                                        "2024-02-29",
                                        "2024-02-29 12:30:45Z",
                                        "2024-02-29T12:30:45",
                                        "2024-13-29T12:30:45Z",
                                        "2024-02-29T24:30:45Z",
                                        "2024-2-29T12:30:45Z",
                                        "2024-02-29T12:30:45.Z",
                                        "2024-02-29T12:30:45Zx",
                                        "2024-02-29T12:30:45+0200",
                                        "+024-02-29T12:30:45Z"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        assert_true(mst_grant_time(times[i].text, &seconds));
        assert_int_equal(seconds, times[i].seconds);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (mst_grant_time(wrong[i], &seconds))
            fail_msg("%s is a time", wrong[i]);
}

static void without_memory_it_says_so(void **state)
{
    static const char script[] =
        HEAD SAY("{\"token\":\"t\",\"clientCertificateData\":\"C\","
                 "\"clientKeyData\":\"K\"}");
    cJSON_Hooks hooks = {mst_alloc, mst_free};
    muster_err rc = MUSTER_ENOMEM;

    (void)state;
    cJSON_InitHooks(&hooks);
    for (long n = 1; rc != MUSTER_OK; n++) {
        MST_AUTO(mst_kube_access_close)
        mst_kube_access *a = open_with(script, "");
        mst_kube_auth auth = {0};
        muster_error err = {0};

        assert_true(n < 100);
        mst_alloc_fail_after(n);
        rc = mst_kube_auth_get(a, true, &forever, &auth, &err);
        mst_alloc_fail_after(0);
        /* cJSON does not tell having no memory from a text that is no JSON */
        if (rc != MUSTER_OK && rc != MUSTER_ENOMEM &&
            strstr(err.text, "it wrote no ExecCredential") == NULL)
            fail_msg("allocation %ld: %d %s", n, rc, err.text);
        mst_kube_auth_fini(&auth);
    }
    cJSON_InitHooks(NULL);
    assert_true(runs() > 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kubedir_up, kubedir_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_answer_is_kept),
        TEST(an_expired_answer_is_renewed),
        TEST(a_certificate_comes_whole),
        TEST(it_gets_arguments_environment_and_cluster),
        TEST(failures_are_told_in_its_words),
        TEST(no_error_has_a_secret_in_it),
        TEST(a_slow_one_is_killed_with_its_children),
        TEST(ignored_children_do_no_harm),
        TEST(one_that_failed_is_not_run_again_at_once),
        TEST(one_that_nobody_waits_for_is_ended),
        TEST(a_plugin_in_path_is_found_or_hinted_at),
        TEST(on_a_terminal_it_may_ask),
        TEST(times_are_read),
        TEST(without_memory_it_says_so),
    };
    const int null = open("/dev/null", O_RDONLY);

    dup2(null, 0); /* a developer's terminal must not be asked */
    close(null);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
