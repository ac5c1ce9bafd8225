/* keys.h - who is who.
 *
 * The manager's CURVE key pair is random for each session. A worker's pair is
 * derived from the session's root secret for (rank, incarnation) with
 * libsodium's crypto_kdf (BLAKE2b, https://doc.libsodium.org/key_derivation):
 * subkey id = rank << 32 | incarnation, context "mustrwrk". Its public half is
 * computed with crypto_scalarmult_base, as CURVE's are (RFC 7748, X25519).
 */
#ifndef MST_KEYS_H
#define MST_KEYS_H

#include <stdint.h>

#include <muster/error.h>

#define MST_KEY_BYTES 32

typedef struct mst_pair {
    uint8_t public_key[MST_KEY_BYTES];
    uint8_t secret_key[MST_KEY_BYTES];
} mst_pair;

typedef struct mst_root mst_root; /* lives in sodium_malloc memory */

/* A new session: a random root secret and a random pair for the manager. */
muster_err mst_root_create(mst_root **root, muster_error *err);
void mst_root_destroy(mst_root **root); /* wipes */
const mst_pair *mst_root_manager(const mst_root *root);

/* The pair of one worker; the caller wipes it (sodium_memzero). */
void mst_root_worker(const mst_root *root, uint32_t rank, uint32_t incarnation,
                     mst_pair *pair);

/* What opens bulk connections of that worker: subkey id as above, context
 * "mustrblk". The caller wipes it. */
void mst_root_bulk(const mst_root *root, uint32_t rank, uint32_t incarnation,
                   uint8_t key[MST_KEY_BYTES]);

/* The same for a given secret; golden tests. */
void mst_derive(const uint8_t secret[MST_KEY_BYTES], uint32_t rank,
                uint32_t incarnation, mst_pair *pair);
void mst_derive_bulk(const uint8_t secret[MST_KEY_BYTES], uint32_t rank,
                     uint32_t incarnation, uint8_t key[MST_KEY_BYTES]);

#endif
