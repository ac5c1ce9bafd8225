/* it_bulk.c - large payloads, by each way they can take, in good times and
 * bad. */
#include "bulk_rig.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "session/session.h"

#define KIB ((size_t)1024)

/* -------------------------------------------------------------- good times --
 */

static void sizes_by(const char *bulk)
{
    static const size_t sizes[] = {
        64 * KIB - 1, 64 * KIB,      64 * KIB + 1, 256 * KIB - 1,
        256 * KIB,    256 * KIB + 1, 1024 * KIB,   5 * RIG_MIB + 77};
    const size_t n = sizeof(sizes) / sizeof(sizes[0]);
    const bool is_off = strcmp(bulk, "off") == 0;
    rig *r = bulk_up(bulk, 1);
    bulk_figures before;

    if (!is_off)
        bulk_wait_until_on(r, 1);
    before = bulk_figures_of(r, 1);
    for (size_t i = 0; i < n; i++)
        bulk_assert_mirrors(r, 1, sizes[i]);
    assert_int_equal(bulk_figures_of(r, 1).transfers - before.transfers,
                     is_off ? 0 : n - 1);
    assert_int_equal(bulk_figures_of(r, 1).flows, 0);
    rig_down(&r);
}

static void all_sizes_come_back_as_they_were(void **state)
{
    (void)state;
    sizes_by("auto");
    sizes_by("sealed");
    sizes_by("plain");
    sizes_by("off");
}

static void plain_is_said_loudly(void **state)
{
    rig *r = bulk_up("plain", 1);

    (void)state;
    assert_true(rig_logged(r, "BULK-PLAINTEXT", "NOT ENCRYPTED", 0));
    rig_down(&r);
    r = bulk_up("auto", 1);
    assert_false(rig_logged(r, "BULK-PLAINTEXT", "", 0));
    assert_int_equal(r->m->door.fd, -1); /* no port for one's own children */
    rig_down(&r);
}

