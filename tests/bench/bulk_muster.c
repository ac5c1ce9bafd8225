#include "bulk_muster.h"

#include "bulk.h"
#include "ours.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk/seal.h"

#define CHUNK ((size_t)256 << 10)

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

/* As a broadcast to 4 does it: each chunk is sealed once and opened 4 times. */
void bulk_cipher(size_t size)
{
    static const uint8_t session[MST_SESSION_BYTES] = {0};
    const mst_seal_about about = {session, 1, 0, size};
    const size_t chunks = (size + CHUNK - 1) / CHUNK;
    unsigned char *body = bench_payload(chunks * CHUNK);
    unsigned char *sealed = bench_alloc(chunks, CHUNK);
    unsigned char *opened = bench_alloc(1, CHUNK);
    uint8_t(*tags)[MST_SEAL_TAG] = bench_alloc(chunks, MST_SEAL_TAG);
    bool good = sodium_init() >= 0;
    mst_seal *seal = mst_seal_create(
        mst_seal_has_aes() ? MST_SEAL_AES : MST_SEAL_CHACHA, &about, NULL);
    int64_t start;

    if (seal == NULL)
        bench_die("no cipher");
    memset(sealed, 1, chunks * CHUNK); /* pages are there */
    start = bench_now_ns();
    for (size_t i = 0; i < chunks; i++)
        good = mst_seal_close(seal, (uint32_t)i, body + i * CHUNK, CHUNK,
                              sealed + i * CHUNK, tags[i]) &&
               good;
    for (size_t i = 0; i < 4 * chunks; i++) {
        const size_t k = i % chunks;

        good = mst_seal_open(seal, (uint32_t)k, sealed + k * CHUNK, CHUNK,
                             tags[k], opened) &&
               good;
    }
    bench_tell("ms", (double)(bench_now_ns() - start) / 1e6);
    if (!good)
        bench_die("the cipher does not work");
    mst_seal_destroy(&seal);
    free(tags);
    free(opened);
    free(sealed);
    free(body);
}
