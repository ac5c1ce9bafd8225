/* secret.h - texts that are wiped before their memory is given back. */
#ifndef MST_KUBE_SECRET_H
#define MST_KUBE_SECRET_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include <muster/error.h>

/* For MST_AUTO, and by hand: wipe, free, set to NULL. NULL is fine. */
void mst_drop_secret(char **text);

/* The same of a tree, with all strings in it. */
void mst_drop_secret_json(cJSON **json);

/* Read a whole file.
 *
 *   most   bytes it may have
 *   text   terminated; set on MUSTER_OK only; the caller's, mst_drop_secret
 *   len    may be NULL
 *
 * Errors:  MUSTER_ESYS    errno in err->sys
 *          MUSTER_EINVAL  it is longer, or `len` is NULL and it has a NUL in it
 *          MUSTER_ENOMEM
 */
muster_err mst_secret_read(const char *path, size_t most, char **text,
                           size_t *len, muster_error *err);

/* Base64, with or without line ends in it, to a text.
 *
 * Errors:  MUSTER_EINVAL  it is no base64, or has a NUL in it
 *          MUSTER_ENOMEM
 *          Neither fills an error: the caller knows what it is about.
 */
muster_err mst_secret_decode(const char *base64, char **text);

/* Cuts white space at both ends, in place; returns `text`. */
char *mst_secret_trim(char *text);

/* A larger piece of memory with the first `len` bytes of *text in it; the old
 * one is wiped. False: no memory, and nothing has changed. */
bool mst_secret_grow(char **text, size_t len, size_t bytes);

/* What is kept for long: move n texts (NULL stays NULL) into pages that are
 * locked, guarded and not in a core dump; all of them, or on false none. */
#define MST_SECRETS_GUARDED 4u /* at a time, at most */
bool mst_secret_guard(char **texts[], size_t n);
void mst_drop_guarded(char **text);

/* Where many texts lie for a while: pages of that kind, which they share.
 *
 *   shelf  NULL at first; one at a time may use it
 *   put    a copy, terminated; NULL: no memory
 *   drop   wipes it and sets it to NULL; NULL is fine. Pages go with the last
 *          text in them.
 */
#define MST_SHELF_TEXT 4096u /* longest, without its NUL */
typedef struct mst_shelf mst_shelf;
char *mst_shelf_put(mst_shelf **shelf, const char *text, size_t len);
void mst_shelf_drop(mst_shelf **shelf, char **text);

#endif