static void a_broadcast_is_sealed_once(void **state)
{
    const size_t len = 8 * RIG_MIB + 5;
    unsigned char *data = bulk_bytes(len, 1);
    muster_results *all = NULL;
    bulk_figures before;
    char want[32];
    rig *r = bulk_up("sealed", 4);

    (void)state;
    bulk_sum(data, len, want);
    before = bulk_figures_of(r, 1); /* the module went by lane or sealed */
    assert_code(
        muster_broadcast(r->m, NULL, "sum", data, len, 0, &all, &r->err),
        MUSTER_OK, r->err);
    assert_int_equal(all->n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(all->items[i].data, want);
    assert_int_equal(bulk_figures_of(r, 1).sealed - before.sealed, len);
    assert_int_equal(bulk_figures_of(r, 1).transfers - before.transfers, 1);
    muster_results_destroy(&all);
    free(data);
    rig_down(&r);
}

static void map_by(const char *bulk)
{
    enum { ITEMS = 40 };
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item items[ITEMS];
    muster_results *all = NULL;
    rig *r = bulk_up(bulk, 3);

    for (size_t i = 0; i < ITEMS; i++) {
        const size_t len = 50 * KIB + i * 10 * KIB;

        items[i] = (muster_item){bulk_bytes(len, (unsigned)i), len};
    }
    o.items = items;
    o.nitems = ITEMS;
    assert_code(muster_map(r->m, "mirror", &o, &all, &r->err), MUSTER_OK,
                r->err);
    assert_int_equal(all->n, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(all->items[i].len, items[i].len);
        assert_memory_equal(all->items[i].data, items[i].data, items[i].len);
        free((void *)items[i].data);
    }
    muster_results_destroy(&all);
    rig_down(&r);
}

static void a_map_of_large_items(void **state)
{
    (void)state;
    map_by("auto");
    map_by("sealed");
}

static void blob_by(const char *bulk)
{
    const size_t len = 3 * RIG_MIB + 1;
    unsigned char *data = bulk_bytes(len, 3);
    char want[32];
    rig *r = bulk_up(bulk, 2);

    bulk_sum(data, len, want);
    assert_code(muster_put(r->m, "b", data, len, &r->err), MUSTER_OK, r->err);
    memset(data, 0, len); /* it was copied */
    rig_launch(r, 1);
    for (uint32_t rank = 1; rank <= 3; rank++) {
        assert_code(rig_call(r, rank, "sum_of_blob", "b", 0), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, want);
    }
    free(data);
    rig_down(&r);
}

static void a_large_blob_also_for_who_comes_late(void **state)
{
    (void)state;
    blob_by("auto");
    blob_by("sealed");
}

static void from_worker_to_worker_by(const char *bulk)
{
    const size_t len = 2 * RIG_MIB + 9;
    const uint32_t target = 2;
    unsigned char *data = bulk_bytes(len, 7);
    muster_reply *reply = NULL;
    rig *r = bulk_up(bulk, 2);

    memcpy(data, &target, sizeof(target));
    for (int i = 0; i < 3; i++) {
        assert_code(
            muster_call(r->m, 1, "mirror_on", data, len, 0, &reply, &r->err),
            MUSTER_OK, r->err);
        assert_int_equal(reply->len, len - sizeof(target));
        assert_memory_equal(reply->data, data + sizeof(target),
                            len - sizeof(target));
        muster_reply_destroy(&reply);
    }
    free(data);
    rig_down(&r);
}

static void from_worker_to_worker(void **state)
{
    (void)state;
    from_worker_to_worker_by("auto");
    from_worker_to_worker_by("sealed");
}

/* ---------------------------------------------------------- shared memory --
 */

static rig *up_sharing(uint32_t n)
{
    rig *r = bulk_up("auto", n);

    for (uint32_t rank = 1; rank <= n; rank++)
        bulk_wait_until_on(r, rank);
    return r;
}

/* The last word that a segment is not read any more comes behind the result. */
static void wait_until_unused(rig *r)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    while (bulk_figures_of(r, 1).uses > 0 && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_int_equal(bulk_figures_of(r, 1).uses, 0);
}

static void children_read_where_it_was_put(void **state)
{
    const size_t len = 8 * RIG_MIB + 5;
    rig *r = up_sharing(4);

    (void)state;
    for (unsigned i = 0; i < 6; i++) { /* the same place, other bytes */
        unsigned char *data = bulk_bytes(len - i, i);
        const bulk_figures before = bulk_figures_of(r, 1);
        muster_results *all = NULL;
        char want[32];

        bulk_sum(data, len - i, want);
        assert_code(muster_broadcast(r->m, NULL, "sum", data, len - i, 0, &all,
                                     &r->err),
                    MUSTER_OK, r->err);
        for (size_t k = 0; k < 4; k++)
            assert_string_equal(all->items[k].data, want);
        muster_results_destroy(&all);
        free(data);
        wait_until_unused(r);
        assert_int_equal(bulk_figures_of(r, 1).transfers - before.transfers, 4);
    }
    assert_int_equal(bulk_figures_of(r, 1).segments, 1);
    assert_int_equal(bulk_figures_of(r, 1).flows, 0);
    rig_down(&r);
}

/* The call fails, and the next one has what it needs. */
static void a_child_that_cannot_map_it_is_told_again(void **state)
{
    const size_t len = 2 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 1);
    rig *r = up_sharing(1);
    struct rlimit old, low;

    (void)state;
    assert_int_equal(prlimit(rig_pid(r, 1), RLIMIT_NOFILE, NULL, &old), 0);
    low = (struct rlimit){3, old.rlim_max}; /* for no descriptor more */
    assert_int_equal(prlimit(rig_pid(r, 1), RLIMIT_NOFILE, &low, NULL), 0);
    assert_code(muster_call(r->m, 1, "sum", data, len, 0, NULL, &r->err),
                MUSTER_ENOMEM, r->err);
    assert_words(r->err.text, "worker 1", "no memory", "2097152");
    assert_int_equal(prlimit(rig_pid(r, 1), RLIMIT_NOFILE, &old, NULL), 0);
    wait_until_unused(r);
    bulk_assert_mirrors(r, 1, len);
    wait_until_unused(r);
    assert_int_equal(bulk_figures_of(r, 1).segments, 1); /* the same */
    free(data);
    rig_down(&r);
}

