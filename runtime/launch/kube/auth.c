/* auth.c - what a request shows, read anew each time. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "launch/kube/place.h"
#include "launch/kube/secret.h"

muster_err mst_place_no_memory(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOMEM,
                    "no memory for access to the API server");
}

char *mst_place_trimmed(char *text)
{
    const size_t skip = strspn(text, " \t\r\n"), all = strlen(text);
    size_t len = all - skip;

    memmove(text, text + skip, len + 1);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    sodium_memzero(text + len, all - len);
    return text;
}

muster_err mst_place_read(const char *path, char **text, muster_error *err)
{
    const muster_err rc =
        mst_secret_read(path, MST_PLACE_BYTES, text, NULL, err);

    if (rc == MUSTER_OK || rc == MUSTER_ENOMEM)
        return rc;
    if (err != NULL)
        err->code = MUSTER_EKUBE;
    return MUSTER_EKUBE;
}

muster_err mst_place_pem(const char *text, const char *what, muster_error *err)
{
    if (strstr(text, "-----BEGIN ") != NULL)
        return MUSTER_OK;
    return mst_fail(err, MUSTER_EKUBE, "there is no PEM in %s", what);
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
    return text == NULL || *to != NULL ? MUSTER_OK : mst_place_no_memory(err);
}

static muster_err read_pem(const char *text, const char *path, char **to,
                           muster_error *err)
{
    muster_err rc;

    if (path == NULL)
        return copy(text, to, err);
    rc = mst_place_read(path, to, err);
    return rc == MUSTER_OK ? mst_place_pem(*to, path, err) : rc;
}

/* Of the file, if it can be read; else the text, if there is one. */
static muster_err read_token(const mst_kube_access *a, char **token,
                             muster_error *err)
{
    muster_err rc;

    if (a->token_file == NULL)
        return copy(a->token, token, err);
    rc = mst_place_read(a->token_file, token, err);
    if (rc == MUSTER_OK && *mst_place_trimmed(*token) != '\0')
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
