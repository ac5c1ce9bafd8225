#include "many.h"

#include "ours.h"
#include "rss.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_WORKERS 2
#define THREAD_WORKERS 4

/* Items a second. batch as in muster_map_options. */
static double map_once(muster *m, const muster_item *items, size_t count,
                       uint32_t batch)
{
    muster_map_options options = MUSTER_MAP_OPTIONS_INIT;
    muster_results *results = NULL;
    muster_error err = {0};
    int64_t start, took;

    options.items = items;
    options.nitems = count;
    options.batch = batch;
    start = bench_now_ns();
    ours_must(muster_map(m, "echo", &options, &results, &err), &err, "map");
    took = bench_now_ns() - start;
    if (results->n != count || results->nfailed != 0)
        bench_die("a map of %zu items gave %zu results", count, results->n);
    muster_results_destroy(&results);
    return (double)count * 1e9 / (double)took;
}

void many_items(size_t count, uint32_t nworkers)
{
    muster_item *items = bench_alloc(count, sizeof(*items));
    muster *m = ours_up(nworkers);

    map_once(m, items, (count + 9) / 10, 1);
    bench_tell("per_s", map_once(m, items, count, 1));
    bench_tell("batch_per_s", map_once(m, items, count, 0));
    muster_close(&m);
    free(items);
}

/* Put blob i in the place of the one that had its name before. */
static void replace_blob(muster *m, size_t i, size_t names)
{
    char body[BENCH_BODY_BYTES] = {0};
    char name[32];
    muster_error err = {0};

    snprintf(name, sizeof(name), "blob %zu", i % names);
    snprintf(body, sizeof(body), "the bytes of blob %zu", i);
    if (i >= names)
        ours_must(muster_drop(m, name, &err), &err, "drop");
    ours_must(muster_put(m, name, body, sizeof(body), &err), &err, "put");
}

void many_blobs(size_t from, size_t to, size_t names)
{
    muster *m = ours_up(BLOB_WORKERS);
    uint32_t ranks[BLOB_WORKERS] = {0};
    double manager, worker;
    int64_t start, pid;

    /* All names are taken before the first look, so that what is present is
     * the same at the second. */
    if (names == 0 || from < names || to <= from)
        bench_die("want 0 < NAMES <= FROM < TO");
    if (muster_ranks(m, ranks, BLOB_WORKERS) != BLOB_WORKERS)
        bench_die("there are not %d workers", BLOB_WORKERS);
    pid = ours_pid(m, ranks[0]);
    start = bench_now_ns();
    for (size_t i = 0; i < from; i++)
        replace_blob(m, i, names);
    manager = (double)bench_rss_kib(0);
    worker = (double)bench_rss_kib(pid);
    for (size_t i = from; i < to; i++)
        replace_blob(m, i, names);
    bench_tell("per_s", (double)to * 1e9 / (double)(bench_now_ns() - start));
    bench_tell("manager_from_kib", manager);
    bench_tell("manager_to_kib", (double)bench_rss_kib(0));
    bench_tell("manager_kib", (double)bench_rss_kib(0) - manager);
    bench_tell("worker_from_kib", worker);
    bench_tell("worker_to_kib", (double)bench_rss_kib(pid));
    bench_tell("worker_kib", (double)bench_rss_kib(pid) - worker);
    muster_close(&m);
}

/* What the calling threads share. */
typedef struct crowd {
    muster *m;
    pthread_barrier_t begin; /* they and the one that holds the clock */
    size_t each;             /* calls of a thread                     */
} crowd;

static void *call_on(void *arg)
{
    crowd *c = arg;

    pthread_barrier_wait(&c->begin);
    for (size_t i = 0; i < c->each; i++)
        ours_call(c->m, MUSTER_ANY);
    return NULL;
}

/* Microseconds of wall time for each call of all threads. */
static double time_crowd(muster *m, size_t nthreads, size_t count)
{
    pthread_t *threads = bench_alloc(nthreads, sizeof(*threads));
    crowd c = {.m = m, .each = (count + nthreads - 1) / nthreads};
    int64_t start, took;
    int rc;

    rc = pthread_barrier_init(&c.begin, NULL, (unsigned)nthreads + 1);
    if (rc != 0)
        bench_die("barrier: %s", strerror(rc));
    for (size_t i = 0; i < nthreads; i++) {
        rc = pthread_create(&threads[i], NULL, call_on, &c);
        if (rc != 0)
            bench_die("start a thread: %s", strerror(rc));
    }
    /* Taken before the barrier, for those it lets go may be so quick on the
     * processors that this thread sees the time late. */
    start = bench_now_ns();
    pthread_barrier_wait(&c.begin);
    for (size_t i = 0; i < nthreads; i++)
        pthread_join(threads[i], NULL);
    took = bench_now_ns() - start;
    pthread_barrier_destroy(&c.begin);
    free(threads);
    return (double)took / 1e3 / (double)(c.each * nthreads);
}

void many_threads(size_t nthreads, size_t count)
{
    muster *m = ours_up(THREAD_WORKERS);
    double one, many;

    time_crowd(m, 1, (count + 9) / 10);
    one = time_crowd(m, 1, count);
    many = time_crowd(m, nthreads, count);
    bench_tell("us_many", many);
    bench_tell("us_one", one);
    bench_tell("ratio", many / one);
    muster_close(&m);
}
