#include "call/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "call/handler.h"

enum { KIND_HANDLER, KIND_INIT, KIND_FINI };

typedef struct known {
    const char *name;
    muster_handler_fn fn;
    char *module; /* owned by the table, shared by the module's entries */
} known;

static _Thread_local muster_entry_ *fresh; /* in reverse order */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known *table; /* sorted by name */
static size_t ntable;
static muster_entry_ *ends; /* fini entries, the newest first */

void muster_register_(muster_entry_ *entry)
{
    entry->next = fresh;
    fresh = entry;
}

void mst_registry_discard(void)
{
    fresh = NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const known *)a)->name, ((const known *)b)->name);
}

static known *find(const char *name)
{
    const known key = {.name = name};

    return ntable == 0 ? NULL
                       : bsearch(&key, table, ntable, sizeof(*table), by_name);
}

static bool comes_again(const muster_entry_ *entry)
{
    const muster_entry_ *e = entry->next;

    while (e != NULL &&
           (e->kind != KIND_HANDLER || strcmp(e->name, entry->name) != 0))
        e = e->next;
    return e != NULL;
}

/* With the lock: may these come in? Counts the handlers. */
static muster_err check(const char *module, const muster_entry_ *list,
                        size_t *nhandlers, muster_error *err)
{
    *nhandlers = 0;
    for (const muster_entry_ *e = list; e != NULL; e = e->next) {
        const known *other;

        if (e->abi != MUSTER_MODULE_ABI)
            return mst_fail(err, MUSTER_EMODULE,
                            "%s was built for module ABI %u, this is %u; "
                            "rebuild it with the headers of muster %s",
                            module, e->abi, MUSTER_MODULE_ABI, MUSTER_VERSION);
        if (e->kind != KIND_HANDLER)
            continue;
        ++*nhandlers;
        other = find(e->name);
        if (other != NULL)
            return mst_fail(err, MUSTER_EMODULE,
                            "%s defines handler %s, which %s has already",
                            module, e->name, other->module);
        if (comes_again(e))
            return mst_fail(err, MUSTER_EMODULE,
                            "%s defines handler %s more than once", module,
                            e->name);
    }
    return MUSTER_OK;
}

/* With the lock: take the handlers in. */
static muster_err add(const char *module, const muster_entry_ *list,
                      size_t nhandlers, muster_error *err)
{
    char *name = mst_strdup(module);
    known *grown = mst_realloc(table, (ntable + nhandlers) * sizeof(*table));

    if (grown != NULL)
        table = grown;
    if (grown == NULL || name == NULL) {
        mst_free(name);
        return mst_fail(err, MUSTER_ENOMEM, "load %s", module);
    }
    for (const muster_entry_ *e = list; e != NULL; e = e->next)
        if (e->kind == KIND_HANDLER)
            table[ntable++] = (known){e->name, e->handler, name};
    qsort(table, ntable, sizeof(*table), by_name);
    return MUSTER_OK;
}

static muster_entry_ *in_order(muster_entry_ *list)
{
    muster_entry_ *turned = NULL;

    while (list != NULL) {
        muster_entry_ *next = list->next;

        list->next = turned;
        turned = list;
        list = next;
    }
    return turned;
}

static muster_err run_starts(const char *module, const muster_entry_ *list,
                             muster_ctx *ctx, muster_error *err)
{
    for (const muster_entry_ *e = list; e != NULL; e = e->next) {
        int code;

        if (e->kind != KIND_INIT)
            continue;
        ctx->failed = false;
        code = e->init(ctx);
        if (code != 0)
            return mst_fail(err, MUSTER_EMODULE,
                            "%s: its start function %s returned %d%s%s", module,
                            e->name, code, ctx->failed ? ": " : "",
                            ctx->failed ? ctx->text : "");
    }
    return MUSTER_OK;
}

muster_err mst_registry_collect(const char *module, muster_ctx *ctx,
                                muster_error *err)
{
    muster_entry_ *list = in_order(fresh);
    size_t nhandlers;
    muster_err rc;

    fresh = NULL;
    pthread_mutex_lock(&lock);
    rc = check(module, list, &nhandlers, err);
    pthread_mutex_unlock(&lock);
    if (rc == MUSTER_OK && ctx != NULL)
        rc = run_starts(module, list, ctx, err);
    if (rc != MUSTER_OK)
        return rc;
    pthread_mutex_lock(&lock);
    if (nhandlers > 0)
        rc = add(module, list, nhandlers, err);
    while (rc == MUSTER_OK && list != NULL) {
        muster_entry_ *next = list->next;

        if (list->kind == KIND_FINI) {
            list->next = ends;
            ends = list;
        }
        list = next;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

muster_handler_fn mst_registry_find(const char *name, size_t len)
{
    char key[256];
    known *found;
    muster_handler_fn fn;

    if (len >= sizeof(key))
        return NULL;
    memcpy(key, name, len);
    key[len] = '\0';
    pthread_mutex_lock(&lock);
    found = find(key);
    fn = found != NULL ? found->fn : NULL;
    pthread_mutex_unlock(&lock);
    return fn;
}

void mst_registry_end(void)
{
    while (ends != NULL) {
        const muster_entry_ *e = ends;

        ends = e->next;
        e->fini();
    }
}
