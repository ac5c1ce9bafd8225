#include "bulk/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

#define AD_BYTES (MST_SESSION_BYTES + 8 + 4 + 4 + 8 + 1)
#define AD_INDEX (MST_SESSION_BYTES + 8 + 4) /* where the index stands */

_Static_assert(MST_BULK_KEY_BYTES == crypto_aead_aes256gcm_KEYBYTES, "key");
_Static_assert(MST_BULK_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES,
               "key of the other");

struct mst_seal {
    crypto_aead_aes256gcm_state expanded; /* first: aligned */
    mst_seal_kind kind;
    uint8_t key[MST_BULK_KEY_BYTES];
    uint8_t about[AD_BYTES];
};

bool mst_seal_has_aes(void)
{
    return crypto_aead_aes256gcm_is_available() == 1;
}

mst_seal *mst_seal_create(mst_seal_kind kind, const mst_seal_about *about,
                          const uint8_t key[MST_BULK_KEY_BYTES])
{
    /* whole blocks of 64: what sodium_malloc gives ends at a page's end, and
     * so begins where the expanded key may stand */
    const size_t bytes = (sizeof(mst_seal) + 63) / 64 * 64;
    mst_seal *seal;
    mst_writer w;

    if ((kind != MST_SEAL_AES && kind != MST_SEAL_CHACHA) ||
        (kind == MST_SEAL_AES && !mst_seal_has_aes()))
        return NULL;
    seal = sodium_malloc(bytes);
    if (seal == NULL)
        return NULL;
    seal->kind = kind;
    if (key != NULL)
        memcpy(seal->key, key, sizeof(seal->key));
    else
        randombytes_buf(seal->key, sizeof(seal->key));
    if (kind == MST_SEAL_AES)
        crypto_aead_aes256gcm_beforenm(&seal->expanded, seal->key);
    w = mst_writer_of(seal->about, sizeof(seal->about));
    mst_write_bytes(&w, about->session, MST_SESSION_BYTES);
    mst_write_u64(&w, about->transfer);
    mst_write_u32(&w, about->sender);
    mst_write_u32(&w, 0);
    mst_write_u64(&w, about->total);
    mst_write_u8(&w, (uint8_t)kind);
    return seal;
}

void mst_seal_destroy(mst_seal **seal)
{
    sodium_free(*seal);
    *seal = NULL;
}

const uint8_t *mst_seal_key(const mst_seal *seal)
{
    return seal->key;
}

/* Nonce and associated data of one chunk. Both ciphers take 12 bytes. */
static void name_chunk(mst_seal *seal, uint32_t index,
                       uint8_t nonce[crypto_aead_aes256gcm_NPUBBYTES])
{
    mst_writer w = mst_writer_of(seal->about + AD_INDEX, 4);

    mst_write_u32(&w, index);
    memset(nonce, 0, crypto_aead_aes256gcm_NPUBBYTES);
    w = mst_writer_of(nonce + crypto_aead_aes256gcm_NPUBBYTES - 4, 4);
    mst_write_u32(&w, index);
}

void mst_seal_close(mst_seal *seal, uint32_t index, const void *plain,
                    size_t len, void *sealed, uint8_t tag[MST_SEAL_TAG])
{
    uint8_t nonce[crypto_aead_aes256gcm_NPUBBYTES];
    unsigned long long tag_len;

    name_chunk(seal, index, nonce);
    if (seal->kind == MST_SEAL_AES)
        crypto_aead_aes256gcm_encrypt_detached_afternm(
            sealed, tag, &tag_len, plain, len, seal->about, AD_BYTES, NULL,
            nonce, &seal->expanded);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(
            sealed, tag, &tag_len, plain, len, seal->about, AD_BYTES, NULL,
            nonce, seal->key);
}

bool mst_seal_open(mst_seal *seal, uint32_t index, const void *sealed,
                   size_t len, const uint8_t tag[MST_SEAL_TAG], void *plain)
{
    uint8_t nonce[crypto_aead_aes256gcm_NPUBBYTES];

    name_chunk(seal, index, nonce);
    if (seal->kind == MST_SEAL_AES)
        return crypto_aead_aes256gcm_decrypt_detached_afternm(
                   plain, NULL, sealed, len, tag, seal->about, AD_BYTES, nonce,
                   &seal->expanded) == 0;
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               plain, NULL, sealed, len, tag, seal->about, AD_BYTES, nonce,
               seal->key) == 0;
}
