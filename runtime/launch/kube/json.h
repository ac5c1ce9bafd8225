/* json.h - what is read of JSON by path, with its type checked, and cJSON
 * objects that clean themselves.
 *
 * A path is the names of members with dots between, and numbers for elements:
 * "status.containerStatuses.0.state". A name with dots in it cannot be part of
 * a path; use cJSON_GetObjectItemCaseSensitive.
 *
 * Pure. Thread: any, one at a time for one tree.
 */
#ifndef MST_KUBE_JSON_H
#define MST_KUBE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

void mst_drop_json(cJSON **json); /* for MST_AUTO */

/* Where it is absent or of another type: NULL, the default, or for
 * mst_json_list an empty list. A number with a fraction, or beyond 64 bits, is
 * no integer. `json` may be NULL. */
const cJSON *mst_json_at(const cJSON *json, const char *path);
const char *mst_json_str(const cJSON *json, const char *path);
int64_t mst_json_int(const cJSON *json, const char *path, int64_t absent);
bool mst_json_bool(const cJSON *json, const char *path, bool absent);
const cJSON *mst_json_list(const cJSON *json, const char *path);
const cJSON *mst_json_object(const cJSON *json, const char *path);

/* Read a whole text: nothing but white space may follow. NULL: not JSON, too
 * deep, or no memory. */
cJSON *mst_json_parse(const char *text, size_t len);

/* The object at `name`, made when it is absent or null; NULL: no memory, or
 * something else stands there. */
cJSON *mst_json_make(cJSON *object, const char *name);

/* Set, replacing what was there, at its place. False: no memory. cJSON prints
 * 15 digits of a number; larger ones must be strings. */
bool mst_json_set_str(cJSON *object, const char *name, const char *value);
bool mst_json_set_int(cJSON *object, const char *name, int64_t value);
bool mst_json_set_bool(cJSON *object, const char *name, bool value);

#endif
