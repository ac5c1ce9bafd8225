#include "launch/kube/access.h"

#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/kubeconfig.h"
#include "launch/kube/plugin.h"
#include "launch/kube/secret.h"

#define ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define FILE_BYTES (1u << 20) /* of a token or PEM file */

struct mst_kube_access {
    pthread_mutex_t lock; /* several clients ask for credentials */
    char *server, *ns, *own_ns, *source, *ca, *tls_name, *proxy;
    bool in_pod, insecure;
    /* the user; of a pair of text and file the text wins */
    char *token, *token_file, *user, *password;
    char *cert, *cert_file, *key, *key_file;
    mst_plugin *plugin;
    mst_grant grant; /* the plugin's last; it is there when it has an end */
};

static muster_err no_memory(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOMEM,
                    "no memory for access to the API server");
}

void mst_kube_access_close(mst_kube_access **access)
{
    mst_kube_access *a = *access;

    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->lock);
    mst_free(a->server);
    mst_free(a->ns);
    mst_free(a->own_ns);
    mst_free(a->source);
    mst_free(a->ca);
    mst_free(a->tls_name);
    mst_drop_secret(&a->proxy); /* it may have a password in it */
    mst_drop_secret(&a->token);
    mst_free(a->token_file);
    mst_drop_secret(&a->user);
    mst_drop_secret(&a->password);
    mst_drop_secret(&a->cert);
    mst_free(a->cert_file);
    mst_drop_secret(&a->key);
    mst_free(a->key_file);
    mst_plugin_destroy(&a->plugin);
    mst_grant_fini(&a->grant);
    mst_free(a);
    *access = NULL;
}

const char *mst_kube_server(const mst_kube_access *a)
{
    return a->server;
}

const char *mst_kube_own_namespace(const mst_kube_access *a)
{
    return a->own_ns;
}

const char *mst_kube_namespace(const mst_kube_access *a)
{
    return a->ns;
}

const char *mst_kube_source(const mst_kube_access *a)
{
    return a->source;
}

bool mst_kube_in_pod(const mst_kube_access *a)
{
    return a->in_pod;
}

bool mst_kube_insecure(const mst_kube_access *a)
{
    return a->insecure;
}

const char *mst_kube_ca(const mst_kube_access *a)
{
    return a->ca;
}

const char *mst_kube_tls_name(const mst_kube_access *a)
{
    return a->tls_name;
}

const char *mst_kube_proxy(const mst_kube_access *a)
{
    return a->proxy;
}

/* --------------------------------------------------------------- texts -- */

