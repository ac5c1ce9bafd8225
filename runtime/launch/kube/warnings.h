/* warnings.h - HTTP `Warning:` headers, each text once. Pure.
 *
 *     Warning: 299 - "v1 Foo is deprecated", 299 - "and \"so\" on"
 *
 * Source: RFC 7234, section 5.5; kubernetes.io/blog/2020/09/03/warnings.
 */
#ifndef MST_KUBE_WARNINGS_H
#define MST_KUBE_WARNINGS_H

#include <stddef.h>
#include <stdint.h>

#define MST_WARNINGS_MOST 256 /* that are remembered */
#define MST_WARNING_TEXT 384  /* of one; the rest is left out */

typedef struct mst_warnings {
    uint64_t seen[MST_WARNINGS_MOST]; /* hashes; 0: free */
    size_t n;
} mst_warnings;

/* Tell each text of the value of one header that was not told before. With
 * MST_WARNINGS_MOST told, there are no more. */
void mst_warnings_take(mst_warnings *warnings, const char *value, size_t len,
                       void (*tell)(void *arg, const char *text), void *arg);

#endif
