/* cipher.h - who computes AES-256-GCM and ChaCha20-Poly1305 for seal.c.
 *
 * libcrypto (OpenSSL 3) does both about three times faster than libsodium
 * 1.0.18, and both write the same bytes. It costs each process 3 MiB and 2 ms,
 * so it is loaded when the first payload is sealed or opened. Where it is not
 * installed libsodium does the work.
 */
#ifndef MST_CIPHER_H
#define MST_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MST_CIPHER_KEY 32u
#define MST_CIPHER_NONCE 12u
#define MST_CIPHER_TAG 16u

/* What goes into one chunk beside its bytes. */
typedef struct mst_cipher_with {
    const uint8_t *nonce; /* MST_CIPHER_NONCE */
    const uint8_t *about; /* authenticated, not sealed */
    size_t about_len;
} mst_cipher_with;

typedef struct mst_cipher {
    /* The state of one key, which is borrowed until `destroy`; what is made of
     * it is wiped then. NULL: no memory. aes: else ChaCha20. */
    void *(*create)(bool aes, const uint8_t key[MST_CIPHER_KEY]);
    void (*destroy)(void *state);
    /* As mst_seal_close() and mst_seal_open(). */
    bool (*close)(void *state, const mst_cipher_with *with, const void *plain,
                  size_t len, void *sealed, uint8_t tag[MST_CIPHER_TAG]);
    bool (*open)(void *state, const mst_cipher_with *with, const void *sealed,
                 size_t len, const uint8_t tag[MST_CIPHER_TAG], void *plain);
} mst_cipher;

extern const mst_cipher mst_cipher_sodium;

/* NULL: there is no libcrypto 3. Any thread. */
const mst_cipher *mst_cipher_crypto(void);

#endif
