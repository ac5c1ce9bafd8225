/* bench_sum.h - reading every byte, on both ends of `muster bench`. */
#ifndef MST_BENCH_SUM_H
#define MST_BENCH_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What an answer of bench_fill is full of. */
#define MST_BENCH_FILL 0x5a

/* The sum of all words of 8 bytes, and of the bytes that are left. */
static inline uint64_t mst_bench_sum(const void *data, size_t len)
{
    const unsigned char *at = (const unsigned char *)data;
    uint64_t sum = 0, word;

    for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum += word;
    }
    for (; len > 0; len--)
        sum += *at++;
    return sum;
}

#endif
