/* it_relay.c - workers that pass large payloads on to each other. */
#include "cast.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -------------------------------------------------------------- good times --
 */

static void the_manager_sends_it_once_by(const char *bulk)
{
    static const size_t sizes[] = {64 * KIB, 256 * KIB, 256 * KIB + 1,
                                   3 * RIG_MIB + 7, 20 * RIG_MIB};
    rig *r = up_with(bulk, "always", 5);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const figures before = figures_of(r);
        figures after;

        assert_casts(r, sizes[i], 5);
        after = figures_of(r);
        if (strcmp(bulk, "sealed") == 0)
            assert_int_equal(after.sealed - before.sealed, sizes[i]);
        assert_true(after.relayed > before.relayed);
        print_message("           %s %zu KiB: sent %" PRIu64 " KiB, %" PRIu64
                      " of 4 relayed\n",
                      bulk, sizes[i] / KIB, (after.sent - before.sent) / KIB,
                      after.relayed - before.relayed);
        if (sizes[i] > RIG_MIB && RIG_SLOW == 1)
            assert_true(after.sent - before.sent < 3 * sizes[i]);
    }
    rig_down(&r);
}

static void the_manager_sends_it_once(void **state)
{
    (void)state;
    the_manager_sends_it_once_by("sealed");
    the_manager_sends_it_once_by("plain");
}

static void blobs_go_that_way_too(void **state)
{
    const size_t len = 6 * RIG_MIB;
    unsigned char *data = bulk_bytes(len, 4);
    char want[32];
    rig *r = up(4);
    figures before;

    (void)state;
    bulk_sum(data, len, want);
    before = figures_of(r);
    assert_code(muster_put(r->m, "b", data, len, &r->err), MUSTER_OK, r->err);
    assert_int_equal(figures_of(r).relayed - before.relayed, 3);
    rig_launch(r, 1);
    for (uint32_t rank = 1; rank <= 5; rank++) {
        assert_code(rig_call(r, rank, "sum_of_blob", "b", 0), MUSTER_OK,
                    r->err);
        assert_string_equal(r->answer, want);
    }
    free(data);
    rig_down(&r);
}

static void not_on_this_machine_unless_it_is_said(void **state)
{
    static const char *const words[] = {"auto", "off"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig *r = up_with("sealed", words[i], 3);

        assert_casts(r, 4 * RIG_MIB, 3);
        assert_int_equal(figures_of(r).relayed, 0);
        rig_down(&r);
    }
}

/* ------------------------------------------------------------------- limits --
 */

static void a_thousand_leave_nothing_behind(void **state)
{
    const int times = RIG_SLOW == 1 ? 1000 : 100;
    const size_t len = 600 * KIB;
    unsigned char *data = bulk_bytes(len, 2);
    rig *r = up(3);
    const pid_t worker = rig_pid(r, 2);
    const uint64_t relayed = figures_of(r).relayed;
    long ours = 0, theirs = 0;
    int open[2] = {0};

    (void)state;
    for (int i = 0; i < times; i++) {
        if (i == times / 3) {
            ours = rig_resident_kib(getpid());
            theirs = rig_resident_kib(worker);
            open[0] = rig_descriptors();
            open[1] = rig_descriptors_of(worker);
        }
        assert_code(
            muster_broadcast(r->m, NULL, "sum", data, len, 0, NULL, &r->err),
            MUSTER_OK, r->err);
    }
    ours = rig_resident_kib(getpid()) - ours;
    theirs = rig_resident_kib(worker) - theirs;
    print_message("           growth: manager %ld KiB, relay %ld KiB\n", ours,
                  theirs);
    assert_int_equal(figures_of(r).relayed - relayed, 2 * times);
    if (RIG_SLOW == 1) { /* sanitizers keep what is freed */
        assert_true(ours < 4096);
        assert_true(theirs < 4096);
    }
    assert_int_equal(rig_descriptors(), open[0]);
    for (int i = 0; rig_descriptors_of(worker) > open[1] && i < 1000; i++)
        poll(NULL, 0, 1); /* its last streams */
    assert_true(rig_descriptors_of(worker) <= open[1]);
    assert_int_equal(figures_of(r).flows, 0);
    free(data);
    rig_down(&r);
}

static void port_of_first(muster *m, void *arg)
{
    *(uint16_t *)arg = m->members[0]->relay_port;
}

static void strangers_stay_outside(void **state)
{
    uint8_t answer[MST_PROOF_ANSWER] = {0}, challenge[MST_PROOF_CHALLENGE];
    const uint8_t nonce[MST_PROOF_NONCE] = {1}, key[MST_BULK_KEY_BYTES] = {2};
    rig *r = up(3);
    uint16_t port = 0;
    int silent[100];
    char byte;

    (void)state;
    assert_true(mst_session_run(r->m, port_of_first, &port));
    for (uint64_t transfer = 0; transfer < 4; transfer++) {
        const int fd = bulk_knock(port);

        assert_int_equal(recv(fd, challenge, sizeof(challenge), MSG_WAITALL),
                         sizeof(challenge));
        mst_proof_answer(answer, challenge, (mst_proof_name){2, 1, transfer},
                         nonce, key);
        assert_int_equal(send(fd, answer, sizeof(answer), MSG_NOSIGNAL),
                         sizeof(answer));
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
    }
    for (int i = 0; i < 100; i++)
        silent[i] = bulk_knock(port);
    assert_casts(r, 4 * RIG_MIB, 3);
    for (int i = 0; i < 100; i++)
        close(silent[i]);
    rig_down(&r);
}

static void a_wrong_word_is_refused(void **state)
{
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err;

    (void)state;
    o.relay = "maybe";
    assert_code(muster_open(&o, &m, &err), MUSTER_EINVAL, err);
    assert_words(err.text, "relay", "always", "maybe");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(the_manager_sends_it_once),
        rig_test(blobs_go_that_way_too),
        rig_test(not_on_this_machine_unless_it_is_said),
        rig_test(a_thousand_leave_nothing_behind),
        rig_test(strangers_stay_outside),
        rig_test(a_wrong_word_is_refused),
    };

    if (argc > 1) /* only those, "one_that*" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
