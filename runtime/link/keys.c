#include "link/keys.h"

#include <sodium.h>
#include <stddef.h>

#include "base/fail.h"

_Static_assert(MST_KEY_BYTES == crypto_kdf_KEYBYTES, "root secret");
_Static_assert(MST_KEY_BYTES == crypto_scalarmult_BYTES, "curve key");

struct mst_root {
    uint8_t secret[MST_KEY_BYTES];
    mst_pair manager;
};

muster_err mst_root_create(mst_root **root, muster_error *err)
{
    mst_root *r;

    if (sodium_init() < 0)
        return mst_fail(err, MUSTER_ESYS, "libsodium cannot be initialised");
    r = sodium_malloc(sizeof(*r));
    if (r == NULL)
        return mst_fail(err, MUSTER_ENOMEM,
                        "no locked memory for the session's keys");
    randombytes_buf(r->secret, sizeof(r->secret));
    randombytes_buf(r->manager.secret_key, sizeof(r->manager.secret_key));
    crypto_scalarmult_base(r->manager.public_key, r->manager.secret_key);
    *root = r;
    return MUSTER_OK;
}

void mst_root_destroy(mst_root **root)
{
    if (*root != NULL)
        sodium_free(*root);
    *root = NULL;
}

const mst_pair *mst_root_manager(const mst_root *root)
{
    return &root->manager;
}

void mst_derive(const uint8_t secret[MST_KEY_BYTES], uint32_t rank,
                uint32_t incarnation, mst_pair *pair)
{
    const uint64_t id = (uint64_t)rank << 32 | incarnation;

    crypto_kdf_derive_from_key(pair->secret_key, sizeof(pair->secret_key), id,
                               "mustrwrk", secret);
    crypto_scalarmult_base(pair->public_key, pair->secret_key);
}

void mst_root_worker(const mst_root *root, uint32_t rank, uint32_t incarnation,
                     mst_pair *pair)
{
    mst_derive(root->secret, rank, incarnation, pair);
}

void mst_derive_bulk(const uint8_t secret[MST_KEY_BYTES], uint32_t rank,
                     uint32_t incarnation, uint8_t key[MST_KEY_BYTES])
{
    crypto_kdf_derive_from_key(key, MST_KEY_BYTES,
                               (uint64_t)rank << 32 | incarnation, "mustrblk",
                               secret);
}

void mst_root_bulk(const mst_root *root, uint32_t rank, uint32_t incarnation,
                   uint8_t key[MST_KEY_BYTES])
{
    mst_derive_bulk(root->secret, rank, incarnation, key);
}
