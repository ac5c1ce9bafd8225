#include "launch/kube/warnings.h"

#include <stdbool.h>

/* FNV-1a, as published by its authors. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* True: it is new, and is known from now on. */
static bool remember(mst_warnings *warnings, const char *text)
{
    const uint64_t h = hash(text);

    for (size_t i = 0; i < warnings->n; i++)
        if (warnings->seen[i] == h)
            return false;
    if (warnings->n == MST_WARNINGS_MOST)
        return false;
    warnings->seen[warnings->n++] = h;
    return true;
}

void mst_warnings_take(mst_warnings *warnings, const char *value, size_t len,
                       void (*tell)(void *arg, const char *text), void *arg)
{
    char text[MST_WARNING_TEXT];
    size_t used = 0;
    bool inside = false;

    for (size_t i = 0; i < len; i++) {
        char c = value[i];

        if (c == '"') {
            inside = !inside;
            if (!inside && used > 0) {
                text[used] = '\0';
                if (remember(warnings, text))
                    tell(arg, text);
            }
            used = 0;
            continue;
        }
        if (!inside)
            continue;
        if (c == '\\' && i + 1 < len)
            c = value[++i];
        if (c != '\0' && used < sizeof(text) - 1)
            text[used++] = c;
    }
}
