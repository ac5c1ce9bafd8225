/* merge.h - a strategic merge patch of a Pod. Pure.
 *
 * Objects are merged member by member; null removes; lists of containers,
 * volumes, env and the like are merged by the key of their elements, other
 * lists (tolerations, command, args) are replaced. Directives ($patch, ...) are
 * refused.
 *
 * Source: kubernetes.io/docs/tasks/manage-kubernetes-objects/
 * update-api-object-kubectl-patch; the keys are the patchMergeKey of
 * k8s.io/api/core/v1.
 */
#ifndef MST_KUBE_MERGE_H
#define MST_KUBE_MERGE_H

#include <cjson/cJSON.h>

#include <muster/error.h>

/* MUSTER_EKUBE: no objects, a directive, or lists whose elements lack their
 * key.
 * MUSTER_ENOMEM: `into` may be merged in part. */
muster_err mst_merge(cJSON *into, const cJSON *patch, muster_error *err);

#endif