__attribute__((format(printf, 2, 3))) static bool print(char **text,
                                                        const char *format, ...)
{
    va_list args, again;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    *text = len >= 0 ? mst_alloc((size_t)len + 1) : NULL;
    if (*text != NULL)
        vsnprintf(*text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return *text != NULL;
}

/* `text` itself, with what stands around the words wiped away. */
static char *trimmed(char *text)
{
    const size_t skip = strspn(text, " \t\r\n"), all = strlen(text);
    size_t len = all - skip;

    memmove(text, text + skip, len + 1);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    sodium_memzero(text + len, all - len);
    return text;
}

/* A file that must be there. */
static muster_err read_file(const char *path, char **text, muster_error *err)
{
    const muster_err rc = mst_secret_read(path, FILE_BYTES, text, NULL, err);

    if (rc == MUSTER_OK || rc == MUSTER_ENOMEM)
        return rc;
    if (err != NULL)
        err->code = MUSTER_EKUBE;
    return MUSTER_EKUBE;
}

static muster_err need_pem(const char *text, const char *what,
                           muster_error *err)
{
    if (strstr(text, "-----BEGIN ") != NULL)
        return MUSTER_OK;
    return mst_fail(err, MUSTER_EKUBE, "there is no PEM in %s", what);
}

/* ------------------------------------------------------- of a kubeconfig -- */

static muster_err copy_str(const mst_kubeconfig_part *part, const char *name,
                           char **copy, muster_error *err)
{
    const char *value = NULL;
    const muster_err rc = mst_kubeconfig_str(part, name, &value, err);

    if (rc != MUSTER_OK || value == NULL)
        return rc;
    *copy = mst_strdup(value);
    return *copy != NULL ? MUSTER_OK : no_memory(err);
}

static muster_err set_server(mst_kube_access *a,
                             const mst_kubeconfig_part *cluster,
                             muster_error *err)
{
    const char *url = NULL, *host;
    muster_err rc = mst_kubeconfig_str(cluster, "server", &url, err);
    size_t len;

    if (rc != MUSTER_OK)
        return rc;
    if (url == NULL)
        return mst_fail(err, MUSTER_EKUBE, "the cluster %s in %s has no server",
                        cluster->name, cluster->file);
    len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    host = strncmp(url, "https://", 8) == 0  ? url + 8
           : strncmp(url, "http://", 7) == 0 ? url + 7
                                             : NULL;
    for (size_t i = 0; host != NULL && i < len; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f ||
            strchr("?#@\"\\", url[i]) != NULL)
            host = NULL;
    if (host == NULL || host >= url + len || *host == '/' || *host == ':')
        return mst_fail(err, MUSTER_EKUBE,
                        "the server of the cluster %s in %s must be a URL: "
                        "https://HOST[:PORT][/PATH]",
                        cluster->name, cluster->file);
    return print(&a->server, "%.*s", (int)len, url) ? MUSTER_OK
                                                    : no_memory(err);
}

static muster_err set_ca(mst_kube_access *a, const mst_kubeconfig_part *cluster,
                         muster_error *err)
{
    MST_AUTO(mst_drop) char *path = NULL;
    char what[128];
    muster_err rc =
        mst_kubeconfig_data(cluster, "certificate-authority-data", &a->ca, err);

    if (rc == MUSTER_OK && a->ca == NULL) {
        rc = mst_kubeconfig_path(cluster, "certificate-authority", &path, err);
        if (rc == MUSTER_OK && path != NULL)
            rc = read_file(path, &a->ca, err);
    }
    if (rc != MUSTER_OK || a->ca == NULL)
        return rc;
    snprintf(what, sizeof(what), "certificate-authority-data of the cluster %s",
             cluster->name);
    rc = need_pem(a->ca, path != NULL ? path : what, err);
    if (rc == MUSTER_OK && a->insecure)
        return mst_fail(err, MUSTER_EKUBE,
                        "the cluster %s in %s has both a certificate-authority "
                        "and insecure-skip-tls-verify; leave one out",
                        cluster->name, cluster->file);
    return rc;
}

static muster_err set_cluster(mst_kube_access *a,
                              const mst_kubeconfig_part *cluster,
                              muster_error *err)
{
    muster_err rc = set_server(a, cluster, err);

    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_bool(cluster, "insecure-skip-tls-verify",
                                 &a->insecure, err);
    if (rc == MUSTER_OK)
        rc = copy_str(cluster, "tls-server-name", &a->tls_name, err);
    if (rc == MUSTER_OK)
        rc = copy_str(cluster, "proxy-url", &a->proxy, err);
    return rc == MUSTER_OK ? set_ca(a, cluster, err) : rc;
}

/* What would make us somebody else than the kubeconfig says. */
static muster_err refuse_unknown(const mst_kubeconfig_part *user,
                                 muster_error *err)
{
    static const char *const refused[][2] = {
        {"auth-provider", "kubectl dropped it too; use its exec plugin"},
        {"as", "muster does not impersonate"},
        {"as-uid", "muster does not impersonate"},
        {"as-groups", "muster does not impersonate"},
        {"as-user-extra", "muster does not impersonate"},
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const cJSON *item = mst_json_at(user->json, refused[i][0]);

        if (item != NULL && !cJSON_IsNull(item))
            return mst_fail(err, MUSTER_EKUBE,
                            "the user %s in %s has %s, which is not supported: "
                            "%s",
                            user->name, user->file, refused[i][0],
                            refused[i][1]);
    }
    return MUSTER_OK;
}

/* A PEM text, as data or as a file. */
static muster_err set_pem(const mst_kubeconfig_part *user, const char *file,
                          const char *data, char **pem, char **path,
                          muster_error *err)
{
    char what[160];
    muster_err rc = mst_kubeconfig_data(user, data, pem, err);

    if (rc != MUSTER_OK)
        return rc;
    if (*pem == NULL)
        return mst_kubeconfig_path(user, file, path, err);
    snprintf(what, sizeof(what), "%s of the user %s", data, user->name);
    return need_pem(*pem, what, err);
}

static muster_err set_certificate(mst_kube_access *a,
                                  const mst_kubeconfig_part *user,
                                  muster_error *err)
{
    muster_err rc =
        set_pem(user, "client-certificate", "client-certificate-data", &a->cert,
                &a->cert_file, err);

    if (rc == MUSTER_OK)
        rc = set_pem(user, "client-key", "client-key-data", &a->key,
                     &a->key_file, err);
    if (rc != MUSTER_OK)
        return rc;
    if ((a->cert != NULL || a->cert_file != NULL) !=
        (a->key != NULL || a->key_file != NULL))
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has a client-certificate without "
                        "client-key, or a key alone",
                        user->name, user->file);
    return MUSTER_OK;
}

