/* ut_proof.c - how both ends of a bulk stream show their key. The expected
 * digests were computed apart from libsodium (BLAKE2b, RFC 7693). */
#include "unit.h"

#include <sodium.h>
#include <string.h>

#include "bulk/proof.h"

static uint8_t key[MST_BULK_KEY_BYTES], challenge[MST_PROOF_CHALLENGE];
static uint8_t nonce[MST_PROOF_NONCE];
static const mst_proof_name name = {3, 2, 0x0102030405060708};

static void count_up(uint8_t *bytes, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(from + i);
}

static void it_is_said_as_written(void **state)
{
    uint8_t answer[MST_PROOF_ANSWER], word[MST_PROOF_MAC];
    char hex[2 * MST_PROOF_ANSWER + 1];

    (void)state;
    mst_proof_answer(answer, challenge, name, nonce, key);
    sodium_bin2hex(hex, sizeof(hex), answer, sizeof(answer));
    assert_string_equal(
        hex,
        "6d737472"
        "62756c6b"
        "00000003"
        "00000002"
        "0102030405060708"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "fe7192cb2ddc1ecebed252e017710c436e9c7ddab8643362f7b4fc9f57ac66d6");
    mst_proof_word(word, answer, challenge, key);
    sodium_bin2hex(hex, sizeof(hex), word, sizeof(word));
    assert_string_equal(
        hex,
        "db6663801ef77747aa345dcef9e161203f77a0103f035a53f40c503b87f3188e");
}

static void who_has_the_key_is_believed(void **state)
{
    uint8_t answer[MST_PROOF_ANSWER], word[MST_PROOF_MAC];
    mst_proof_name who = {0, 0, 0};

    (void)state;
    mst_proof_answer(answer, challenge, name, nonce, key);
    assert_true(mst_proof_name_of(answer, &who));
    assert_int_equal(who.rank, 3);
    assert_int_equal(who.incarnation, 2);
    assert_int_equal(who.transfer, name.transfer);
    assert_true(mst_proof_check(answer, challenge, key));
    mst_proof_word(word, answer, challenge, key);
    assert_true(mst_proof_is_word(word, answer, challenge, key));
    /* what one side says is not what the other would */
    assert_false(mst_proof_is_word(answer + MST_PROOF_ANSWER - MST_PROOF_MAC,
                                   answer, challenge, key));
}

/* No bit of the answer, the challenge, the key or the word is another. */
static void nobody_else_is(void **state)
{
    uint8_t answer[MST_PROOF_ANSWER], word[MST_PROOF_MAC];
    mst_proof_name who;

    (void)state;
    mst_proof_answer(answer, challenge, name, nonce, key);
    mst_proof_word(word, answer, challenge, key);
    for (size_t i = 0; i < sizeof(answer) * 8; i++) {
        answer[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(mst_proof_check(answer, challenge, key));
        assert_int_equal(mst_proof_name_of(answer, &who), i >= 64);
        answer[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t i = 0; i < sizeof(challenge) * 8; i++) {
        uint8_t *byte[] = {&challenge[i / 8], &key[i / 8], &word[i / 8]};

        for (size_t k = 0; k < 3; k++) {
            *byte[k] ^= (uint8_t)(1u << i % 8);
            assert_int_equal(mst_proof_check(answer, challenge, key), k == 2);
            assert_false(mst_proof_is_word(word, answer, challenge, key));
            *byte[k] ^= (uint8_t)(1u << i % 8);
        }
    }
    assert_true(mst_proof_check(answer, challenge, key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_said_as_written),
        cmocka_unit_test(who_has_the_key_is_believed),
        cmocka_unit_test(nobody_else_is),
    };

    count_up(key, sizeof(key), 0x40);
    count_up(challenge, sizeof(challenge), 0);
    count_up(nonce, sizeof(nonce), 0xa0);
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
