#include "bulk/cipher.h"

#include <dlfcn.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/alloc.h"

#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR != 3
#error "needs the headers of OpenSSL 3"
#endif

/* ------------------------------------------------------------- library -- */

/* What is used of it, each under its own name. */
static struct {
    pthread_once_t once;
    EVP_CIPHER *aes, *chacha;
    __typeof__(&OSSL_LIB_CTX_new) OSSL_LIB_CTX_new;
    __typeof__(&EVP_CIPHER_fetch) EVP_CIPHER_fetch;
    __typeof__(&EVP_CIPHER_CTX_new) EVP_CIPHER_CTX_new;
    __typeof__(&EVP_CIPHER_CTX_free) EVP_CIPHER_CTX_free;
    __typeof__(&EVP_CIPHER_CTX_ctrl) EVP_CIPHER_CTX_ctrl;
    __typeof__(&EVP_CipherInit_ex2) EVP_CipherInit_ex2;
    __typeof__(&EVP_CipherUpdate) EVP_CipherUpdate;
    __typeof__(&EVP_CipherFinal_ex) EVP_CipherFinal_ex;
} lib = {.once = PTHREAD_ONCE_INIT};

/* POSIX lets what dlsym() gives be a function; ISO C has no cast for it. */
static bool find(void *library, const char *name, void *to)
{
    void *at = dlsym(library, name);

    memcpy(to, &at, sizeof(at));
    return at != NULL;
}

static bool find_all(void *library)
{
    return find(library, "OSSL_LIB_CTX_new", &lib.OSSL_LIB_CTX_new) &&
           find(library, "EVP_CIPHER_fetch", &lib.EVP_CIPHER_fetch) &&
           find(library, "EVP_CIPHER_CTX_new", &lib.EVP_CIPHER_CTX_new) &&
           find(library, "EVP_CIPHER_CTX_free", &lib.EVP_CIPHER_CTX_free) &&
           find(library, "EVP_CIPHER_CTX_ctrl", &lib.EVP_CIPHER_CTX_ctrl) &&
           find(library, "EVP_CipherInit_ex2", &lib.EVP_CipherInit_ex2) &&
           find(library, "EVP_CipherUpdate", &lib.EVP_CipherUpdate) &&
           find(library, "EVP_CipherFinal_ex", &lib.EVP_CipherFinal_ex);
}

/* In a context of our own: what the program, or the file openssl.cnf, sets up
 * for itself does not change what we speak. Never unloaded. */
static void load(void)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    OSSL_LIB_CTX *own;

    if (library == NULL)
        return;
    own = find_all(library) ? lib.OSSL_LIB_CTX_new() : NULL;
    if (own == NULL)
        return;
    lib.aes = lib.EVP_CIPHER_fetch(own, "AES-256-GCM", NULL);
    lib.chacha = lib.EVP_CIPHER_fetch(own, "ChaCha20-Poly1305", NULL);
}

/* -------------------------------------------------------------- chunks -- */

typedef struct state {
    EVP_CIPHER_CTX *ctx; /* has the expanded key, and wipes it */
    const EVP_CIPHER *cipher;
    int direction; /* what ctx is set up for: 1 closes, 0 opens, -1 nothing */
    const uint8_t *key;
} state;

static void destroy(void *arg)
{
    state *s = (state *)arg;

    lib.EVP_CIPHER_CTX_free(s->ctx);
    mst_free(s);
}

static void *create(bool aes, const uint8_t key[MST_CIPHER_KEY])
{
    state *s = mst_calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->ctx = lib.EVP_CIPHER_CTX_new();
    s->cipher = aes ? lib.aes : lib.chacha;
    s->direction = -1;
    s->key = key;
    if (s->ctx == NULL) {
        mst_free(s);
        return NULL;
    }
    return s;
}

/* The key is expanded once for a direction. */
static bool begin(state *s, int direction, const mst_cipher_with *with)
{
    const bool again = s->direction == direction;
    int len;

    s->direction = -1;
    if (lib.EVP_CipherInit_ex2(s->ctx, again ? NULL : s->cipher,
                               again ? NULL : s->key, with->nonce, direction,
                               NULL) != 1 ||
        lib.EVP_CipherUpdate(s->ctx, NULL, &len, with->about,
                             (int)with->about_len) != 1)
        return false;
    s->direction = direction;
    return true;
}

static bool update(state *s, const void *from, size_t len, void *to)
{
    int done = 0;

    return len <= INT_MAX &&
           lib.EVP_CipherUpdate(s->ctx, to, &done, from, (int)len) == 1 &&
           (size_t)done == len;
}

static bool close_chunk(void *arg, const mst_cipher_with *with,
                        const void *plain, size_t len, void *sealed,
                        uint8_t tag[MST_CIPHER_TAG])
{
    state *s = (state *)arg;
    uint8_t none[16]; /* stream ciphers: nothing is left to write */
    int done;

    return begin(s, 1, with) && update(s, plain, len, sealed) &&
           lib.EVP_CipherFinal_ex(s->ctx, none, &done) == 1 &&
           lib.EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG,
                                   MST_CIPHER_TAG, tag) == 1;
}

static bool open_chunk(void *arg, const mst_cipher_with *with,
                       const void *sealed, size_t len,
                       const uint8_t tag[MST_CIPHER_TAG], void *plain)
{
    state *s = (state *)arg;
    uint8_t copy[MST_CIPHER_TAG], none[16];
    int done;

    memcpy(copy, tag, sizeof(copy)); /* it asks for one that is not const */
    if (begin(s, 0, with) &&
        lib.EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, MST_CIPHER_TAG,
                                copy) == 1 &&
        update(s, sealed, len, plain) &&
        lib.EVP_CipherFinal_ex(s->ctx, none, &done) == 1)
        return true;
    sodium_memzero(plain, len); /* what was written before the tag was seen */
    return false;
}

const mst_cipher *mst_cipher_crypto(void)
{
    static const mst_cipher crypto = {create, destroy, close_chunk, open_chunk};

    pthread_once(&lib.once, load);
    return lib.aes != NULL && lib.chacha != NULL ? &crypto : NULL;
}
