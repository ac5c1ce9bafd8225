/* lines.h - bytes into lines, whole ones as far as possible. Pure. */
#ifndef MST_LINES_H
#define MST_LINES_H

#include <stddef.h>

#define MST_LINE_BYTES 16384 /* a longer line is reported in pieces */

typedef struct mst_lines {
    char *held; /* a line whose end has not come */
    size_t used;
} mst_lines;

typedef void (*mst_line_fn)(void *arg, const char *line, size_t len);

/* More bytes; calls fn for each line that is complete, without its newline. */
void mst_lines_feed(mst_lines *lines, const char *data, size_t len,
                    mst_line_fn fn, void *arg);

/* The end: what is held is a line of its own. Frees. */
void mst_lines_end(mst_lines *lines, mst_line_fn fn, void *arg);

#endif
