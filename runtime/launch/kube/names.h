/* names.h - names and label values that the API server takes. Pure.
 *
 * Source: kubernetes.io/docs/concepts/overview/working-with-objects/names and
 * .../labels: RFC 1123 names, 63 bytes for labels and host names.
 */
#ifndef MST_KUBE_NAMES_H
#define MST_KUBE_NAMES_H

#include <stdint.h>

#include <muster/error.h>

#define MST_KUBE_LABEL 64 /* with its NUL */

/* `<prefix>-<session>-<rank>`, with the session's first 8 characters, and
 * "-r<incarnation>" behind from the second one on. A prefix that makes it
 * longer than 63 bytes is cut and gets a hash of all of it (BLAKE2b, 8
 * hexadecimal digits), so that it stays itself. */
void mst_kube_pod_name(const char *prefix, const char *session, uint32_t rank,
                       uint32_t incarnation, char name[MST_KUBE_LABEL]);

/* The same for any label value of valid characters: as it is, or cut with a
 * hash. */
void mst_kube_label(const char *text, char label[MST_KUBE_LABEL]);

/* MUSTER_EINVAL: it cannot begin a Pod's name; the text says which character,
 * and a prefix that would do. At most 253 bytes. */
muster_err mst_kube_prefix_check(const char *prefix, muster_error *err);

/* What of a host name or Pod name can be a prefix: lower case, others to '-'.
 */
void mst_kube_prefix_from(const char *name, char prefix[MST_KUBE_LABEL]);

#endif
