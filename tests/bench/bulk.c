#include "bulk.h"

#include "sample.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define RUNS 30                    /* of a size, at most */
#define MOST 200                   /* of anything        */
#define SIZE_NS INT64_C(150000000) /* for a size          */
#define SLOW_US 1.5e6              /* once is enough      */

unsigned char *bench_payload(size_t size)
{
    unsigned char *body = bench_alloc(size, 1);

    for (size_t i = 0; i < size; i++)
        body[i] = (unsigned char)(i * 31 + (i >> 8));
    return body;
}

uint64_t bench_read(const void *data, size_t size)
{
    const unsigned char *at = (const unsigned char *)data;
    uint64_t sum = 0, word;

    for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum += word;
    }
    return sum;
}

void bench_want_filled(const void *data, size_t size)
{
    const uint64_t word = UINT64_C(0x0101010101010101) * BENCH_FILL;

    if (bench_read(data, size) != (uint64_t)(size / 8) * word)
        bench_die("an answer of %zu bytes is not what was asked for", size);
}

/* The first time is to warm up; then some more, unless one takes very long. */
static double median_us(size_t size, size_t runs, int64_t limit_ns,
                        bench_once_fn once, void *arg)
{
    const int64_t until = bench_now_ns() + limit_ns;
    double us[MOST];
    size_t n = 0;

    for (size_t i = 0; i <= runs && n < MOST; i++) {
        const double took = (double)once(arg, size) / 1e3;
        const bool slow = took > SLOW_US;

        if (i > 0 || slow)
            us[n++] = took;
        if (slow || (n >= 2 && bench_now_ns() >= until))
            break;
    }
    return bench_quantile(us, n, 0.5);
}

void bench_each_size(size_t max, bench_once_fn once, void *arg)
{
    char name[32];

    for (size_t size = 64; size <= max; size *= 4) {
        snprintf(name, sizeof(name), "s%zu_us", size);
        bench_tell(name, median_us(size, RUNS, SIZE_NS, once, arg));
    }
}

void bench_long_calls(size_t count, bench_once_fn once, void *arg)
{
    bench_tell("p50_us",
               median_us(BENCH_CALL_BYTES, count, 10 * SIZE_NS, once, arg));
}
