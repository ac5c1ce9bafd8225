/* worker.h - what a handler sees.
 *
 * A handler is a C function in a module (a shared object). It runs on a
 * worker when the manager calls it by name:
 *
 *     static int add(muster_ctx *ctx, const void *in, size_t len,
 *                    muster_out *out)
 *     {
 *         int64_t pair[2], sum;
 *
 *         if (len != sizeof(pair))
 *             return muster_fail(ctx, 1, "want 16 bytes, got %zu", len);
 *         memcpy(pair, in, len);
 *         sum = pair[0] + pair[1];
 *         return muster_out_write(out, &sum, sizeof(sum));
 *     }
 *     MUSTER_HANDLER(add);
 *
 * A module links nothing of muster: the process that loads it supplies these
 * functions. Build it with
 *
 *     cc -shared -fPIC $(pkg-config --cflags muster-module) -o m.so m.c
 *
 * and do not link with $ORIGIN in its run path: a shipped module is loaded
 * from memory and has no directory.
 *
 * Threads: a worker runs `threads` handlers at a time (1 unless asked for
 * otherwise), each on a thread that has nothing else to do meanwhile: one of a
 * pool, or the one that read the call, so two calls need not meet the same
 * one. On the latter a SIGTERM to the worker ends sleep(3), poll(2) and the
 * like early, see signal(7); it restarts read(2). Module globals are per
 * worker; with more than one thread they are shared and need a lock.
 */
#ifndef MUSTER_WORKER_H
#define MUSTER_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct muster muster;         /* see muster.h                      */
typedef struct muster_ctx muster_ctx; /* one running handler; its own      */
typedef struct muster_out muster_out; /* the bytes of its result           */
typedef struct muster_future muster_future; /* see muster.h                */

/* A handler.
 *
 *   ctx      valid until the handler returns
 *   in, len  the request, borrowed until the handler returns; `in` is aligned
 *            for any type and is never NULL, even when len is 0
 *   out      where the result is written
 *
 * Returns 0, and what was written to `out` is the result; anything else fails
 * the call with that number as its code (muster_error.remote) and with the
 * text of muster_fail, if it was called.
 */
typedef int (*muster_handler_fn)(muster_ctx *ctx, const void *in, size_t len,
                                 muster_out *out);

/* Module start and end: once on each worker, before its first handler runs
 * and after its last has returned. A start that returns anything but 0 fails
 * the load. */
typedef int (*muster_init_fn)(muster_ctx *ctx);
typedef void (*muster_fini_fn)(void);

/* Append bytes to the result.
 *
 *   data, len   copied; len 0 is allowed
 *
 * Thread:  the handler's.
 * Success: 0, so that a handler can end with `return muster_out_write(...)`.
 * Errors:  MUSTER_ENOMEM   the handler should return it
 */
MUSTER_API int muster_out_write(muster_out *out, const void *data, size_t len);

/* Append formatted text to the result, without the closing NUL.
 *
 * Thread:  the handler's.
 * Success: 0.
 * Errors:  MUSTER_ENOMEM   the handler should return it
 *          MUSTER_EINVAL   a format that does not print
 */
