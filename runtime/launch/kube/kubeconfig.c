#include "launch/kube/kubeconfig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/secret.h"
#include "launch/kube/yaml.h"

#define MOST_FILES 64

typedef struct file {
    char *path;
    cJSON *json;
} file;

struct mst_kubeconfig {
    size_t nfiles;
    file files[MOST_FILES];
};

/* --------------------------------------------------------------- files -- */

static muster_err check_file(const file *f, muster_error *err)
{
    static const char *const lists[] = {"contexts", "clusters", "users"};
    const cJSON *kind;

    if (cJSON_IsNull(f->json)) /* an empty file */
        return MUSTER_OK;
    kind = mst_json_at(f->json, "kind");
    if (!cJSON_IsObject(f->json) ||
        (kind != NULL &&
         (!cJSON_IsString(kind) || strcmp(kind->valuestring, "Config") != 0)))
        return mst_fail(err, MUSTER_EKUBE, "%s is no kubeconfig (kind: Config)",
                        f->path);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const cJSON *list = mst_json_at(f->json, lists[i]);

        if (list != NULL && !cJSON_IsArray(list) && !cJSON_IsNull(list))
            return mst_fail(err, MUSTER_EKUBE, "%s in %s is no list", lists[i],
                            f->path);
    }
    return MUSTER_OK;
}

