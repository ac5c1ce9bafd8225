#include "scripted.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "launch/kube/json.h"

#define ARGS 12

static void spawn(scripted *s, char **argv)
{
    posix_spawn_file_actions_t actions;
    int in[2], out[2];

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    assert_int_equal(
        posix_spawnp(&s->pid, "python3", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    s->to = fdopen(in[1], "w");
    s->from = fdopen(out[0], "r");
    assert_true(s->to != NULL && s->from != NULL);
}

void scripted_up(scripted *s, const char *const *args)
{
    char *argv[ARGS] = {(char *)(uintptr_t) "python3",
                        (char *)(uintptr_t)SCRIPTED_PY};
    char line[64] = "";
    size_t n = 2;

    *s = (scripted){.dir = "/tmp/muster-scripted.XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    for (; args != NULL && *args != NULL; args++) {
        assert_true(n < ARGS - 2);
        argv[n++] = (char *)(uintptr_t)*args;
        if (strcmp(*args, "--tls") == 0)
            argv[n++] = s->dir;
    }
    spawn(s, argv);
    if (fgets(line, sizeof(line), s->from) == NULL ||
        strncmp(line, "ready ", 6) != 0)
        fail_msg("the scripted server said \"%s\"", line);
    s->port = (int)strtol(line + 6, NULL, 10);
    snprintf(s->url, sizeof(s->url), "http%s://127.0.0.1:%d", n > 2 ? "s" : "",
             s->port);
}

void scripted_down(scripted *s)
{
    char command[128];
    int status;

    fclose(s->to);
    fclose(s->from);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    snprintf(command, sizeof(command), "rm -r '%s'", s->dir);
    assert_int_equal(system(command), 0);
    if (status != 0)
        fail_msg("the scripted server ended with %#x", (unsigned)status);
}

static cJSON *command(scripted *s, const char *text)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    cJSON *said;

    for (const char *c = text; *c != '\0'; c++)
        if (*c != '\n')
            fputc(*c, s->to);
    fputc('\n', s->to);
    fflush(s->to);
    n = getline(&line, &room, s->from);
    said = n > 0 ? cJSON_Parse(line) : NULL;
    if (said == NULL)
        fail_msg("the scripted server did not understand: %s", text);
    free(line);
    return said;
}

void scripted_on(scripted *s, const char *on, const char *answers)
{
    const size_t bytes = strlen(on) + strlen(answers) + 64;
    char *text = malloc(bytes);

    assert_non_null(text);
    snprintf(text, bytes, "{\"on\": \"%s\", \"answers\": %s}", on, answers);
    cJSON_Delete(command(s, text));
    free(text);
}

cJSON *scripted_asked(scripted *s, const char *what)
{
    char text[256];

    snprintf(text, sizeof(text), "{\"asked\": \"%s\"}", what);
    return command(s, text);
}

int scripted_count(scripted *s, const char *what)
{
    cJSON *asked = scripted_asked(s, what);
    const int n = cJSON_GetArraySize(asked);

    cJSON_Delete(asked);
    return n;
}

void scripted_forget(scripted *s)
{
    cJSON_Delete(command(s, "{\"forget\": true}"));
}

mst_kube_access *scripted_access(scripted *s, const char *server,
                                 const char *cluster, const char *user)
{
    mst_kube_access *access = NULL;
    mst_kube_where where = {0};
    muster_error err = {0};
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/kubeconfig", s->dir);
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file,
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "contexts: [{name: c, context: "
            "{cluster: c, user: tester, namespace: demo}}]\n"
            "clusters: [{name: c, cluster: {server: \"%s\"%s%s}}]\n"
            "users: [{name: tester, user: {%s}}]\n",
            server != NULL ? server : s->url, cluster != NULL ? ", " : "",
            cluster != NULL ? cluster : "",
            user != NULL ? user : "token: t0ken");
    fclose(file);
    where.kubeconfig = path;
    if (mst_kube_access_open(&where, &access, &err) != MUSTER_OK)
        fail_msg("access: %s", err.text);
    return access;
}

static void keep(void *arg, muster_level level, const char *id,
                 const char *text)
{
    scripted_log *log = (scripted_log *)arg;
    const int n = snprintf(log->text + log->used, sizeof(log->text) - log->used,
                           "%s %s\n", id, text);

    (void)level;
    log->used += (size_t)n;
    if (log->used >= sizeof(log->text))
        log->used = sizeof(log->text) - 1;
}

void scripted_log_init(scripted_log *log)
{
    log->text[0] = '\0';
    log->used = 0;
    mst_log_init(&log->log, MUSTER_LOG_DEBUG, keep, log);
}

void scripted_log_fini(scripted_log *log)
{
    mst_log_fini(&log->log);
}
