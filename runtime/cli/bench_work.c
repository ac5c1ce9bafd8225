/* bench_work.c - muster bench: the measurements. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "cli/bench.h"
#include "cli/bench_sum.h"
#include "cli/plot.h"

#define SECOND_NS INT64_C(1000000000)
#define CALLS 20000 /* at most */
#define WARMUP 100  /* calls */
#define WINDOW 1000 /* calls on the way */
#define RUNS 200    /* of one size, at most */
#define ALWAYS ((size_t)64 << 10)
#define LARGEST ((size_t)64 << 20)

/* How long each takes at most; a size is begun only while the time for all of
 * them lasts. */
typedef struct budget {
    int64_t calls_ns, stream_ns, size_ns, sizes_ns;
    size_t items;
} budget;

static const budget usual = {3 * SECOND_NS, 2 * SECOND_NS, SECOND_NS / 2,
                             17 * SECOND_NS, 20000};
static const budget hasty = {SECOND_NS / 4, SECOND_NS / 4, SECOND_NS / 25,
                             3 * SECOND_NS, 2000};

int64_t mst_bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void mst_bench_say(const char *what)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (what == NULL)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\r\033[Kmuster bench: %s\r", what);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of sorted values, interpolated. */
static double quantile(const double *values, size_t n, double q)
{
    const double place = q * (double)(n - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < n ? below + 1 : below;

    return values[below] +
           (place - (double)below) * (values[above] - values[below]);
}

/* A map and a call to others do not notice a lost worker; we do. */
static muster_err all_there(mst_bench *b, muster_error *err)
{
    const uint32_t rank = atomic_load(&b->lost);
    muster_info info = {0};

    if (rank == 0)
        return MUSTER_OK;
    (void)muster_worker_info(b->m, rank, &info, NULL);
    return mst_fail(err, MUSTER_ELOST, "worker %" PRIu32 " was lost: %.300s",
                    rank, info.verdict);
}

/* --------------------------------------------------------------- calls -- */

static muster_err call_once(mst_bench *b, muster_error *err)
{
    static const char request[MST_BENCH_CALL] = "sixty-four bytes";
    muster_reply *reply = NULL;
    const muster_err rc =
        muster_call(b->m, b->first_rank, "bench_echo", request, sizeof(request),
                    MUSTER_FOREVER, &reply, err);
    const bool same = rc == MUSTER_OK && reply->len == sizeof(request) &&
                      memcmp(reply->data, request, sizeof(request)) == 0;

    muster_reply_destroy(&reply);
    if (rc == MUSTER_OK && !same)
        return mst_fail(err, MUSTER_EPROTO, "the answer is not the request");
    return rc;
}

static muster_err measure_calls(mst_bench *b, const budget *time,
                                muster_error *err)
{
    MST_AUTO(mst_drop) double *us = mst_alloc(CALLS * sizeof(*us));
    muster_err rc = MUSTER_OK;
    int64_t begun, until, now;

    mst_bench_say("blocking calls");
    if (us == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory");
    for (size_t i = 0; i < WARMUP && rc == MUSTER_OK; i++)
        rc = call_once(b, err);
    now = mst_bench_now_ns();
    until = now + time->calls_ns;
    for (b->calls = 0;
         rc == MUSTER_OK && b->calls < CALLS && (now < until || b->calls == 0);
         b->calls++) {
        begun = now;
        rc = call_once(b, err);
        now = mst_bench_now_ns();
        us[b->calls] = (double)(now - begun) / 1e3;
    }
    if (rc != MUSTER_OK)
        return mst_because(err, rc, "blocking calls");
    qsort(us, b->calls, sizeof(*us), by_value);
    b->p50_us = quantile(us, b->calls, 0.5);
    b->p99_us = quantile(us, b->calls, 0.99);
    return all_there(b, err);
}

/* Take the oldest `n` of `window` futures. */
static muster_err take(muster_future **out, size_t from, size_t n,
                       muster_error *err)
{
    muster_err rc = MUSTER_OK;

    for (size_t i = from; i < from + n; i++) {
        const muster_err one =
            muster_future_result(out[i % WINDOW], NULL, rc == 0 ? err : NULL);

        muster_future_destroy(&out[i % WINDOW]);
        if (rc == MUSTER_OK)
            rc = one;
    }
    return rc;
}

/* Calls to one worker for `ns`, up to WINDOW on the way: waits for half of
 * them and takes these, so that the worker is never without work. */
static muster_err stream(mst_bench *b, int64_t ns, muster_error *err)
{
    static const char request[MST_BENCH_CALL] = "sixty-four bytes";
    muster_future *out[WINDOW] = {NULL};
    const int64_t begun = mst_bench_now_ns();
    size_t sent = 0, done = 0, half;
    muster_err rc = MUSTER_OK, last;

    while (rc == MUSTER_OK && mst_bench_now_ns() - begun < ns) {
        for (; rc == MUSTER_OK && sent - done < WINDOW; sent += rc == MUSTER_OK)
            rc = muster_call_start(b->m, b->first_rank, "bench_echo", request,
                                   sizeof(request), MUSTER_FOREVER,
                                   &out[sent % WINDOW], err);
        if (rc != MUSTER_OK)
            break;
        half = (sent - done + 1) / 2;
        muster_future_wait(out[(done + half - 1) % WINDOW], MUSTER_FOREVER);
        rc = take(out, done, half, err);
        done += half;
    }
    last = take(out, done, sent - done, rc == MUSTER_OK ? err : NULL);
    b->pipelined_per_s =
        (double)sent * 1e9 / (double)(mst_bench_now_ns() - begun);
    return rc == MUSTER_OK ? last : rc;
}

static muster_err measure_stream(mst_bench *b, const budget *time,
                                 muster_error *err)
{
    muster_err rc;

    mst_bench_say("pipelined calls");
    rc = stream(b, time->stream_ns / 10, err);
    if (rc == MUSTER_OK)
        rc = stream(b, time->stream_ns, err);
    return rc == MUSTER_OK ? all_there(b, err)
                           : mst_because(err, rc, "pipelined calls");
}

static muster_err map_once(mst_bench *b, uint32_t batch, double *per_s,
                           muster_error *err)
{
    MST_AUTO(mst_drop)
    muster_item *items = mst_alloc(b->map_items * sizeof(*items));
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_results *results = NULL;
    muster_err rc = MUSTER_OK;
    int64_t begun;

    if (items == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory");
    memset(items, 0, b->map_items * sizeof(*items));
    o.items = items;
    o.nitems = b->map_items;
    o.batch = batch;
    o.timeout_ms = MUSTER_FOREVER;
    for (int turn = 0; turn < 2 && rc == MUSTER_OK; turn++) { /* warm-up */
        begun = mst_bench_now_ns();
        rc = muster_map(b->m, "bench_nothing", &o, &results, err);
        *per_s =
            (double)b->map_items * 1e9 / (double)(mst_bench_now_ns() - begun);
        muster_results_destroy(&results);
    }
    return rc == MUSTER_OK ? all_there(b, err) : mst_because(err, rc, "map");
}

/* ---------------------------------------------------- broadcast, gather -- */

/* Every worker's sum must be the payload's. */
static muster_err read_everywhere(mst_bench *b, const void *body, size_t size,
                                  uint64_t want, int64_t *ns, muster_error *err)
{
    muster_results *results = NULL;
    const int64_t begun = mst_bench_now_ns();
    muster_err rc = muster_broadcast(b->m, NULL, "bench_read", body, size,
                                     MUSTER_FOREVER, &results, err);
    uint64_t sum = 0;

    *ns = mst_bench_now_ns() - begun;
    for (size_t i = 0; rc == MUSTER_OK && i < results->n; i++) {
        if (results->items[i].len == sizeof(sum))
            memcpy(&sum, results->items[i].data, sizeof(sum));
        if (results->items[i].len != sizeof(sum) || sum != want)
            rc = mst_fail(err, MUSTER_EPROTO,
                          "worker %" PRIu32 " has not read what was sent",
                          results->items[i].rank);
    }
    muster_results_destroy(&results);
    return rc;
}

/* Read every byte of all answers before the clock is stopped. */
static muster_err gather(mst_bench *b, size_t size, int64_t *ns,
                         muster_error *err)
{
    const uint64_t bytes = size;
    const uint64_t want =
        (uint64_t)(size / 8) * UINT64_C(0x0101010101010101) * MST_BENCH_FILL;
    muster_results *results = NULL;
    const int64_t begun = mst_bench_now_ns();
    muster_err rc =
        muster_broadcast(b->m, NULL, "bench_fill", &bytes, sizeof(bytes),
                         MUSTER_FOREVER, &results, err);

    for (size_t i = 0; rc == MUSTER_OK && i < results->n; i++)
        if (results->items[i].len != size ||
            mst_bench_sum(results->items[i].data, size) != want)
            rc = mst_fail(err, MUSTER_EPROTO,
                          "the answer of worker %" PRIu32 " is wrong",
                          results->items[i].rank);
    *ns = mst_bench_now_ns() - begun;
    muster_results_destroy(&results);
    return rc;
}

/* One size: once to warm up, then while the time lasts. Where once takes
 * longer than that time, it is all there is. */
static muster_err measure_size(mst_bench *b, mst_bench_bulk *bulk,
                               const void *body, int64_t limit_ns,
                               muster_error *err)
{
    const uint64_t sum = body != NULL ? mst_bench_sum(body, bulk->size) : 0;
    const int64_t until = mst_bench_now_ns() + limit_ns;
    double us[RUNS];
    muster_err rc;
    int64_t ns;

    for (size_t turn = 0; turn <= RUNS; turn++) {
        rc = body != NULL ? read_everywhere(b, body, bulk->size, sum, &ns, err)
                          : gather(b, bulk->size, &ns, err);
        if (rc == MUSTER_OK)
            rc = all_there(b, err);
        if (rc != MUSTER_OK)
            return rc;
        if (turn > 0 || mst_bench_now_ns() >= until)
            us[bulk->runs++] = (double)ns / 1e3;
        if (mst_bench_now_ns() >= until)
            break;
    }
    qsort(us, bulk->runs, sizeof(*us), by_value);
    bulk->median_us = quantile(us, bulk->runs, 0.5);
    bulk->rate = (double)bulk->size * b->nworkers * 1e6 / bulk->median_us;
    return MUSTER_OK;
}

/* Is there time for the next size? Once takes about four times as long as
 * once of the one before. Small ones always are. */
static bool fits(const mst_bench_bulk *bulk, const mst_bench_bulk *before,
                 int64_t until)
{
    if (bulk->size <= ALWAYS)
        return true;
    return before->runs > 0 &&
           mst_bench_now_ns() + (int64_t)(4e3 * before->median_us) <= until;
}

/* All sizes in both directions. */
static muster_err measure_sizes(mst_bench *b, const budget *time,
                                muster_error *err)
{
    MST_AUTO(mst_drop) unsigned char *body = mst_alloc(LARGEST);
    const int64_t until = mst_bench_now_ns() + time->sizes_ns;
    char what[64], size[32];
    muster_err rc = MUSTER_OK;

    if (body == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for %zu bytes", LARGEST);
    for (size_t i = 0; i < LARGEST; i++)
        body[i] = (unsigned char)(i * 31 + (i >> 8));
    for (size_t i = 0; i < 2 * (size_t)MST_BENCH_SIZES; i++) {
        const bool out = i % 2 == 0;
        mst_bench_bulk *bulk = out ? &b->broadcast[i / 2] : &b->gather[i / 2];

        bulk->size = (size_t)MST_BENCH_CALL << (i / 2 * 2);
        if (!fits(bulk, bulk - (i >= 2), until))
            continue;
        snprintf(what, sizeof(what), "%s of %s", out ? "broadcast" : "gather",
                 mst_size_text(bulk->size, size, sizeof(size)));
        mst_bench_say(what);
        rc = measure_size(b, bulk, out ? body : NULL, time->size_ns, err);
        if (rc != MUSTER_OK)
            return mst_because(err, rc, "%s", what);
    }
    return MUSTER_OK;
}

muster_err mst_bench_measure(mst_bench *bench, muster_error *err)
{
    const budget *time = bench->quick ? &hasty : &usual;
    muster_err rc = measure_calls(bench, time, err);

    if (rc == MUSTER_OK)
        rc = measure_stream(bench, time, err);
    bench->map_items = time->items;
    mst_bench_say("map");
    if (rc == MUSTER_OK)
        rc = map_once(bench, 1, &bench->map_per_s, err);
    if (rc == MUSTER_OK)
        rc = map_once(bench, 0, &bench->map_batch_per_s, err);
    if (rc == MUSTER_OK)
        rc = measure_sizes(bench, time, err);
    mst_bench_say(NULL);
    return rc;
}