MUSTER_API int muster_out_printf(muster_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Append `len` bytes and say where they are, to be filled in place.
 *
 * Thread:  the handler's.
 * Success: `len` writable bytes, aligned for any type when the result was
 *          empty before, valid until the next muster_out_ call.
 * Errors:  NULL: no memory.
 */
MUSTER_API void *muster_out_reserve(muster_out *out, size_t len);

/* Pass a call on: the result will be that of this future, and the handler can
 * return at once, without waiting for it. What was written to `out` does not
 * count then. When that call fails, this one fails with MUSTER_EREMOTE, its
 * code (or 1) and its words.
 *
 *   future   of a call that this handler has started; taken, NULL afterwards
 *
 * Thread:  the handler's.
 * Success: 0, always: `return muster_out_future(out, &future);`
 */
MUSTER_API int muster_out_future(muster_out *out, muster_future **future);

/* Say why the handler fails: `return muster_fail(ctx, 2, "no file %s", p);`
 *
 *   code     what muster_error.remote will be; 0 counts as 1
 *   format   one sentence; cut at 255 bytes
 *
 * Thread:  the handler's.
 * Success: `code` (or 1), always.
 */
MUSTER_API int muster_fail(muster_ctx *ctx, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Who we are. Thread: any while the handler runs. */
MUSTER_API uint32_t muster_ctx_rank(const muster_ctx *ctx);
MUSTER_API uint32_t muster_ctx_incarnation(const muster_ctx *ctx);

/* How many workers were ready when this call was sent; never the manager. */
MUSTER_API uint32_t muster_ctx_size(const muster_ctx *ctx);

/* Our dense place in the set this call was broadcast to, 0 .. count-1, and how
 * many are in the set. A plain call is a set of one. */
MUSTER_API uint32_t muster_ctx_index(const muster_ctx *ctx);
MUSTER_API uint32_t muster_ctx_count(const muster_ctx *ctx);

/* Who called: 0 the manager's program, else the rank of the worker whose
 * handler did. Thread: any while the handler runs. */
MUSTER_API uint32_t muster_ctx_caller(const muster_ctx *ctx);

/* The runtime, as this process sees it, for calls of a handler's own: with
 * <muster/muster.h>, muster_call, muster_call_start, muster_post, the
 * functions on futures and those on channels work with it on a worker too;
 * the others fail there with MUSTER_ENOTMANAGER. Rank 0 is the manager.
 *
 * A handler that waits in one of them leaves its place to another handler
 * meanwhile, so that a ring of calls ends: up to MUSTER_DEPTH_MAX calls within
 * calls, then MUSTER_EDEPTH. A call gets no more time than its caller has left.
 * When the caller is cancelled, so are the calls it has started.
 *
 * Thread:  any while the handler runs. Borrowed.
 */
#define MUSTER_DEPTH_MAX 64
MUSTER_API muster *muster_ctx_muster(const muster_ctx *ctx);

/* The bytes of a blob that the manager has put (see muster_put), in place.
 *
 *   len      set on success
 *
 * Thread:  the handler's.
 * Success: borrowed until the handler returns, whether the blob is dropped
 *          meanwhile or not; aligned to 16 bytes. Who writes there may crash:
 *          other processes read the same memory.
 * Errors:  NULL: there is no such blob (or no memory to hold it)
 */
MUSTER_API const void *muster_get(muster_ctx *ctx, const char *name,
                                  size_t *len);

/* The session's public id, 32 hexadecimal digits. Borrowed from the process. */
MUSTER_API const char *muster_ctx_session(const muster_ctx *ctx);

/* Milliseconds until the caller's deadline; INT64_MAX without one, never
 * below 0. */
MUSTER_API int64_t muster_ctx_remaining_ms(const muster_ctx *ctx);

/* True once nobody waits for the result any more: the call was cancelled, its
 * deadline passed, or the worker is to end. A handler that runs long should
 * look now and then and return. */
MUSTER_API bool muster_ctx_canceled(const muster_ctx *ctx);

/* What MUSTER_HANDLER and its like leave behind; not for use by hand. */
typedef struct muster_entry_ {
    unsigned abi;              /* MUSTER_MODULE_ABI of the module           */
    unsigned kind;             /* 0 handler, 1 init, 2 fini                 */
    const char *name;          /* handler name                              */
    muster_handler_fn handler; /* kind 0                                    */
    muster_init_fn init;       /* kind 1                                    */
    muster_fini_fn fini;       /* kind 2                                    */
    struct muster_entry_ *next;
} muster_entry_;

MUSTER_API void muster_register_(muster_entry_ *entry);

/* Make `fn` callable by its own name. At file scope, once for each handler. */
#define MUSTER_HANDLER(fn) MUSTER_ENTRY_(fn, 0, #fn, fn, NULL, NULL)

/* Run `fn` when the module is loaded on a worker, and when it ends. */
#define MUSTER_MODULE_INIT(fn) MUSTER_ENTRY_(fn, 1, #fn, NULL, fn, NULL)
#define MUSTER_MODULE_FINI(fn) MUSTER_ENTRY_(fn, 2, #fn, NULL, NULL, fn)

#define MUSTER_ENTRY_(fn, kind, name, handler, init, fini)                     \
    static void __attribute__((constructor)) muster_enter_##fn##_(void)        \
    {                                                                          \
        static muster_entry_ entry = {                                         \
            MUSTER_MODULE_ABI, kind, name, handler, init, fini, NULL};         \
        muster_register_(&entry);                                              \
    }                                                                          \
    extern int muster_semicolon_after_##fn##_

/* Be a worker: read the cookie, connect back, run handlers until the manager
 * says so. For programs that bring handlers of their own; `muster-worker` is
 * this function and nothing else. Link with pkg-config's `muster-worker`.
 *
 *   argc, argv   the program's; options are those of muster-worker(1)
 *
 * Thread:  the main thread; handlers run on others, and on it.
 * Success: 0: the manager ended us.
 * Errors:  the process's exit status, see muster-worker --help; the reason
 *          was printed to standard error as one line.
 */
MUSTER_API int muster_worker_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
