#include "launch/kube/names.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"

#define HASH 8 /* hexadecimal digits */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Bytes of the UTF-8 character that begins here; a text, so it ends. */
static int character(const char *text)
{
    int n = 1;

    while (n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static void hash_of(const char *text, char hash[HASH + 1])
{
    unsigned char bytes[crypto_generichash_BYTES_MIN];

    crypto_generichash(bytes, sizeof(bytes), (const unsigned char *)text,
                       strlen(text), NULL, 0);
    sodium_bin2hex(hash, HASH + 1, bytes, HASH / 2);
}

/* At most `most` bytes of the text, with a hash when that is not all of it. */
static void shorten(const char *text, size_t most, char *out)
{
    const size_t len = strlen(text);
    char hash[HASH + 1];
    size_t n;

    if (len <= most) {
        memcpy(out, text, len + 1);
        return;
    }
    hash_of(text, hash);
    n = most - HASH - 1;
    while (n > 0 &&
           (text[n - 1] == '-' || text[n - 1] == '_' || text[n - 1] == '.'))
        n--;
    snprintf(out, most + 1, "%.*s%s%s", (int)n, text, n > 0 ? "-" : "", hash);
}

void mst_kube_pod_name(const char *prefix, const char *session, uint32_t rank,
                       uint32_t incarnation, char name[MST_KUBE_LABEL])
{
    char tail[40], head[MST_KUBE_LABEL];
    int n = snprintf(tail, sizeof(tail), "-%.8s-%u", session, rank);

    if (incarnation > 1)
        n += snprintf(tail + n, sizeof(tail) - (size_t)n, "-r%u", incarnation);
    shorten(prefix, MST_KUBE_LABEL - 1 - (size_t)n, head);
    snprintf(name, MST_KUBE_LABEL, "%.*s%s", MST_KUBE_LABEL - 1 - n, head,
             tail);
}

void mst_kube_label(const char *text, char label[MST_KUBE_LABEL])
{
    shorten(text, MST_KUBE_LABEL - 1, label);
}

muster_err mst_kube_prefix_check(const char *prefix, muster_error *err)
{
    const size_t len = strlen(prefix);
    char better[MST_KUBE_LABEL];
    bool good = len > 0 && len <= 253 && is_alnum(prefix[0]) &&
                is_alnum(prefix[len - 1]);
    size_t i = 0;

    while (good && i < len && (is_alnum(prefix[i]) || prefix[i] == '-'))
        i++;
    if (good && i == len)
        return MUSTER_OK;
    mst_kube_prefix_from(prefix, better);
    if (!good)
        return mst_fail(err, MUSTER_EINVAL,
                        "worker prefix \"%.80s\" must begin and end with a-z "
                        "or 0-9, in at most 253 bytes; \"%s\" would do",
                        prefix, better);
    return mst_fail(err, MUSTER_EINVAL,
                    "worker prefix \"%.80s\" has '%.*s' in it: only a-z, 0-9 "
                    "and - can be in a Pod's name; \"%s\" would do",
                    prefix, character(prefix + i), prefix + i, better);
}

void mst_kube_prefix_from(const char *name, char prefix[MST_KUBE_LABEL])
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < MST_KUBE_LABEL; name++) {
        const char c =
            *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;

        if (is_alnum(c))
            prefix[n++] = c;
        else if (n > 0)
            prefix[n++] = '-';
    }
    while (n > 0 && prefix[n - 1] == '-')
        n--;
    prefix[n] = '\0';
    if (n == 0)
        snprintf(prefix, MST_KUBE_LABEL, "muster");
}
