#include "base/tame.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Bytes of the UTF-8 character at the begin, and its code; 0: there is none.
 * Shortest forms only, no surrogates (RFC 3629). */
static size_t character(const unsigned char *at, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = at[0] < 0x80             ? 1
                     : (at[0] & 0xe0) == 0xc0 ? 2
                     : (at[0] & 0xf0) == 0xe0 ? 3
                     : (at[0] & 0xf8) == 0xf0 ? 4
                                              : 0;

    if (n == 0 || n > len)
        return 0;
    *code = n == 1 ? at[0] : at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    if (*code < least[n] || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return n;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

void mst_tame(char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        uint32_t code = 0;
        size_t n = character((const unsigned char *)text, len, &code);

        if (n == 0) {
            n = 1;
            *text = '?';
        } else if (is_control(code)) {
            memset(text, ' ', n);
        }
        text += n;
        len -= n;
    }
}

/* Bytes of the colour sequence at the begin: ESC [ numbers m. 0: none. */
static size_t colour(const char *at, size_t len)
{
    size_t n = 2;

    if (len < 3 || at[0] != '\033' || at[1] != '[')
        return 0;
    while (n < len &&
           ((at[n] >= '0' && at[n] <= '9') || at[n] == ';' || at[n] == ':'))
        n++;
    return n < len && at[n] == 'm' ? n + 1 : 0;
}

/* What stands at the begin, and how many bytes that was. */
static size_t print_one(FILE *to, const char *at, size_t len)
{
    uint32_t code = 0;
    const size_t n = character((const unsigned char *)at, len, &code);

    if (n == 0 || (code >= 0x80 && code < 0xa0))
        fputs("\xef\xbf\xbd", to);
    else if (is_control(code) && code != '\t')
        fprintf(to, "^%c", (char)(code ^ 0x40));
    else
        fwrite(at, 1, n, to);
    return n > 0 ? n : 1;
}

void mst_tame_print(FILE *to, const char *line, size_t len)
{
    bool coloured = false;

    if (!isatty(fileno(to))) {
        fwrite(line, 1, len, to);
        return;
    }
    while (len > 0) {
        size_t n = colour(line, len);

        if (n > 0) {
            fwrite(line, 1, n, to);
            coloured = true;
        } else {
            n = print_one(to, line, len);
        }
        line += n;
        len -= n;
    }
    if (coloured)
        fputs("\033[m", to);
}
