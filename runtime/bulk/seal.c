#include "bulk/seal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

#define AD_BYTES (MST_SESSION_BYTES + 8 + 4 + 4 + 8 + 1)
#define AD_INDEX (MST_SESSION_BYTES + 8 + 4) /* where the index stands */
#define NONCE_BYTES 12

struct mst_seal {
    EVP_CIPHER_CTX *ctx; /* has the expanded key, and wipes it */
    mst_seal_kind kind;
    int direction; /* what ctx is set up for: 1 closes, 0 opens, -1 nothing */
    uint8_t key[MST_BULK_KEY_BYTES];
    uint8_t about[AD_BYTES];
};

/* ------------------------------------------------------------- ciphers -- */

static struct {
    pthread_once_t once;
    EVP_CIPHER *aes, *chacha;
} ciphers = {.once = PTHREAD_ONCE_INIT};

/* In a context of our own: what the program, or the file openssl.cnf, sets up
 * for itself does not change what we speak. Never freed: it ends with the
 * process, whose last transfers may be later than any call of ours. */
static void fetch(void)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();

    if (own == NULL)
        return;
    ciphers.aes = EVP_CIPHER_fetch(own, "AES-256-GCM", NULL);
    ciphers.chacha = EVP_CIPHER_fetch(own, "ChaCha20-Poly1305", NULL);
}

static const EVP_CIPHER *cipher_of(mst_seal_kind kind)
{
    pthread_once(&ciphers.once, fetch);
    return kind == MST_SEAL_AES ? ciphers.aes : ciphers.chacha;
}

bool mst_seal_has_aes(void)
{
    /* in hardware: in software its time would tell of the key */
    return crypto_aead_aes256gcm_is_available() == 1 &&
           cipher_of(MST_SEAL_AES) != NULL;
}

/* --------------------------------------------------------------- seals -- */

static void write_about(mst_seal *seal, const mst_seal_about *about)
{
    mst_writer w = mst_writer_of(seal->about, sizeof(seal->about));

    mst_write_bytes(&w, about->session, MST_SESSION_BYTES);
    mst_write_u64(&w, about->transfer);
    mst_write_u32(&w, about->sender);
    mst_write_u32(&w, 0);
    mst_write_u64(&w, about->total);
    mst_write_u8(&w, (uint8_t)seal->kind);
}

mst_seal *mst_seal_create(mst_seal_kind kind, const mst_seal_about *about,
                          const uint8_t key[MST_BULK_KEY_BYTES])
{
    mst_seal *seal;

    if ((kind != MST_SEAL_AES && kind != MST_SEAL_CHACHA) ||
        (kind == MST_SEAL_AES && !mst_seal_has_aes()) ||
        cipher_of(kind) == NULL)
        return NULL;
    /* sodium_malloc aligns a size that is a multiple of what is asked for */
    seal = sodium_malloc((sizeof(mst_seal) + 15) / 16 * 16);
    if (seal == NULL)
        return NULL;
    seal->ctx = EVP_CIPHER_CTX_new();
    if (seal->ctx == NULL) {
        sodium_free(seal);
        return NULL;
    }
    seal->kind = kind;
    seal->direction = -1;
    if (key != NULL)
        memcpy(seal->key, key, sizeof(seal->key));
    else
        randombytes_buf(seal->key, sizeof(seal->key));
    write_about(seal, about);
    return seal;
}

void mst_seal_destroy(mst_seal **seal)
{
    EVP_CIPHER_CTX_free((*seal)->ctx);
    sodium_free(*seal);
    *seal = NULL;
}

const uint8_t *mst_seal_key(const mst_seal *seal)
{
    return seal->key;
}

/* Nonce and associated data of one chunk. The key is expanded once. */
static bool begin(mst_seal *seal, int direction, uint32_t index)
{
    const bool again = seal->direction == direction;
    uint8_t nonce[NONCE_BYTES] = {0};
    mst_writer w = mst_writer_of(seal->about + AD_INDEX, 4);
    int len;

    mst_write_u32(&w, index);
    w = mst_writer_of(nonce + NONCE_BYTES - 4, 4);
    mst_write_u32(&w, index);
    seal->direction = -1;
    if (EVP_CipherInit_ex2(seal->ctx, again ? NULL : cipher_of(seal->kind),
                           again ? NULL : seal->key, nonce, direction,
                           NULL) != 1 ||
        EVP_CipherUpdate(seal->ctx, NULL, &len, seal->about, AD_BYTES) != 1)
        return false;
    seal->direction = direction;
    return true;
}

static bool update(mst_seal *seal, const void *from, size_t len, void *to)
{
    int done = 0;

    return len <= INT_MAX &&
           EVP_CipherUpdate(seal->ctx, to, &done, from, (int)len) == 1 &&
           (size_t)done == len;
}

bool mst_seal_close(mst_seal *seal, uint32_t index, const void *plain,
                    size_t len, void *sealed, uint8_t tag[MST_SEAL_TAG])
{
    uint8_t none[16]; /* both are stream ciphers: nothing is left to write */
    int done;

    return begin(seal, 1, index) && update(seal, plain, len, sealed) &&
           EVP_CipherFinal_ex(seal->ctx, none, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_GET_TAG, MST_SEAL_TAG,
                               tag) == 1;
}

bool mst_seal_open(mst_seal *seal, uint32_t index, const void *sealed,
                   size_t len, const uint8_t tag[MST_SEAL_TAG], void *plain)
{
    uint8_t copy[MST_SEAL_TAG], none[16];
    int done;

    memcpy(copy, tag, sizeof(copy)); /* it asks for one that is not const */
    if (begin(seal, 0, index) &&
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_SET_TAG, MST_SEAL_TAG,
                            copy) == 1 &&
        update(seal, sealed, len, plain) &&
        EVP_CipherFinal_ex(seal->ctx, none, &done) == 1)
        return true;
    sodium_memzero(plain, len); /* what was written before the tag was seen */
    return false;
}
