/* kubedir.h - a folder for kubeconfig files, and an environment without any. */
#ifndef KUBEDIR_H
#define KUBEDIR_H

#include "unit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/kube/access.h"

#define PEM "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
/* the same in base64 */
#define PEM64                                                                  \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCngKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0t" \
    "LQo="

static char kubedir[64];

static inline int kubedir_up(void **state)
{
    static const char *const gone[] = {"KUBECONFIG", "KUBERNETES_SERVICE_HOST",
                                       "KUBERNETES_SERVICE_PORT",
                                       "KUBERNETES_EXEC_INFO"};

    (void)state;
    strcpy(kubedir, "/tmp/muster_ut.XXXXXX");
    if (mkdtemp(kubedir) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        unsetenv(gone[i]);
    return setenv("HOME", kubedir, 1);
}

static inline int kubedir_remove(const char *path, const struct stat *info,
                                 int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int kubedir_down(void **state)
{
    (void)state;
    return nftw(kubedir, kubedir_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of `name`, in one of four static buffers. */
static inline const char *kubedir_path(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", kubedir, name);
    return path;
}

/* Make a file, and the folder it is in; returns its path. */
static inline const char *kubedir_file(const char *name, mode_t mode,
                                       const char *text)
{
    const char *path = kubedir_path(name);
    char folder[128];
    FILE *file;

    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    mkdir(folder, 0700);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* Open, which must succeed. */
static inline mst_kube_access *kubedir_open(const mst_kube_where *where)
{
    mst_kube_access *a = NULL;
    muster_error err = {0};

    if (mst_kube_access_open(where, &a, &err) != MUSTER_OK)
        fail_msg("cannot open: %s", err.text);
    return a;
}

/* Open must fail, and each of the `words` be in the text. */
static inline void kubedir_refused(const mst_kube_where *where,
                                   const char *words)
{
    mst_kube_access *a = NULL;
    muster_error err = {0};
    const muster_err rc = mst_kube_access_open(where, &a, &err);

    if (rc != MUSTER_EKUBE || strstr(err.text, words) == NULL)
        fail_msg("\"%s\" is not in %d: %s", words, rc, err.text);
    assert_int_equal(err.code, rc);
    assert_null(a);
}

#endif
