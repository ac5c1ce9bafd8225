#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "system.h"

#define WORDS 16
#define ACCOUNT_TRIES 100 /* of a fifth of a second and more each */

/* Runs a command to its end; what it prints goes to `out`. */
static int run(const char *const *words, int out)
{
    posix_spawn_file_actions_t actions;
    char *argv[WORDS] = {NULL};
    int status = -1;
    pid_t pid;

    for (int i = 0; i < WORDS - 1 && words[i] != NULL; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static bool does(const cluster *c, const char *const *words)
{
    const int out = c->log != NULL ? dup(fileno(c->log))
                                   : open("/dev/null", O_WRONLY | O_CLOEXEC);
    const bool did = out >= 0 && run(words, out) == 0;

    if (out >= 0)
        close(out);
    return did;
}

static bool script(const cluster *c, const char *verb, const char *what)
{
    const char *const words[] = {getenv("MUSTER_CLUSTER"), verb, what, NULL};

    return words[0] != NULL && does(c, words);
}

/* Pods are refused before their account is there. */
static bool has_account(const cluster *c)
{
    const char *const words[] = {"kubectl",        "-n",      c->ns, "get",
                                 "serviceaccount", "default", NULL};

    for (int i = 0; i < ACCOUNT_TRIES; i++) {
        if (does(c, words))
            return true;
        poll(NULL, 0, 200);
    }
    return false;
}

bool cluster_begin(cluster *c, FILE *log, char *why, size_t bytes)
{
    const char *const make[] = {"kubectl", "create", "namespace", c->ns, NULL};
    int fd;

    c->log = log;
    snprintf(c->ns, sizeof(c->ns), "muster-drill-%d", (int)getpid());
    if (getenv("MUSTER_CLUSTER") == NULL || getenv("MUSTER_TEST_HOST") == NULL)
        snprintf(why, bytes, "no MUSTER_CLUSTER; see ./dev drill --cluster");
    else if (!does(c, make))
        snprintf(why, bytes, "kubectl cannot make the namespace %s", c->ns);
    else if (!has_account(c))
        snprintf(why, bytes, "no default service account in %s", c->ns);
    else
        snprintf(c->counts, sizeof(c->counts), "/dev/shm/%.50s", c->ns);
    if (c->counts[0] == '\0')
        return false;
    /* workers there are other users */
    fd = open(c->counts, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && fchmod(fd, 0666) == 0) {
        close(fd);
        return true;
    }
    snprintf(why, bytes, "%s: %s", c->counts, strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

/* The file of the counts, in each Pod: all nodes are on this machine. */
static int mount_counts(void *arg, uint32_t rank, cJSON *pod)
{
    const cluster *c = (const cluster *)arg;
    cJSON *spec = cJSON_GetObjectItem(pod, "spec");
    cJSON *worker =
        cJSON_GetArrayItem(cJSON_GetObjectItem(spec, "containers"), 0);
    cJSON *volumes = cJSON_GetObjectItem(spec, "volumes");
    cJSON *mounts = cJSON_GetObjectItem(worker, "volumeMounts");
    cJSON *volume = cJSON_CreateObject(), *mount = cJSON_CreateObject();
    cJSON *host = cJSON_AddObjectToObject(volume, "hostPath");

    (void)rank;
    cJSON_AddStringToObject(host, "path", c->counts);
    cJSON_AddStringToObject(host, "type", "File");
    cJSON_AddStringToObject(volume, "name", "counts");
    cJSON_AddStringToObject(mount, "name", "counts");
    cJSON_AddStringToObject(mount, "mountPath", c->counts);
    return cJSON_AddItemToArray(volumes, volume) &&
                   cJSON_AddItemToArray(mounts, mount)
               ? 0
               : 1;
}

void cluster_options(cluster *c, muster_options *o)
{
    const char *image = getenv("MUSTER_TEST_IMAGE");

    c->kube = (muster_kube_options)MUSTER_KUBE_OPTIONS_INIT;
    c->kube.namespace_ = c->ns;
    c->kube.image = image != NULL ? image : "localhost/muster:test";
    c->kube.pull_policy = "Never";
    c->kube.cpu = "200m";
    c->kube.memory = "192Mi";
    c->kube.configure = mount_counts;
    c->kube.configure_arg = c;
    o->launcher = MUSTER_LAUNCHER_K8S;
    o->kube = &c->kube;
    o->advertise = getenv("MUSTER_TEST_HOST");
    o->grace_ms = 3000;
}

bool cluster_delete(const cluster *c, const char *pod, bool at_once)
{
    const char *const gently[] = {"kubectl", "-n",           c->ns, "delete",
                                  "pod",     "--wait=false", pod,   NULL};
    const char *const hard[] = {"kubectl", "-n",
                                c->ns,     "delete",
                                "pod",     "--wait=false",
                                "--force", "--grace-period=0",
                                pod,       NULL};

    return !c->away && does(c, at_once ? hard : gently);
}

pid_t cluster_pid(const char *pod)
{
    char word[300];

    snprintf(word, sizeof(word), "HOSTNAME=%s", pod);
    return system_process("muster-worker", word);
}

bool cluster_cut(cluster *c)
{
    if (c->cut || !script(c, "cut", "n2"))
        return false;
    c->cut = true;
    return true;
}

void cluster_heal(cluster *c)
{
    if (c->cut && script(c, "heal", "n2"))
        c->cut = false;
}

bool cluster_is_cut_off(const cluster *c, const char *node)
{
    const size_t len = strlen(node);

    return c->cut && len >= 2 && strcmp(node + len - 2, "n2") == 0;
}

bool cluster_kill_api(cluster *c)
{
    if (c->away || !script(c, "apiserver", "kill"))
        return false;
    c->away = true;
    return true;
}

void cluster_start_api(cluster *c)
{
    if (c->away && script(c, "apiserver", "start"))
        c->away = false;
}

int cluster_left(const cluster *c)
{
    const char *const words[] = {
        "kubectl", "--request-timeout=20s",
        "-n",      c->ns,
        "get",     "pods,secrets",
        "-l",      "app.kubernetes.io/managed-by=muster",
        "-o",      "name",
        NULL};
    char text[16384];
    int fds[2], lines = 0;
    bool known;
    ssize_t n;

    /* fewer names than the pipe holds: nobody has to read meanwhile */
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    known = run(words, fds[1]) == 0;
    close(fds[1]);
    while ((n = read(fds[0], text, sizeof(text))) > 0)
        for (ssize_t i = 0; i < n; i++)
            lines += text[i] == '\n';
    close(fds[0]);
    return known ? lines : -1;
}

void cluster_end(cluster *c)
{
    const char *const words[] = {"kubectl", "delete",       "namespace",
                                 c->ns,     "--wait=false", NULL};

    cluster_start_api(c);
    cluster_heal(c);
    (void)does(c, words);
    unlink(c->counts);
}