static muster_err set_user(mst_kube_access *a,
                           const mst_kubeconfig_choice *choice,
                           muster_error *err)
{
    const mst_kubeconfig_part *user = &choice->user;
    muster_err rc;

    if (user->json == NULL)
        return MUSTER_OK;
    rc = refuse_unknown(user, err);
    if (rc == MUSTER_OK)
        rc = copy_str(user, "token", &a->token, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_path(user, "tokenFile", &a->token_file, err);
    if (rc == MUSTER_OK)
        rc = copy_str(user, "username", &a->user, err);
    if (rc == MUSTER_OK)
        rc = copy_str(user, "password", &a->password, err);
    if (rc == MUSTER_OK)
        rc = set_certificate(a, user, err);
    if (rc == MUSTER_OK)
        rc = mst_plugin_create(user, &choice->cluster, a->ca, &a->plugin, err);
    if (rc != MUSTER_OK)
        return rc;
    if (a->user == NULL && a->password != NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has a password without username",
                        user->name, user->file);
    if (a->user != NULL && (a->token != NULL || a->token_file != NULL))
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has both a token and a username; "
                        "leave one out",
                        user->name, user->file);
    return MUSTER_OK;
}

static muster_err use_kubeconfig(mst_kube_access *a, const mst_kubeconfig *k,
                                 const char *context, muster_error *err)
{
    mst_kubeconfig_choice choice;
    muster_err rc = mst_kubeconfig_choose(k, context, &choice, err);

    if (rc == MUSTER_OK)
        rc = set_cluster(a, &choice.cluster, err);
    if (rc == MUSTER_OK)
        rc = set_user(a, &choice, err);
    if (rc == MUSTER_OK)
        rc = copy_str(&choice.context, "namespace", &a->ns, err);
    if (rc != MUSTER_OK)
        return rc;
    return print(&a->source, "the context %s of %s", choice.context.name,
                 choice.context.file)
               ? MUSTER_OK
               : no_memory(err);
}

/* ------------------------------------------------------------ of a Pod -- */

/* An empty variable is none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static muster_err account_file(const mst_kube_where *where, const char *name,
                               char **path, muster_error *err)
{
    const char *dir =
        where->account_dir != NULL ? where->account_dir : ACCOUNT_DIR;

    return print(path, "%s/%s", dir, name) ? MUSTER_OK : no_memory(err);
}

/* A file of the service account; *text is NULL where it cannot be read. */
static muster_err account_text(const mst_kube_where *where, const char *name,
                               char **text, muster_error *err)
{
    MST_AUTO(mst_drop) char *path = NULL;
    muster_err rc = account_file(where, name, &path, err);

    if (rc != MUSTER_OK)
        return rc;
    rc = mst_secret_read(path, FILE_BYTES, text, NULL, NULL);
    if (rc == MUSTER_ENOMEM)
        return no_memory(err);
    if (rc == MUSTER_OK && *trimmed(*text) == '\0')
        mst_drop_secret(text);
    return MUSTER_OK;
}

/* *why is set where this is no Pod with a service account. */
static muster_err use_pod(mst_kube_access *a, const mst_kube_where *where,
                          const char **why, muster_error *err)
{
    const char *host = variable("KUBERNETES_SERVICE_HOST");
    const char *port = variable("KUBERNETES_SERVICE_PORT");
    const bool six = host != NULL && strchr(host, ':') != NULL;
    MST_AUTO(mst_drop_secret) char *token = NULL;
    muster_err rc;

    *why = NULL;
    if (host == NULL || port == NULL) {
        *why = "this is no Pod (KUBERNETES_SERVICE_HOST and _PORT are not set)";
        return MUSTER_OK;
    }
    rc = account_text(where, "token", &token, err);
    if (rc != MUSTER_OK)
        return rc;
    if (token == NULL) {
        *why = "this Pod has no service account token "
               "(automountServiceAccountToken: false?)";
        return MUSTER_OK;
    }
    rc = account_file(where, "token", &a->token_file, err);
    if (rc == MUSTER_OK)
        rc = account_text(where, "ca.crt", &a->ca, err);
    if (rc == MUSTER_OK && a->ca != NULL)
        rc = need_pem(a->ca, "ca.crt of the service account", err);
    if (rc != MUSTER_OK)
        return rc;
    a->in_pod = true;
    return print(&a->server, "https://%s%s%s:%s", six ? "[" : "", host,
                 six ? "]" : "", port) &&
                   print(&a->source, "the service account of this Pod")
               ? MUSTER_OK
               : no_memory(err);
}

