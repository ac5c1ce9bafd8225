/* map.h - many items over the live workers. Included by muster.h.
 *
 *     muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
 *     muster_results *results;
 *
 *     o.items = jobs;
 *     o.nitems = njobs;
 *     rc = muster_map(m, "solve", &o, &results, &err);
 *
 * Items go to whichever worker has room, a few at a time; the results come
 * back in the items' order. Workers that join meanwhile are used, those that
 * are removed finish what they have, and the items of one that is lost go to
 * another. An item may therefore run twice, when its worker was lost; never
 * otherwise.
 */
#ifndef MUSTER_MAP_H
#define MUSTER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster muster;
typedef struct muster_set muster_set;
typedef struct muster_result muster_result;
typedef struct muster_results muster_results;

/* One request. */
typedef struct muster_item {
    const void *data;
    size_t len;
} muster_item;

/* Gives item `index`; what it points to stays valid until the next call. May
 * block: it runs on the thread that called muster_map.
 *
 * Returns 1 with *item set, 0 when there are no more, below 0 to end the map
 * with MUSTER_ECANCELED.
 */
typedef int (*muster_source_fn)(void *arg, size_t index, muster_item *item);

/* Takes the result of item `index`, borrowed until it returns. Runs on the
 * thread that called muster_map.
 *
 * Returns 0 to go on, anything else to end the map with MUSTER_ECANCELED.
 */
typedef int (*muster_sink_fn)(void *arg, size_t index,
                              const muster_result *result);

/* Items done so far; total is 0 while it is not known. At most ten times a
 * second and at the end. */
typedef void (*muster_progress_fn)(void *arg, size_t done, size_t total);

/* What happens when a handler fails an item. */
typedef enum muster_on_failure {
    MUSTER_FAIL_STOP,    /* the map ends with that failure              */
    MUSTER_FAIL_COLLECT, /* its result says so, the others go on        */
    MUSTER_FAIL_RETRY    /* again, `retries` times; then as COLLECT     */
} muster_on_failure;

/* Cancels maps from another thread. */
typedef struct muster_token muster_token;

typedef struct muster_map_options {
    size_t bytes;             /* sizeof, set by the initialiser             */
    const muster_item *items; /* an array, borrowed until the return...     */
    size_t nitems;
    muster_source_fn source; /* ...or a source, called in order            */
    muster_sink_fn sink;     /* NULL: results are an array                 */
    bool as_they_come;       /* sink: not in order but at once; false      */
    muster_progress_fn progress; /* NULL; muster_progress prints a bar      */
    void *arg;             /* of source, sink and progress               */
    const muster_set *set; /* NULL: all, later ones too; a LIST: these   */
    uint32_t batch;        /* items a call; 0: as many as pay; 1         */
    uint32_t per_worker;   /* calls in flight for each worker; 0: 2 while
                              they are slow, up to 128 while quick; 0   */
    size_t max_items;      /* between source and result; 65,536          */
    size_t max_bytes;      /* of requests in flight; 256 MiB             */
    uint32_t lost_retries; /* for an item whose worker was lost; 3       */
    muster_on_failure on_failure; /* STOP                                   */
    uint32_t retries;    /* for an item whose handler failed; 3        */
    int64_t timeout_ms;  /* the whole map; 0 = call_timeout_ms         */
    muster_token *token; /* NULL                                       */
} muster_map_options;

#define MUSTER_MAP_OPTIONS_INIT                                                \
    {                                                                          \
        sizeof(muster_map_options), NULL, 0, NULL, NULL, false, NULL, NULL,    \
            NULL, 1, 0, 65536, (size_t)256 << 20, 3, MUSTER_FAIL_STOP, 3, 0,   \
            NULL                                                               \
    }

/* Run handler `name` on every item.
 *
 *   options   borrowed until the return
 *   results   set on MUSTER_OK and MUSTER_EPARTIAL, in item order, unless
 *             there is a sink; yours, muster_results_destroy; may be NULL
 *
 * Thread:  any but a callback's that must not block. The caller waits, and
 *          runs source, sink and progress.
 * Success: every item's handler ran and returned 0.
 * Errors:  MUSTER_EPARTIAL  COLLECT, RETRY: some items failed; err->text has
 *                           the first one by index
 *          MUSTER_EREMOTE, MUSTER_ENOHANDLER, ...
 *                           STOP: the failure of the first item that failed;
 *                           err->text names the item
 *          MUSTER_ELOST     an item's workers were lost more often than
 *                           lost_retries
 *          MUSTER_EWORKER   no worker is left that could run the rest
 *          MUSTER_ETIMEOUT, MUSTER_ECANCELED, MUSTER_ECLOSED, MUSTER_ENOMEM,
 *          MUSTER_EINVAL
 *          After an error nothing of the map runs on the manager any more; a
 *          handler that was running is told (muster_ctx_canceled).
 */
MUSTER_API muster_err muster_map(muster *m, const char *name,
                                 const muster_map_options *options,
                                 muster_results **results, muster_error *err);

/* A token for any number of maps of one runtime; destroy it after they have
 * ended and before muster_close. NULL: no memory. Thread: any. */
MUSTER_API muster_token *muster_token_create(muster *m);

/* End the maps that have this token, and those that will get it, with
 * MUSTER_ECANCELED. Thread: any. Does not wait. */
MUSTER_API void muster_token_cancel(muster_token *token);
MUSTER_API void muster_token_destroy(muster_token **token);

/* A ready-made options.progress: on a terminal a bar on standard error that
 * is redrawn, else a line now and then. `arg` is not used. */
MUSTER_API void muster_progress(void *arg, size_t done, size_t total);

#ifdef __cplusplus
}
#endif
#endif
