/* it_secrets.c - where the secrets of a session are, in both processes: looked
 * for in command lines, environments, logs and in all memory that a core dump
 * would have. */
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

#include "base/clock.h"
#include "launch/kube/access.h"
#include "session/session.h"

#define PIECE ((size_t)1 << 20)

static const mst_patience forever = {MST_NEVER, NULL};

typedef struct found {
    unsigned kept;   /* in pages that no core dump has */
    unsigned dumped; /* in others */
} found;

/* ------------------------------------------------------------- searching --
 * A child of ours looks, so that its own buffers are not found. */

static void scan(int memory, unsigned long from, unsigned long to,
                 const uint8_t *needle, size_t len, unsigned *n)
{
    static uint8_t bytes[PIECE];

    for (unsigned long at = from; at < to; at += PIECE - len) {
        const size_t want = to - at < PIECE ? to - at : PIECE;
        const ssize_t got = pread(memory, bytes, want, (off_t)at);
        const uint8_t *hit = bytes;

        if (got < (ssize_t)len)
            continue;
        while ((hit = memmem(hit, (size_t)(bytes + got - hit), needle, len)) !=
               NULL) {
            (*n)++;
            hit++;
        }
        if (want < PIECE)
            break;
    }
}

static found look(pid_t pid, const uint8_t *needle, size_t len)
{
    char path[64], line[512];
    unsigned long from = 0, to = 0;
    bool writable = false;
    found f = {0, 0};
    FILE *maps;
    int memory;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    maps = fopen(path, "re");
    if (memory < 0 || maps == NULL)
        _exit(2);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *rest;
        const unsigned long begin = strtoul(line, &rest, 16);

        if (rest > line && *rest == '-') {
            from = begin;
            to = strtoul(rest + 1, &rest, 16);
            writable = strncmp(rest, " rw", 3) == 0;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && writable) {
            scan(memory, from, to, needle, len,
                 strstr(line, " dd") != NULL ? &f.kept : &f.dumped);
        }
    }
    return f;
}

