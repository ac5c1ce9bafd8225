#include "launch/kube/credentials.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/secret.h"

#define AGAIN_MS 3000 /* after a plugin that failed */

static muster_err no_memory(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOMEM, "no memory for credentials");
}

void mst_credentials_fini(mst_credentials *c)
{
    if (c->guarded) {
        mst_drop_guarded(&c->token);
        mst_drop_guarded(&c->password);
        mst_drop_guarded(&c->key);
    }
    mst_drop_secret(&c->token);
    mst_free(c->token_file);
    mst_drop_secret(&c->user);
    mst_drop_secret(&c->password);
    mst_drop_secret(&c->cert);
    mst_free(c->cert_file);
    mst_drop_secret(&c->key);
    mst_free(c->key_file);
    mst_plugin_destroy(&c->plugin);
    mst_grant_fini(&c->grant);
    memset(c, 0, sizeof(*c));
}

muster_err mst_credentials_file(const char *path, char **text,
                                muster_error *err)
{
    const muster_err rc =
        mst_secret_read(path, MST_CREDENTIALS_BYTES, text, NULL, err);

    if (rc == MUSTER_OK || rc == MUSTER_ENOMEM)
        return rc;
    if (err != NULL)
        err->code = MUSTER_EKUBE;
    return MUSTER_EKUBE;
}

muster_err mst_credentials_pem(const char *text, const char *what,
                               muster_error *err)
{
    if (strstr(text, "-----BEGIN ") != NULL)
        return MUSTER_OK;
    return mst_fail(err, MUSTER_EKUBE, "there is no PEM in %s", what);
}

/* ------------------------------------------------- what the user has -- */

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
    return mst_credentials_pem(*pem, what, err);
}

static muster_err set_certificate(mst_credentials *c,
                                  const mst_kubeconfig_part *user,
                                  muster_error *err)
{
    muster_err rc =
        set_pem(user, "client-certificate", "client-certificate-data", &c->cert,
                &c->cert_file, err);

    if (rc == MUSTER_OK)
        rc = set_pem(user, "client-key", "client-key-data", &c->key,
                     &c->key_file, err);
    if (rc != MUSTER_OK)
        return rc;
    if ((c->cert != NULL || c->cert_file != NULL) !=
        (c->key != NULL || c->key_file != NULL))
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has a client-certificate without "
                        "client-key, or a key alone",
                        user->name, user->file);
    return MUSTER_OK;
}

muster_err mst_credentials_read(mst_credentials *c,
                                const mst_kubeconfig_choice *choice,
                                const char *ca, muster_error *err)
{
    const mst_kubeconfig_part *user = &choice->user;
    muster_err rc;

    if (user->json == NULL)
        return MUSTER_OK;
    rc = refuse_unknown(user, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_copy(user, "token", &c->token, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_path(user, "tokenFile", &c->token_file, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_copy(user, "username", &c->user, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_copy(user, "password", &c->password, err);
    if (rc == MUSTER_OK)
        rc = set_certificate(c, user, err);
    if (rc == MUSTER_OK)
        rc = mst_plugin_create(user, &choice->cluster, ca, &c->plugin, err);
    if (rc != MUSTER_OK)
        return rc;
    if (c->user == NULL && c->password != NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has a password without username",
                        user->name, user->file);
    if (c->user != NULL && (c->token != NULL || c->token_file != NULL))
        return mst_fail(err, MUSTER_EKUBE,
                        "the user %s in %s has both a token and a username; "
                        "leave one out",
                        user->name, user->file);
    c->guarded =
        mst_secret_guard((char **[]){&c->token, &c->password, &c->key}, 3);
    return c->guarded ? MUSTER_OK : no_memory(err);
}

/* -------------------------------------------------- what a request shows -- */

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
    rc = mst_credentials_file(path, to, err);
    return rc == MUSTER_OK ? mst_credentials_pem(*to, path, err) : rc;
}

/* Of the file, if it can be read; else the text, if there is one. */
static muster_err read_token(const mst_credentials *c, char **token,
                             muster_error *err)
{
    muster_err rc;

    if (c->token_file == NULL)
        return copy(c->token, token, err);
    rc = mst_credentials_file(c->token_file, token,
                              c->token != NULL ? NULL : err);
    if (rc == MUSTER_OK && *mst_secret_trim(*token) != '\0')
        return MUSTER_OK;
    if (rc == MUSTER_ENOMEM)
        return rc;
    mst_drop_secret(token);
    if (c->token != NULL)
        return copy(c->token, token, err);
    return rc != MUSTER_OK
               ? rc
               : mst_fail(err, MUSTER_EKUBE, "%s is empty", c->token_file);
}

/* A token becomes part of a header: nothing in it may end that. */
static bool is_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

/* One that has just failed would fail each of many requests, one by one. */
static muster_err run_plugin(mst_credentials *c, const mst_patience *patience,
                             mst_grant *grant, muster_error *err)
{
    if (c->failure.code == MUSTER_OK || mst_now_ms() >= c->again_ms) {
        c->failure = (muster_error){0};
        c->failure.code =
            mst_plugin_run(c->plugin, patience, grant, &c->failure);
        c->again_ms = mst_until_ms(AGAIN_MS);
        if (c->failure.code == MUSTER_ENOMEM || mst_patience_over(patience))
            c->again_ms = 0; /* the next one may be luckier */
    }
    if (c->failure.code != MUSTER_OK && err != NULL)
        *err = c->failure;
    return c->failure.code;
}

static muster_err ask_plugin(mst_credentials *c, bool renew,
                             const mst_patience *patience, mst_kube_auth *auth,
                             muster_error *err)
{
    mst_grant grant = {0};
    muster_err rc = MUSTER_OK;

    if (renew || c->grant.until <= (int64_t)time(NULL)) {
        rc = run_plugin(c, patience, &grant, err);
        if (rc != MUSTER_OK)
            return rc;
        grant.guarded =
            mst_secret_guard((char **[]){&grant.token, &grant.key}, 2);
        if (!grant.guarded) {
            mst_grant_fini(&grant);
            return no_memory(err);
        }
        mst_grant_fini(&c->grant);
        c->grant = grant;
    }
    rc = copy(c->grant.token, &auth->token, err);
    if (rc == MUSTER_OK && c->grant.cert != NULL) {
        mst_drop_secret(&auth->cert);
        mst_drop_secret(&auth->key);
        rc = copy(c->grant.cert, &auth->cert, err);
        if (rc == MUSTER_OK)
            rc = copy(c->grant.key, &auth->key, err);
    }
    return rc;
}

muster_err mst_credentials_get(mst_credentials *c, bool renew,
                               const mst_patience *patience,
                               mst_kube_auth *auth, muster_error *err)
{
    muster_err rc = read_token(c, &auth->token, err);

    if (rc == MUSTER_OK)
        rc = copy(c->user, &auth->user, err);
    if (rc == MUSTER_OK)
        rc = copy(c->password, &auth->password, err);
    if (rc == MUSTER_OK)
        rc = read_pem(c->cert, c->cert_file, &auth->cert, err);
    if (rc == MUSTER_OK)
        rc = read_pem(c->key, c->key_file, &auth->key, err);
    if (rc == MUSTER_OK && c->plugin != NULL && auth->token == NULL &&
        auth->user == NULL)
        rc = ask_plugin(c, renew, patience, auth, err);
    if (rc == MUSTER_OK && auth->token != NULL && !is_word(auth->token))
        rc = mst_fail(err, MUSTER_EKUBE,
                      "the token has white space or bytes in it that no token "
                      "has");
    return rc;
}
