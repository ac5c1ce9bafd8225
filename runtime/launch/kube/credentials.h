/* credentials.h - who we are to the API server: what is known of a user, and
 * what of it a request shows. */
#ifndef MST_KUBE_CREDENTIALS_H
#define MST_KUBE_CREDENTIALS_H

#include <stdbool.h>

#include <muster/error.h>

#include "launch/kube/access.h"
#include "launch/kube/grant.h"
#include "launch/kube/kubeconfig.h"
#include "launch/kube/plugin.h"

#define MST_CREDENTIALS_BYTES (1u << 20) /* of a token or PEM file */

/* All NULL: anonymous. Texts win over files, but for the token: there the file
 * wins as long as it can be read. */
typedef struct mst_credentials {
    char *token, *token_file, *user, *password;
    char *cert, *cert_file, *key, *key_file;
    bool guarded;         /* token, password and key: see mst_secret_guard */
    mst_plugin *plugin;   /* asked where there is neither token nor user    */
    mst_grant grant;      /* its last answer; `until` is 0 before the first */
    muster_error failure; /* of its last run, */
    int64_t again_ms;     /* which counts until then */
} mst_credentials;

/* Fill *c, which is zero, from the user of a kubeconfig; mst_credentials_fini
 * in any case.
 *
 *   ca       PEM of the cluster or NULL, for a plugin that wants to know it
 *
 * Errors:  MUSTER_EKUBE  the text has the user and the file; MUSTER_ENOMEM
 */
muster_err mst_credentials_read(mst_credentials *c,
                                const mst_kubeconfig_choice *choice,
                                const char *ca, muster_error *err);
void mst_credentials_fini(mst_credentials *c);

/* As mst_kube_auth_get; *auth is zero before, and mst_kube_auth_fini in any
 * case. */
muster_err mst_credentials_get(mst_credentials *c, bool renew,
                               const mst_patience *patience,
                               mst_kube_auth *auth, muster_error *err);

/* A file that must be there; *text by mst_drop_secret. MUSTER_EKUBE,
 * MUSTER_ENOMEM */
muster_err mst_credentials_file(const char *path, char **text,
                                muster_error *err);
/* Is there PEM in `text`? `what` names it in the error. MUSTER_EKUBE */
muster_err mst_credentials_pem(const char *text, const char *what,
                               muster_error *err);

#endif
