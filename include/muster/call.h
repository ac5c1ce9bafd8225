/* call.h - calls, posts, futures, broadcasts, and what ends them early.
 * Included by muster.h.
 *
 *     muster_call        waits for the result
 *     muster_call_start  gives a future, for later
 *     muster_post        wants no result
 *     muster_broadcast   one request to many, their results in rank order
 *
 * What each promises when a worker is lost, time runs out or somebody gives up
 * is in muster(7).
 */
#ifndef MUSTER_CALL_H
#define MUSTER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster muster;
typedef struct muster_future muster_future;

/* --------------------------------------------------------------- calls -- */

/* A result. `data` has `len` bytes, aligned for any type, and one zero byte
 * after them that does not count. */
typedef struct muster_reply {
    const void *data;
    size_t len;
    uint32_t rank; /* who answered */
} muster_reply;

/* Give a reply back and set *reply to NULL. Thread: any. */
MUSTER_API void muster_reply_destroy(muster_reply **reply);

/* Run handler `name` on worker `rank` and wait for its answer.
 *
 *   rank        a ready worker, or MUSTER_ANY: the one with the fewest calls
 *               outstanding at the moment the call is sent; a worker whose
 *               loss was reported is no longer a choice, one that is cut only
 *               when all are. A call to one that is cut waits for it
 *   body, len   request bytes, borrowed until the return; any size; NULL, 0
 *               is an empty one
 *   timeout_ms  whole call, from now; 0 = the options' call_timeout_ms
 *   reply       set on MUSTER_OK only; yours, muster_reply_destroy; NULL when
 *               the answer does not matter
 *   err         may be NULL; filled on failure only
 *
 * Thread:  any. Blocks the caller only.
 * Success: the handler ran and returned 0.
 * Errors:  MUSTER_EREMOTE     it returned something else: err->remote, and its
 *                             words in err->text
 *          MUSTER_ENOHANDLER  no such handler there
 *          MUSTER_EWORKER     no ready worker of that rank, or none at all
 *          MUSTER_ELOST       the worker ended first, or was cut off for the
 *                             heartbeat time-out; the handler may have run. The
 *                             text is the verdict
 *          MUSTER_ETIMEOUT    no answer in time; the handler is told (see
 *                             muster_ctx_canceled) and may still run
 *          MUSTER_ECLOSED, MUSTER_ENOMEM, MUSTER_EINVAL
 */
MUSTER_API muster_err muster_call(muster *m, uint32_t rank, const char *name,
                                  const void *body, size_t len,
                                  int64_t timeout_ms, muster_reply **reply,
                                  muster_error *err);

/* Start a call, as muster_call does, and go on.
 *
 *   body     copied
 *   future   set on MUSTER_OK only; yours, muster_future_destroy
 *
 * Thread:  any.
 * Success: accepted; everything else is the future's outcome.
 * Errors:  MUSTER_EINVAL, MUSTER_ENOMEM, MUSTER_ECLOSED
 */
MUSTER_API muster_err muster_call_start(muster *m, uint32_t rank,
                                        const char *name, const void *body,
                                        size_t len, int64_t timeout_ms,
                                        muster_future **future,
                                        muster_error *err);

/* Start a call whose outcome nobody wants. A failure is a log line
 * (POST-FAILED).
 *
 * Thread:  any.
 * Success: accepted. Posts and calls of one thread to one rank start there in
 *          the order they were made.
 * Errors:  as muster_call_start
 */
MUSTER_API muster_err muster_post(muster *m, uint32_t rank, const char *name,
                                  const void *body, size_t len,
                                  muster_error *err);

/* ------------------------------------------------------------- futures -- */

/* Wait until the future has its outcome.
 *
 *   timeout_ms   0 = only look; MUSTER_FOREVER
 *
 * Thread:  any, several at once.
 * Success: true: it has. False: not yet.
 */
MUSTER_API bool muster_future_wait(muster_future *future, int64_t timeout_ms);

/* Wait until one of several has its outcome.
 *
 *   futures, n   NULL entries are passed over
 *
 * Thread:  any.
 * Success: the index of one that has; n when the time was over first, or when
 *          all entries are NULL.
 */
MUSTER_API size_t muster_future_wait_any(muster_future *const *futures,
                                         size_t n, int64_t timeout_ms);

/* The outcome, after waiting for it without end.
 *
 *   reply    as for muster_call; the first caller gets it, a second one gets
 *            MUSTER_EINVAL. NULL leaves it in the future
 *
 * Thread:  any.
 * Success: that of muster_call.
 * Errors:  those of muster_call
 */
MUSTER_API muster_err muster_future_result(muster_future *future,
                                           muster_reply **reply,
                                           muster_error *err);

/* Ask for an early end: MUSTER_ECANCELED, unless it ended before. The handler
 * is told and may still run. Thread: any. Does not wait. */
MUSTER_API void muster_future_cancel(muster_future *future);

/* Have the handler of this call give up, as muster_interrupt does; what it then
 * answers is the outcome. A call whose handler has not begun ends with
 * MUSTER_ECANCELED. The second time nothing happens.
 *
 *   signal_ms, end_ms   as for muster_interrupt; a handler on the manager is
 *                       only told
 *
 * On a worker it is muster_future_cancel.
 *
 * Thread:  any. Does not wait.
 */
