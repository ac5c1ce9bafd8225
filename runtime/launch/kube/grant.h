/* grant.h - what a credential plugin answers: an ExecCredential. Pure. */
#ifndef MST_KUBE_GRANT_H
#define MST_KUBE_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

/* Secret. Either token, or cert and key (PEM), or all three. */
typedef struct mst_grant {
    char *token, *cert, *key;
    bool guarded;  /* token and key: see mst_secret_guard */
    int64_t until; /* seconds since 1970; INT64_MAX: it does not expire */
} mst_grant;

/* Read an ExecCredential, as JSON.
 *
 *   asked   the apiVersion it must have
 *   grant   filled on MUSTER_OK; the caller's, mst_grant_fini
 *
 * Errors:  MUSTER_EKUBE   "it ...": what is wrong with it; MUSTER_ENOMEM
 */
muster_err mst_grant_read(const char *text, size_t len, const char *asked,
                          mst_grant *grant, muster_error *err);
void mst_grant_fini(mst_grant *grant);

/* RFC 3339 to seconds since 1970; fractions of a second are dropped. */
bool mst_grant_time(const char *text, int64_t *seconds);

#endif
