/* it_resume.c - links that are cut again and again, at seeded moments and in
 * the middle of records: nothing is lost, nothing comes or runs twice.
 * RESUME_SEED is another seed, RESUME_TIMES more of everything. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay.h"
#include "resume_handlers.h"
#include "rig.h"

#define WORKERS 3
#define WINDOW 200

/* A session whose workers were started by hand, so that their output comes by
 * the link; all links go through the relay. Large payloads go past it, by a
 * port of their own, if `bulk` is not "off". */
static struct {
    rig *r;
    char dir[64], advertise[64];
    pthread_t launch;
    muster_err rc;
    muster_error err;
    uint32_t n, next_item;
    pid_t pids[WORKERS + 1];
} at;

static relay *way;
static uint64_t seed, times = 1;

/* ------------------------------------------------------------- up, down -- */

static pid_t start_worker(uint32_t rank)
{
    char path[128];
    char *argv[] = {(char *)"muster-worker", (char *)"--cookie", path, NULL};
    const pid_t pid = fork();
    int null;

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    snprintf(path, sizeof(path), "%s/worker-%u.join", at.dir, rank);
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(99);
    execv(RIG_WORKER, argv);
    _exit(99);
}

static void *launch(void *arg)
{
    (void)arg;
    at.rc = muster_launch(at.r->m, at.n, 0, NULL, &at.err);
    return NULL;
}

static rig *up_with(uint32_t n, int64_t heartbeat_ms, const char *bulk)
{
    muster_options o = rig_options();

    o.bulk = bulk;
    memset(&at, 0, sizeof(at));
    at.n = n;
    o.port = relay_free_port();
    assert_true(o.port != 0);
    way = relay_create(o.port);
    assert_non_null(way);
    snprintf(at.dir, sizeof(at.dir), "/tmp/it_resume.%d", (int)getpid());
    snprintf(at.advertise, sizeof(at.advertise), "127.0.0.1:%u",
             relay_port(way));
    o.launcher = MUSTER_LAUNCHER_JOIN;
    o.join_dir = at.dir;
    o.advertise = at.advertise;
    o.heartbeat_timeout_ms = heartbeat_ms;
    o.call_timeout_ms = 60000;
    at.r = rig_open(&o);
    assert_int_equal(pthread_create(&at.launch, NULL, launch, NULL), 0);
    for (uint32_t rank = 1; rank <= n; rank++) {
        assert_non_null(rig_event_to(at.r, rank, MUSTER_BOOTING, RIG_WAIT_MS));
        at.pids[rank] = start_worker(rank);
    }
    pthread_join(at.launch, NULL);
    assert_code(at.rc, MUSTER_OK, at.err);
    assert_code(muster_module_ship(at.r->m, RESUME_HANDLERS, &at.err),
                MUSTER_OK, at.err);
    return at.r;
}

static rig *up(uint32_t n, int64_t heartbeat_ms)
{
    return up_with(n, heartbeat_ms, NULL);
}

