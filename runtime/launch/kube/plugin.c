#include "launch/kube/plugin.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/exec.h"
#include "launch/kube/json.h"
#include "launch/kube/secret.h"

#define GROUP "client.authentication.k8s.io/"
#define INFO "KUBERNETES_EXEC_INFO"

typedef enum ask { IF_AVAILABLE, NEVER, ALWAYS } ask;

struct mst_plugin {
    char *file, *version, *hint;
    char *info[2]; /* KUBERNETES_EXEC_INFO=..., without and with a terminal */
    char **argv;   /* ends with NULL, as does env */
    char **env;    /* NAME=value, what the kubeconfig adds */
    ask ask;
};

static muster_err no_memory(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOMEM, "no memory for a credential plugin");
}

static void drop_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        mst_drop_secret(&list[i]);
    mst_free(list);
}

void mst_plugin_destroy(mst_plugin **plugin)
{
    mst_plugin *p = *plugin;

    if (p == NULL)
        return;
    mst_free(p->file);
    mst_free(p->version);
    mst_free(p->hint);
    mst_free(p->info[0]);
    mst_free(p->info[1]);
    drop_list(p->argv);
    drop_list(p->env);
    mst_free(p);
    *plugin = NULL;
}

/* ------------------------------------------------- what the user wants -- */

static char *join(const char *left, const char *middle, const char *right)
{
    const size_t bytes = strlen(left) + strlen(middle) + strlen(right) + 1;
    char *text = mst_alloc(bytes);

    if (text != NULL)
        snprintf(text, bytes, "%s%s%s", left, middle, right);
    return text;
}

/* A list of the kubeconfig, absent or null alike. */
static muster_err get_list(const mst_kubeconfig_part *exec, const char *name,
                           const cJSON **list, muster_error *err)
{
    const cJSON *item = mst_json_at(exec->json, name);

    *list = mst_json_list(exec->json, name);
    if (item == NULL || cJSON_IsNull(item) || cJSON_IsArray(item))
        return MUSTER_OK;
    return mst_fail(err, MUSTER_EKUBE, "%s of the %s %s in %s is no list", name,
                    exec->kind, exec->name, exec->file);
}

static muster_err copy_args(mst_plugin *p, const mst_kubeconfig_part *exec,
                            muster_error *err)
{
    const cJSON *list, *item;
    muster_err rc = get_list(exec, "args", &list, err);
    size_t n = 1;

    if (rc != MUSTER_OK)
        return rc;
    p->argv = mst_calloc((size_t)cJSON_GetArraySize(list) + 2, sizeof(char *));
    if (p->argv == NULL || (p->argv[0] = mst_strdup(p->file)) == NULL)
        return no_memory(err);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return mst_fail(err, MUSTER_EKUBE,
                            "argument %zu of the plugin of the user %s in %s "
                            "is no string",
                            n, exec->name, exec->file);
        p->argv[n] = mst_strdup(item->valuestring);
        if (p->argv[n++] == NULL)
            return no_memory(err);
    }
    return MUSTER_OK;
}

static muster_err copy_env(mst_plugin *p, const mst_kubeconfig_part *exec,
                           muster_error *err)
{
    const cJSON *list, *item;
    muster_err rc = get_list(exec, "env", &list, err);
    size_t n = 0;

    if (rc != MUSTER_OK)
        return rc;
    p->env = mst_calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(char *));
    if (p->env == NULL)
        return no_memory(err);
    cJSON_ArrayForEach(item, list)
    {
        const char *name = mst_json_str(item, "name");
        const char *value = mst_json_str(item, "value");

        if (name == NULL || value == NULL || *name == '\0' ||
            strchr(name, '=') != NULL)
            return mst_fail(err, MUSTER_EKUBE,
                            "env of the plugin of the user %s in %s: name and "
                            "value must be strings",
                            exec->name, exec->file);
        p->env[n] = join(name, "=", value);
        if (p->env[n++] == NULL)
            return no_memory(err);
    }
    return MUSTER_OK;
}