static found find(pid_t pid, const void *needle, size_t len)
{
    int line[2], status;
    found f = {0, 0};
    pid_t child;

    assert_int_equal(pipe(line), 0);
    child = fork();
    if (child == 0) {
        f = look(pid, needle, len);
        _exit(write(line[1], &f, sizeof(f)) == sizeof(f) ? 0 : 1);
    }
    close(line[1]);
    assert_int_equal(read(line[0], &f, sizeof(f)), sizeof(f));
    close(line[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return f;
}

static void say(const char *who, const char *what, found f)
{
    print_message("%s: %s: %u kept apart, %u where a dump has it\n", who, what,
                  f.kept, f.dumped);
}

static void assert_not_in_file(pid_t pid, const char *what, const char *secret)
{
    static char text[1 << 16];
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, text, sizeof(text));
    close(fd);
    assert_true(n > 0);
    assert_null(memmem(text, (size_t)n, secret, strlen(secret)));
}

/* -------------------------------------------------------- of a session -- */

/* Everything that a test knows of them lies apart, too. */
typedef struct secrets {
    uint8_t root[MST_KEY_BYTES];
    mst_pair worker, manager;
    char hex[2 * MST_KEY_BYTES + 1];
} secrets;

static secrets *known(rig *r)
{
    secrets *s = sodium_malloc(sizeof(*s));
    mst_pair again;

    assert_non_null(s);
    /* the first thing in a root is its secret, as what follows shows */
    memcpy(s->root, r->m->root, sizeof(s->root));
    s->manager = *mst_root_manager(r->m->root);
    mst_root_worker(r->m->root, 1, 1, &s->worker);
    mst_derive(s->root, 1, 1, &again);
    assert_memory_equal(&again, &s->worker, sizeof(again));
    sodium_memzero(&again, sizeof(again));
    sodium_bin2hex(s->hex, sizeof(s->hex), s->worker.secret_key, MST_KEY_BYTES);
    return s;
}

static void assert_nowhere_outside(rig *r, const char *secret)
{
    const pid_t pids[] = {getpid(), rig_pid(r, 1)};
    rig_log *line;

    for (size_t i = 0; i < 2; i++) {
        assert_not_in_file(pids[i], "cmdline", secret);
        assert_not_in_file(pids[i], "environ", secret);
    }
    STAILQ_FOREACH (line, &r->logs, link)
        assert_null(strstr(line->text, secret));
}

/* libzmq has copies of what it is given, in ordinary memory: they cannot be
 * helped. Of a worker that is its own key, which opens nothing when the worker
 * is dead; of the manager its CURVE key, which is of this session only. */
static void keys_are_kept_apart(void **state)
{
    muster_options o = rig_options();
    rig *r;
    secrets *s;
    found f;

    (void)state;
    o.log_level = MUSTER_LOG_DEBUG;
    r = rig_up_with(&o, 1);
    s = known(r);
    assert_nowhere_outside(r, s->hex);

    f = find(getpid(), s->root, sizeof(s->root));
    say("manager", "root secret", f);
    assert_in_range(f.kept, 2, 2); /* and ours */
    assert_int_equal(f.dumped, 0);
    f = find(getpid(), s->worker.secret_key, MST_KEY_BYTES);
    say("manager", "a worker's key", f);
    assert_int_equal(f.dumped, 0);
    f = find(getpid(), s->hex, 2 * MST_KEY_BYTES);
    say("manager", "a worker's cookie", f);
    assert_int_equal(f.dumped, 0);
    say("manager", "its own key",
        find(getpid(), s->manager.secret_key, MST_KEY_BYTES));

    f = find(rig_pid(r, 1), s->hex, 2 * MST_KEY_BYTES);
    say("worker", "its cookie", f);
    assert_int_equal(f.dumped, 0);
    f = find(rig_pid(r, 1), s->worker.secret_key, MST_KEY_BYTES);
    say("worker", "its key", f);
    assert_true(f.kept >= 1);
    f = find(rig_pid(r, 1), s->root, sizeof(s->root));
    assert_int_equal(f.kept + f.dumped, 0);
    f = find(rig_pid(r, 1), s->manager.secret_key, MST_KEY_BYTES);
    assert_int_equal(f.kept + f.dumped, 0);
    sodium_free(s);
    rig_down(&r);
}

/* ------------------------------------------ of the API server, at rest -- */

static char *random_text(size_t n)
{
    char *text = sodium_malloc(n + 1);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + randombytes_uniform(26));
    text[n] = '\0';
    return text;
}

static void a_token_at_rest_is_kept_apart(void **state)
{
    char path[64];
    char *token = random_text(40);
    mst_kube_access *access = NULL;
    mst_kube_auth auth = {0};
    muster_error err;
    found f;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/it_secrets.%d", (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "apiVersion: v1\nkind: Config\n"
                            "current-context: c\n"
                            "contexts: [{name: c, context: {cluster: k, "
                            "user: u}}]\n"
                            "clusters: [{name: k, cluster: {server: "
                            "\"https://localhost\"}}]\n"
                            "users:\n- name: u\n  user:\n    token: ") > 0);
    assert_int_equal(write(fd, token, 40), 40);
    assert_int_equal(write(fd, "\n", 1), 1);
    close(fd);
    assert_code(
        mst_kube_access_open(
            &(mst_kube_where){.kubeconfig = path, .account_dir = "/dev/null"},
            &access, &err),
        MUSTER_OK, err);
    unlink(path);
    assert_code(mst_kube_auth_get(access, false, &forever, &auth, &err),
                MUSTER_OK, err);
    assert_string_equal(auth.token, token);
    mst_kube_auth_fini(&auth);
    f = find(getpid(), token, 40);
    say("manager", "a token at rest", f);
    assert_int_equal(f.kept, 2);
    assert_int_equal(f.dumped, 0);
    mst_kube_access_close(&access);
    f = find(getpid(), token, 40);
    assert_int_equal(f.kept, 1); /* ours */
    assert_int_equal(f.dumped, 0);
    sodium_free(token);
}

/* ------------------------------------------- of workers that are Pods -- */

