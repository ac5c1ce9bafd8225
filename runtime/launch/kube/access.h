/* access.h - where the API server is, and who we are to it.
 *
 *   KUBECONFIG (or the option)  files, merged as kubectl does: a context, its
 *                               cluster and its user
 *   in a Pod                    KUBERNETES_SERVICE_HOST and _PORT, and the
 *                               files of its service account
 *   ~/.kube/config
 *
 * The first of these that is there. An explicit kubeconfig wins over being in
 * a Pod, as with kubectl; where it sets no current-context it is as if it were
 * not there, unless it is the option. KUBECONFIG takes the place of
 * ~/.kube/config, and a context that is asked for leaves the Pod out.
 *
 * Refused with words: auth-provider, impersonation (as, as-groups, ...), and
 * what contradicts itself.
 *
 * Sources: kubernetes.io/docs/concepts/configuration/organize-cluster-access-
 * kubeconfig, .../tasks/run-application/access-api-from-pod,
 * .../reference/access-authn-authz/authentication (exec plugins).
 */
#ifndef MST_KUBE_ACCESS_H
#define MST_KUBE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include <muster/error.h>

#include "launch/kube/exec.h"

/* What may be said; all may be NULL. Borrowed during the call. */
typedef struct mst_kube_where {
    const char *kubeconfig; /* a path; NULL: KUBECONFIG (a list), ...        */
    const char *context;    /* NULL: current-context                         */
    const char *ns;         /* namespace; NULL: the context's, the service
                               account's, "default", in this order           */
    /* of a Pod, for tests; NULL: /var/run/secrets/kubernetes.io/
       serviceaccount */
    const char *account_dir;
} mst_kube_where;

typedef struct mst_kube_access mst_kube_access;

/* What one request shows. The strings are secret: mst_kube_auth_fini wipes
 * them. All NULL: anonymous. */
typedef struct mst_kube_auth {
    char *token;           /* bearer                        */
    char *user, *password; /* basic                         */
    char *cert, *key;      /* PEM, of the client            */
} mst_kube_auth;

/* Find the server and the user.
 *
 *   access   set on MUSTER_OK only; the caller's
 *
 * Thread:  any; reads the environment.
 * Errors:  MUSTER_EKUBE   no server is known, or a kubeconfig is wrong; the
 *                         text has the file, what is wrong with it, and where
 *                         was looked
 *          MUSTER_ESYS, MUSTER_ENOMEM
 */
muster_err mst_kube_access_open(const mst_kube_where *where,
                                mst_kube_access **access, muster_error *err);
void mst_kube_access_close(mst_kube_access **access);

/* Borrowed until close, all of them. Thread: any. */
const char *mst_kube_server(const mst_kube_access *a);    /* "https://h:6443",
                                                             no slash at the end */
const char *mst_kube_namespace(const mst_kube_access *a); /* never NULL */
/* Of the Pod that this runs in, whatever else was asked for; NULL: in none. */
const char *mst_kube_own_namespace(const mst_kube_access *a);
/* Where that is said: "the context kind-kind of /home/me/.kube/config". */
const char *mst_kube_source(const mst_kube_access *a);
bool mst_kube_in_pod(const mst_kube_access *a); /* by its service account     */
bool mst_kube_insecure(const mst_kube_access *a); /* insecure-skip-tls-verify */
const char *mst_kube_ca(const mst_kube_access *a); /* PEM; NULL: the system's */
const char *mst_kube_tls_name(const mst_kube_access *a); /* tls-server-name   */
const char *mst_kube_proxy(const mst_kube_access *a);    /* proxy-url         */

/* What the next request shows. Files are read anew each time, because tokens
 * rotate; the answer of an exec plugin is kept until it expires.
 *
 *   renew     the last one was refused (401): run the plugin again. It may take
 *             MST_PLUGIN_MS (plugin.h), longer where it asks on a terminal; one
 *             that failed is not run again for some seconds
 *   patience  how long it may take
 *   auth      filled on MUSTER_OK; the caller's
 *
 * Thread:  any; while a plugin runs, the others wait for it.
 * Errors:  MUSTER_EKUBE   a file cannot be read, a plugin failed (its standard
 *                         error is in the text); MUSTER_ENOMEM
 */
muster_err mst_kube_auth_get(mst_kube_access *a, bool renew,
                             const mst_patience *patience, mst_kube_auth *auth,
                             muster_error *err);
void mst_kube_auth_fini(mst_kube_auth *auth);

#endif
