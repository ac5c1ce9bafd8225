/* cookie.h - what one worker shares with its manager, as a small text.
 *
 *     muster-cookie 1
 *     session 00112233445566778899aabbccddeeff
 *     rank 3
 *     incarnation 1
 *     manager tcp://127.0.0.1:41235
 *     manager-key <64 hexadecimal digits, public>
 *     secret-key <64 hexadecimal digits>
 *     end
 *
 * The order is fixed; `manager` may come several times, each an address to
 * try. The text is a secret: it goes through the inherited socket or a mounted
 * file, never through argv, the environment or a log.
 */
#ifndef MST_COOKIE_H
#define MST_COOKIE_H

#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#include "link/keys.h"

#define MST_COOKIE_BYTES 2048 /* longest text, with its NUL */
#define MST_COOKIE_ADDRESSES 4
#define MST_ADDRESS_BYTES 128
#define MST_SESSION_TEXT 33

typedef struct mst_cookie {
    char session[MST_SESSION_TEXT];
    uint32_t rank, incarnation;
    uint32_t naddresses;
    char addresses[MST_COOKIE_ADDRESSES][MST_ADDRESS_BYTES];
    uint8_t manager_key[MST_KEY_BYTES];
    uint8_t secret_key[MST_KEY_BYTES];
} mst_cookie;

/* Write the text; returns its length without the NUL, 0 if it does not fit. */
size_t mst_cookie_print(const mst_cookie *cookie, char *text, size_t bytes);

/* Read it.
 *
 *   text, len   need not be terminated
 *
 * Errors:  MUSTER_EPROTO   not a cookie, or cut; the text says which line and
 *                          never repeats its content
 */
muster_err mst_cookie_parse(const char *text, size_t len, mst_cookie *cookie,
                            muster_error *err);

#endif