/* ------------------------------------------------------------- looking -- */

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

/* *found says whether a context is chosen. */
static muster_err try_home(mst_kube_access *a, const char *context, bool *found,
                           muster_error *err)
{
    MST_AUTO(mst_kubeconfig_destroy) mst_kubeconfig *k = NULL;
    MST_AUTO(mst_drop) char *path = NULL;
    const char *home = variable("HOME");
    muster_err rc;

    *found = false;
    if (home == NULL)
        return MUSTER_OK;
    if (!print(&path, "%s/.kube/config", home))
        return no_memory(err);
    rc = mst_kubeconfig_load_one(path, &k, err);
    if (rc != MUSTER_OK || mst_kubeconfig_files(k) == 0 ||
        (context == NULL && mst_kubeconfig_current(k) == NULL))
        return rc;
    *found = true;
    return use_kubeconfig(a, k, context, err);
}

static muster_err try_list(mst_kube_access *a, const char *list,
                           const char *context, bool *found, muster_error *err)
{
    MST_AUTO(mst_kubeconfig_destroy) mst_kubeconfig *k = NULL;
    const muster_err rc = mst_kubeconfig_load(list, &k, err);

    *found = false;
    if (rc != MUSTER_OK || mst_kubeconfig_files(k) == 0 ||
        (context == NULL && mst_kubeconfig_current(k) == NULL))
        return rc;
    *found = true;
    return use_kubeconfig(a, k, context, err);
}

static muster_err use_explicit(mst_kube_access *a, const char *path,
                               const char *context, muster_error *err)
{
    MST_AUTO(mst_kubeconfig_destroy) mst_kubeconfig *k = NULL;
    muster_err rc = mst_kubeconfig_load_one(path, &k, err);

    if (rc == MUSTER_OK && mst_kubeconfig_files(k) == 0)
        return mst_fail(err, MUSTER_EKUBE, "there is no kubeconfig %s", path);
    if (rc == MUSTER_OK && context == NULL && mst_kubeconfig_current(k) == NULL)
        return mst_fail(err, MUSTER_EKUBE, "%s sets no current-context", path);
    return rc == MUSTER_OK ? use_kubeconfig(a, k, context, err) : rc;
}

static muster_err look(mst_kube_access *a, const mst_kube_where *where,
                       muster_error *err)
{
    const char *context = is_set(where->context) ? where->context : NULL;
    const char *list = variable("KUBECONFIG");
    const char *no_pod = "a context was asked for, so a Pod's account is none";
    bool found = false;
    muster_err rc = MUSTER_OK;

    if (is_set(where->kubeconfig))
        return use_explicit(a, where->kubeconfig, context, err);
    if (list != NULL)
        rc = try_list(a, list, context, &found, err);
    if (rc != MUSTER_OK || found)
        return rc;
    if (context == NULL) { /* a context is something of a kubeconfig */
        rc = use_pod(a, where, &no_pod, err);
        if (rc != MUSTER_OK || no_pod == NULL)
            return rc;
    }
    if (list == NULL) /* else it stands in the place of ~/.kube/config */
        rc = try_home(a, context, &found, err);
    if (rc != MUSTER_OK || found)
        return rc;
    if (list != NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "no API server is known: no file in KUBECONFIG=%.200s "
                        "is there and sets current-context; %s",
                        list, no_pod);
    return mst_fail(err, MUSTER_EKUBE,
                    "no API server is known: KUBECONFIG is not set; %s; "
                    "%.200s/.kube/config is not there or sets no "
                    "current-context",
                    no_pod, variable("HOME") != NULL ? variable("HOME") : "~");
}

static muster_err set_namespace(mst_kube_access *a, const mst_kube_where *where,
                                muster_error *err)
{
    muster_err rc;

    if (is_set(where->ns)) {
        mst_free(a->ns);
        a->ns = mst_strdup(where->ns);
    } else if (a->ns == NULL) {
        rc = account_text(where, "namespace", &a->ns, err);
        if (rc != MUSTER_OK)
            return rc;
        if (a->ns == NULL)
            a->ns = mst_strdup("default");
    }
    return a->ns != NULL ? MUSTER_OK : no_memory(err);
}

