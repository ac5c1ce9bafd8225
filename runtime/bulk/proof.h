/* proof.h - how the two ends of a bulk connection show that they have the key
 * of their link, which WELCOME brought. Pure.
 *
 * The manager sends a random challenge of 32 bytes. The worker answers:
 *
 *      0   8   "mstrbulk"
 *      8   4   rank, big-endian
 *     12   4   incarnation
 *     16   8   transfer that it is to get (relay.h); 0: all there are
 *     24  16   random
 *     40  32   BLAKE2b, keyed with the link's key, of "worker", the challenge
 *              and the 40 bytes above
 *
 * and the manager says 32 bytes: the same of "manager". Then frames begin in
 * both directions. Neither of the two can be used again: both sides' random
 * bytes are in it.
 */
#ifndef MST_PROOF_H
#define MST_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "link/wire.h"

#define MST_PROOF_CHALLENGE 32u
#define MST_PROOF_NONCE 16u
#define MST_PROOF_MAC 32u
#define MST_PROOF_ANSWER 72u

typedef struct mst_proof_name {
    uint32_t rank, incarnation;
    uint64_t transfer;
} mst_proof_name;

/* Worker. */
void mst_proof_answer(uint8_t answer[MST_PROOF_ANSWER],
                      const uint8_t challenge[MST_PROOF_CHALLENGE],
                      mst_proof_name name, const uint8_t nonce[MST_PROOF_NONCE],
                      const uint8_t key[MST_BULK_KEY_BYTES]);

/* Manager: who says to be there? False: it is no answer at all. */
bool mst_proof_name_of(const uint8_t answer[MST_PROOF_ANSWER],
                       mst_proof_name *name);
/* ...and is it? In constant time. */
bool mst_proof_check(const uint8_t answer[MST_PROOF_ANSWER],
                     const uint8_t challenge[MST_PROOF_CHALLENGE],
                     const uint8_t key[MST_BULK_KEY_BYTES]);

/* The manager's word, and whether it is. */
void mst_proof_word(uint8_t word[MST_PROOF_MAC],
                    const uint8_t answer[MST_PROOF_ANSWER],
                    const uint8_t challenge[MST_PROOF_CHALLENGE],
                    const uint8_t key[MST_BULK_KEY_BYTES]);
bool mst_proof_is_word(const uint8_t word[MST_PROOF_MAC],
                       const uint8_t answer[MST_PROOF_ANSWER],
                       const uint8_t challenge[MST_PROOF_CHALLENGE],
                       const uint8_t key[MST_BULK_KEY_BYTES]);

#endif
