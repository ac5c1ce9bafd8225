#include "launch/kube/events.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "launch/kube/json.h"

static mst_kube_event event_of(const char *type)
{
    static const struct {
        const char *name;
        mst_kube_event event;
    } types[] = {
        {"ADDED", MST_KUBE_ADDED},       {"MODIFIED", MST_KUBE_MODIFIED},
        {"DELETED", MST_KUBE_DELETED},   {"ERROR", MST_KUBE_ERROR},
        {"BOOKMARK", MST_KUBE_BOOKMARK},
    };

    for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(types[i].name, type) == 0)
            return types[i].event;
    return MST_KUBE_STRANGE;
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

/* One line, without its end. */
static bool take_line(mst_kube_lines *lines, const char *line, size_t len)
{
    MST_AUTO(mst_drop_json) cJSON *json = NULL;
    const cJSON *object;
    mst_kube_event event;

    if (is_blank(line, len))
        return true;
    json = mst_json_parse(line, len);
    event = event_of(mst_json_str(json, "type"));
    object = mst_json_object(json, "object");
    if (event == MST_KUBE_STRANGE || object == NULL)
        return lines->fn(lines->arg, MST_KUBE_STRANGE, NULL);
    return lines->fn(lines->arg, event, object);
}

/* Keep a beginning for later. */
static bool hold(mst_kube_lines *lines, const char *data, size_t len)
{
    if (len > MST_KUBE_LINE_BYTES - lines->used)
        return false;
    if (lines->used + len > lines->room) {
        size_t room = lines->room > 0 ? lines->room : 4096;
        char *more;

        while (room < lines->used + len)
            room *= 2;
        more = mst_realloc(lines->held, room);
        if (more == NULL)
            return false;
        lines->held = more;
        lines->room = room;
    }
    if (len > 0)
        memcpy(lines->held + lines->used, data, len);
    lines->used += len;
    return true;
}

bool mst_kube_lines_take(mst_kube_lines *lines, const char *data, size_t len)
{
    while (len > 0 && !lines->too_long) {
        const char *end = memchr(data, '\n', len);
        const size_t n = end != NULL ? (size_t)(end - data) : len;
        bool more;

        if (end == NULL || lines->used > 0 || n > MST_KUBE_LINE_BYTES) {
            if (!hold(lines, data, n)) {
                lines->too_long = true;
                return false;
            }
            if (end == NULL)
                return true;
            more = take_line(lines, lines->held, lines->used);
            lines->used = 0;
        } else {
            more = take_line(lines, data, n);
        }
        if (!more)
            return false;
        data += n + 1;
        len -= n + 1;
    }
    return !lines->too_long;
}

void mst_kube_lines_fini(mst_kube_lines *lines)
{
    mst_free(lines->held);
    lines->held = NULL;
    lines->used = lines->room = 0;
}
