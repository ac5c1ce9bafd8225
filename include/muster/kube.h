/* kube.h - workers that are Pods: the options of the launcher k8s.
 *
 * Included by muster.h. The launcher is used when muster_options.launcher is
 * K8S, or AUTO in a Pod; what is not said here is found out:
 *
 *   namespace   kubeconfig's context, else the service account's, else default
 *   image       that of the container the manager runs in; outside a cluster
 *               it must be said
 *   prefix      <manager's Pod, or host name>-worker
 */
#ifndef MUSTER_KUBE_H
#define MUSTER_KUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON; /* of <cjson/cJSON.h> */

/* Change a worker's Pod just before it is checked and created: any field but
 * the names, muster's own labels, and the container "worker" with its cookie.
 *
 *   pod      borrowed; change it by the functions of cJSON
 *   rank     whose Pod it is
 *
 * Thread:  that of muster_launch's caller or one of the runtime; one at a
 *          time.
 * Success: 0; anything else ends that worker's launch with MUSTER_EKUBE.
 */
typedef int (*muster_configure_fn)(void *arg, uint32_t rank, struct cJSON *pod);

/* Which Pods stay when they have ended, to be looked at. */
typedef enum muster_keep {
    MUSTER_KEEP_NONE,
    MUSTER_KEEP_FAILED, /* those that ended otherwise than they were told */
    MUSTER_KEEP_ALL
} muster_keep;

/* Start from MUSTER_KUBE_OPTIONS_INIT. Strings are borrowed until muster_open
 * has returned, which copies them. */
typedef struct muster_kube_options {
    size_t bytes; /* sizeof(muster_kube_options), set by the initialiser */
    const char *kubeconfig;    /* path; NULL: KUBECONFIG, the Pod's service
                                  account, ~/.kube/config                   */
    const char *context;       /* of the kubeconfig; NULL: the current one  */
    const char *namespace_;    /* NULL: see above                           */
    const char *image;         /* NULL: see above                           */
    const char *pull_policy;   /* Always, IfNotPresent, Never; NULL: that of
                                  the manager's container, else the server's */
    const char *cpu;           /* requests = limits; NULL: "1"              */
    const char *memory;        /* NULL: "4Gi"                               */
    const char *worker_prefix; /* NULL: see above                           */
    const char *pod_template;  /* path of a Pod in YAML or JSON, merged over
                                  ours; NULL                                */
    muster_configure_fn configure; /* NULL                                  */
    void *configure_arg;
    int64_t deadline_s; /* activeDeadlineSeconds of each Pod; 0: none      */
    muster_keep keep;   /* NONE                                            */
    bool cookie_in_env; /* where Secrets are not allowed: whoever may read
                           the Pod can then read its cookie               */
} muster_kube_options;

#define MUSTER_KUBE_OPTIONS_INIT                                               \
    {                                                                          \
        sizeof(muster_kube_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, NULL, 0, MUSTER_KEEP_NONE, false                 \
    }

struct muster_options;

/* What a launch of n workers would create, without creating it: a List of the
 * Secret, its cookies left out, and the Pods, as JSON.
 *
 *   options   as for muster_open; NULL = all defaults
 *   n         how many workers
 *   text      set on MUSTER_OK only; yours, free
 *
 * Thread:  any. In a Pod it asks the API server for that Pod.
 * Success: this is what would be sent.
 * Errors:  MUSTER_EINVAL, MUSTER_EKUBE, MUSTER_ENOSERVER, MUSTER_EDENIED,
 *          MUSTER_ENOMEM
 */
MUSTER_API muster_err muster_manifests(const struct muster_options *options,
                                       uint32_t n, char **text,
                                       muster_error *err);

#ifdef __cplusplus
}
#endif
#endif
