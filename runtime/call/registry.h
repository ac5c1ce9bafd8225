/* registry.h - the handlers this process knows, by name.
 *
 * A module's constructors leave entries on the thread that loads it; collect
 * takes them in as one module, all or none. Lookup is safe from any thread.
 */
#ifndef MST_REGISTRY_H
#define MST_REGISTRY_H

#include <stddef.h>

#include <muster/worker.h>

/* Take in what was registered on this thread since the last time.
 *
 *   module   name for messages; copied
 *   ctx      for the module's start functions
 *
 * Errors:  MUSTER_EMODULE   built for another MUSTER_MODULE_ABI, a handler's
 *                           name is taken or comes twice, or a start function
 *                           failed
 *          MUSTER_ENOMEM
 */
muster_err mst_registry_collect(const char *module, muster_ctx *ctx,
                                muster_error *err);

/* Forget what was registered on this thread since the last collect. */
void mst_registry_discard(void);

/* A handler; NULL: there is none of this name. The name need not end in NUL. */
muster_handler_fn mst_registry_find(const char *name, size_t len);

/* Run the end functions, last module first, each once. */
void mst_registry_end(void);

#endif
