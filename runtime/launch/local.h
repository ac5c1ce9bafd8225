/* local.h - the launcher of child processes.
 *
 * A child is `muster-worker --fd 3` in a process group of its own. Descriptor
 * 3 is its end of a SOCK_SEQPACKET pair: the cookie comes through it, notes go
 * back, and its end of file means that the manager is gone, however it went.
 * Standard input is /dev/null, output goes through pipes that the manager
 * reads. A pidfd tells of its end.
 */
#ifndef MST_LOCAL_H
#define MST_LOCAL_H

#include "base/log.h"
#include "base/poll.h"
#include "launch/launcher.h"

/* Find muster-worker.
 *
 *   asked    options.worker, or NULL: MUSTER_WORKER, beside this library or
 *            program or in the bin beside its lib, PATH
 *   path     filled; PATH_MAX bytes
 *
 * Errors:  MUSTER_EINVAL   nothing executable there; the text says where
 */
muster_err mst_local_find(const char *asked, char *path, muster_error *err);

/* A launcher of children.
 *
 *   worker   path of the program
 *   env      "NAME=VALUE"..., NULL-terminated, or NULL; copied
 */
muster_err mst_local_create(mst_launcher **launcher, mst_poll *poll,
                            mst_log *log, const char *worker,
                            const char *const *env, mst_report_fn report,
                            void *arg, muster_error *err);

#endif
