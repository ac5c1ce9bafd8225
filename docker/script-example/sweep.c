/* sweep.c - one computation for many values of a parameter.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o sweep.so sweep.c -lm
 *     muster run -n 4 sweep.so 1000 >lyapunov.txt
 *
 * The logistic map x' = r x (1 - x) settles for some r and is chaotic for
 * others. Its Lyapunov exponent tells which: how fast two close points come
 * together (below 0) or part (above 0). It is the mean of log|r (1 - 2x)| along
 * a long orbit.
 *
 * muster_map does it for so many r between 2.5 and 4: each worker gets another
 * value as soon as it has room, the results come back in the order of r, and
 * meanwhile a bar on standard error shows how far it is.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum { SKIP = 1000, STEPS = 200000, MAX_VALUES = 1000000, BAD_USAGE = 2 };

static const double first_r = 2.5, last_r = 4.0;

/* Workers: in is r, out its exponent. */
static int lyapunov(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    double r, x = 0.3, sum = 0.0;

    if (len != sizeof(r))
        return muster_fail(ctx, EPROTO, "want a double, got %zu bytes", len);
    memcpy(&r, in, len);
    for (int i = 0; i < SKIP; i++)
        x = r * x * (1.0 - x);
    for (int i = 0; i < STEPS; i++) {
        x = r * x * (1.0 - x);
        /* 0 would be an orbit that has met the maximum of the map */
        sum += log(fmax(fabs(r * (1.0 - 2.0 * x)), 1e-300));
    }
    sum /= STEPS;
    return muster_out_write(out, &sum, sizeof(sum));
}
MUSTER_HANDLER(lyapunov);

/* The manager. */
static int sweep(muster *m, const double *r, size_t n, muster_results **results)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item *items = calloc(n, sizeof(*items));
    muster_error err;
    muster_err rc;

    if (items == NULL) {
        fprintf(stderr, "sweep: %s\n", strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (muster_item){&r[i], sizeof(r[i])};
    o.items = items;
    o.nitems = n;
    o.batch = 0; /* as many values a call as pay */
    o.progress = muster_progress;
    o.timeout_ms = MUSTER_FOREVER;
    rc = muster_map(m, "lyapunov", &o, results, &err);
    free(items);
    if (rc == MUSTER_OK)
        return 0;
    fprintf(stderr, "sweep: %s\n", err.text);
    return EXIT_FAILURE;
}

static int print_table(const double *r, const muster_results *results)
{
    size_t chaotic = 0;

    for (size_t i = 0; i < results->n; i++) {
        const double exponent = *(const double *)results->items[i].data;

        printf("%.6f %+.6f\n", r[i], exponent);
        chaotic += exponent > 0.0;
    }
    printf("chaotic: %zu of %zu\n", chaotic, results->n);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "sweep: cannot write: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

int muster_main(muster *m, int argc, char **argv)
{
    char *end = "";
    const long n = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    muster_results *results = NULL;
    double *r;
    int rc;

    if (n < 2 || n > MAX_VALUES || *end != '\0') {
        fputs("Usage: muster run -n N sweep.so VALUES\n"
              "The Lyapunov exponent of the logistic map for so many values "
              "of r,\n2 to 1000000, from 2.5 to 4.\n",
              stderr);
        return BAD_USAGE;
    }
    r = calloc((size_t)n, sizeof(*r));
    if (r == NULL) {
        fprintf(stderr, "sweep: %s\n", strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    for (long i = 0; i < n; i++)
        r[i] = first_r + (last_r - first_r) * (double)i / (double)(n - 1);
    rc = sweep(m, r, (size_t)n, &results);
    if (rc == 0)
        rc = print_table(r, results);
    muster_results_destroy(&results);
    free(r);
    return rc;
}
