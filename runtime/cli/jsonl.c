#include "cli/jsonl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(mst_jsonl *j, const char *bytes, size_t n)
{
    if (!j->ok || n > j->room - j->len) {
        j->ok = false;
        return;
    }
    memcpy(j->text + j->len, bytes, n);
    j->len += n;
}

static void puts_(mst_jsonl *j, const char *text)
{
    put(j, text, strlen(text));
}

static void name_it(mst_jsonl *j, const char *name)
{
    puts_(j, j->first ? "\"" : ",\"");
    puts_(j, name);
    puts_(j, "\":");
    j->first = false;
}

void mst_jsonl_begin(mst_jsonl *j, char *text, size_t room)
{
    *j = (mst_jsonl){.text = text, .room = room, .ok = true, .first = true};
    puts_(j, "{");
}

static bool follows(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at `s`, which ends with a zero byte; 0: it is
 * none: cut, too long, a surrogate, or too large. */
static size_t utf8(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] < 0xe0)
        return follows(s[1]) ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] < 0xf0) {
        if (!follows(s[1]) || !follows(s[2]) || (s[0] == 0xe0 && s[1] < 0xa0) ||
            (s[0] == 0xed && s[1] >= 0xa0))
            return 0;
        return 3;
    }
    if (s[0] >= 0xf0 && s[0] < 0xf5) {
        if (!follows(s[1]) || !follows(s[2]) || !follows(s[3]) ||
            (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
            return 0;
        return 4;
    }
    return 0;
}

void mst_jsonl_str(mst_jsonl *j, const char *name, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    char code[8];

    name_it(j, name);
    puts_(j, "\"");
    while (*s != '\0') {
        const size_t n = utf8(s);

        if (n == 0) {
            puts_(j, "\\ufffd");
        } else if (*s < 0x20 || *s == 0x7f) {
            snprintf(code, sizeof(code), "\\u%04x", *s);
            puts_(j, code);
        } else {
            if (*s == '"' || *s == '\\')
                puts_(j, "\\");
            put(j, (const char *)s, n);
        }
        s += n > 0 ? n : 1;
    }
    puts_(j, "\"");
}

void mst_jsonl_int(mst_jsonl *j, const char *name, int64_t value)
{
    char text[24];

    name_it(j, name);
    snprintf(text, sizeof(text), "%" PRId64, value);
    puts_(j, text);
}

void mst_jsonl_uint(mst_jsonl *j, const char *name, uint64_t value)
{
    char text[24];

    name_it(j, name);
    snprintf(text, sizeof(text), "%" PRIu64, value);
    puts_(j, text);
}

void mst_jsonl_open(mst_jsonl *j, const char *name)
{
    name_it(j, name);
    puts_(j, "{");
    j->first = true;
}

void mst_jsonl_close(mst_jsonl *j)
{
    puts_(j, "}");
    j->first = false;
}

bool mst_jsonl_end(mst_jsonl *j)
{
    puts_(j, "}\n");
    return j->ok;
}