MUSTER_API void muster_future_interrupt(muster_future *future,
                                        int64_t signal_ms, int64_t end_ms);

/* Have `fn` called once with the outcome there; at once when it is there
 * already. The future is borrowed by the callback.
 *
 * Thread:  any; fn runs on the runtime's callback thread.
 * Success: it will be called exactly once, at the latest during muster_close.
 * Errors:  MUSTER_EINVAL   the future has a callback already
 *          MUSTER_ECLOSED  after muster_close
 *          MUSTER_ENOMEM   there is no thread to call it on
 */
typedef void (*muster_future_fn)(void *arg, muster_future *future);
MUSTER_API muster_err muster_future_then(muster_future *future,
                                         muster_future_fn fn, void *arg);

/* Give the future back and set *future to NULL. The call goes on; cancel it
 * first if it should not. Thread: any, when no one else uses it. */
MUSTER_API void muster_future_destroy(muster_future **future);

/* ----------------------------------------------------------- broadcast -- */

/* A set of workers. NULL where one is asked for means all ready ones. */
typedef struct muster_set {
    enum { MUSTER_SET_ALL, MUSTER_SET_IDLE, MUSTER_SET_LIST } kind;
    const uint32_t *ranks; /* LIST: which, any order, no rank twice */
    size_t nranks;
} muster_set;

/* One worker's part of a broadcast. */
typedef struct muster_result {
    uint32_t rank;
    muster_err code;  /* as muster_call                                    */
    int remote;       /* the handler's code with MUSTER_EREMOTE            */
    const void *data; /* its result with MUSTER_OK, else NULL; as in reply */
    size_t len;
    const char *text; /* why not, or ""                                    */
} muster_result;

typedef struct muster_results {
    size_t n;                   /* one for each member of the set           */
    size_t nfailed;             /* how many are not MUSTER_OK               */
    const muster_result *items; /* in rank order                            */
} muster_results;

/* Run a handler on every worker of a set with one shared request, and gather
 * the answers. With an empty request it is a barrier.
 *
 *   set         NULL = all ready workers
 *   body, len   borrowed until the return
 *   timeout_ms  the whole of it; those that did not answer by then end with
 *               MUSTER_ETIMEOUT each
 *   results     set on MUSTER_OK and MUSTER_EPARTIAL; yours; may be NULL
 *
 * Thread:  any.
 * Success: every worker of the set ran the handler and it returned 0. A set
 *          without workers is MUSTER_EWORKER.
 * Errors:  MUSTER_EPARTIAL  at least one failed; err->text has the first, by
 *                           rank
 *          MUSTER_EWORKER   a listed rank is not ready (nothing was sent), or
 *                           the set is empty
 *          MUSTER_ECLOSED, MUSTER_ENOMEM, MUSTER_EINVAL
 */
MUSTER_API muster_err muster_broadcast(muster *m, const muster_set *set,
                                       const char *name, const void *body,
                                       size_t len, int64_t timeout_ms,
                                       muster_results **results,
                                       muster_error *err);

/* Give results back and set *results to NULL. Thread: any. */
MUSTER_API void muster_results_destroy(muster_results **results);

/* ------------------------------------------------------------ interrupt -- */

/* Have the handlers that run on workers now give up, in three steps: at once
 * each is told (muster_ctx_canceled, and the calls it waits for end with
 * MUSTER_ECANCELED); after signal_ms the thread of one that still runs gets
 * SIGINT, so that a blocking system call ends with EINTR; after end_ms a
 * worker where one still runs ends, and its calls with MUSTER_ELOST. Calls that
 * wait behind them run as usual; idle workers ignore it.
 *
 *   set         NULL = all; a LIST: these
 *   signal_ms   from now; 0 at once; MUSTER_FOREVER never
 *   end_ms      the same
 *
 * A handler that gives up by returning anything but 0 ends its call with
 * MUSTER_ECANCELED; one that returns 0 has its result. SIGINT does nothing by
 * itself, unless the module installs an action of its own for it (pthread_kill
 * sends it, see signal(7)). It is sent once: a handler that must not miss one
 * between its last look and a system call holds it back (pthread_sigmask) and
 * waits with ppoll(2), which lets it in.
 *
 * Thread:  any. Does not wait.
 * Success: on its way.
 * Errors:  MUSTER_EWORKER  a listed rank is not a ready worker; the others are
 *                          interrupted all the same
 *          MUSTER_EINVAL   a set of idle workers
 *          MUSTER_ECLOSED
 */
MUSTER_API muster_err muster_interrupt(muster *m, const muster_set *set,
                                       int64_t signal_ms, int64_t end_ms,
                                       muster_error *err);

/* End every call, broadcast, map and launch that is outstanding with
 * MUSTER_ECANCELED, as if each was cancelled by itself. The runtime stays open
 * and its workers stay. What ^C does first in `muster run`.
 *
 * Thread:  any. Returns when all of them have ended here; handlers are told.
 */
MUSTER_API void muster_cancel(muster *m);

#ifdef __cplusplus
}
#endif
#endif
