/* it_relay_faults.c - workers that pass large payloads on to each other, and
 * do not. */
#include "cast.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

/* --------------------------------------------------- relays that are killed --
 */

static void before_its_first_chunk(void **state)
{
    rig *r = up(4);
    const pid_t pid = rig_pid(r, 2);
    cast c;

    (void)state;
    kill(pid, SIGSTOP);
    begin(&c, r, 8 * RIG_MIB, 0);
    assert_true(until(r, has_all, 1, 5000));
    kill(pid, SIGKILL);
    end(&c, 4, 2, MUSTER_ELOST);
    assert_casts(r, 4 * RIG_MIB, 3);
    rig_down(&r);
}

static relay *way;

static void in_the_middle(void **state)
{
    muster_options o = rig_options();
    const int64_t began = rig_now_ms();
    pid_t pid;
    cast c;
    rig *r;

    (void)state;
    o.bulk = "sealed";
    o.relay = "always";
    r = rig_open(&o);
    way = bulk_way_of(r);
    cast_ready(r, "always", 4);
    assert_casts(r, 64 * KIB, 4);
    pid = rig_pid(r, 2);
    begin(&c, r, 48 * RIG_MIB, 0);
    assert_true(until(r, has_some, 2, 5000));
    relay_freeze(way);
    assert_true(figures_of(r).of[2].flows);
    kill(pid, SIGKILL);
    relay_thaw(way);
    end(&c, 4, 2, MUSTER_ELOST);
    assert_within("a relay killed in the middle", began, 10000);
    rig_down(&r);
    relay_destroy(&way);
}

static void after_its_last_chunk(void **state)
{
    rig *r = up(4);
    const pid_t relays = rig_pid(r, 2), next = rig_pid(r, 3);
    cast c;

    (void)state;
    kill(next, SIGSTOP);
    begin(&c, r, 12 * RIG_MIB, 0);
    assert_true(until(r, has_all, 2, 5000));
    assert_true(figures_of(r).of[3].flows);
    kill(relays, SIGKILL);
    poll(NULL, 0, 20);
    kill(next, SIGCONT);
    end_without_2(&c, 4); /* it may have answered before */
    rig_down(&r);
}

/* ----------------------------------------------------------- other failures --
 */

/* The others do not wait for it, be they in front of it or behind. */
static void stands_still(uint32_t which)
{
    rig *r = up(5);
    const pid_t pid = rig_pid(r, which);
    int64_t began;
    cast c;

    kill(pid, SIGSTOP);
    began = rig_now_ms();
    begin(&c, r, 40 * RIG_MIB, 8000 * RIG_SLOW);
    for (uint32_t rank = 1; rank <= 5; rank++)
        assert_true(rank == which || until(r, has_all, rank, 7000));
    assert_within("all but one that stands still", began, 6000);
    assert_true(figures_of(r).of[which].flows);
    kill(pid, SIGCONT);
    end(&c, 5, 0, MUSTER_OK);
    rig_down(&r);
}

static void one_that_stands_still(void **state)
{
    (void)state;
    stands_still(3);
}

static void the_first_one_stands_still(void **state)
{
    (void)state;
    stands_still(1);
}

static uint16_t instead; /* of the port of rank 1 */

static void misdirect(muster *m, void *arg)
{
    (void)arg;
    if (instead == 0) {
        way = relay_create(m->members[0]->relay_port);
        instead = way != NULL ? relay_port(way) : 0;
    }
    m->members[0]->relay_port = instead;
}

static void forgive(muster *m, void *arg)
{
    (void)arg;
    m->members[0]->gives_ms = 0;
}

static void one_that_corrupts_or_cuts(void **state)
{
    rig *r = up(3);
    figures before;

    (void)state;
    instead = 0;
    assert_true(mst_session_run(r->m, misdirect, NULL));
    assert_non_null(way);
    assert_casts(r, 2 * RIG_MIB, 3);
    assert_true(relay_connections(way) >= 1);
    before = figures_of(r);
    for (int i = 0; i < 8; i++) {
        cast c;

        assert_true(mst_session_run(r->m, forgive, NULL));
        relay_cut_after(way, i % 2 == 0 ? 0 : (uint64_t)i * 900001);
        begin(&c, r, 8 * RIG_MIB, 0);
        if (i % 2 == 0 && until(r, has_some, 2, 1000))
            relay_garble(way);
        end(&c, 3, 0, MUSTER_OK);
    }
    assert_true(relay_connections(way) >= 9);
    assert_int_equal(figures_of(r).sealed - before.sealed, 64 * RIG_MIB);
    assert_true(rig_logged(r, "RELAY-FAILED", "rank=2 from=1", 0));
    rig_down(&r);
    relay_destroy(&way);
}

