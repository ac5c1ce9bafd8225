/* matmul.c - multiply two matrices on many workers.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o matmul.so matmul.c
 *     muster run -n 4 matmul.so 2000
 *
 * Every row of the product A * B needs all of B, but only its own row of A. So
 * B is put on all workers, once, and a strip of rows of A goes to one of them:
 *
 *     manager: muster_main                      workers
 *
 *     B ------------- muster_put ---------> all of them
 *     strips of A --- muster_map ---------> multiply   reads B in place
 *     the same rows of A * B <-------------
 *     check, print
 *
 * The numbers are small and whole, so that nothing is rounded.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum { STRIPS_EACH = 4, MAX_N = 20000, BAD_USAGE = 2 };

/* Square, row after row. It travels as it is: both sides are this file. */
typedef struct matrix {
    uint64_t n;
    double at[];
} matrix;

static size_t matrix_bytes(uint64_t n)
{
    return sizeof(matrix) + n * n * sizeof(double);
}

/* --------------------------------------------------------------- workers -- */

/* in is some rows of A, out the same rows of the product. */
static int multiply(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    size_t bytes, rows;
    const double *a = in;
    const matrix *b = muster_get(ctx, "B", &bytes);
    double *product;

    if (b == NULL || bytes != matrix_bytes(b->n))
        return muster_fail(ctx, EPROTO, "there is no B here");
    rows = len / (b->n * sizeof(*a));
    if (len != rows * b->n * sizeof(*a))
        return muster_fail(ctx, EPROTO, "%zu bytes are no rows", len);
    product = muster_out_reserve(out, len);
    if (product == NULL)
        return muster_fail(ctx, ENOMEM, "no memory for %zu rows", rows);
    memset(product, 0, len);
    for (size_t i = 0; i < rows; i++) {
        if (muster_ctx_canceled(ctx))
            return muster_fail(ctx, ECANCELED, "cancelled");
        /* all three matrices are read along their rows */
        for (size_t k = 0; k < b->n; k++)
            for (size_t j = 0; j < b->n; j++)
                product[i * b->n + j] += a[i * b->n + k] * b->at[k * b->n + j];
    }
    return 0;
}
MUSTER_HANDLER(multiply);

/* --------------------------------------------------------------- manager -- */

typedef struct job {
    uint64_t n, rows; /* of the matrices, of a strip */
    matrix *a, *b, *product;
} job;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "matmul: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* Element i,j is (i * p + j * q) modulo 11, less 5. */
static matrix *make_matrix(uint64_t n, uint64_t p, uint64_t q)
{
    matrix *m = malloc(matrix_bytes(n));

    if (m == NULL)
        return NULL;
    m->n = n;
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < n; j++)
            m->at[i * n + j] = (double)((i * p + j * q) % 11) - 5.0;
    return m;
}

/* A muster_source_fn: the next strip, straight out of A. */
static int next_strip(void *arg, size_t index, muster_item *strip)
{
    const job *j = arg;
    const uint64_t first = index * j->rows, left = j->n - first;
    const uint64_t rows = left < j->rows ? left : j->rows;

    if (first >= j->n)
        return 0;
    strip->data = &j->a->at[first * j->n];
    strip->len = rows * j->n * sizeof(double);
    return 1;
}

/* A muster_sink_fn: put a strip of the product where it belongs. */
static int take_strip(void *arg, size_t index, const muster_result *result)
{
    const job *j = arg;

    memcpy(&j->product->at[index * j->rows * j->n], result->data, result->len);
    return 0;
}

static int multiply_all(muster *m, job *j)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    const uint64_t strips = (uint64_t)muster_size(m) * STRIPS_EACH;
    muster_error err;

    j->rows = 1 + j->n / (strips + 1);
    if (muster_put(m, "B", j->b, matrix_bytes(j->n), &err) != MUSTER_OK)
        return complain("cannot share B", err.text);
    o.source = next_strip;
    o.sink = take_strip;
    o.as_they_come = true; /* each knows its place */
    o.arg = j;
    o.timeout_ms = MUSTER_FOREVER;
    if (muster_map(m, "multiply", &o, NULL, &err) == MUSTER_OK)
        return 0;
    return complain("cannot multiply", err.text);
}

/* Freivalds' check: (A * B) x is A (B x), which is quick. x is 1 2 3 1 ... */
static bool is_product(const job *j)
{
    const uint64_t n = j->n;
    double *bx = calloc(n, sizeof(*bx));
    bool good = bx != NULL;

    for (uint64_t i = 0; good && i < n; i++)
        for (uint64_t k = 0; k < n; k++)
            bx[i] += j->b->at[i * n + k] * (double)(1 + k % 3);
    for (uint64_t i = 0; good && i < n; i++) {
        double want = 0.0, is = 0.0;

        for (uint64_t k = 0; k < n; k++) {
            want += j->a->at[i * n + k] * bx[k];
            is += j->product->at[i * n + k] * (double)(1 + k % 3);
        }
        good = want == is;
    }
    free(bx);
    return good;
}

static int print_product(const job *j)
{
    double sum = 0.0, trace = 0.0;

    if (!is_product(j))
        return complain("wrong product", "it does not pass the check");
    for (uint64_t i = 0; i < j->n * j->n; i++)
        sum += j->product->at[i];
    for (uint64_t i = 0; i < j->n; i++)
        trace += j->product->at[i * j->n + i];
    printf("rows   %" PRIu64 "\nsum    %.0f\ntrace  %.0f\n", j->n, sum, trace);
    return fflush(stdout) == 0 ? 0 : complain("cannot write", strerror(errno));
}

int muster_main(muster *m, int argc, char **argv)
{
    char *end = "";
    job j = {.n = argc == 2 ? strtoull(argv[1], &end, 10) : 0};
    int rc;

    if (j.n < 1 || j.n > MAX_N || *end != '\0') {
        fputs("Usage: muster run -n N matmul.so ROWS\n"
              "Multiply two square matrices, of 1 to 20000 rows.\n",
              stderr);
        return BAD_USAGE;
    }
    j.a = make_matrix(j.n, 7, 3);
    j.b = make_matrix(j.n, 2, 5);
    j.product = malloc(matrix_bytes(j.n));
    rc = j.a == NULL || j.b == NULL || j.product == NULL
             ? complain("cannot begin", strerror(ENOMEM))
             : multiply_all(m, &j);
    if (rc == 0)
        rc = print_product(&j);
    free(j.a);
    free(j.b);
    free(j.product);
    return rc;
}
