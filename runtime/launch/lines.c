#include "launch/lines.h"

#include <string.h>

#include "base/alloc.h"

/* Hold a beginning; without memory for it, it goes out as it is. */
static void hold(mst_lines *lines, const char *data, size_t len, mst_line_fn fn,
                 void *arg)
{
    if (lines->held == NULL)
        lines->held = mst_alloc(MST_LINE_BYTES);
    if (lines->held == NULL) {
        fn(arg, data, len);
        return;
    }
    while (len > 0) {
        size_t n;

        if (lines->used == MST_LINE_BYTES) {
            fn(arg, lines->held, lines->used);
            lines->used = 0;
        }
        n = MST_LINE_BYTES - lines->used;
        if (n > len)
            n = len;
        memcpy(lines->held + lines->used, data, n);
        lines->used += n;
        data += n;
        len -= n;
    }
}

void mst_lines_feed(mst_lines *lines, const char *data, size_t len,
                    mst_line_fn fn, void *arg)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        const size_t n = end != NULL ? (size_t)(end - data) : len;

        if (end == NULL || lines->used > 0 || n > MST_LINE_BYTES)
            hold(lines, data, n, fn, arg);
        else
            fn(arg, data, n);
        if (end == NULL)
            return;
        if (lines->used > 0) {
            fn(arg, lines->held, lines->used);
            lines->used = 0;
        }
        data += n + 1;
        len -= n + 1;
    }
}

void mst_lines_end(mst_lines *lines, mst_line_fn fn, void *arg)
{
    if (lines->used > 0)
        fn(arg, lines->held, lines->used);
    mst_free(lines->held);
    *lines = (mst_lines){NULL, 0};
}