muster_err mst_kube_access_open(const mst_kube_where *where,
                                mst_kube_access **access, muster_error *err)
{
    MST_AUTO(mst_kube_access_close)
    mst_kube_access *a = mst_calloc(1, sizeof(*a));
    muster_err rc;

    if (a == NULL)
        return no_memory(err);
    pthread_mutex_init(&a->lock, NULL);
    rc = look(a, where, err);
    if (rc == MUSTER_OK && a->in_pod)
        rc = account_text(where, "namespace", &a->own_ns, err);
    if (rc == MUSTER_OK)
        rc = set_namespace(a, where, err);
    if (rc == MUSTER_OK)
        *access = MST_MOVE(a);
    return rc;
}

/* --------------------------------------------------------- credentials -- */

void mst_kube_auth_fini(mst_kube_auth *auth)
{
    mst_drop_secret(&auth->token);
    mst_drop_secret(&auth->user);
    mst_drop_secret(&auth->password);
    mst_drop_secret(&auth->cert);
    mst_drop_secret(&auth->key);
}

/* NULL stays NULL. */
static muster_err copy(const char *text, char **to, muster_error *err)
{
    *to = mst_strdup(text);
    return text == NULL || *to != NULL ? MUSTER_OK : no_memory(err);
}

static muster_err read_pem(const char *text, const char *path, char **to,
                           muster_error *err)
{
    muster_err rc;

    if (path == NULL)
        return copy(text, to, err);
    rc = read_file(path, to, err);
    return rc == MUSTER_OK ? need_pem(*to, path, err) : rc;
}

/* Of the file, if it can be read; else the text, if there is one. */
static muster_err read_token(const mst_kube_access *a, char **token,
                             muster_error *err)
{
    muster_err rc;

    if (a->token_file == NULL)
        return copy(a->token, token, err);
    rc = read_file(a->token_file, token, err);
    if (rc == MUSTER_OK && *trimmed(*token) != '\0')
        return MUSTER_OK;
    if (rc == MUSTER_ENOMEM)
        return rc;
    mst_drop_secret(token);
    if (a->token != NULL)
        return copy(a->token, token, err);
    return rc != MUSTER_OK
               ? rc
               : mst_fail(err, MUSTER_EKUBE, "%s is empty", a->token_file);
}

/* A token becomes part of a header: nothing in it may end that. */
static bool is_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

static muster_err ask_plugin(mst_kube_access *a, bool renew,
                             mst_kube_auth *auth, muster_error *err)
{
    mst_grant grant = {0};
    muster_err rc = MUSTER_OK;

    if (renew || a->grant.until <= (int64_t)time(NULL)) {
        rc = mst_plugin_run(a->plugin, 0, &grant, err);
        if (rc != MUSTER_OK)
            return rc;
        mst_grant_fini(&a->grant);
        a->grant = grant;
    }
    rc = copy(a->grant.token, &auth->token, err);
    if (rc == MUSTER_OK && a->grant.cert != NULL) {
        mst_drop_secret(&auth->cert);
        mst_drop_secret(&auth->key);
        rc = copy(a->grant.cert, &auth->cert, err);
        if (rc == MUSTER_OK)
            rc = copy(a->grant.key, &auth->key, err);
    }
    return rc;
}

static muster_err gather(mst_kube_access *a, bool renew, mst_kube_auth *auth,
                         muster_error *err)
{
    muster_err rc = read_token(a, &auth->token, err);

    if (rc == MUSTER_OK)
        rc = copy(a->user, &auth->user, err);
    if (rc == MUSTER_OK)
        rc = copy(a->password, &auth->password, err);
    if (rc == MUSTER_OK)
        rc = read_pem(a->cert, a->cert_file, &auth->cert, err);
    if (rc == MUSTER_OK)
        rc = read_pem(a->key, a->key_file, &auth->key, err);
    if (rc == MUSTER_OK && a->plugin != NULL && auth->token == NULL &&
        auth->user == NULL)
        rc = ask_plugin(a, renew, auth, err);
    if (rc == MUSTER_OK && auth->token != NULL && !is_word(auth->token))
        rc = mst_fail(err, MUSTER_EKUBE,
                      "the token of %s has white space or bytes in it that no "
                      "token has",
                      a->source);
    return rc;
}

muster_err mst_kube_auth_get(mst_kube_access *a, bool renew,
                             mst_kube_auth *auth, muster_error *err)
{
    mst_kube_auth got = {0};
    muster_err rc;

    pthread_mutex_lock(&a->lock);
    rc = gather(a, renew, &got, err);
    pthread_mutex_unlock(&a->lock);
    if (rc != MUSTER_OK) {
        mst_kube_auth_fini(&got);
        return rc == MUSTER_ENOMEM
                   ? rc
                   : mst_because(err, rc, "credentials of %s", a->source);
    }
    *auth = got;
    return MUSTER_OK;
}
