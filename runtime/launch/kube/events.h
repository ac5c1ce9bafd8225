/* events.h - the lines of a watch, from pieces of any size. Pure.
 *
 *     {"type":"ADDED","object":{...}}\n
 *
 * Source: kubernetes.io/docs/reference/using-api/api-concepts, "Efficient
 * detection of changes".
 */
#ifndef MST_KUBE_EVENTS_H
#define MST_KUBE_EVENTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define MST_KUBE_LINE_BYTES (4u << 20)

typedef enum mst_kube_event {
    MST_KUBE_ADDED,
    MST_KUBE_MODIFIED,
    MST_KUBE_DELETED,
    MST_KUBE_BOOKMARK,
    MST_KUBE_ERROR,  /* the object is a Status: 410 and others */
    MST_KUBE_STRANGE /* a line that is no event; the object is NULL */
} mst_kube_event;

typedef bool (*mst_kube_event_fn)(void *arg, mst_kube_event event,
                                  const cJSON *object);

typedef struct mst_kube_lines {
    mst_kube_event_fn fn; /* false: no more, please */
    void *arg;
    char *held;
    size_t used, room;
    bool too_long; /* or no memory: the stream is to be ended */
} mst_kube_lines;

/* False: fn said so, a line is longer than MST_KUBE_LINE_BYTES, or no memory.
 */
bool mst_kube_lines_take(mst_kube_lines *lines, const char *data, size_t len);
void mst_kube_lines_fini(mst_kube_lines *lines);

#endif
