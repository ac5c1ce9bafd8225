#include "bulk/proof.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

#define NAMED (MST_PROOF_ANSWER - MST_PROOF_MAC) /* bytes in front of it */

_Static_assert(MST_BULK_KEY_BYTES == crypto_generichash_KEYBYTES, "key");
_Static_assert(MST_PROOF_MAC == crypto_generichash_BYTES, "digest");
_Static_assert(MST_PROOF_MAC == crypto_verify_32_BYTES, "comparison");

static const char magic[8] = {'m', 's', 't', 'r', 'b', 'u', 'l', 'k'};

static void digest(uint8_t mac[MST_PROOF_MAC], const char *who,
                   const uint8_t challenge[MST_PROOF_CHALLENGE],
                   const uint8_t answer[MST_PROOF_ANSWER],
                   const uint8_t key[MST_BULK_KEY_BYTES])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, key, MST_BULK_KEY_BYTES, MST_PROOF_MAC);
    crypto_generichash_update(&state, (const uint8_t *)who, strlen(who));
    crypto_generichash_update(&state, challenge, MST_PROOF_CHALLENGE);
    crypto_generichash_update(&state, answer, NAMED);
    crypto_generichash_final(&state, mac, MST_PROOF_MAC);
    sodium_memzero(&state, sizeof(state));
}

void mst_proof_answer(uint8_t answer[MST_PROOF_ANSWER],
                      const uint8_t challenge[MST_PROOF_CHALLENGE],
                      mst_proof_name name, const uint8_t nonce[MST_PROOF_NONCE],
                      const uint8_t key[MST_BULK_KEY_BYTES])
{
    mst_writer w = mst_writer_of(answer, MST_PROOF_ANSWER);

    mst_write_bytes(&w, magic, sizeof(magic));
    mst_write_u32(&w, name.rank);
    mst_write_u32(&w, name.incarnation);
    mst_write_u64(&w, name.transfer);
    mst_write_bytes(&w, nonce, MST_PROOF_NONCE);
    digest(answer + NAMED, "worker", challenge, answer, key);
}

bool mst_proof_name_of(const uint8_t answer[MST_PROOF_ANSWER],
                       mst_proof_name *name)
{
    mst_reader r = mst_reader_of(answer, MST_PROOF_ANSWER);
    const void *first = mst_read_bytes(&r, sizeof(magic));

    name->rank = mst_read_u32(&r);
    name->incarnation = mst_read_u32(&r);
    name->transfer = mst_read_u64(&r);
    return first != NULL && memcmp(first, magic, sizeof(magic)) == 0;
}

bool mst_proof_check(const uint8_t answer[MST_PROOF_ANSWER],
                     const uint8_t challenge[MST_PROOF_CHALLENGE],
                     const uint8_t key[MST_BULK_KEY_BYTES])
{
    uint8_t mac[MST_PROOF_MAC];

    digest(mac, "worker", challenge, answer, key);
    return crypto_verify_32(mac, answer + NAMED) == 0;
}

void mst_proof_word(uint8_t word[MST_PROOF_MAC],
                    const uint8_t answer[MST_PROOF_ANSWER],
                    const uint8_t challenge[MST_PROOF_CHALLENGE],
                    const uint8_t key[MST_BULK_KEY_BYTES])
{
    digest(word, "manager", challenge, answer, key);
}

bool mst_proof_is_word(const uint8_t word[MST_PROOF_MAC],
                       const uint8_t answer[MST_PROOF_ANSWER],
                       const uint8_t challenge[MST_PROOF_CHALLENGE],
                       const uint8_t key[MST_BULK_KEY_BYTES])
{
    uint8_t mac[MST_PROOF_MAC];

    digest(mac, "manager", challenge, answer, key);
    return crypto_verify_32(mac, word) == 0;
}
