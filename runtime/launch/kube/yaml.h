/* yaml.h - YAML, of which JSON is a part, as a cJSON tree.
 *
 * The core schema of YAML 1.2 for plain scalars (null, true, false, integers,
 * floats), strings for all else; anchors and aliases; one document. What JSON
 * cannot have (keys that are no scalars, tags of an application) is refused,
 * and so is what grows beyond MST_YAML_NODES by aliases.
 */
#ifndef MST_KUBE_YAML_H
#define MST_KUBE_YAML_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include <muster/error.h>

#define MST_YAML_NODES 100000
#define MST_YAML_DEPTH 64

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

/* The same of a file, of at most 4 MiB. MUSTER_ESYS: it cannot be read. */
muster_err mst_yaml_read(const char *path, cJSON **json, muster_error *err);

#endif
