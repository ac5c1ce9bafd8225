/* fz_lines.c - output in pieces: no byte but newlines is lost or added. */
#include <string.h>

#include "fuzz.h"
#include "launch/lines.h"

static void count(void *arg, const char *line, size_t len)
{
    must(len == 0 || memchr(line, '\n', len) == NULL);
    *(size_t *)arg += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_lines lines = {0};
    size_t out = 0, newlines = 0;

    for (size_t i = 0; i < size; i++)
        newlines += data[i] == '\n';
    for (size_t at = 0; at < size;) {
        size_t n = (size_t)(data[at] % 97) * 199 + 1;

        if (n > size - at)
            n = size - at;
        mst_lines_feed(&lines, (const char *)data + at, n, count, &out);
        at += n;
    }
    mst_lines_end(&lines, count, &out);
    must(out == size - newlines);
    return 0;
}
