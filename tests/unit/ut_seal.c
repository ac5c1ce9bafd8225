/* ut_seal.c - what opens, and what does not. Nonce and associated data are
 * built here by hand and given to libsodium directly. */
#include "unit.h"

#include <sodium.h>

#include "bulk/seal.h"

#define LEN 1000u

static uint8_t session[MST_SESSION_BYTES];
static uint8_t key[MST_BULK_KEY_BYTES];
static uint8_t plain[LEN];

static const mst_seal_about about = {session, 0x0102030405060708u, 9, 5000};

static const mst_cipher *by; /* who computes it in this test */

static mst_seal *seal_of(mst_seal_kind kind, const mst_seal_about *where)
{
    mst_seal *seal = mst_seal_create_by(by, kind, where, key);

    assert_non_null(seal);
    return seal;
}

static bool here(mst_seal_kind kind)
{
    return kind == MST_SEAL_CHACHA || mst_seal_has_aes();
}

/* What libsodium makes of it: both ciphers are standards. */
static void by_libsodium(mst_seal_kind kind, uint8_t *sealed, uint8_t *tag)
{
    const uint8_t rest[] = {1,
                            2,
                            3,
                            4,
                            5,
                            6,
                            7,
                            8, /* transfer */
                            0,
                            0,
                            0,
                            9, /* sender */
                            0,
                            0,
                            1,
                            2, /* index */
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0x13,
                            0x88, /* total */
                            (uint8_t)kind};
    static const uint8_t nonce[12] = {[10] = 1, [11] = 2};
    uint8_t ad[MST_SESSION_BYTES + sizeof(rest)];

    memcpy(ad, session, sizeof(session));
    memcpy(ad + sizeof(session), rest, sizeof(rest));
    if (kind == MST_SEAL_AES)
        crypto_aead_aes256gcm_encrypt_detached(
            sealed, tag, NULL, plain, LEN, ad, sizeof(ad), NULL, nonce, key);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(
            sealed, tag, NULL, plain, LEN, ad, sizeof(ad), NULL, nonce, key);
}

static void it_is_sealed_as_written(void **state)
{
    (void)state;
    for (int k = MST_SEAL_AES; k <= MST_SEAL_CHACHA; k++) {
        uint8_t sealed[LEN], tag[MST_SEAL_TAG];
        uint8_t want[LEN], want_tag[MST_SEAL_TAG];
        mst_seal *seal;

        if (!here((mst_seal_kind)k))
            continue;
        seal = seal_of((mst_seal_kind)k, &about);
        by_libsodium((mst_seal_kind)k, want, want_tag);
        assert_true(mst_seal_close(seal, 0x102, plain, LEN, sealed, tag));
        assert_memory_equal(sealed, want, LEN);
        assert_memory_equal(tag, want_tag, sizeof(tag));
        /* the other way with the same seal, and back */
        assert_true(mst_seal_open(seal, 0x102, want, LEN, want_tag, sealed));
        assert_memory_equal(sealed, plain, LEN);
        assert_true(mst_seal_close(seal, 0x102, plain, LEN, sealed, tag));
        assert_memory_equal(sealed, want, LEN);
        mst_seal_destroy(&seal);
        assert_null(seal);
    }
}

static void what_does_not_open_leaves_zeros(void **state)
{
    static const uint8_t zeros[LEN];
    uint8_t sealed[LEN], tag[MST_SEAL_TAG], out[LEN];
    mst_seal *seal = seal_of(MST_SEAL_CHACHA, &about);

    (void)state;
    assert_true(mst_seal_close(seal, 1, plain, LEN, sealed, tag));
    tag[0] ^= 1;
    assert_false(mst_seal_open(seal, 1, sealed, LEN, tag, out));
    assert_memory_equal(out, zeros, LEN);
    mst_seal_destroy(&seal);
}

static void it_opens_in_place_and_only_there(mst_seal_kind kind)
{
    uint8_t other_session[MST_SESSION_BYTES] = {1};
    const mst_seal_about wrong[] = {{other_session, about.transfer, 9, 5000},
                                    {session, about.transfer + 1, 9, 5000},
                                    {session, about.transfer, 8, 5000},
                                    {session, about.transfer, 9, 5001}};
    uint8_t sealed[LEN], tag[MST_SEAL_TAG], out[LEN];
    mst_seal *seal = seal_of(kind, &about);

    assert_true(mst_seal_close(seal, 7, plain, LEN, sealed, tag));
    assert_false(mst_seal_open(seal, 8, sealed, LEN, tag, out));
    assert_false(mst_seal_open(seal, 7, sealed, LEN - 1, tag, out));
    for (size_t i = 0; i < LEN; i += 111) {
        sealed[i] ^= 4;
        assert_false(mst_seal_open(seal, 7, sealed, LEN, tag, out));
        sealed[i] ^= 4;
    }
    tag[3] ^= 1;
    assert_false(mst_seal_open(seal, 7, sealed, LEN, tag, out));
    tag[3] ^= 1;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        mst_seal *elsewhere = seal_of(kind, &wrong[i]);

        assert_false(mst_seal_open(elsewhere, 7, sealed, LEN, tag, out));
        mst_seal_destroy(&elsewhere);
    }
    assert_true(mst_seal_open(seal, 7, sealed, LEN, tag, sealed));
    assert_memory_equal(sealed, plain, LEN);
    mst_seal_destroy(&seal);
}

static void chunks_open_where_they_belong(void **state)
{
    (void)state;
    it_opens_in_place_and_only_there(MST_SEAL_CHACHA);
    if (here(MST_SEAL_AES))
        it_opens_in_place_and_only_there(MST_SEAL_AES);
}

static void each_seal_has_a_key_of_its_own(void **state)
{
    mst_seal *a = mst_seal_create(MST_SEAL_CHACHA, &about, NULL);
    mst_seal *b = mst_seal_create(MST_SEAL_CHACHA, &about, NULL);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_memory_not_equal(mst_seal_key(a), mst_seal_key(b),
                            MST_BULK_KEY_BYTES);
    mst_seal_destroy(&a);
    mst_seal_destroy(&b);
}

static void what_is_no_cipher_makes_no_seal(void **state)
{
    (void)state;
    assert_null(mst_seal_create(MST_SEAL_NONE, &about, NULL));
    assert_null(mst_seal_create(MST_SEAL_KINDS, &about, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_sealed_as_written),
        cmocka_unit_test(what_does_not_open_leaves_zeros),
        cmocka_unit_test(chunks_open_where_they_belong),
        cmocka_unit_test(each_seal_has_a_key_of_its_own),
        cmocka_unit_test(what_is_no_cipher_makes_no_seal),
    };
    int failed;

    if (sodium_init() < 0)
        return 1;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 3);
    for (size_t i = 0; i < sizeof(session); i++)
        session[i] = (uint8_t)(0xf0 + i);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7);
    by = &mst_cipher_sodium;
    failed = cmocka_run_group_tests_name("libsodium", tests, NULL, NULL);
    by = mst_cipher_crypto();
    if (by == NULL) { /* ./dev installs it */
        printf("no libcrypto 3\n");
        return 1;
    }
    return failed + cmocka_run_group_tests_name("libcrypto", tests, NULL, NULL);
}
