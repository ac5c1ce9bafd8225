#include "launch/kube/events.h"

#include <string.h>

#include "base/alloc.h"
#include "launch/kube/json.h"

static mst_kube_event kind_of(const char *type)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED",
                                        "BOOKMARK", "ERROR"};

    for (int i = 0; type != NULL && i < 5; i++)
        if (strcmp(type, names[i]) == 0)
            return (mst_kube_event)i;
    return MST_KUBE_STRANGE;
}

static bool is_blank(const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    return len == 0;
}

static bool give(mst_kube_lines *lines, const char *line, size_t len)
{
    cJSON *event;
    const cJSON *object;
    mst_kube_event kind;
    bool more;

    if (is_blank(line, len))
        return true;
    event = mst_json_parse(line, len);
    object = mst_json_object(event, "object");
    kind = object != NULL ? kind_of(mst_json_str(event, "type"))
                          : MST_KUBE_STRANGE;
    more =
        lines->fn(lines->arg, kind, kind == MST_KUBE_STRANGE ? NULL : object);
    cJSON_Delete(event);
    return more;
}

static bool hold(mst_kube_lines *lines, const char *data, size_t len)
{
    size_t room = lines->room > 0 ? lines->room : 4096;
    char *held;

    if (len > MST_KUBE_LINE_BYTES - lines->used) {
        lines->too_long = true;
        return false;
    }
    while (room < lines->used + len)
        room *= 2;
    if (room != lines->room) {
        held = mst_realloc(lines->held, room);
        if (held == NULL) {
            lines->too_long = true;
            return false;
        }
        lines->held = held;
        lines->room = room;
    }
    if (len > 0)
        memcpy(lines->held + lines->used, data, len);
    lines->used += len;
    return true;
}

bool mst_kube_lines_take(mst_kube_lines *lines, const char *data, size_t len)
{
    const char *end;

    while (len > 0 && (end = memchr(data, '\n', len)) != NULL) {
        const size_t n = (size_t)(end - data);
        bool more;

        if (lines->used == 0 && n <= MST_KUBE_LINE_BYTES) {
            more = give(lines, data, n); /* whole, where it stands */
        } else {
            more =
                hold(lines, data, n) && give(lines, lines->held, lines->used);
            lines->used = 0;
        }
        if (!more)
            return false;
        data += n + 1;
        len -= n + 1;
    }
    return hold(lines, data, len);
}

void mst_kube_lines_fini(mst_kube_lines *lines)
{
    mst_free(lines->held);
    lines->held = NULL;
    lines->used = lines->room = 0;
}