/* A file that is not there is no error. */
static muster_err add_file(mst_kubeconfig *config, const char *path, size_t len,
                           muster_error *err)
{
    file *f = &config->files[config->nfiles];
    muster_error why = {0};
    muster_err rc;

    if (config->nfiles == MOST_FILES)
        return mst_fail(err, MUSTER_EKUBE, "more than %d kubeconfig files",
                        MOST_FILES);
    f->path = mst_alloc(len + 1);
    if (f->path == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for a kubeconfig");
    memcpy(f->path, path, len);
    f->path[len] = '\0';
    rc = mst_yaml_read(f->path, &f->json, &why);
    if (rc == MUSTER_OK) {
        config->nfiles++; /* it has to be given back from here on */
        return check_file(f, err);
    }
    mst_drop(&f->path);
    f->path = NULL;
    if (rc == MUSTER_ESYS && (why.sys == ENOENT || why.sys == ENOTDIR))
        return MUSTER_OK;
    if (rc != MUSTER_ENOMEM)
        rc = MUSTER_EKUBE;
    if (err != NULL)
        *err = why;
    return mst_because(err, rc, "kubeconfig");
}

static muster_err add_list(mst_kubeconfig *config, const char *list,
                           muster_error *err)
{
    muster_err rc = MUSTER_OK;

    while (rc == MUSTER_OK && *list != '\0') {
        const size_t len = strcspn(list, ":");

        if (len > 0)
            rc = add_file(config, list, len, err);
        list += len + (list[len] == ':');
    }
    return rc;
}

static muster_err load(const char *text, bool one, mst_kubeconfig **config,
                       muster_error *err)
{
    MST_AUTO(mst_kubeconfig_destroy)
    mst_kubeconfig *made = mst_calloc(1, sizeof(*made));
    muster_err rc;

    if (made == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for a kubeconfig");
    rc = one ? add_file(made, text, strlen(text), err)
             : add_list(made, text, err);
    if (rc == MUSTER_OK)
        *config = MST_MOVE(made);
    return rc;
}

muster_err mst_kubeconfig_load(const char *list, mst_kubeconfig **config,
                               muster_error *err)
{
    return load(list, false, config, err);
}

muster_err mst_kubeconfig_load_one(const char *path, mst_kubeconfig **config,
                                   muster_error *err)
{
    return load(path, true, config, err);
}

void mst_kubeconfig_destroy(mst_kubeconfig **config)
{
    mst_kubeconfig *c = *config;

    if (c == NULL)
        return;
    for (size_t i = 0; i < c->nfiles; i++) {
        mst_free(c->files[i].path);
        mst_drop_secret_json(&c->files[i].json);
    }
    mst_free(c);
    *config = NULL;
}

size_t mst_kubeconfig_files(const mst_kubeconfig *config)
{
    return config->nfiles;
}

/* ------------------------------------------------------------- entries -- */

static bool is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

const char *mst_kubeconfig_current(const mst_kubeconfig *config)
{
    for (size_t i = 0; i < config->nfiles; i++) {
        const char *name =
            mst_json_str(config->files[i].json, "current-context");

        if (!is_empty(name))
            return name;
    }
    return NULL;
}

static muster_err find(const mst_kubeconfig *config, const char *list,
                       mst_kubeconfig_part *part, muster_error *err)
{
    static const cJSON nothing = {.type = cJSON_Object};

    for (size_t i = 0; i < config->nfiles && part->json == NULL; i++) {
        const cJSON *entry;

        part->file = config->files[i].path;
        cJSON_ArrayForEach(entry, mst_json_list(config->files[i].json, list))
        {
            const char *name = mst_json_str(entry, "name");

            if (name == NULL || strcmp(name, part->name) != 0)
                continue;
            if (part->json != NULL)
                return mst_fail(err, MUSTER_EKUBE, "%s has two %ss named %s",
                                part->file, part->kind, name);
            part->json = mst_json_at(entry, part->kind);
            if (part->json == NULL || cJSON_IsNull(part->json))
                part->json = &nothing;
            if (!cJSON_IsObject(part->json))
                return mst_fail(err, MUSTER_EKUBE, "the %s %s in %s is no map",
                                part->kind, name, part->file);
        }
        if (part->json != NULL)
            return MUSTER_OK;
    }
    return mst_fail(err, MUSTER_EKUBE, "there is no %s named %s", part->kind,
                    part->name);
}

const char *mst_kubeconfig_namespace(const mst_kubeconfig *config,
                                     const char *context)
{
    mst_kubeconfig_part part = {.kind = "context"};
    const char *ns;

    part.name = context != NULL ? context : mst_kubeconfig_current(config);
    if (part.name == NULL || find(config, "contexts", &part, NULL) != MUSTER_OK)
        return NULL;
    ns = mst_json_str(part.json, "namespace");
    return is_empty(ns) ? NULL : ns;
}

muster_err mst_kubeconfig_choose(const mst_kubeconfig *config,
                                 const char *context,
                                 mst_kubeconfig_choice *choice,
                                 muster_error *err)
{
    mst_kubeconfig_choice c = {.context = {.kind = "context"},
                               .cluster = {.kind = "cluster"},
                               .user = {.kind = "user"}};
    muster_err rc;

    c.context.name = context != NULL ? context : mst_kubeconfig_current(config);
    if (c.context.name == NULL)
        return mst_fail(err, MUSTER_EKUBE, "no current-context is set");
    rc = find(config, "contexts", &c.context, err);
    if (rc != MUSTER_OK)
        return rc;
    rc = mst_kubeconfig_str(&c.context, "cluster", &c.cluster.name, err);
    if (rc == MUSTER_OK)
        rc = mst_kubeconfig_str(&c.context, "user", &c.user.name, err);
    if (rc != MUSTER_OK)
        return rc;
    if (c.cluster.name == NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "the context %s in %s has no cluster", c.context.name,
                        c.context.file);
    rc = find(config, "clusters", &c.cluster, err);
    if (rc == MUSTER_OK && c.user.name != NULL)
        rc = find(config, "users", &c.user, err);
    if (rc != MUSTER_OK)
        return mst_because(err, rc, "the context %s in %s", c.context.name,
                           c.context.file);
    *choice = c;
    return MUSTER_OK;
}

/* ------------------------------------------------------------- members -- */

static muster_err wrong(const mst_kubeconfig_part *part, const char *name,
                        const char *why, muster_error *err)
{
    return mst_fail(err, MUSTER_EKUBE, "%s of the %s %s in %s is %s", name,
                    part->kind, part->name, part->file, why);
}

muster_err mst_kubeconfig_str(const mst_kubeconfig_part *part, const char *name,
                              const char **value, muster_error *err)
{
    const cJSON *item = mst_json_at(part->json, name);

    *value = NULL;
    if (item == NULL || cJSON_IsNull(item))
        return MUSTER_OK;
    if (!cJSON_IsString(item))
        return wrong(part, name, "no string", err);
    if (!is_empty(item->valuestring))
        *value = item->valuestring;
    return MUSTER_OK;
}

muster_err mst_kubeconfig_copy(const mst_kubeconfig_part *part,
                               const char *name, char **copy, muster_error *err)
{
    const char *value = NULL;
    const muster_err rc = mst_kubeconfig_str(part, name, &value, err);

    if (rc != MUSTER_OK || value == NULL)
        return rc;
    *copy = mst_strdup(value);
    return *copy != NULL
               ? MUSTER_OK
               : mst_fail(err, MUSTER_ENOMEM, "no memory for %s", name);
}

muster_err mst_kubeconfig_bool(const mst_kubeconfig_part *part,
                               const char *name, bool *value, muster_error *err)
{
    const cJSON *item = mst_json_at(part->json, name);

    *value = cJSON_IsTrue(item);
    if (item == NULL || cJSON_IsNull(item) || cJSON_IsBool(item))
        return MUSTER_OK;
    return wrong(part, name, "neither true nor false", err);
}

muster_err mst_kubeconfig_path(const mst_kubeconfig_part *part,
                               const char *name, char **path, muster_error *err)
{
    MST_AUTO(mst_drop) char *here = NULL;
    const char *value = NULL, *slash = strrchr(part->file, '/');
    size_t folder = slash != NULL ? (size_t)(slash - part->file) + 1 : 0, bytes;
    muster_err rc = mst_kubeconfig_str(part, name, &value, err);

    *path = NULL;
    if (rc != MUSTER_OK || value == NULL)
        return rc;
    if (*value == '/') {
        folder = 0;
    } else if (*part->file != '/') { /* a program may change its folder */
        here = getcwd(NULL, 0);
        if (here == NULL)
            return mst_fail_sys(err, errno, "the current folder");
    }
    bytes = (here != NULL ? strlen(here) + 1 : 0) + folder + strlen(value) + 1;
    *path = mst_alloc(bytes);
    if (*path == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for a path");
    snprintf(*path, bytes, "%s%s%.*s%s", here != NULL ? here : "",
             here != NULL ? "/" : "", (int)folder, part->file, value);
    return MUSTER_OK;
}

muster_err mst_kubeconfig_data(const mst_kubeconfig_part *part,
                               const char *name, char **text, muster_error *err)
{
    const char *value = NULL;
    muster_err rc = mst_kubeconfig_str(part, name, &value, err);

    *text = NULL;
    if (rc != MUSTER_OK || value == NULL)
        return rc;
    rc = mst_secret_decode(value, text);
    if (rc == MUSTER_ENOMEM)
        return mst_fail(err, rc, "no memory for %s", name);
    return rc == MUSTER_OK ? MUSTER_OK : wrong(part, name, "no base64", err);
}