static int status_of(uint32_t rank)
{
    int status = 0;

    if (at.pids[rank] <= 0)
        return -1;
    while (waitpid(at.pids[rank], &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    at.pids[rank] = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void down(void)
{
    rig_down(&at.r);
    for (uint32_t rank = 1; rank <= at.n; rank++)
        status_of(rank);
    relay_destroy(&way);
}

/* ------------------------------------------------------- the adversary -- */

static struct {
    pthread_t thread;
    atomic_bool stop;
    bool acts;
    uint32_t most_bytes;
    int before; /* connections */
    atomic_uint cuts;
} foe;

/* Cuts after so many bytes, from one to most_bytes; each order of magnitude
 * as often as another, so that handshakes are met, too. */
static void *cut_on(void *arg)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;

    (void)arg;
    while (!atomic_load(&foe.stop)) {
        const int before = relay_connections(way);
        uint32_t below = 16u << chance(&x, 20);

        if (below > foe.most_bytes)
            below = foe.most_bytes;
        if (chance(&x, 4) == 0)
            relay_cut(way);
        else
            relay_cut_after(way, 1 + chance(&x, below));
        atomic_fetch_add(&foe.cuts, 1);
        for (int i = 0; i < 100 * RIG_SLOW && !atomic_load(&foe.stop) &&
                        relay_connections(way) == before;
             i++)
            poll(NULL, 0, 1);
        poll(NULL, 0, (int)chance(&x, 20));
    }
    return NULL;
}

static void foe_begins(uint32_t most_bytes)
{
    atomic_store(&foe.stop, false);
    foe.most_bytes = most_bytes;
    foe.before = relay_connections(way);
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
    return relay_connections(way) > foe.before;
}

static void foe_stops(void)
{
    foe.acts = false;
    atomic_store(&foe.stop, true);
    pthread_join(foe.thread, NULL);
    relay_cut_after(way, 0);
}

static void foe_ends(const char *what, uint32_t n)
{
    foe_stops();
    print_message("           %s: %u, cuts: %u, connections: %d\n", what, n,
                  atomic_load(&foe.cuts), relay_connections(way));
    assert_true(foe_has_met());
}

static int teardown(void **state)
{
    int rc;

    if (foe.acts)
        foe_stops();
    rc = rig_teardown(state);
    for (uint32_t rank = 1; rank <= WORKERS; rank++)
        if (at.pids[rank] > 0) {
            kill(at.pids[rank], SIGKILL);
            status_of(rank);
        }
    relay_destroy(&way);
    return rc;
}

/* ---------------------------------------------------------------- items -- */

static uint32_t take_items(uint32_t n)
{
    const uint32_t first = at.next_item;

    at.next_item += n;
    assert_true(at.next_item <= RESUME_ITEMS);
    return first;
}

static void *request(uint32_t item, size_t bytes, uint32_t back,
                     uint32_t target, size_t *len)
{
    const resume_head head = {item, back, target, 0};
    unsigned char *body = malloc(sizeof(head) + bytes);

    assert_non_null(body);
    memcpy(body, &head, sizeof(head));
    resume_fill(body + sizeof(head), item, bytes);
    *len = sizeof(head) + bytes;
    return body;
}

/* Each of the items was run once, somewhere. */
static void assert_each_once(uint32_t first, uint32_t n)
{
    const uint32_t range[2] = {first, n};
    unsigned char *sum = calloc(n, 1);
    muster_results *all = NULL;
    uint32_t never = 0, again = 0;

    assert_non_null(sum);
    assert_code(muster_broadcast(at.r->m, NULL, "tally", range, sizeof(range),
                                 60000, &all, &at.err),
                MUSTER_OK, at.err);
    for (size_t w = 0; w < all->n; w++) {
        assert_int_equal(all->items[w].len, n);
        for (uint32_t i = 0; i < n; i++)
            sum[i] += ((const unsigned char *)all->items[w].data)[i];
    }
    muster_results_destroy(&all);
    for (uint32_t i = 0; i < n; i++) {
        never += sum[i] == 0;
        again += sum[i] > 1;
    }
    free(sum);
    if (never + again > 0)
        fail_msg("of %u items %u were never run and %u more than once", n,
                 never, again);
}

static void start(uint32_t rank, const char *name, uint32_t item, size_t bytes,
                  uint32_t back, uint32_t target, muster_future **f)
{
    size_t len;
    void *body = request(item, bytes, back, target, &len);

    assert_code(
        muster_call_start(at.r->m, rank, name, body, len, 60000, f, &at.err),
        MUSTER_OK, at.err);
    free(body);
}

static void finish(muster_future **f, uint32_t item, uint32_t back)
{
    muster_reply *reply = NULL;

    assert_code(muster_future_result(*f, &reply, &at.err), MUSTER_OK, at.err);
    assert_int_equal(reply->len, back);
    assert_int_equal(
        resume_check((const unsigned char *)reply->data, item, back), back);
    muster_reply_destroy(&reply);
    muster_future_destroy(f);
}

/* n calls, so many at a time, of random sizes up to `most` both ways. Returns
 * the first of their items. */
static uint32_t some_calls(const char *name, uint32_t n, uint32_t window,
                           uint32_t most)
{
    const uint32_t first = take_items(n);
    muster_future **futures = calloc(n, sizeof(*futures));
    uint32_t *back = calloc(n, sizeof(*back)), ended = 0;
    uint64_t x = seed + n;

    assert_non_null(futures);
    assert_non_null(back);
    for (uint32_t i = 0; i < n; i++) {
        back[i] = chance(&x, most);
        start(1 + i % at.n, name, first + i, chance(&x, most), back[i],
              1 + chance(&x, at.n), &futures[i]);
        for (; i - ended >= window - 1; ended++)
            finish(&futures[ended], first + ended, back[ended]);
    }
    for (; ended < n; ended++)
        finish(&futures[ended], first + ended, back[ended]);
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

/* ---------------------------------------------------------------- tests -- */

static void pipelined_calls(void **state)
{
    (void)state;
    up(WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 17);
    call_items("tick", (uint32_t)(4000 * times), WINDOW, 2000);
    down();
}

/* The cuts are in the middle of them. */
static void large_payloads_both_ways(void **state)
{
    (void)state;
    up_with(WORKERS, 10000 * RIG_SLOW, "off");
    foe_begins(8u << 20);
    call_items("tick", (uint32_t)(12 * times), 6, 3u << 20);
    down();
}

/* They flow on while the link is cut. */
static void large_payloads_beside_the_link(void **state)
{
    (void)state;
    up(WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 12);
    call_items("tick", (uint32_t)(24 * times), 6, 6u << 20);
    down();
}

static void calls_from_worker_to_worker(void **state)
{
    (void)state;
    up(WORKERS, 10000 * RIG_SLOW);
    foe_begins(1u << 17);
    call_items("via", (uint32_t)(900 * times), WINDOW, 4000);
    down();
}

static void blocking_calls(void **state)
{
    const uint32_t n = (uint32_t)(500 * times);
    uint32_t first;

    (void)state;
    up(WORKERS, 10000 * RIG_SLOW);
    first = take_items(n);
    foe_begins(1u << 14);
    for (uint32_t i = 0; i < n; i++) {
        muster_reply *reply = NULL;
        size_t len;
        void *body = request(first + i, i % 100, i % 50, 0, &len);

        assert_code(muster_call(at.r->m, MUSTER_ANY, "tick", body, len, 60000,
                                &reply, &at.err),
                    MUSTER_OK, at.err);
        assert_int_equal(reply->len, i % 50);
        muster_reply_destroy(&reply);
        free(body);
    }
    foe_ends("blocking calls", n);
    assert_each_once(first, n);
    down();
}

static void posts(void **state)
{
    const uint32_t n = (uint32_t)(3000 * times);
    uint32_t first;

    (void)state;
    up(WORKERS, 10000 * RIG_SLOW);
    first = take_items(n);
    foe_begins(1u << 16);
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        void *body = request(first + i, i % 500, 0, 0, &len);

        assert_code(
            muster_post(at.r->m, 1 + i % at.n, "tick", body, len, &at.err),
            MUSTER_OK, at.err);
        free(body);
        if (i % 100 == 0)
            poll(NULL, 0, 10);
    }
    foe_ends("posts", n);
    assert_each_once(first, n); /* behind the last of them on each link */
    down();
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
    up(WORKERS, 10000 * RIG_SLOW);
    first = take_items(n);
    for (uint32_t i = 0; i < n; i++)
        items[i].data = request(first + i, i % 3000, i % 700, 0, &items[i].len);
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
    down();
}

static void broadcasts_and_blobs(void **state)
{
    const uint32_t n = (uint32_t)(15 * times);
    unsigned char *bytes = malloc(RIG_MIB);
    char name[32];

    (void)state;
    assert_non_null(bytes);
    up(WORKERS, 10000 * RIG_SLOW);
    foe_begins(2u << 20);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t item = take_items(1);
        size_t len;
        void *body = request(item, RIG_MIB, 1000, 0, &len);
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
    down();
}

static void what_is_printed(void **state)
{
    const uint32_t calls = (uint32_t)(30 * times), lines = 300;
    char want[64];

    (void)state;
    up(1, 10000 * RIG_SLOW);
    foe_begins(1u << 15);
    for (uint32_t i = 0; i < calls; i++) {
        size_t len;
        void *body = request(i, 0, lines, 0, &len);

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
    down();
}

/* ------------------------------------------------- a cut that is held on -- */

static void a_cut_of_half_the_time_out(void **state)
{
    const int64_t heartbeat = 2000 * RIG_SLOW;
    rig *r = up(2, heartbeat);
    const int64_t began = rig_now_ms();
    muster_future *lingers, *waits, *late;
    muster_info info;

    (void)state;
    lingers = rig_start(r, 1, "linger", "");
    assert_non_null(rig_take_line(r, 1, "lingers", RIG_WAIT_MS));
    relay_hold(way);
    for (uint32_t rank = 1; rank <= 2; rank++)
        assert_non_null(rig_event_to(r, rank, MUSTER_CUT, RIG_WAIT_MS));
    /* one that is cut counts, and what is asked of it waits */
    assert_int_equal(muster_size(r->m), 2);
    start(2, "tick", take_items(1), 10, 10, 0, &waits);
    start(2, "tick", take_items(1), 10, 10, 0, &late);
    assert_false(muster_future_wait(waits, 20));
    /* deadlines run on, and who is cancelled is told when it is back */
    assert_code(rig_call(r, 2, "tick", "x", 100), MUSTER_ETIMEOUT, r->err);
    muster_future_cancel(lingers);
    assert_code(rig_result(r, &lingers), MUSTER_ECANCELED, r->err);
    while (rig_now_ms() - began < heartbeat / 2)
        poll(NULL, 0, 10);
    assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK, r->err);
    assert_int_equal(info.state, MUSTER_CUT);
    relay_release(way);
    finish(&waits, 0, 10);
    finish(&late, 1, 10);
    assert_each_once(0, 2);
    assert_non_null(rig_take_line(r, 1, "cancelled", RIG_WAIT_MS));
    assert_true(rig_logged(r, "LINK-RESUMED", "rank=1", RIG_WAIT_MS));
    down();
}

static void a_cut_of_more_than_the_time_out(void **state)
{
    const int64_t heartbeat = 800 * RIG_SLOW;
    rig *r = up(2, heartbeat);
    const int64_t began = rig_now_ms();
    muster_future *f;
    muster_info info;

    (void)state;
    f = rig_start(r, 1, "linger", "");
    assert_non_null(rig_take_line(r, 1, "lingers", RIG_WAIT_MS));
    relay_hold(way);
    assert_code(rig_result(r, &f), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1", "cut", "did not come back");
    assert_within("a link that was cut too long", began, 1500);
    while (rig_now_ms() - began < heartbeat * 3 / 2)
        poll(NULL, 0, 10);
    relay_release(way);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        assert_non_null(rig_event_to(r, rank, MUSTER_LOST, RIG_WAIT_MS));
        /* it says why: cut for too long, or the manager's no */
        assert_in_range(status_of(rank), 75, 77);
    }
    assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK, r->err);
    assert_words(info.verdict, "cut", "ago", "did not come back");
    assert_int_equal(muster_size(r->m), 0);
    down();
}

static void one_that_drains_is_cut(void **state)
{
    const uint32_t one = 1;
    rig *r = up(1, 10000 * RIG_SLOW);
    const uint32_t first = take_items(100);
    muster_future *futures[100];

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        start(1, "tick", first + i, 100, 50000, 0, &futures[i]);
    relay_cut_after(way, 100000);
    assert_code(muster_remove(r->m, &one, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    for (uint32_t i = 0; i < 100; i++)
        finish(&futures[i], first + i, 50000);
    assert_int_equal(status_of(1), 0);
    down();
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
        resume_test(a_cut_of_half_the_time_out),
        resume_test(a_cut_of_more_than_the_time_out),
        resume_test(one_that_drains_is_cut),
    };

    seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    if (more != NULL)
        times = strtoull(more, NULL, 10);
    print_message("           seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
