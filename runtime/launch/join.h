/* join.h - workers that somebody starts by hand, or a batch system does: for
 * each rank a file with its cookie, for `muster-worker --cookie FILE`. What
 * becomes of the process cannot be seen from here. */
#ifndef MST_JOIN_H
#define MST_JOIN_H

#include "base/log.h"
#include "base/poll.h"
#include "launch/launcher.h"

/* dir: made when it is not there, with what is missing of its path's last
 * part; files in it are worker-RANK.join, mode 0600. Each goes when its worker
 * is ready, the others at the end; so does the directory, if it was made. */
muster_err mst_join_create(mst_launcher **launcher, mst_poll *poll,
                           mst_log *log, const char *dir, mst_report_fn report,
                           void *arg, muster_error *err);

#endif
