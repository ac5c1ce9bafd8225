/* own.h - the Pod that this process runs in. */
#ifndef MST_KUBE_OWN_H
#define MST_KUBE_OWN_H

#include <limits.h>

#include "launch/kube/http.h"

#define MST_OWN_ADDRESS 64

/* MUSTER_POD_NAME, from the downward API, where the host name is the node's;
 * otherwise the host name. */
void mst_own_name(char name[HOST_NAME_MAX + 1]);

/* Ask for the Pod of this name, and look whether it is the one we run in: one
 * of our mounts comes out of its folder on the node, or its address is one of
 * ours. A Pod's containers run up to a second before the server knows its
 * address: where that has to decide, it is asked again for some seconds.
 *
 *   pod       set on MUSTER_OK only; the caller's
 *   ours      so it is
 *   address   where it is reached: the server's word, else the one address
 *             that there is; "" when that is not clear
 *
 * Errors: as mst_calls_get_pod
 */
muster_err mst_own_pod(mst_kube_http *http, const char *ns, const char *name,
                       cJSON **pod, bool *ours, char address[MST_OWN_ADDRESS],
                       muster_error *err);

#endif
