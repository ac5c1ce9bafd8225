/* kubeconfig.h - kubeconfig files, and what a context of them says.
 *
 * Files of a list are merged as kubectl does: the first that sets
 * current-context wins, and so does the first that has a context, a cluster or
 * a user of a name, as a whole. Relative paths in an entry start at the folder
 * of its file.
 */
#ifndef MST_KUBE_KUBECONFIG_H
#define MST_KUBE_KUBECONFIG_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include <muster/error.h>

typedef struct mst_kubeconfig mst_kubeconfig;

/* One entry; borrowed from its kubeconfig. */
typedef struct mst_kubeconfig_part {
    const char *kind; /* "context", "cluster", "user"                     */
    const char *name;
    const char *file;  /* where it stands                                  */
    const cJSON *json; /* what it says; NULL: a context without a user    */
} mst_kubeconfig_part;

typedef struct mst_kubeconfig_choice {
    mst_kubeconfig_part context, cluster, user;
} mst_kubeconfig_choice;

/* Read the files of a list.
 *
 *   list     paths with colons between; empty ones are left out, and those
 *            that do not exist
 *   config   set on MUSTER_OK only; without files when none exists
 *
 * Errors:  MUSTER_EKUBE  a file is wrong or cannot be read; MUSTER_ENOMEM
 */
muster_err mst_kubeconfig_load(const char *list, mst_kubeconfig **config,
                               muster_error *err);
/* The same of one path, which may have colons in it. */
muster_err mst_kubeconfig_load_one(const char *path, mst_kubeconfig **config,
                                   muster_error *err);
void mst_kubeconfig_destroy(mst_kubeconfig **config);

size_t mst_kubeconfig_files(const mst_kubeconfig *config);
/* NULL: none of the files says. */
const char *mst_kubeconfig_current(const mst_kubeconfig *config);
/* Of the context (NULL: the current one). NULL: there is no such context, or
 * it has no namespace. */
const char *mst_kubeconfig_namespace(const mst_kubeconfig *config,
                                     const char *context);

/* The context of that name, its cluster and its user. */
muster_err mst_kubeconfig_choose(const mst_kubeconfig *config,
                                 const char *context,
                                 mst_kubeconfig_choice *choice,
                                 muster_error *err);

/* A member of an entry. Absent, null and empty are the same.
 *
 *   value   borrowed; NULL: absent
 *
 * Errors:  MUSTER_EKUBE  it is of another type
 */
muster_err mst_kubeconfig_str(const mst_kubeconfig_part *part, const char *name,
                              const char **value, muster_error *err);
/* A copy, which replaces nothing where it is absent; mst_drop_secret. */
muster_err mst_kubeconfig_copy(const mst_kubeconfig_part *part,
                               const char *name, char **copy,
                               muster_error *err);
muster_err mst_kubeconfig_bool(const mst_kubeconfig_part *part,
                               const char *name, bool *value,
                               muster_error *err);
/* A member that is a path, beginning at the folder of its file. *path is the
 * caller's, mst_free; NULL: absent. */
muster_err mst_kubeconfig_path(const mst_kubeconfig_part *part,
                               const char *name, char **path,
                               muster_error *err);
/* A member in base64, decoded. *text is the caller's, mst_drop_secret. */
muster_err mst_kubeconfig_data(const mst_kubeconfig_part *part,
                               const char *name, char **text,
                               muster_error *err);

#endif
