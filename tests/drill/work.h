/* work.h - what the drill asks of its workers, and how it counts. */
#ifndef WORK_H
#define WORK_H

#include <stdatomic.h>
#include <stdint.h>

/* One job; payload follows it. Its answer is known beforehand. */
typedef struct job {
    uint64_t id;
    uint32_t rank; /* through: where to; say: how many lines */
    uint32_t us;   /* how long it works                      */
} job;

typedef struct answer {
    uint64_t id;
    uint64_t sum; /* job_sum of the job and its payload */
    uint32_t rank, index;
} answer;

/* One for each id, in memory that the workers of one machine share: how often
 * the job ran, and the first two who ran it. */
#define JOBS ((uint64_t)1 << 25)
typedef _Atomic uint64_t job_cell;

/* count u8, then for the first and the second: rank u8, incarnation u16 */
static inline uint64_t cell_count(uint64_t cell)
{
    return cell & 0xff;
}

static inline uint32_t cell_rank(uint64_t cell, int nth)
{
    return (uint32_t)(cell >> (8 + 24 * nth) & 0xff);
}

static inline uint32_t cell_incarnation(uint64_t cell, int nth)
{
    return (uint32_t)(cell >> (16 + 24 * nth) & 0xffff);
}

static inline uint64_t cell_more(uint64_t cell, uint32_t rank,
                                 uint32_t incarnation)
{
    const uint64_t who = (rank & 0xff) | (uint64_t)(incarnation & 0xffff) << 8;
    const uint64_t n = cell_count(cell);

    return (n < 2 ? cell | who << (8 + 24 * n) : cell) + (n < 255);
}

static inline uint64_t job_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Every byte of the payload and its place count. */
static inline uint64_t job_sum(uint64_t id, const unsigned char *bytes,
                               size_t len)
{
    uint64_t sum = job_mix(id);

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

#endif