typedef struct server {
    char dir[32], config[48];
    pid_t pid;
    int out; /* what it says */
} server;

static void server_begin(server *s)
{
    const char *const argv[] = {"python3", API_SERVER, RIG_WORKER, s->dir,
                                NULL};
    char line[64] = "";
    size_t len = 0;
    int out[2];
    FILE *file;

    strcpy(s->dir, "/tmp/it_secrets.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(pipe(out), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(out[1]);
    s->out = out[0];
    while (strchr(line, '\n') == NULL) {
        const ssize_t n = read(s->out, line + len, sizeof(line) - 1 - len);

        assert_true(n > 0);
        len += (size_t)n;
    }
    snprintf(s->config, sizeof(s->config), "%s/config", s->dir);
    file = fopen(s->config, "we");
    assert_non_null(file);
    fprintf(file,
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
            "clusters: [{name: k, cluster: {server: "
            "\"http://127.0.0.1:%ld\"}}]\nusers: [{name: u, user: {}}]\n",
            strtol(line + strlen("ready "), NULL, 10));
    assert_int_equal(fclose(file), 0);
}

static void server_end(server *s)
{
    char command[64];

    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->out);
    snprintf(command, sizeof(command), "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
}

static void *launch_one(void *arg)
{
    rig *r = (rig *)arg;

    return muster_launch(r->m, 1, 1, NULL, &r->err) == MUSTER_OK ? r : NULL;
}

/* It is not wiped everywhere: libcurl and the other side of the connection have
 * had it, as base64. */
static void say_base64(const secrets *s)
{
    static const size_t len = 2 * MST_KEY_BYTES / 3 * 3 - 3;

    for (size_t skip = 0; skip < 3; skip++) {
        char *text = sodium_malloc(2 * len);

        sodium_bin2base64(text, 2 * len, (const uint8_t *)s->hex + skip, len,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        say("manager", "a cookie in base64",
            find(getpid(), text, strlen(text)));
        sodium_free(text);
    }
}

static void cookies_of_pods_are_kept_apart(void **state)
{
    muster_kube_options kube = MUSTER_KUBE_OPTIONS_INIT;
    muster_options o = rig_options();
    pthread_t thread;
    void *launched;
    server api;
    secrets *s;
    found f;
    rig *r;

    (void)state;
    server_begin(&api);
    o.launcher = MUSTER_LAUNCHER_K8S;
    o.worker = NULL;
    kube.kubeconfig = api.config;
    kube.image = "example/worker:1";
    o.kube = &kube;
    o.advertise = "127.0.0.1";
    r = rig_open(&o);
    s = known(r);
    rig_stop(api.pid);
    assert_int_equal(pthread_create(&thread, NULL, launch_one, r), 0);
    f = find(getpid(), s->hex, 2 * MST_KEY_BYTES);
    /* it may be on its way there, on the loop's stack */
    for (int64_t end = rig_now_ms() + RIG_WAIT_MS;
         (f.kept < 2 || f.dumped > 0) && rig_now_ms() < end;)
        f = find(getpid(), s->hex, 2 * MST_KEY_BYTES);
    say("manager", "a cookie that waits for its Secret", f);
    assert_in_range(f.kept, 2, 2); /* and ours */
    assert_int_equal(f.dumped, 0);
    kill(api.pid, SIGCONT);
    assert_int_equal(pthread_join(thread, &launched), 0);
    assert_non_null(launched);
    f = find(getpid(), s->hex, 2 * MST_KEY_BYTES);
    say("manager", "a cookie that is in its Secret", f);
    assert_int_equal(f.kept, 1);
    assert_int_equal(f.dumped, 0);
    say_base64(s);
    sodium_free(s);
    rig_down(&r);
    server_end(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(keys_are_kept_apart),
        rig_test(a_token_at_rest_is_kept_apart),
        rig_test(cookies_of_pods_are_kept_apart),
    };

    if (RIG_ASAN || RIG_TSAN) {
        print_message("a sanitizer's memory is not what is dumped\n");
        return 77;
    }
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
