/* counter.c - handlers that remember: a counter on each worker.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o counter.so counter.c
 *     muster run -n 4 counter.so 1000
 *
 * A module's variables live as long as its worker, so a handler finds what the
 * one before it left there. Three things to know:
 *
 *   - each worker has its own: to come back to a state, call the rank where it
 *     is, not MUSTER_ANY
 *   - with `muster run --threads K` K handlers run at a time and share them,
 *     so a lock is needed
 *   - they end with their worker. What must outlive it is for the manager
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum { MAX_CALLS = 1000000, BAD_USAGE = 2 };

/* --------------------------------------------------------------- workers -- */

static struct {
    pthread_mutex_t lock;
    uint64_t calls, sum;
} counter;

static int start_counter(muster_ctx *ctx)
{
    (void)ctx;
    return pthread_mutex_init(&counter.lock, NULL);
}
MUSTER_MODULE_INIT(start_counter);

static void end_counter(void)
{
    pthread_mutex_destroy(&counter.lock);
}
MUSTER_MODULE_FINI(end_counter);

/* in is a number; out says the how many-th call on this worker it was. */
static int add(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    uint64_t number, call;

    if (len != sizeof(number))
        return muster_fail(ctx, EPROTO, "want 8 bytes, got %zu", len);
    memcpy(&number, in, len);
    pthread_mutex_lock(&counter.lock);
    counter.sum += number;
    call = ++counter.calls;
    pthread_mutex_unlock(&counter.lock);
    return muster_out_write(out, &call, sizeof(call));
}
MUSTER_HANDLER(add);

typedef struct total {
    uint64_t calls, sum;
} total;

static int read_total(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    total t;

    (void)ctx, (void)in, (void)len;
    pthread_mutex_lock(&counter.lock);
    t = (total){counter.calls, counter.sum};
    pthread_mutex_unlock(&counter.lock);
    return muster_out_write(out, &t, sizeof(t));
}
MUSTER_HANDLER(read_total);

/* --------------------------------------------------------------- manager -- */

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "counter: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* Start all calls, the i-th on the i-th worker in turn, then wait for all. */
static int add_numbers(muster *m, const uint32_t *ranks, size_t nranks,
                       uint64_t n)
{
    muster_future **futures = calloc(n, sizeof(muster_future *));
    muster_error err;
    uint64_t begun = 0;
    int rc = 0;

    if (futures == NULL)
        return complain("cannot begin", strerror(ENOMEM));
    for (; rc == 0 && begun < n; begun++) {
        const uint64_t number = begun + 1;

        if (muster_call_start(m, ranks[begun % nranks], "add", &number,
                              sizeof(number), MUSTER_FOREVER, &futures[begun],
                              &err) != MUSTER_OK)
            rc = complain("cannot add", err.text);
    }
    for (uint64_t i = 0; i < begun; i++) {
        if (rc == 0 &&
            muster_future_result(futures[i], NULL, &err) != MUSTER_OK)
            rc = complain("cannot add", err.text);
        muster_future_destroy(&futures[i]);
    }
    free(futures);
    return rc;
}

/* A broadcast reads all counters; its results are in rank order. */
static int print_totals(muster *m)
{
    muster_results *results = NULL;
    total all = {0, 0};
    muster_error err;

    if (muster_broadcast(m, NULL, "read_total", NULL, 0, MUSTER_FOREVER,
                         &results, &err) != MUSTER_OK) {
        muster_results_destroy(&results);
        return complain("cannot read the counters", err.text);
    }
    for (size_t i = 0; i < results->n; i++) {
        const total *t = results->items[i].data;

        printf("worker %" PRIu32 ": %" PRIu64 " calls, sum %" PRIu64 "\n",
               results->items[i].rank, t->calls, t->sum);
        all.calls += t->calls;
        all.sum += t->sum;
    }
    muster_results_destroy(&results);
    printf("together: %" PRIu64 " calls, sum %" PRIu64 "\n", all.calls,
           all.sum);
    return fflush(stdout) == 0 ? 0 : complain("cannot write", strerror(errno));
}

int muster_main(muster *m, int argc, char **argv)
{
    char *end = "";
    const uint64_t n = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
    const uint32_t size = muster_size(m);
    uint32_t *ranks;
    size_t nranks;
    int rc;

    if (n < 1 || n > MAX_CALLS || *end != '\0') {
        fputs("Usage: muster run -n N counter.so CALLS\n"
              "Add the numbers from 1 to CALLS, at most 1000000, to counters "
              "on all workers.\n",
              stderr);
        return BAD_USAGE;
    }
    ranks = calloc((size_t)size + 1, sizeof(*ranks));
    if (ranks == NULL)
        return complain("cannot begin", strerror(ENOMEM));
    nranks = muster_ranks(m, ranks, size);
    if (nranks > size)
        nranks = size; /* one came meanwhile */
    rc = nranks == 0 ? complain("cannot begin", "no worker is ready")
                     : add_numbers(m, ranks, nranks, n);
    if (rc == 0)
        rc = print_totals(m);
    free(ranks);
    return rc;
}
