/* kube.h - the launcher k8s: workers are Pods.
 *
 * For what is asked for together it makes one Secret with a cookie for each
 * rank, then the Pods in growing batches; one watch tells of all of them. A
 * verdict (why a Pod ended, with its last line) is collected before anything
 * is deleted.
 */
#ifndef MST_KUBE_H
#define MST_KUBE_H

#include "base/log.h"
#include "base/poll.h"
#include "launch/kube/plan.h"
#include "launch/launcher.h"

/* Find the server, and what all workers have in common.
 *
 * Errors: MUSTER_EKUBE, MUSTER_ENOSERVER, MUSTER_EDENIED, MUSTER_ESYS,
 *         MUSTER_ENOMEM
 */
muster_err mst_kube_create(mst_launcher **launcher, mst_poll *poll,
                           mst_log *log, const mst_plan_setup *setup,
                           mst_report_fn report, void *arg, muster_error *err);

#endif
