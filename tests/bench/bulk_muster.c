#include "bulk_muster.h"

#include "bulk.h"
#include "ours.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1 << 20)
#define SEAL_MORE crypto_aead_chacha20poly1305_ietf_ABYTES /* of AES, too */

typedef struct bulk {
    muster *m;
    unsigned char *body;
    uint64_t sum; /* of the size that was sent last */
    size_t summed;
} bulk;

static int64_t broadcast_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    muster_results *results = NULL;
    muster_error err = {0};
    uint64_t sum = 0;
    int64_t start, took;

    if (b->summed != size)
        b->sum = bench_read(b->body, size);
    b->summed = size;
    start = bench_now_ns();
    ours_must(muster_broadcast(b->m, NULL, "read_all", b->body, size,
                               MUSTER_DEFAULT_MS, &results, &err),
              &err, "broadcast");
    took = bench_now_ns() - start;
    for (size_t i = 0; i < results->n; i++) {
        memcpy(&sum, results->items[i].data, sizeof(sum));
        if (sum != b->sum)
            bench_die("a worker has not read what was sent");
    }
    muster_results_destroy(&results);
    return took;
}

static int64_t gather_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    const uint64_t bytes = size;
    muster_results *results = NULL;
    muster_error err = {0};
    const int64_t start = bench_now_ns();
    int64_t took;

    ours_must(muster_broadcast(b->m, NULL, "fill", &bytes, sizeof(bytes),
                               MUSTER_DEFAULT_MS, &results, &err),
              &err, "gather");
    for (size_t i = 0; i < results->n; i++)
        bench_want_filled(results->items[i].data, results->items[i].len);
    took = bench_now_ns() - start;
    muster_results_destroy(&results);
    return took;
}

static int64_t call_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    muster_reply *reply = NULL;
    muster_error err = {0};
    const int64_t start = bench_now_ns();
    int64_t took;

    ours_must(muster_call(b->m, MUSTER_ANY, "echo", b->body, size,
                          MUSTER_DEFAULT_MS, &reply, &err),
              &err, "call");
    took = bench_now_ns() - start;
    if (reply->len != size || memcmp(reply->data, b->body, size) != 0)
        bench_die("the answer is not the request");
    muster_reply_destroy(&reply);
    return took;
}

void bulk_broadcast(uint32_t nworkers, size_t max)
{
    bulk b = {.m = ours_up(nworkers), .body = bench_payload(max)};

    bench_each_size(max, broadcast_once, &b);
    muster_close(&b.m);
    free(b.body);
}

void bulk_gather(uint32_t nworkers, size_t max)
{
    bulk b = {.m = ours_up(nworkers)};

    bench_each_size(max, gather_once, &b);
    muster_close(&b.m);
}

void bulk_calls(size_t count)
{
    bulk b = {.m = ours_up(1), .body = bench_payload(BENCH_CALL_BYTES)};

    bench_long_calls(count, call_once, &b);
    muster_close(&b.m);
    free(b.body);
}

/* One chunk, sealed or opened; false: a chunk was not whole. */
static bool cipher(bool seal, unsigned char *to, const unsigned char *from,
                   uint64_t index)
{
    static const unsigned char key[32];
    unsigned char nonce[12] = {0};
    unsigned long long len;

    memcpy(nonce, &index, sizeof(index));
    if (crypto_aead_aes256gcm_is_available())
        return seal ? crypto_aead_aes256gcm_encrypt(to, &len, from, CHUNK, NULL,
                                                    0, NULL, nonce, key) == 0
                    : crypto_aead_aes256gcm_decrypt(to, &len, NULL, from,
                                                    CHUNK + SEAL_MORE, NULL, 0,
                                                    nonce, key) == 0;
    return seal ? crypto_aead_chacha20poly1305_ietf_encrypt(
                      to, &len, from, CHUNK, NULL, 0, NULL, nonce, key) == 0
                : crypto_aead_chacha20poly1305_ietf_decrypt(
                      to, &len, NULL, from, CHUNK + SEAL_MORE, NULL, 0, nonce,
                      key) == 0;
}

void bulk_cipher(size_t size)
{
    const size_t chunks = (size + CHUNK - 1) / CHUNK;
    unsigned char *body = bench_payload(chunks * CHUNK);
    unsigned char *sealed = bench_alloc(chunks, CHUNK + SEAL_MORE);
    unsigned char *opened = bench_alloc(1, CHUNK);
    int64_t start;
    bool good = sodium_init() >= 0;

    memset(sealed, 1, chunks * (CHUNK + SEAL_MORE)); /* pages are there */
    start = bench_now_ns();
    for (size_t i = 0; i < chunks; i++)
        good = cipher(true, sealed + i * (CHUNK + SEAL_MORE), body + i * CHUNK,
                      i) &&
               good;
    for (size_t i = 0; i < 4 * chunks; i++)
        good = cipher(false, opened, sealed + i % chunks * (CHUNK + SEAL_MORE),
                      i % chunks) &&
               good;
    bench_tell("ms", (double)(bench_now_ns() - start) / 1e6);
    if (!good)
        bench_die("the cipher does not work");
    free(opened);
    free(sealed);
    free(body);
}