/* A port where nobody answers: nobody listens, or nobody accepts. */
static int dead_port(bool deaf)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    if (deaf)
        assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    instead = ntohs(at.sin_port);
    return fd;
}

static void unreachable(bool deaf)
{
    rig *r = up(3);
    const int fd = dead_port(deaf);
    uint64_t relayed;
    int64_t began;

    assert_true(mst_session_run(r->m, misdirect, NULL));
    began = rig_now_ms();
    assert_casts(r, 4 * RIG_MIB, 3);
    assert_within("one that cannot be reached", began, 2500);
    assert_true(rig_logged(r, "RELAY-UNREACHED", "rank=2 from=1", 0));
    /* it is not tried again soon */
    relayed = figures_of(r).relayed;
    began = rig_now_ms();
    assert_casts(r, 4 * RIG_MIB, 3);
    assert_within("the next time", began, 900);
    assert_true(figures_of(r).relayed - relayed <= 1);
    close(fd);
    rig_down(&r);
}

static void one_that_cannot_be_reached(void **state)
{
    (void)state;
    unreachable(false);
    unreachable(true);
}

static void deadlines_at_any_moment(void **state)
{
    const size_t len = 8 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 6);
    unsigned late = 0, done = 0;
    rig *r = up(4);
    int64_t took_ms = rig_now_ms();

    (void)state;
    assert_casts(r, len, 4);
    took_ms = rig_now_ms() - took_ms;
    for (int i = 1; i < 40; i++) {
        const int64_t ms = 1 + i * took_ms / 30;
        muster_results *all = NULL;
        muster_error err;
        const muster_err rc =
            muster_broadcast(r->m, NULL, "sum", data, len, ms, &all, &err);

        assert_true(rc == MUSTER_OK || rc == MUSTER_EPARTIAL);
        for (size_t k = 0; k < all->n; k++) {
            late += all->items[k].code == MUSTER_ETIMEOUT;
            done += all->items[k].code == MUSTER_OK;
        }
        assert_int_equal(late + done, 4 * i);
        muster_results_destroy(&all);
    }
    print_message("           %u in time, %u not\n", done, late);
    assert_true(late > 0);
    assert_casts(r, len, 4);
    free(data);
    rig_down(&r);
}

/* One of them leaves; the others get it all the same. */
static void one_is_removed(void **state)
{
    const uint32_t rank = 2;
    rig *r = up(3);
    cast c;

    (void)state;
    begin(&c, r, 24 * RIG_MIB, 0);
    assert_true(until(r, has_some, 1, 5000));
    assert_code(muster_remove(r->m, &rank, 1, 1, &r->err), MUSTER_ETIMEOUT,
                r->err); /* it was killed */
    end_without_2(&c, 3);
    rig_down(&r);
}

static void workers_come_and_go_meanwhile(void **state)
{
    bulk_caster c = {.len = 6 * RIG_MIB};
    muster_error err;
    pthread_t thread;

    (void)state;
    c.data = bulk_bytes(c.len, 9);
    bulk_sum(c.data, c.len, c.want);
    c.r = up(4);
    assert_int_equal(pthread_create(&thread, NULL, bulk_cast_often, &c), 0);
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t leaves = i + 1;

        rig_launch(c.r, 1);
        if (i % 2 == 0)
            kill(rig_pid(c.r, leaves), SIGKILL);
        else
            assert_code(muster_remove(c.r->m, &leaves, 1, RIG_WAIT_MS, &err),
                        MUSTER_OK, err);
    }
    pthread_join(thread, NULL);
    print_message("           %u answers\n", c.good);
    assert_int_equal(c.wrong, 0);
    assert_true(c.good >= (RIG_SLOW == 1 ? 24 : 8));
    assert_int_equal(figures_of(c.r).flows, 0);
    free(c.data);
    rig_down(&c.r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(before_its_first_chunk),
        rig_test(in_the_middle),
        rig_test(after_its_last_chunk),
        rig_test(one_that_stands_still),
        rig_test(the_first_one_stands_still),
        rig_test(one_that_corrupts_or_cuts),
        rig_test(one_that_cannot_be_reached),
        rig_test(deadlines_at_any_moment),
        rig_test(one_is_removed),
        rig_test(workers_come_and_go_meanwhile),
    };

    if (argc > 1) /* only those, "one_that*" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
