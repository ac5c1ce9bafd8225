/* fz_cookie.c - what parses must print, and parse to the same. */
#include <string.h>

#include "fuzz.h"
#include "link/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MST_COOKIE_BYTES], second[MST_COOKIE_BYTES];
    mst_cookie cookie, again;
    muster_error err;
    size_t len;

    if (mst_cookie_parse((const char *)data, size, &cookie, &err) != MUSTER_OK)
        return 0;
    len = mst_cookie_print(&cookie, text, sizeof(text));
    must(len > 0);
    must(mst_cookie_parse(text, len, &again, &err) == MUSTER_OK);
    must(mst_cookie_print(&again, second, sizeof(second)) == len);
    must(memcmp(text, second, len) == 0);
    return 0;
}
