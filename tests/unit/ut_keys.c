/* ut_keys.c - keys. The expected values were computed apart from libsodium:
 * BLAKE2b with key, salt and person (RFC 7693, and libsodium's crypto_kdf) and
 * X25519 as RFC 7748 writes it down. */
#include "unit.h"

#include <sodium.h>

#include "link/keys.h"

typedef struct golden {
    uint32_t rank, incarnation;
    const char *secret, *public, *bulk;
} golden;

static const golden vectors[] = {
    {1, 1, "f67e08f4ab8610d2525c6c9340f177210a21a7d615e4471f1a3235aabeb1db15",
     "ba2801ba9c4b19a6a8856427e676085dbb228e8958cfc56411fbdbdac08fff68",
     "9913e111ddf7d745789904b3290fe8d159a4923f5c933853d2486b10f5309e01"},
    {3, 1, "e7cb27da78ada06d66d2d0f030f9051577107e400c756fb00932c02ebb0dec6a",
     "cda0ecab0e302d5ff37941f4babf93750604bab64a47aa1322ff48c6a69ffb3d",
     "0fcbe3d395008c41576acfe02ad33a04122d4d5500a544bce01e0b00dfe157a6"},
    {1, 2, "1895c7c1d6f3d00552b762e11a619802867917174db41a20dfdf4543e5f7494f",
     "4514b555de3dbbe82698e4f06cd30db1e79b1035f2408f0886abeeeb4daf0706",
     "bc20bb9b45539dd0fe3371ffa5aa07a7e1b0648033bd6ba3041f43f1e7cd2fc6"},
    {65535, 7,
     "348cdd55fddddf66e233d7b14570f7062ff986eee900787dd3e246e770329ffe",
     "58718cbe7df0519589150b5592651b643b946e6cf931f17553083a28dfc2a70b",
     "0e039d8912da48d0065d47be7bdd0504eb4d33fa873cfb9146f1c11f1bb2001c"},
};

static void a_worker_key_is_derived_as_written(void **state)
{
    uint8_t secret[MST_KEY_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char hex[2 * MST_KEY_BYTES + 1];
        mst_pair pair;

        mst_derive(secret, vectors[i].rank, vectors[i].incarnation, &pair);
        sodium_bin2hex(hex, sizeof(hex), pair.secret_key, MST_KEY_BYTES);
        assert_string_equal(hex, vectors[i].secret);
        sodium_bin2hex(hex, sizeof(hex), pair.public_key, MST_KEY_BYTES);
        assert_string_equal(hex, vectors[i].public);
        mst_derive_bulk(secret, vectors[i].rank, vectors[i].incarnation,
                        pair.secret_key);
        sodium_bin2hex(hex, sizeof(hex), pair.secret_key, MST_KEY_BYTES);
        assert_string_equal(hex, vectors[i].bulk);
    }
}

static void sessions_share_nothing(void **state)
{
    mst_root *a = NULL, *b = NULL;
    mst_pair pair_a, pair_b;
    muster_error err;

    (void)state;
    assert_int_equal(mst_root_create(&a, &err), MUSTER_OK);
    assert_int_equal(mst_root_create(&b, &err), MUSTER_OK);
    assert_memory_not_equal(mst_root_manager(a)->public_key,
                            mst_root_manager(b)->public_key, MST_KEY_BYTES);
    mst_root_worker(a, 1, 1, &pair_a);
    mst_root_worker(b, 1, 1, &pair_b);
    assert_memory_not_equal(pair_a.secret_key, pair_b.secret_key,
                            MST_KEY_BYTES);
    assert_memory_not_equal(pair_a.secret_key, mst_root_manager(a)->secret_key,
                            MST_KEY_BYTES);
    mst_root_destroy(&a);
    mst_root_destroy(&b);
    assert_null(a);
    mst_root_destroy(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_key_is_derived_as_written),
        cmocka_unit_test(sessions_share_nothing),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
