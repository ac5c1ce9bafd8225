/* module.h - shared objects with handlers: looked at, and loaded. */
#ifndef MST_MODULE_H
#define MST_MODULE_H

#include <stddef.h>

#include <muster/worker.h>

/* The handler names that the runtime keeps for itself begin with this. */
#define MST_BUILTIN "muster."
#define MST_BUILTIN_SHIP "muster.ship" /* body: name, NUL, the file's bytes */
#define MST_BUILTIN_LOAD "muster.load" /* body: path, no NUL               */

/* Can this be a shared object for this machine, and is all of it there? The
 * loader itself crashes on some that are not. Pure.
 *
 * Errors:  MUSTER_EMODULE, the text says what is wrong with `name`
 */
muster_err mst_module_check(const void *data, size_t len, const char *name,
                            muster_error *err);

/* Read a file and check it.
 *
 *   data, len   set on MUSTER_OK; mst_free
 *
 * Errors:  MUSTER_EMODULE   not there, not readable, or refused by the check
 *          MUSTER_ENOMEM
 */
muster_err mst_module_read(const char *path, void **data, size_t *len,
                           muster_error *err);

/* Load from memory, under `name` in messages, and register its handlers. The
 * same name with the same bytes again changes nothing; with other bytes it is
 * refused. Never unloaded.
 *
 *   ctx      for its start functions
 *
 * Thread:  any, one load at a time (it waits for others).
 * Errors:  MUSTER_EMODULE, MUSTER_ENOMEM, MUSTER_ESYS
 */
muster_err mst_module_load(const char *name, const void *data, size_t len,
                           muster_ctx *ctx, muster_error *err);

/* Load a file of this machine; ctx NULL: on the manager, no start functions.
 *
 *   handle   set on MUSTER_OK, for dlsym; may be NULL
 */
muster_err mst_module_open(const char *path, muster_ctx *ctx, void **handle,
                           muster_error *err);

#endif
