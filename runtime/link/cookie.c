#include "link/cookie.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

static const char first_line[] = "muster-cookie 1";

size_t mst_cookie_print(const mst_cookie *cookie, char *text, size_t bytes)
{
    char key[2 * MST_KEY_BYTES + 1], secret[2 * MST_KEY_BYTES + 1];
    char managers[(size_t)MST_COOKIE_ADDRESSES * (MST_ADDRESS_BYTES + 16)] = "";
    size_t used = 0;
    int n;

    for (uint32_t i = 0; i < cookie->naddresses; i++)
        used += (size_t)snprintf(managers + used, sizeof(managers) - used,
                                 "manager %s\n", cookie->addresses[i]);
    sodium_bin2hex(key, sizeof(key), cookie->manager_key, MST_KEY_BYTES);
    sodium_bin2hex(secret, sizeof(secret), cookie->secret_key, MST_KEY_BYTES);
    n = snprintf(text, bytes,
                 "%s\nsession %s\nrank %u\nincarnation %u\n%s"
                 "manager-key %s\nsecret-key %s\nend\n",
                 first_line, cookie->session, cookie->rank, cookie->incarnation,
                 managers, key, secret);
    sodium_memzero(secret, sizeof(secret));
    return n > 0 && (size_t)n < bytes ? (size_t)n : 0;
}

typedef struct lines {
    const char *at;
    size_t left;
    int number;
} lines;

/* The next line as `name value`; false at the end or when it is neither. */
static bool next_line(lines *in, const char *name, char *value, size_t bytes)
{
    const char *end = in->left > 0 ? memchr(in->at, '\n', in->left) : NULL;
    const size_t name_len = strlen(name);
    size_t len;

    in->number++;
    if (end == NULL)
        return false;
    len = (size_t)(end - in->at);
    if (len <= name_len || memcmp(in->at, name, name_len) != 0 ||
        in->at[name_len] != ' ' || len - name_len > bytes ||
        memchr(in->at, '\0', len) != NULL) {
        in->number--;
        return false;
    }
    memcpy(value, in->at + name_len + 1, len - name_len - 1);
    value[len - name_len - 1] = '\0';
    in->at += len + 1;
    in->left -= len + 1;
    return true;
}

static bool to_u32(const char *text, uint32_t *number)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return false;
    value = strtoull(text, &end, 10);
    *number = (uint32_t)value;
    return *end == '\0' && value > 0 && value < UINT32_MAX;
}

static bool to_key(const char *text, uint8_t key[MST_KEY_BYTES])
{
    size_t len;

    return strlen(text) == 2 * (size_t)MST_KEY_BYTES &&
           sodium_hex2bin(key, MST_KEY_BYTES, text, strlen(text), NULL, &len,
                          NULL) == 0 &&
           len == MST_KEY_BYTES;
}

static bool is_session(const char *text)
{
    return strlen(text) == MST_SESSION_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == MST_SESSION_TEXT - 1;
}

static bool parse_who(lines *in, mst_cookie *cookie, char *value, size_t bytes)
{
    if (!next_line(in, "muster-cookie", value, bytes) ||
        strcmp(value, "1") != 0)
        return false;
    if (!next_line(in, "session", value, bytes) || !is_session(value))
        return false;
    memcpy(cookie->session, value, sizeof(cookie->session));
    return next_line(in, "rank", value, bytes) &&
           to_u32(value, &cookie->rank) &&
           next_line(in, "incarnation", value, bytes) &&
           to_u32(value, &cookie->incarnation);
}

static bool parse_where(lines *in, mst_cookie *cookie, char *value,
                        size_t bytes)
{
    while (next_line(in, "manager", value, bytes)) {
        if (cookie->naddresses == MST_COOKIE_ADDRESSES ||
            strlen(value) >= MST_ADDRESS_BYTES ||
            strncmp(value, "tcp://", 6) != 0)
            return false;
        memcpy(cookie->addresses[cookie->naddresses++], value,
               strlen(value) + 1);
    }
    return cookie->naddresses > 0;
}

muster_err mst_cookie_parse(const char *text, size_t len, mst_cookie *cookie,
                            muster_error *err)
{
    static const char last_line[] = "end\n";
    char value[MST_ADDRESS_BYTES + 1];
    lines in = {text, len, 0};
    bool ok;

    memset(cookie, 0, sizeof(*cookie));
    ok = parse_who(&in, cookie, value, sizeof(value)) &&
         parse_where(&in, cookie, value, sizeof(value)) &&
         next_line(&in, "manager-key", value, sizeof(value)) &&
         to_key(value, cookie->manager_key) &&
         next_line(&in, "secret-key", value, sizeof(value)) &&
         to_key(value, cookie->secret_key) &&
         in.left == sizeof(last_line) - 1 &&
         memcmp(in.at, last_line, in.left) == 0;
    sodium_memzero(value, sizeof(value));
    if (ok)
        return MUSTER_OK;
    sodium_memzero(cookie, sizeof(*cookie));
    return mst_fail(err, MUSTER_EPROTO,
                    "not a cookie of this version, or cut off, near line %d",
                    in.number + 1);
}
