/* pi.c - estimate pi with random numbers from many workers.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o pi.so pi.c -lm
 *     muster run -n 4 pi.so 1000000000
 *
 * Every worker throws its share of the samples at the unit square and counts
 * those that fall into the quarter circle. One broadcast does it all: it asks
 * all workers at once and comes back with all their answers.
 *
 * Each worker's random numbers depend on its rank alone, so the same number of
 * workers and of samples gives the same result again.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum { LOOK_EVERY = 1 << 20, BAD_USAGE = 2 };

static const double pi = 3.14159265358979323846;

/* xoshiro256** by Blackman and Vigna, its state filled by splitmix64, as they
 * advise: https://prng.di.unimi.it/ */
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t xoshiro256(uint64_t s[4])
{
    const uint64_t result = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* In [0, 1), all 53 bits of a double. */
static inline double uniform(uint64_t s[4])
{
    return (double)(xoshiro256(s) >> 11) * 0x1.0p-53;
}

/* Workers: in is the number of samples of all of us, out our hits. */
static int count_hits(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const uint32_t index = muster_ctx_index(ctx), n = muster_ctx_count(ctx);
    uint64_t seed = muster_ctx_rank(ctx), state[4], samples, share, hits = 0;

    if (len != sizeof(samples))
        return muster_fail(ctx, EPROTO, "want 8 bytes, got %zu", len);
    memcpy(&samples, in, len);
    share = samples / n + (index < samples % n);
    seed = splitmix64(&seed); /* so that two ranks' states have no overlap */
    for (int i = 0; i < 4; i++)
        state[i] = splitmix64(&seed);

    for (uint64_t i = 0; i < share; i++) {
        const double x = uniform(state), y = uniform(state);

        hits += x * x + y * y < 1.0;
        if (i % LOOK_EVERY == 0 && muster_ctx_canceled(ctx))
            return muster_fail(ctx, ECANCELED, "cancelled");
    }
    return muster_out_write(out, &hits, sizeof(hits));
}
MUSTER_HANDLER(count_hits);

/* The manager: a hit has probability pi / 4, so n samples are a binomial
 * experiment with a known standard error. */
static int print_estimate(uint64_t hits, uint64_t samples)
{
    const double p = (double)hits / (double)samples;
    const double error = 4.0 * sqrt(p * (1.0 - p) / (double)samples);

    printf("samples         %" PRIu64 "\n", samples);
    printf("pi              %.12f\n", 4.0 * p);
    printf("standard error  %.12f\n", error);
    printf("deviation       %+.12f\n", 4.0 * p - pi);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "pi: cannot write: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

int muster_main(muster *m, int argc, char **argv)
{
    const bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    uint64_t samples = 0, hits = 0;
    muster_results *results = NULL;
    muster_error err;
    char *end = NULL;

    errno = 0;
    if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9')
        samples = strtoull(argv[1], &end, 10);
    if (samples == 0 || *end != '\0' || errno != 0) {
        fputs("Usage: muster run -n N pi.so SAMPLES\n"
              "Estimate pi with so many random points, 1 or more.\n",
              help ? stdout : stderr);
        return help ? EXIT_SUCCESS : BAD_USAGE;
    }
    if (muster_broadcast(m, NULL, "count_hits", &samples, sizeof(samples),
                         MUSTER_FOREVER, &results, &err) != MUSTER_OK) {
        fprintf(stderr, "pi: %s\n", err.text);
        muster_results_destroy(&results); /* there are some when some failed */
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < results->n; i++)
        hits += *(const uint64_t *)results->items[i].data;
    muster_results_destroy(&results);
    return print_estimate(hits, samples);
}
