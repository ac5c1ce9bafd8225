#include "launch/kube/access.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/credentials.h"
#include "launch/kube/kubeconfig.h"
#include "launch/kube/secret.h"

#define ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

struct mst_kube_access {
    pthread_mutex_t lock; /* several clients ask for credentials */
    char *server, *ns, *own_ns, *source, *ca, *tls_name, *proxy;
    bool in_pod, insecure;
    mst_credentials credentials;
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
    mst_credentials_fini(&a->credentials);
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

/* ------------------------------------------------------- of a kubeconfig -- */

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
            rc = mst_credentials_file(path, &a->ca, err);
    }
    if (rc != MUSTER_OK || a->ca == NULL)
        return rc;
    snprintf(what, sizeof(what), "certificate-authority-data of the cluster %s",
             cluster->name);
    rc = mst_credentials_pem(a->ca, path != NULL ? path : what, err);
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
        rc = mst_kubeconfig_copy(cluster, "tls-server-name", &a->tls_name, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_copy(cluster, "proxy-url", &a->proxy, err);
    return rc == MUSTER_OK ? set_ca(a, cluster, err) : rc;
}

static muster_err use_kubeconfig(mst_kube_access *a, const mst_kubeconfig *k,
                                 const char *context, muster_error *err)
{
    mst_kubeconfig_choice choice;
    muster_err rc = mst_kubeconfig_choose(k, context, &choice, err);

    if (rc == MUSTER_OK)
        rc = set_cluster(a, &choice.cluster, err);
    if (rc == MUSTER_OK)
        rc = mst_credentials_read(&a->credentials, &choice, a->ca, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_copy(&choice.context, "namespace", &a->ns, err);
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
    rc = mst_secret_read(path, MST_CREDENTIALS_BYTES, text, NULL, NULL);
    if (rc == MUSTER_ENOMEM)
        return no_memory(err);
    if (rc == MUSTER_OK && *mst_secret_trim(*text) == '\0')
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
    rc = account_file(where, "token", &a->credentials.token_file, err);
    if (rc == MUSTER_OK)
        rc = account_text(where, "ca.crt", &a->ca, err);
    if (rc == MUSTER_OK && a->ca != NULL)
        rc = mst_credentials_pem(a->ca, "ca.crt of the service account", err);
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

muster_err mst_kube_auth_get(mst_kube_access *a, bool renew,
                             const mst_patience *patience, mst_kube_auth *auth,
                             muster_error *err)
{
    mst_kube_auth got = {0};
    muster_err rc;

    pthread_mutex_lock(&a->lock);
    rc = mst_credentials_get(&a->credentials, renew, patience, &got, err);
    pthread_mutex_unlock(&a->lock);

    if (rc == MUSTER_OK) {
        *auth = got;
        return rc;
    }
    mst_kube_auth_fini(&got);
    return rc == MUSTER_ENOMEM
               ? rc
               : mst_because(err, rc, "credentials of %s", a->source);
}

void mst_kube_auth_fini(mst_kube_auth *auth)
{
    mst_drop_secret(&auth->token);
    mst_drop_secret(&auth->user);
    mst_drop_secret(&auth->password);
    mst_drop_secret(&auth->cert);
    mst_drop_secret(&auth->key);
}