static muster_err copy_words(mst_plugin *p, const mst_kubeconfig_part *exec,
                             muster_error *err)
{
    const char *file, *version, *hint, *mode;
    muster_err rc = mst_kubeconfig_str(exec, "command", &file, err);

    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_str(exec, "apiVersion", &version, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_str(exec, "installHint", &hint, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_str(exec, "interactiveMode", &mode, err);
    if (rc != MUSTER_OK)
        return rc;
    if (file == NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "the plugin of the user %s in %s has no command",
                        exec->name, exec->file);
    if (version == NULL || (strcmp(version, GROUP "v1") != 0 &&
                            strcmp(version, GROUP "v1beta1") != 0))
        return mst_fail(err, MUSTER_EKUBE,
                        "the plugin %s of the user %s in %s has the apiVersion "
                        "%s; known are " GROUP "v1 and v1beta1",
                        file, exec->name, exec->file,
                        version != NULL ? version : "none");
    if (mode == NULL || strcmp(mode, "IfAvailable") == 0)
        p->ask = IF_AVAILABLE;
    else if (strcmp(mode, "Never") == 0)
        p->ask = NEVER;
    else if (strcmp(mode, "Always") == 0)
        p->ask = ALWAYS;
    else
        return mst_fail(err, MUSTER_EKUBE,
                        "interactiveMode %s of the user %s in %s is not known",
                        mode, exec->name, exec->file);
    if (strchr(file, '/') != NULL) {
        rc = mst_kubeconfig_path(exec, "command", &p->file, err);
        if (rc != MUSTER_OK)
            return rc;
    } else {
        p->file = mst_strdup(file);
    }
    p->version = mst_strdup(version);
    p->hint = mst_strdup(hint != NULL ? hint : "");
    return p->file != NULL && p->version != NULL && p->hint != NULL
               ? MUSTER_OK
               : no_memory(err);
}

/* ------------------------------------------------ KUBERNETES_EXEC_INFO -- */

static bool add_base64(cJSON *object, const char *name, const char *text)
{
    const size_t len = strlen(text);
    const size_t bytes =
        sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
    MST_AUTO(mst_drop) char *base64 = mst_alloc(bytes);

    if (base64 == NULL)
        return false;
    sodium_bin2base64(base64, bytes, (const unsigned char *)text, len,
                      sodium_base64_VARIANT_ORIGINAL);
    return mst_json_set_str(object, name, base64);
}

static bool add_config(cJSON *to, const cJSON *cluster)
{
    const cJSON *item, *config = NULL;
    cJSON *copy;

    cJSON_ArrayForEach(item, mst_json_list(cluster, "extensions"))
    {
        const char *name = mst_json_str(item, "name");

        if (name != NULL && strcmp(name, GROUP "exec") == 0)
            config = mst_json_at(item, "extension");
    }
    if (config == NULL)
        return true;
    copy = cJSON_Duplicate(config, true);
    if (copy == NULL)
        return false;
    if (copy->string != NULL) {
        cJSON_free(copy->string);
        copy->string = NULL;
    }
    if (cJSON_AddItemToObject(to, "config", copy))
        return true;
    cJSON_Delete(copy);
    return false;
}

static bool add_cluster(cJSON *spec, const cJSON *cluster, const char *ca)
{
    static const char *const kept[] = {"server", "tls-server-name",
                                       "proxy-url"};
    cJSON *to = mst_json_make(spec, "cluster");

    if (to == NULL)
        return false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = mst_json_str(cluster, kept[i]);

        if (value != NULL && *value != '\0' &&
            !mst_json_set_str(to, kept[i], value))
            return false;
    }
    if (mst_json_bool(cluster, "insecure-skip-tls-verify", false) &&
        !mst_json_set_bool(to, "insecure-skip-tls-verify", true))
        return false;
    if (ca != NULL && !add_base64(to, "certificate-authority-data", ca))
        return false;
    return add_config(to, cluster);
}

/* `cluster` is NULL where the plugin does not want it. */
static char *make_info(const char *version, bool interactive,
                       const cJSON *cluster, const char *ca)
{
    MST_AUTO(mst_drop_json) cJSON *json = cJSON_CreateObject();
    char *text, *all;
    cJSON *spec;

    if (json == NULL || !mst_json_set_str(json, "apiVersion", version) ||
        !mst_json_set_str(json, "kind", "ExecCredential"))
        return NULL;
    spec = mst_json_make(json, "spec");
    if (spec == NULL || !mst_json_set_bool(spec, "interactive", interactive) ||
        (cluster != NULL && !add_cluster(spec, cluster, ca)))
        return NULL;
    text = cJSON_PrintUnformatted(json);
    if (text == NULL)
        return NULL;
    all = join(INFO, "=", text);
    cJSON_free(text);
    return all;
}

muster_err mst_plugin_create(const mst_kubeconfig_part *user,
                             const mst_kubeconfig_part *cluster, const char *ca,
                             mst_plugin **plugin, muster_error *err)
{
    MST_AUTO(mst_plugin_destroy) mst_plugin *p = NULL;
    mst_kubeconfig_part exec = *user;
    bool wants_cluster = false;
    muster_err rc;

    *plugin = NULL;
    exec.json = mst_json_at(user->json, "exec");
    if (exec.json == NULL || cJSON_IsNull(exec.json))
        return MUSTER_OK;
    if (!cJSON_IsObject(exec.json))
        return mst_fail(err, MUSTER_EKUBE,
                        "exec of the user %s in %s is no map", user->name,
                        user->file);
    p = mst_calloc(1, sizeof(*p));
    if (p == NULL)
        return no_memory(err);
    rc = copy_words(p, &exec, err);
    if (rc == MUSTER_OK)
        rc = copy_args(p, &exec, err);
    if (rc == MUSTER_OK)
        rc = copy_env(p, &exec, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_bool(&exec, "provideClusterInfo", &wants_cluster,
                                 err);
    if (rc != MUSTER_OK)
        return rc;
    for (int i = 0; i < 2; i++) {
        p->info[i] = make_info(p->version, i == 1,
                               wants_cluster ? cluster->json : NULL, ca);
        if (p->info[i] == NULL)
            return no_memory(err);
    }
    *plugin = MST_MOVE(p);
    return MUSTER_OK;
}

/* ----------------------------------------------------------- running it -- */

/* Of two NAME=value. */
static bool same_name(const char *left, const char *right)
{
    const size_t len = strcspn(left, "=");

    return strncmp(left, right, len) == 0 && right[len] == '=';
}

static bool is_replaced(const mst_plugin *p, const char *entry)
{
    if (same_name(entry, INFO "="))
        return true;
    for (char **own = p->env; *own != NULL; own++)
        if (same_name(entry, *own))
            return true;
    return false;
}

/* Ours without what is replaced, then the plugin's; nothing is copied. */
static char **make_env(const mst_plugin *p, bool terminal)
{
    size_t n = 0, most = 2;
    char **env;

    for (char **e = environ; e != NULL && *e != NULL; e++)
        most++;
    for (char **e = p->env; *e != NULL; e++)
        most++;
    env = mst_alloc(most * sizeof(*env));
    if (env == NULL)
        return NULL;
    for (char **e = environ; e != NULL && *e != NULL && n + 2 < most; e++)
        if (!is_replaced(p, *e))
            env[n++] = *e;
    for (char **e = p->env; *e != NULL; e++)
        if (!same_name(*e, INFO "="))
            env[n++] = *e;
    env[n++] = p->info[terminal];
    env[n] = NULL;
    return env;
}

static muster_err judge(const mst_plugin *p, const mst_exec *x, muster_err rc,
                        mst_grant *grant, muster_error *err)
{
    if (rc == MUSTER_ESYS && p->hint[0] != '\0')
        return mst_because(err, MUSTER_EKUBE, "%s", p->hint);
    if (rc != MUSTER_OK)
        return rc;
    if (WIFSIGNALED(x->status))
        return mst_fail(err, MUSTER_EKUBE, "it was ended by signal %d",
                        WTERMSIG(x->status));
    if (WEXITSTATUS(x->status) != 0)
        return mst_fail(err, MUSTER_EKUBE, "it ended with status %d",
                        WEXITSTATUS(x->status));
    return mst_grant_read(x->out, x->out_len, p->version, grant, err);
}

muster_err mst_plugin_run(const mst_plugin *plugin,
                          const mst_patience *patience, mst_grant *grant,
                          muster_error *err)
{
    const bool terminal = plugin->ask != NEVER && isatty(STDIN_FILENO);
    MST_AUTO(mst_drop) char **env = NULL;
    mst_exec x = {
        .file = plugin->file, .argv = plugin->argv, .terminal = terminal};
    muster_error why = {0};
    mst_grant got = {0};
    int64_t until_ms;
    muster_err rc;

    if (mst_patience_over(patience))
        return mst_fail(err, MUSTER_EKUBE,
                        "no time is left to run the credential plugin %s",
                        plugin->file);
    if (plugin->ask == ALWAYS && !terminal)
        return mst_fail(err, MUSTER_EKUBE,
                        "the credential plugin %s wants a "
                        "terminal (interactiveMode: Always), and standard "
                        "input is none",
                        plugin->file);
    env = make_env(plugin, terminal);
    if (env == NULL)
        return no_memory(err);
    x.envp = env;
    x.patience = *patience;
    until_ms = mst_until_ms(terminal ? MST_PLUGIN_ASK_MS : MST_PLUGIN_MS);
    if (until_ms < x.patience.until_ms)
        x.patience.until_ms = until_ms;
    rc = mst_exec_run(&x, &why);
    rc = judge(plugin, &x, rc, &got, &why);
    mst_drop_secret(&x.out);
    if (rc == MUSTER_OK) {
        *grant = got;
        return MUSTER_OK;
    }
    mst_grant_fini(&got);
    if (rc == MUSTER_ENOMEM)
        return no_memory(err);
    return mst_fail(err, MUSTER_EKUBE, "the credential plugin %s: %s%s%s",
                    plugin->file, why.text, x.said[0] != '\0' ? ": " : "",
                    x.said);
}
