/* seal.h - the cipher of bulk transfers: each chunk is sealed once.
 *
 * A transfer has a random key of its own, which goes to its receivers by their
 * CURVE connections. Chunk i of it is sealed with nonce i and with, as
 * associated data, everything that says where it belongs: session, transfer,
 * sender, i, the length of the whole, and the cipher. A chunk that was
 * changed, moved, or comes from elsewhere does not open.
 *
 * Ciphers: AES-256-GCM (NIST SP 800-38D) where both sides have it in hardware,
 * else ChaCha20-Poly1305 (RFC 8439). Who computes them: cipher.h.
 *
 * Thread: one at a time for each seal.
 */
#ifndef MST_SEAL_H
#define MST_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulk/cipher.h"
#include "link/wire.h"

#define MST_SEAL_TAG 16u

typedef enum mst_seal_kind {
    MST_SEAL_NONE, /* not sealed: MUSTER_BULK plain, or a local child's pipe */
    MST_SEAL_AES,
    MST_SEAL_CHACHA,
    MST_SEAL_KINDS
} mst_seal_kind;

/* Where a transfer belongs. */
typedef struct mst_seal_about {
    const uint8_t *session; /* MST_SESSION_BYTES */
    uint64_t transfer;
    uint32_t sender; /* rank */
    uint64_t total;  /* bytes of the payload */
} mst_seal_about;

typedef struct mst_seal mst_seal; /* lives in sodium_malloc memory */

/* True where this processor has what MST_SEAL_AES needs. */
bool mst_seal_has_aes(void);

/* `key` NULL: a random one. NULL: no memory, or a cipher that is not here. */
mst_seal *mst_seal_create(mst_seal_kind kind, const mst_seal_about *about,
                          const uint8_t key[MST_BULK_KEY_BYTES]);
/* The same by one of the libraries, not by the fastest that is here. */
mst_seal *mst_seal_create_by(const mst_cipher *cipher, mst_seal_kind kind,
                             const mst_seal_about *about,
                             const uint8_t key[MST_BULK_KEY_BYTES]);
void mst_seal_destroy(mst_seal **seal); /* wipes */
const uint8_t *mst_seal_key(const mst_seal *seal);

/* `len` bytes of chunk `index` from `plain` to `sealed`, which may be the same
 * place, and its tag; false: the cipher failed, and nothing may be sent. */
bool mst_seal_close(mst_seal *seal, uint32_t index, const void *plain,
                    size_t len, void *sealed, uint8_t tag[MST_SEAL_TAG]);

/* The reverse; false: it is not that chunk, and `plain` holds zeros. */
bool mst_seal_open(mst_seal *seal, uint32_t index, const void *sealed,
                   size_t len, const uint8_t tag[MST_SEAL_TAG], void *plain);

#endif
