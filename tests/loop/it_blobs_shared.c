/* it_blobs_shared.c - blobs that children of this machine read where the
 * manager has put them. */
#include "bulk_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LEN (3 * RIG_MIB + 5)

static rig *up(uint32_t n)
{
    rig *r = rig_up(n);

    assert_code(muster_module_ship(r->m, INNER_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    for (uint32_t rank = 1; rank <= n; rank++)
        bulk_wait_until_on(r, rank);
    return r;
}

/* Its bytes; free. */
static unsigned char *put(rig *r, const char *name, unsigned seed)
{
    unsigned char *data = bulk_bytes(LEN, seed);

    assert_code(muster_put(r->m, name, data, LEN, &r->err), MUSTER_OK, r->err);
    return data;
}

static unsigned long sum_of(const unsigned char *data)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < LEN; i++)
        sum += data[i];
    return sum;
}

/* The file where this worker has the blob, 0: it is in none; its bytes are
 * looked at. */
static unsigned long place(rig *r, uint32_t rank, const char *name,
                           const unsigned char *data)
{
    unsigned long inode, sum;
    char *end;

    assert_code(rig_call(r, rank, "blob_place", name, RIG_WAIT_MS), MUSTER_OK,
                r->err);
    inode = strtoul(r->answer, &end, 10);
    sum = strtoul(end, &end, 10);
    assert_true(sum == sum_of(data));
    if (inode != 0)
        assert_string_equal(end, " r--s");
    return inode;
}

static void children_read_the_same_memory(void **state)
{
    rig *r = up(2);
    unsigned char *a = put(r, "a", 1), *b = put(r, "b", 2);
    const unsigned long of_a = place(r, 1, "a", a);

    (void)state;
    assert_true(of_a != 0);
    assert_true(place(r, 2, "a", a) == of_a);
    assert_true(place(r, 1, "b", b) != of_a);
    assert_true(place(r, 1, "b", b) == place(r, 2, "b", b));
    rig_launch(r, 1); /* one that comes later */
    assert_true(place(r, 3, "a", a) == of_a);
    /* what calls share beside it does not touch it */
    for (int i = 0; i < 20; i++)
        assert_code(muster_call(r->m, 1 + (uint32_t)i % 3, "blob_place", b, LEN,
                                RIG_WAIT_MS, NULL, &r->err),
                    MUSTER_EREMOTE, r->err);
    for (uint32_t rank = 1; rank <= 3; rank++)
        assert_true(place(r, rank, "a", a) == of_a);
    free(a);
    free(b);
    rig_down(&r);
}

static void come_and_go(rig *r, int n)
{
    for (int i = 0; i < n; i++) {
        unsigned char *data = put(r, "a", (unsigned)i);

        if (i % 100 == 0)
            assert_true(place(r, 1 + (uint32_t)(i / 100) % 2, "a", data) != 0);
        free(data);
        assert_code(muster_drop(r->m, "a", &r->err), MUSTER_OK, r->err);
    }
}

static void dropped_it_is_given_back(void **state)
{
    rig *r = up(2);
    const pid_t pids[] = {getpid(), rig_pid(r, 1), rig_pid(r, 2)};
    long kib[3];
    int fds[3];

    (void)state;
    come_and_go(r, 100 / RIG_SLOW);
    for (int i = 0; i < 3; i++) {
        kib[i] = rig_resident_kib(pids[i]);
        fds[i] = rig_descriptors_of(pids[i]);
    }
    come_and_go(r, 1000 / RIG_SLOW);
    for (int i = 0; i < 3; i++) {
        const long more = rig_resident_kib(pids[i]) - kib[i];

        print_message("           %s: %ld KiB more\n",
                      i == 0 ? "manager" : "worker", more);
        assert_int_equal(rig_descriptors_of(pids[i]), fds[i]);
        if (RIG_SLOW == 1) /* sanitizers keep what was freed */
            assert_true(more < 2048);
    }
    rig_down(&r);
}

