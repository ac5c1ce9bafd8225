#include "bulk/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

#define AD_BYTES (MST_SESSION_BYTES + 8 + 4 + 4 + 8 + 1)
#define AD_INDEX (MST_SESSION_BYTES + 8 + 4) /* where the index stands */

_Static_assert(MST_BULK_KEY_BYTES == MST_CIPHER_KEY, "key");
_Static_assert(MST_SEAL_TAG == MST_CIPHER_TAG, "tag");

struct mst_seal {
    const mst_cipher *cipher;
    void *state;
    uint8_t key[MST_BULK_KEY_BYTES];
    uint8_t about[AD_BYTES];
};

bool mst_seal_has_aes(void)
{
    /* in hardware: in software its time would tell of the key */
    return crypto_aead_aes256gcm_is_available() == 1;
}

static void write_about(mst_seal *seal, const mst_seal_about *about,
                        mst_seal_kind kind)
{
    mst_writer w = mst_writer_of(seal->about, sizeof(seal->about));

    mst_write_bytes(&w, about->session, MST_SESSION_BYTES);
    mst_write_u64(&w, about->transfer);
    mst_write_u32(&w, about->sender);
    mst_write_u32(&w, 0);
    mst_write_u64(&w, about->total);
    mst_write_u8(&w, (uint8_t)kind);
}

mst_seal *mst_seal_create_by(const mst_cipher *cipher, mst_seal_kind kind,
                             const mst_seal_about *about,
                             const uint8_t key[MST_BULK_KEY_BYTES])
{
    mst_seal *seal;

    if ((kind != MST_SEAL_AES && kind != MST_SEAL_CHACHA) ||
        (kind == MST_SEAL_AES && !mst_seal_has_aes()))
        return NULL;
    /* what sodium_malloc gives ends at a page's end: aligned as its size is */
    seal = sodium_malloc((sizeof(mst_seal) + 15) / 16 * 16);
    if (seal == NULL)
        return NULL;
    if (key != NULL)
        memcpy(seal->key, key, sizeof(seal->key));
    else
        randombytes_buf(seal->key, sizeof(seal->key));
    seal->cipher = cipher;
    seal->state = cipher->create(kind == MST_SEAL_AES, seal->key);
    if (seal->state == NULL) {
        sodium_free(seal);
        return NULL;
    }
    write_about(seal, about, kind);
    return seal;
}

mst_seal *mst_seal_create(mst_seal_kind kind, const mst_seal_about *about,
                          const uint8_t key[MST_BULK_KEY_BYTES])
{
    const mst_cipher *fast = mst_cipher_crypto();

    return mst_seal_create_by(fast != NULL ? fast : &mst_cipher_sodium, kind,
                              about, key);
}

void mst_seal_destroy(mst_seal **seal)
{
    (*seal)->cipher->destroy((*seal)->state);
    sodium_free(*seal);
    *seal = NULL;
}

const uint8_t *mst_seal_key(const mst_seal *seal)
{
    return seal->key;
}

/* Nonce and associated data of one chunk. Both ciphers take 12 bytes. */
static mst_cipher_with name_chunk(mst_seal *seal, uint32_t index,
                                  uint8_t nonce[MST_CIPHER_NONCE])
{
    mst_writer w = mst_writer_of(seal->about + AD_INDEX, 4);

    mst_write_u32(&w, index);
    memset(nonce, 0, MST_CIPHER_NONCE);
    w = mst_writer_of(nonce + MST_CIPHER_NONCE - 4, 4);
    mst_write_u32(&w, index);
    return (mst_cipher_with){nonce, seal->about, AD_BYTES};
}

bool mst_seal_close(mst_seal *seal, uint32_t index, const void *plain,
                    size_t len, void *sealed, uint8_t tag[MST_SEAL_TAG])
{
    uint8_t nonce[MST_CIPHER_NONCE];
    const mst_cipher_with with = name_chunk(seal, index, nonce);

    return seal->cipher->close(seal->state, &with, plain, len, sealed, tag);
}

bool mst_seal_open(mst_seal *seal, uint32_t index, const void *sealed,
                   size_t len, const uint8_t tag[MST_SEAL_TAG], void *plain)
{
    uint8_t nonce[MST_CIPHER_NONCE];
    const mst_cipher_with with = name_chunk(seal, index, nonce);

    return seal->cipher->open(seal->state, &with, sealed, len, tag, plain);
}
