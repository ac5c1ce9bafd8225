#include "bulk/cipher.h"

#include <sodium.h>

_Static_assert(MST_CIPHER_KEY == crypto_aead_aes256gcm_KEYBYTES &&
                   MST_CIPHER_NONCE == crypto_aead_aes256gcm_NPUBBYTES &&
                   MST_CIPHER_TAG == crypto_aead_aes256gcm_ABYTES,
               "AES-256-GCM");
_Static_assert(MST_CIPHER_KEY == crypto_aead_chacha20poly1305_ietf_KEYBYTES &&
                   MST_CIPHER_NONCE ==
                       crypto_aead_chacha20poly1305_ietf_NPUBBYTES &&
                   MST_CIPHER_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES,
               "ChaCha20-Poly1305");

typedef struct state {
    crypto_aead_aes256gcm_state expanded; /* first: aligned */
    bool aes;
    const uint8_t *key;
} state;

static void *create(bool aes, const uint8_t key[MST_CIPHER_KEY])
{
    /* whole blocks of 64: what sodium_malloc gives ends at a page's end, and
     * so begins where the expanded key may stand */
    state *s = sodium_malloc((sizeof(state) + 63) / 64 * 64);

    if (s == NULL)
        return NULL;
    s->aes = aes;
    s->key = key;
    if (aes)
        crypto_aead_aes256gcm_beforenm(&s->expanded, key);
    return s;
}

static bool close_chunk(void *arg, const mst_cipher_with *with,
                        const void *plain, size_t len, void *sealed,
                        uint8_t tag[MST_CIPHER_TAG])
{
    const state *s = (const state *)arg;
    unsigned long long tag_len;

    if (s->aes)
        return crypto_aead_aes256gcm_encrypt_detached_afternm(
                   sealed, tag, &tag_len, plain, len, with->about,
                   with->about_len, NULL, with->nonce, &s->expanded) == 0;
    return crypto_aead_chacha20poly1305_ietf_encrypt_detached(
               sealed, tag, &tag_len, plain, len, with->about, with->about_len,
               NULL, with->nonce, s->key) == 0;
}

static bool open_chunk(void *arg, const mst_cipher_with *with,
                       const void *sealed, size_t len,
                       const uint8_t tag[MST_CIPHER_TAG], void *plain)
{
    const state *s = (const state *)arg;

    if (s->aes)
        return crypto_aead_aes256gcm_decrypt_detached_afternm(
                   plain, NULL, sealed, len, tag, with->about, with->about_len,
                   with->nonce, &s->expanded) == 0;
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               plain, NULL, sealed, len, tag, with->about, with->about_len,
               with->nonce, s->key) == 0;
}

const mst_cipher mst_cipher_sodium = {create, sodium_free, close_chunk,
                                      open_chunk};