static void one_dies_and_another_reads_on(void **state)
{
    rig *r = up(2);
    unsigned char *a = put(r, "a", 1);
    const unsigned long of_a = place(r, 2, "a", a);
    muster_future *f = rig_start(r, 1, "hold_blob", "a");
    muster_reply *reply = NULL;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    kill(rig_pid(r, 1), SIGKILL);
    assert_code(muster_future_result(f, &reply, &r->err), MUSTER_ELOST, r->err);
    muster_future_destroy(&f);
    assert_true(place(r, 2, "a", a) == of_a);
    rig_launch(r, 1);
    assert_true(place(r, 3, "a", a) == of_a);
    free(a);
    rig_down(&r);
}

static void limit_to(pid_t pid, rlim_t n, struct rlimit *old)
{
    struct rlimit limit;

    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, old), 0);
    limit = (struct rlimit){n, old->rlim_max};
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void without_descriptors_it_goes_another_way(void **state)
{
    rig *r = up(2);
    struct rlimit old, none;
    unsigned char *a, *b;
    int lowest;

    (void)state;
    /* a child needs one for a moment only, and keeps it for that */
    limit_to(rig_pid(r, 1), 64, &none);
    assert_code(rig_call(r, 1, "take_descriptors", "", RIG_WAIT_MS), MUSTER_OK,
                r->err);
    a = put(r, "a", 1);
    b = bulk_bytes(LEN, 3);
    assert_code(
        muster_call(r->m, 1, "blob_place", b, LEN, RIG_WAIT_MS, NULL, &r->err),
        MUSTER_EREMOTE, r->err);
    free(b);
    /* the manager has none */
    lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
    assert_true(lowest >= 0);
    close(lowest);
    limit_to(getpid(), (rlim_t)lowest, &old);
    b = put(r, "b", 2);
    assert_int_equal(prlimit(0, RLIMIT_NOFILE, &old, NULL), 0);
    assert_true(place(r, 2, "a", a) != 0);
    assert_true(place(r, 2, "b", b) == 0);
    free(a);
    free(b);
    rig_down(&r);
}

/* Bytes that do not fit into a file. */
static void without_room_it_goes_another_way(void **state)
{
    rig *r = up(2);
    const struct rlimit small = {RIG_MIB, RLIM_INFINITY};
    struct rlimit old;
    unsigned char *a;

    (void)state;
    assert_int_equal(prlimit(0, RLIMIT_FSIZE, &small, &old), 0);
    a = put(r, "a", 1);
    assert_int_equal(prlimit(0, RLIMIT_FSIZE, &old, NULL), 0);
    assert_true(place(r, 1, "a", a) == 0);
    free(a);
    rig_down(&r);
}

/* Of four segments one makes room, and its place has another at once: the
 * child, which stood still, has not read yet that the old one is gone. */
static void a_place_has_what_was_put_there_last(void **state)
{
    static const size_t lens[] = {55 * RIG_MIB, 10 * RIG_MIB};
    rig *r = bulk_up(NULL, 1);

    (void)state;
    bulk_wait_until_on(r, 1);
    for (unsigned round = 0; round < 2; round++) {
        muster_future *f[4];
        char want[4][32];

        rig_stop(rig_pid(r, 1));
        for (unsigned i = 0; i < 4; i++) {
            unsigned char *data = bulk_bytes(lens[round], 10 * round + i);

            bulk_sum(data, lens[round], want[i]);
            assert_code(muster_call_start(r->m, 1, "sum", data, lens[round],
                                          RIG_WAIT_MS, &f[i], &r->err),
                        MUSTER_OK, r->err);
            free(data);
        }
        for (int i = 0; bulk_figures_of(r, 1).uses < 4; i++) {
            assert_true(i < RIG_WAIT_MS);
            poll(NULL, 0, 1);
        }
        kill(rig_pid(r, 1), SIGCONT);
        for (unsigned i = 0; i < 4; i++) {
            muster_reply *reply = NULL;

            assert_code(muster_future_result(f[i], &reply, &r->err), MUSTER_OK,
                        r->err);
            assert_memory_equal(reply->data, want[i], reply->len);
            muster_reply_destroy(&reply);
            muster_future_destroy(&f[i]);
        }
    }
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(children_read_the_same_memory),
        rig_test(dropped_it_is_given_back),
        rig_test(one_dies_and_another_reads_on),
        rig_test(without_descriptors_it_goes_another_way),
        rig_test(without_room_it_goes_another_way),
        rig_test(a_place_has_what_was_put_there_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
