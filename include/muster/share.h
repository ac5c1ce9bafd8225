/* share.h - what processes share: blobs and channels. Included by muster.h.
 *
 * A blob is named immutable data that the manager puts on every worker, once,
 * and that handlers there read in place:
 *
 *     muster_put(m, "matrix", a, bytes, &err);           manager
 *     a = muster_get(ctx, "matrix", &bytes);             handler (worker.h)
 *
 * Children of this machine that get a blob of 1 MiB or more map the memory
 * where the manager has put it: it is there once, however many they are. (Of
 * the first 64 such blobs; and with the option bulk as it is by default.)
 *
 * A channel is a bounded queue of items. It lives on the manager; any process
 * uses it by its name, a handler with muster_ctx_muster(ctx):
 *
 *     muster_channel_open(m, "lines", 100, &err);        once, by whoever
 *     muster_channel_put(m, "lines", line, len, 0, &err);
 *     muster_channel_take(m, "lines", 0, &reply, &err);  until MUSTER_EEND
 *     muster_channel_close(m, "lines", &err);
 */
#ifndef MUSTER_SHARE_H
#define MUSTER_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster muster;
typedef struct muster_reply muster_reply;

/* Put a blob on every worker: the present ones now, each later one before it
 * is ready. The manager's own handlers can read it too. Putting the same
 * bytes under the same name again changes nothing.
 *
 *   name        1 to 255 bytes
 *   data, len   copied once, here; any size
 *
 * Thread:  any, on the manager.
 * Success: every worker that was ready has it; what is called from now on
 *          finds it.
 * Errors:  MUSTER_EEXIST   other bytes have that name; muster_drop it first
 *          MUSTER_ENOMEM   here or on a worker; then no worker keeps it
 *          MUSTER_EINVAL, MUSTER_ETIMEOUT, MUSTER_ECLOSED
 */
MUSTER_API muster_err muster_put(muster *m, const char *name, const void *data,
                                 size_t len, muster_error *err);

/* Forget a blob, everywhere. Handlers that have got it keep it until they
 * return.
 *
 * Thread:  any, on the manager.
 * Success: no worker finds it any more.
 * Errors:  MUSTER_ENOENT   there is no such blob
 *          MUSTER_ENOMEM   some workers were not told and keep it until they
 *                          end or its name is put again
 *          MUSTER_EINVAL, MUSTER_ETIMEOUT, MUSTER_ECLOSED
 */
MUSTER_API muster_err muster_drop(muster *m, const char *name,
                                  muster_error *err);

/* Make a channel, or find that it is there.
 *
 *   name       1 to 255 bytes
 *   capacity   items it holds before puts wait; at least 1
 *
 * Thread:  any, in any process.
 * Success: it is open.
 * Errors:  MUSTER_EEXIST   there is one of that name with another capacity, or
 *                          one that was closed and is not empty yet
 *          those of muster_call
 */
MUSTER_API muster_err muster_channel_open(muster *m, const char *name,
                                          uint32_t capacity, muster_error *err);

/* Append an item, waiting while the channel is full. Those that wait get their
 * turn in the order they came.
 *
 *   data, len    copied
 *   timeout_ms   as for muster_call
 *
 * Thread:  any, in any process; blocks the caller, and a handler that waits
 *          leaves its place.
 * Success: the item is in the channel, behind those of earlier puts.
 * Errors:  MUSTER_EEND      the channel was closed; the item is not in it
 *          MUSTER_ENOENT    no channel of that name was opened
 *          MUSTER_ETIMEOUT, MUSTER_ECANCELED   the item is not in it
 *          MUSTER_ELOST     on a worker: the manager had no memory to resume
 *                           its link; it may be in it
 *          MUSTER_ECLOSED, MUSTER_ENOMEM, MUSTER_EINVAL, MUSTER_EDEPTH
 */
MUSTER_API muster_err muster_channel_put(muster *m, const char *name,
                                         const void *data, size_t len,
                                         int64_t timeout_ms, muster_error *err);

/* Take the first item, waiting while the channel is empty.
 *
 *   reply   as for muster_call; its rank is 0
 *
 * Thread:  as muster_channel_put.
 * Success: the item is the caller's alone. When a worker is lost with an item
 *          it took, the item is lost with it.
 * Errors:  MUSTER_EEND      the channel was closed and is empty
 *          MUSTER_ENOENT    no channel of that name was opened
 *          MUSTER_ETIMEOUT, MUSTER_ECANCELED   nothing was taken
 *          MUSTER_ELOST, MUSTER_ECLOSED, MUSTER_ENOMEM, MUSTER_EINVAL,
 *          MUSTER_EDEPTH
 */
MUSTER_API muster_err muster_channel_take(muster *m, const char *name,
                                          int64_t timeout_ms,
                                          muster_reply **reply,
                                          muster_error *err);

/* No more puts: those that wait end with MUSTER_EEND, and so do takes once
 * the items that are left are taken; then the channel can be opened anew.
 *
 * Thread:  any, in any process.
 * Success: closed.
 * Errors:  MUSTER_ENOENT   no channel of that name was opened
 *          those of muster_call
 */
MUSTER_API muster_err muster_channel_close(muster *m, const char *name,
                                           muster_error *err);

#ifdef __cplusplus
}
#endif
#endif
