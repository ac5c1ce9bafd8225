/* refusal.h - what the API server's no means, and what to do about it. Pure.
 *
 *   401   who we are is not believed: token expired or revoked
 *   403   RBAC (the Role lines to add), quota (what is used up), PodSecurity
 *         or another admission (its words)
 *   404   the namespace or the object is not there
 *   409   it is there already, or changed meanwhile
 *   410   what was asked for is too old
 *   413, 422   the object is wrong: which field
 *   429   too many requests
 *   5xx   the server is in trouble
 *
 * Source: kubernetes.io/docs/reference/generated/kubernetes-api, Status.
 */
#ifndef MST_KUBE_REFUSAL_H
#define MST_KUBE_REFUSAL_H

#include "launch/kube/http.h"

typedef enum mst_refusal {
    MST_REFUSAL_OTHER,
    MST_REFUSAL_UNKNOWN_USER, /* 401 */
    MST_REFUSAL_RBAC,
    MST_REFUSAL_QUOTA,
    MST_REFUSAL_ADMISSION,
    MST_REFUSAL_NOT_FOUND,
    MST_REFUSAL_EXISTS,
    MST_REFUSAL_GONE,
    MST_REFUSAL_INVALID,
    MST_REFUSAL_BUSY, /* 429, 5xx */
} mst_refusal;

/* Which it is.
 *
 *   status   of HTTP
 *   answer   the Status object, or NULL when the answer was none
 */
mst_refusal mst_refusal_of(long status, const cJSON *answer);

/* One sentence into *err (code MUSTER_EDENIED, http = status): "create pods in
 * namespace n: 403 Forbidden: User "..." cannot ...; add to its Role: ...".
 * Always fits: what is cut is the server's words, never ours. */
muster_err mst_refusal_error(const mst_kube_what *what, long status,
                             const cJSON *answer, muster_error *err);

/* The same, with the server's address in it; NULL: without. */
muster_err mst_refusal_error_at(const mst_kube_what *what, const char *server,
                                long status, const cJSON *answer,
                                muster_error *err);

/* "create pods in namespace n at https://h:6443". */
void mst_kube_what_say(const mst_kube_what *what, const char *server,
                       char *text, size_t bytes);

/* The Role rule that allows it, as the line of YAML to add. */
void mst_refusal_rule(const mst_kube_what *what, char *text, size_t bytes);

#endif
