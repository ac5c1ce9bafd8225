/* it_resume.c - links that are cut again and again, at seeded moments and in
 * the middle of records: nothing is lost, nothing comes or runs twice.
 * RESUME_SEED is another seed, RESUME_TIMES more of everything. */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "resume_rig.h"

#define WINDOW 200

static uint64_t seed, times = 1;

/* ------------------------------------------------------- the adversary -- */

static struct {
    pthread_t thread;
    atomic_bool stop;
    bool acts;
    uint32_t most_bytes;
    int before; /* connections */
    atomic_uint cuts;
} foe;

/* On a busy machine a handshake takes longer than the next cut takes to come:
 * without this a link could be cut for ever. */
static void let_them_come_back(void)
{
    muster_info info = {.state = MUSTER_READY};

    for (uint32_t rank = 1; rank <= at.n; rank++)
        while (!atomic_load(&foe.stop) &&
               muster_worker_info(at.r->m, rank, &info, NULL) == MUSTER_OK &&
               info.state == MUSTER_CUT)
            poll(NULL, 0, 1);
}

/* Cuts after so many bytes, from one to most_bytes; each order of magnitude
 * as often as another, so that handshakes are met, too. */
static void *cut_on(void *arg)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;

    (void)arg;
    for (unsigned n = 1; !atomic_load(&foe.stop); n++) {
        const int before = relay_connections(at.way);
        uint32_t below = 16u << chance(&x, 20);

        if (below > foe.most_bytes)
            below = foe.most_bytes;
        if (chance(&x, 4) == 0)
            relay_cut(at.way);
        else
            relay_cut_after(at.way, 1 + chance(&x, below));
        atomic_fetch_add(&foe.cuts, 1);
        for (int i = 0; i < 100 * RIG_SLOW && !atomic_load(&foe.stop) &&
                        relay_connections(at.way) == before;
             i++)
            poll(NULL, 0, 1);
        poll(NULL, 0, (int)chance(&x, 20));
        if (n % 8 == 0)
            let_them_come_back();
    }
    return NULL;
}

static void foe_begins(uint32_t most_bytes)
{
    atomic_store(&foe.stop, false);
    foe.most_bytes = most_bytes;
    foe.before = relay_connections(at.way);
    atomic_store(&foe.cuts, 0);
    assert_int_equal(pthread_create(&foe.thread, NULL, cut_on, NULL), 0);
    foe.acts = true;
    for (int i = 0; atomic_load(&foe.cuts) == 0; i++) { /* is it at work? */
        assert_true(i < RIG_WAIT_MS);
        poll(NULL, 0, 1);
    }
}

/* A link was cut, and came back. */
static bool foe_has_met(void)
{
    return relay_connections(at.way) > foe.before;
}

static void foe_stops(void)
{
    foe.acts = false;
    atomic_store(&foe.stop, true);
    pthread_join(foe.thread, NULL);
    relay_cut_after(at.way, 0);
}

static void foe_ends(const char *what, uint32_t n)
{
    foe_stops();
    print_message("           %s: %u, cuts: %u, connections: %d\n", what, n,
                  atomic_load(&foe.cuts), relay_connections(at.way));
    assert_true(foe_has_met());
}

static int teardown(void **state)
{
    if (foe.acts)
        foe_stops();
    return resume_teardown(state);
}

/* ---------------------------------------------------------------- tests -- */

/* n calls, so many at a time, of random sizes up to `most` both ways. Returns
 * the first of their items. */
static uint32_t some_calls(const char *name, uint32_t n, uint32_t window,
                           uint32_t most)
{
    const uint32_t first = resume_take(n);
    muster_future **futures = calloc(n, sizeof(*futures));
    uint32_t *back = calloc(n, sizeof(*back)), ended = 0;
    uint64_t x = seed + n;

    assert_non_null(futures);
    assert_non_null(back);
    for (uint32_t i = 0; i < n; i++) {
        back[i] = chance(&x, most);
        resume_start(1 + i % at.n, name, first + i, chance(&x, most), back[i],
                     1 + chance(&x, at.n), &futures[i]);
        for (; i - ended >= window - 1; ended++)
            resume_finish(&futures[ended], first + ended, back[ended]);
    }
    for (; ended < n; ended++)
        resume_finish(&futures[ended], first + ended, back[ended]);
    free(futures);
    free(back);
    return first;
}

/* As often as it takes to meet the adversary. */
static void call_items(const char *name, uint32_t n, uint32_t window,
                       uint32_t most)
{
    const uint32_t first = some_calls(name, n, window, most);
    uint32_t all = n;

    for (; !foe_has_met() && all < 20 * n; all += n)
        some_calls(name, n, window, most);
    foe_ends(name, all);
    assert_each_once(first, all);
}

static void pipelined_calls(void **state)
{
    (void)state;
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 17);
    call_items("tick", (uint32_t)(4000 * times), WINDOW, 2000);
    resume_down();
}

/* The cuts are in the middle of them. */
static void large_payloads_both_ways(void **state)
{
    (void)state;
    resume_up_with(RESUME_WORKERS, 10000 * RIG_SLOW, "off");
    foe_begins(8u << 20);
    call_items("tick", (uint32_t)(12 * times), 6, 3u << 20);
    resume_down();
}

/* They flow on while the link is cut. */
static void large_payloads_beside_the_link(void **state)
{
    (void)state;
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 12);
    call_items("tick", (uint32_t)(24 * times), 6, 6u << 20);
    resume_down();
}

static void calls_from_worker_to_worker(void **state)
{
    (void)state;
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 17);
    call_items("via", (uint32_t)(900 * times), WINDOW, 4000);
    resume_down();
}