/* What finds no place takes the other way. */
static void more_than_is_shared(void **state)
{
    enum { N = 36 };
    const size_t len = 9 * RIG_MIB;
    muster_future *futures[N];
    rig *r = up_sharing(3);
    char want[N][32];

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        unsigned char *data = bulk_bytes(len, i);

        bulk_sum(data, len, want[i]);
        assert_code(muster_call_start(r->m, 1 + i % 3, "sum", data, len, 0,
                                      &futures[i], &r->err),
                    MUSTER_OK, r->err);
        free(data); /* it was copied */
    }
    for (uint32_t i = 0; i < N; i++) {
        muster_reply *reply = NULL;

        assert_code(muster_future_result(futures[i], &reply, &r->err),
                    MUSTER_OK, r->err);
        assert_string_equal(reply->data, want[i]);
        muster_reply_destroy(&reply);
        muster_future_destroy(&futures[i]);
        assert_true(bulk_figures_of(r, 1).shared <= MST_SEGMENT_BYTES);
    }
    wait_until_unused(r);
    rig_down(&r);
}

/* Nobody knows when one that was given up reads no more. */
static void a_reader_that_is_lost(void **state)
{
    const size_t len = 2 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 1);
    muster_future *f = NULL;
    rig *r = up_sharing(2);
    muster_err rc;

    (void)state;
    assert_code(muster_call_start(r->m, 1, "stay", data, len, 0, &f, &r->err),
                MUSTER_OK, r->err);
    assert_non_null(rig_take_line(r, 1, "staying", RIG_WAIT_MS));
    assert_int_equal(bulk_figures_of(r, 2).uses, 1);
    kill(rig_pid(r, 1), SIGKILL);
    rc = muster_future_result(f, NULL, &r->err);
    assert_code(rc, MUSTER_ELOST, r->err);
    muster_future_destroy(&f);
    assert_int_equal(bulk_figures_of(r, 2).segments, 0);
    assert_code(bulk_mirror(r, 2, data, len, 0), MUSTER_OK, r->err);
    free(data);
    rig_down(&r);
}

/* What is small does not overtake what is large. */
static void order_by(const char *bulk)
{
    enum { N = 30 };
    unsigned char *data = bulk_bytes(RIG_MIB, 0);
    rig *r = bulk_up(bulk, 1);

    if (strcmp(bulk, "auto") == 0)
        bulk_wait_until_on(r, 1);
    for (int i = 0; i < N; i++) {
        data[0] = (unsigned char)('A' + i);
        assert_code(muster_post(r->m, 1, "first_byte", data,
                                i % 3 == 0 ? RIG_MIB : 10, &r->err),
                    MUSTER_OK, r->err);
    }
    assert_code(rig_call(r, 1, "first_bytes", "", 0), MUSTER_OK, r->err);
    assert_int_equal(strlen(r->answer), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(r->answer[i], 'A' + i);
    free(data);
    rig_down(&r);
}

static void large_and_small_begin_in_their_order(void **state)
{
    (void)state;
    order_by("auto");
    order_by("sealed");
}

/* -------------------------------------------------------------- bad times --
 */

/* A worker that stands still: it is given up, and nothing stays behind. */
static void given_up_by(const char *bulk)
{
    const size_t len = 16 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 5);
    muster_future *f = NULL;
    rig *r = bulk_up(bulk, 1);
    const pid_t pid = rig_pid(r, 1);

    bulk_assert_mirrors(r, 1, RIG_MIB);
    rig_stop(pid);
    assert_code(bulk_mirror(r, 1, data, len, 50), MUSTER_ETIMEOUT, r->err);
    assert_code(muster_call_start(r->m, 1, "mirror", data, len, MUSTER_FOREVER,
                                  &f, &r->err),
                MUSTER_OK, r->err);
    poll(NULL, 0, 20);
    muster_future_cancel(f);
    assert_code(muster_future_result(f, NULL, &r->err), MUSTER_ECANCELED,
                r->err);
    muster_future_destroy(&f);
    assert_int_equal(bulk_figures_of(r, 1).flows, 0);
    kill(pid, SIGCONT);
    assert_code(bulk_mirror(r, 1, data, len, 0), MUSTER_OK, r->err);
    free(data);
    rig_down(&r);
}

static void cancel_and_deadline_before_it_is_there(void **state)
{
    (void)state;
    given_up_by("auto");
    given_up_by("sealed");
}

