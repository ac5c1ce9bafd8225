/* manifest.h - the Pod and the Secret, as JSON. Pure: no request is made here.
 *
 *   ours          name, labels, owner, container "worker", command, resources,
 *                 restartPolicy, security context, the Secret's mount
 *   + template    a Pod as YAML or JSON: merged over ours as a strategic merge
 *                 patch does it (lists of containers, env, volumes and mounts
 *                 by their key; tolerations and others replaced; null removes)
 *   + configure   the program's function, last
 *   then checked  what has to stay: kind, name, our labels, the owner, the
 *                 container "worker", its cookie, restartPolicy Never
 */
#ifndef MST_KUBE_MANIFEST_H
#define MST_KUBE_MANIFEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include <muster/muster.h>

#define MST_LABEL_SESSION "muster/session"
#define MST_LABEL_RANK "muster/rank"
#define MST_LABEL_INCARNATION "muster/incarnation"
#define MST_LABEL_PREFIX "muster/prefix"
#define MST_LABEL_MANAGED "app.kubernetes.io/managed-by" /* "muster" */
#define MST_CONTAINER "worker"
#define MST_COOKIE_DIR "/run/muster"
#define MST_COOKIE_PATH MST_COOKIE_DIR "/cookie"
#define MST_COOKIE_ENV "MUSTER_COOKIE"
#define MST_ENV_NAME 256 /* of a variable's name, with its NUL */

/* What all Pods of a session have in common. Strings are borrowed. */
typedef struct mst_pod_plan {
    const char *ns, *prefix, *session;
    const char *image;
    const char *worker; /* path in the image; NULL: muster-worker, by PATH */
    const char *pull_policy;  /* NULL: the server's default              */
    const char *cpu, *memory; /* requests = limits                       */
    int64_t grace_ms;         /* for its handlers, from SIGTERM on        */
    int64_t deadline_s;       /* activeDeadlineSeconds; 0: none          */
    const char *owner_name;   /* the manager's Pod; NULL: no owner       */
    const char *owner_uid;
    const cJSON *manager;      /* the manager's Pod, or NULL: its security
                                  context, pull secrets and service account
                                  are the workers' defaults               */
    const char *const *env;    /* "NAME=VALUE"..., NULL-terminated; or NULL */
    const cJSON *pod_template; /* or NULL */
    bool cookie_in_env;        /* --cookie-via env */
    muster_configure_fn configure; /* or NULL */
    void *configure_arg;
} mst_pod_plan;

/* One worker's Pod.
 *
 *   secret   name of the Secret that has its cookie, as item "rank-<rank>"
 *   cookie   NULL, or the cookie's text: only with cookie_in_env
 *   pod      set on MUSTER_OK only; the caller's, cJSON_Delete
 *
 * Errors: MUSTER_EKUBE  template or configure made something that cannot be a
 *                       worker; the text says which field. MUSTER_ENOMEM
 */
muster_err mst_manifest_pod(const mst_pod_plan *plan, uint32_t rank,
                            uint32_t incarnation, const char *secret,
                            const char *cookie, cJSON **pod, muster_error *err);

/* Do the strings of a plan make sense? To be asked before Pods are made of it.
 * MUSTER_EKUBE (of the prefix MUSTER_EINVAL): the text names the one that does
 * not. Values of variables are never in it. */
muster_err mst_manifest_check(const mst_pod_plan *plan, muster_error *err);

typedef struct mst_secret_item {
    uint32_t rank;
    const char *cookie; /* NULL: "(secret)" in base64, for --dry-run */
    size_t cookie_len;
} mst_secret_item;

/* The immutable Secret of a launch, owned as the Pods are. No copy of
 * the cookies is left behind.
 *
 *   text   set on success; the caller's, mst_drop_guarded
 */
muster_err mst_manifest_secret(const mst_pod_plan *plan, const char *name,
                               const mst_secret_item *items, size_t n,
                               char **text, size_t *len, muster_error *err);

/* The one owner of Pods and Secrets, into their metadata; none when the plan
 * has none. False: no memory. */
bool mst_manifest_owner(const mst_pod_plan *plan, cJSON *metadata);

/* Is this still a worker's Pod? What mst_manifest_pod asks at its end. */
muster_err mst_manifest_keeps(const mst_pod_plan *plan, uint32_t rank,
                              uint32_t incarnation, const char *secret,
                              const cJSON *pod, muster_error *err);

/* The container of this name, which may be NULL; NULL: none. */
const cJSON *mst_manifest_container(const cJSON *pod, const char *name);

/* Which image a container of this Pod runs, the one that the manager is in:
 * the container named "manager", else the one that the annotation
 * kubectl.kubernetes.io/default-container names, else the first that is no
 * known sidecar, else the first. NULL: none. `name` gets the container's, may
 * be NULL. */
const char *mst_manifest_image(const cJSON *pod, const char **name);

#endif
