/* yaml.h - YAML, of which JSON is a part, as a cJSON tree.
 *
 * The core schema of YAML 1.2 for plain scalars (null, true, false, integers,
 * floats), strings for all else; anchors and aliases; one document. With one
 * difference: an integer that begins with 0 is octal, as kubectl reads it
 * (defaultMode: 0440), and refused with an 8 or 9 in it. `yes`, `on` and their
 * like are strings. Keys are what is written: 8080 is the key "8080".
 *
 * Refused: what JSON cannot have (keys that are no scalars, .inf, .nan, NUL in
 * a string, tags of an application), integers of more than 15 digits (cJSON
 * prints no more), a key that is there twice, merge keys (<<), an alias as a
 * key or within its own anchor, and what grows beyond these limits, by aliases
 * too.
 */
#ifndef MST_KUBE_YAML_H
#define MST_KUBE_YAML_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include <muster/error.h>

#define MST_YAML_NODES 100000
#define MST_YAML_DEPTH 64
#define MST_YAML_ANCHORS 256
#define MST_YAML_BYTES                                                         \
    (4u << 20) /* of a file, and of all strings that aliases                   \
                  repeat */

/* Read a text.
 *
 *   text, len   need not be terminated
 *   name        of the file, for the error
 *   json        set on MUSTER_OK only; the caller's, cJSON_Delete
 *
 * Errors: MUSTER_EINVAL  not YAML; the text has the line. MUSTER_ENOMEM
 */
muster_err mst_yaml_parse(const char *text, size_t len, const char *name,
                          cJSON **json, muster_error *err);

/* The same of a file, of at most MST_YAML_BYTES. MUSTER_ESYS: it cannot be
 * read. The bytes that were read are wiped. */
muster_err mst_yaml_read(const char *path, cJSON **json, muster_error *err);

#endif