static void blocking_calls(void **state)
{
    const uint32_t n = (uint32_t)(500 * times);
    uint32_t first;

    (void)state;
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    first = resume_take(n);
    foe_begins(1u << 14);
    for (uint32_t i = 0; i < n; i++) {
        muster_reply *reply = NULL;
        size_t len;
        void *body = resume_request(first + i, i % 100, i % 50, 0, &len);

        assert_code(muster_call(at.r->m, MUSTER_ANY, "tick", body, len, 60000,
                                &reply, &at.err),
                    MUSTER_OK, at.err);
        assert_int_equal(reply->len, i % 50);
        muster_reply_destroy(&reply);
        free(body);
    }
    foe_ends("blocking calls", n);
    assert_each_once(first, n);
    resume_down();
}

static void posts(void **state)
{
    const uint32_t n = (uint32_t)(3000 * times);
    uint32_t first;

    (void)state;
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    first = resume_take(n);
    foe_begins(1u << 16);
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        void *body = resume_request(first + i, i % 500, 0, 0, &len);

        assert_code(
            muster_post(at.r->m, 1 + i % at.n, "tick", body, len, &at.err),
            MUSTER_OK, at.err);
        free(body);
        if (i % 100 == 0)
            poll(NULL, 0, 10);
    }
    foe_ends("posts", n);
    assert_each_once(first, n); /* behind the last of them on each link */
    resume_down();
}

static void a_map(void **state)
{
    const uint32_t n = (uint32_t)(4000 * times);
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item *items = calloc(n, sizeof(*items));
    muster_results *all = NULL;
    uint32_t first;

    (void)state;
    assert_non_null(items);
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    first = resume_take(n);
    for (uint32_t i = 0; i < n; i++)
        items[i].data =
            resume_request(first + i, i % 3000, i % 700, 0, &items[i].len);
    o.items = items;
    o.nitems = n;
    o.batch = 1;
    foe_begins(1u << 16);
    assert_code(muster_map(at.r->m, "tick", &o, &all, &at.err), MUSTER_OK,
                at.err);
    foe_ends("items of a map", n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(all->items[i].len, i % 700);
        free((void *)(uintptr_t)items[i].data);
    }
    free(items);
    muster_results_destroy(&all);
    assert_each_once(first, n);
    resume_down();
}

static void broadcasts_and_blobs(void **state)
{
    const uint32_t n = (uint32_t)(15 * times);
    unsigned char *bytes = malloc(RIG_MIB);
    char name[32];

    (void)state;
    assert_non_null(bytes);
    resume_up(RESUME_WORKERS, 10000 * RIG_SLOW);
    foe_begins(2u << 20);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t item = resume_take(1);
        size_t len;
        void *body = resume_request(item, RIG_MIB, 1000, 0, &len);
        muster_results *all = NULL;

        assert_code(muster_broadcast(at.r->m, NULL, "tick", body, len, 60000,
                                     &all, &at.err),
                    MUSTER_OK, at.err);
        assert_int_equal(all->n, at.n);
        muster_results_destroy(&all);
        free(body);
        snprintf(name, sizeof(name), "blob %u", i);
        resume_fill(bytes, i, RIG_MIB);
        assert_code(muster_put(at.r->m, name, bytes, RIG_MIB, &at.err),
                    MUSTER_OK, at.err);
        assert_code(muster_broadcast(at.r->m, NULL, "blob_is", &i, sizeof(i),
                                     60000, NULL, &at.err),
                    MUSTER_OK, at.err);
        assert_code(muster_drop(at.r->m, name, &at.err), MUSTER_OK, at.err);
    }
    foe_ends("broadcasts and blobs of 1 MiB", n);
    free(bytes);
    resume_down();
}

static void what_is_printed(void **state)
{
    const uint32_t calls = (uint32_t)(30 * times), lines = 300;
    char want[64];

    (void)state;
    resume_up(1, 10000 * RIG_SLOW);
    foe_begins(1u << 15);
    for (uint32_t i = 0; i < calls; i++) {
        size_t len;
        void *body = resume_request(i, 0, lines, 0, &len);

        assert_code(
            muster_call(at.r->m, 1, "speak", body, len, 60000, NULL, &at.err),
            MUSTER_OK, at.err);
        free(body);
    }
    foe_ends("lines", calls * lines);
    snprintf(want, sizeof(want), "line %u of item %u", lines - 1, calls - 1);
    assert_non_null(rig_take_line(at.r, 1, want, RIG_WAIT_MS));
    pthread_mutex_lock(&at.r->lock);
    {
        const rig_line *line = STAILQ_FIRST(&at.r->lines);

        for (uint32_t i = 0; i < calls * lines; i++) {
            snprintf(want, sizeof(want), "line %u of item %u", i % lines,
                     i / lines);
            assert_non_null(line);
            assert_string_equal(line->text, want);
            line = STAILQ_NEXT(line, link);
        }
        assert_null(line);
    }
    pthread_mutex_unlock(&at.r->lock);
    resume_down();
}

int main(void)
{
    const char *text = getenv("RESUME_SEED"), *more = getenv("RESUME_TIMES");
    const struct CMUnitTest tests[] = {
#define resume_test(fn) cmocka_unit_test_teardown(fn, teardown)
        resume_test(pipelined_calls),
        resume_test(large_payloads_both_ways),
        resume_test(large_payloads_beside_the_link),
        resume_test(calls_from_worker_to_worker),
        resume_test(blocking_calls),
        resume_test(posts),
        resume_test(a_map),
        resume_test(broadcasts_and_blobs),
        resume_test(what_is_printed),
    };

    seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    if (more != NULL)
        times = strtoull(more, NULL, 10);
    print_message("           seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
