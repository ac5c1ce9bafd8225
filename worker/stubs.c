/* stubs.c - the manager's half, on a worker: a module that is both sides loads
 * here, under `-z now` too, and what it calls by mistake says so. A test
 * compares this list with muster.h. */
#include <muster/muster.h>

#include "base/fail.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
/* NOLINTBEGIN(misc-unused-parameters): that is what a stub is */

static muster_err no(muster_error *err)
{
    return mst_fail(err, MUSTER_ENOTMANAGER,
                    "this is a worker; only the manager can do that");
}

bool muster_is_k8s(void)
{
    return false;
}

muster_err muster_open(const muster_options *options, muster **m,
                       muster_error *err)
{
    return no(err);
}

muster_err muster_manifests(const muster_options *options, uint32_t n,
                            char **text, muster_error *err)
{
    return no(err);
}

void muster_shutdown(muster *m)
{
}

void muster_close(muster **m)
{
}

const char *muster_endpoint(const muster *m)
{
    return "";
}

muster_err muster_launch(muster *m, uint32_t n, uint32_t min, uint32_t *nready,
                         muster_error *err)
{
    return no(err);
}

muster_err muster_remove(muster *m, const uint32_t *ranks, size_t nranks,
                         int64_t timeout_ms, muster_error *err)
{
    return no(err);
}

uint32_t muster_size(muster *m)
{
    return 0;
}

size_t muster_ranks(muster *m, uint32_t *ranks, size_t max)
{
    return 0;
}

muster_err muster_worker_info(muster *m, uint32_t rank, muster_info *info,
                              muster_error *err)
{
    return no(err);
}

size_t muster_list(muster *m, muster_info *infos, size_t max)
{
    return 0;
}

bool muster_print_list(muster *m, FILE *to)
{
    return false;
}

const char *muster_state_name(muster_state state)
{
    return "unknown";
}

muster_err muster_module_ship(muster *m, const char *path, muster_error *err)
{
    return no(err);
}

muster_err muster_module_load(muster *m, const char *path, muster_error *err)
{
    return no(err);
}

muster_err muster_future_then(muster_future *future, muster_future_fn fn,
                              void *arg)
{
    return MUSTER_ENOTMANAGER;
}

muster_err muster_interrupt(muster *m, const muster_set *set, int64_t signal_ms,
                            int64_t end_ms, muster_error *err)
{
    return no(err);
}

void muster_cancel(muster *m)
{
}

muster_err muster_broadcast(muster *m, const muster_set *set, const char *name,
                            const void *body, size_t len, int64_t timeout_ms,
                            muster_results **results, muster_error *err)
{
    return no(err);
}

void muster_results_destroy(muster_results **results)
{
}

muster_err muster_map(muster *m, const char *name,
                      const muster_map_options *options,
                      muster_results **results, muster_error *err)
{
    return no(err);
}

muster_err muster_put(muster *m, const char *name, const void *data, size_t len,
                      muster_error *err)
{
    return no(err);
}

muster_err muster_drop(muster *m, const char *name, muster_error *err)
{
    return no(err);
}

muster_token *muster_token_create(muster *m)
{
    return NULL;
}

void muster_token_cancel(muster_token *token)
{
}

void muster_token_destroy(muster_token **token)
{
}

void muster_progress(void *arg, size_t done, size_t total)
{
}

void muster_print_output(void *arg, uint32_t rank, int stream, const char *line,
                         size_t len)
{
}

/* NOLINTEND(misc-unused-parameters) */