/* At any moment of it, in both directions, on the manager and on a worker. */
static void deadlines_by(const char *bulk)
{
    const size_t len = 4 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 6);
    unsigned timeouts = 0, done = 0;
    muster_reply *reply = NULL;
    rig *r = bulk_up(bulk, 2);

    for (int ms = 1; ms < 30; ms++) {
        const muster_err rc = bulk_mirror(r, 1, data, len, ms);

        timeouts += rc == MUSTER_ETIMEOUT;
        done += rc == MUSTER_OK;
        assert_true(rc == MUSTER_OK || rc == MUSTER_ETIMEOUT);
    }
    for (uint32_t ms = 0; ms < 20; ms++) {
        const uint32_t words[2] = {2, ms};

        memcpy(data, words, sizeof(words));
        assert_code(
            muster_call(r->m, 1, "give_up_on", data, len, 0, &reply, &r->err),
            MUSTER_OK, r->err);
        muster_reply_destroy(&reply);
    }
    print_message("           %s: %u in time, %u not\n", bulk, done, timeouts);
    assert_true(timeouts > 0);
    bulk_assert_mirrors(r, 1, len);
    bulk_assert_mirrors(r, 2, len);
    assert_int_equal(bulk_figures_of(r, 1).flows, 0);
    free(data);
    rig_down(&r);
}

static void deadlines_at_any_moment(void **state)
{
    (void)state;
    deadlines_by("auto");
    deadlines_by("sealed");
}

static void come_and_go_by(const char *bulk)
{
    bulk_caster c = {.len = 6 * RIG_MIB};
    muster_error err;
    pthread_t thread;

    c.data = bulk_bytes(c.len, 9);
    bulk_sum(c.data, c.len, c.want);
    c.r = bulk_up(bulk, 3);
    assert_int_equal(pthread_create(&thread, NULL, bulk_cast_often, &c), 0);
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t leaves = i + 1;

        rig_launch(c.r, 1);
        if (i % 2 == 0)
            kill(rig_pid(c.r, leaves), SIGKILL);
        else
            assert_code(muster_remove(c.r->m, &leaves, 1, 5000, &err),
                        MUSTER_OK, err);
    }
    pthread_join(thread, NULL);
    print_message("           %s: %u answers\n", bulk, c.good);
    assert_int_equal(c.wrong, 0);
    assert_true(c.good >= 20);
    assert_int_equal(bulk_figures_of(c.r, 1).flows, 0);
    free(c.data);
    rig_down(&c.r);
}

static void workers_come_and_go_meanwhile(void **state)
{
    (void)state;
    come_and_go_by("auto");
    come_and_go_by("sealed");
}

static void a_thousand_leave_nothing_behind(void **state)
{
    unsigned char *data = bulk_bytes(300 * KIB, 2);
    rig *r = bulk_up("sealed", 1);
    const pid_t worker = rig_pid(r, 1);
    long ours = 0, theirs = 0;
    unsigned open = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        if (i == 300) {
            ours = rig_resident_kib(getpid());
            theirs = rig_resident_kib(worker);
            open = rig_descriptors();
        }
        assert_code(bulk_mirror(r, 1, data, 300 * KIB, 0), MUSTER_OK, r->err);
    }
    ours = rig_resident_kib(getpid()) - ours;
    theirs = rig_resident_kib(worker) - theirs;
    print_message("           growth: manager %ld KiB, worker %ld KiB\n", ours,
                  theirs);
    assert_int_equal(rig_descriptors(), open);
    assert_int_equal(bulk_figures_of(r, 1).flows, 0);
    if (RIG_SLOW == 1) { /* sanitizers keep what is freed */
        assert_true(ours < 4096);
        assert_true(theirs < 4096);
    }
    free(data);
    rig_down(&r);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(all_sizes_come_back_as_they_were),
        rig_test(plain_is_said_loudly),
        rig_test(a_broadcast_is_sealed_once),
        rig_test(a_map_of_large_items),
        rig_test(a_large_blob_also_for_who_comes_late),
        rig_test(from_worker_to_worker),
        rig_test(children_read_where_it_was_put),
        rig_test(a_child_that_cannot_map_it_is_told_again),
        rig_test(more_than_is_shared),
        rig_test(a_reader_that_is_lost),
        rig_test(large_and_small_begin_in_their_order),
        rig_test(cancel_and_deadline_before_it_is_there),
        rig_test(deadlines_at_any_moment),
        rig_test(workers_come_and_go_meanwhile),
        rig_test(a_thousand_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
