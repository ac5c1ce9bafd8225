/* it_bulk_port.c - large payloads on the network: the manager's second port
 * closed, deaf, with a man in the middle, and besieged by strangers. */
#include "bulk_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"
#include "session/session.h"

static void close_port(muster *m, void *arg)
{
    (void)arg;
    mst_door_close(&m->door);
}

/* It is there, but nobody opens. */
static void deafen_port(muster *m, void *arg)
{
    (void)arg;
    mst_poll_mod(&m->loop.poll, &m->door.watch, 0);
}

static void without_port(void (*how)(muster *m, void *arg), const char *why)
{
    rig *r = bulk_opened("sealed");

    rig_launch(r, 2);
    assert_true(mst_session_run(r->m, how, NULL));
    bulk_ship(r);
    bulk_assert_mirrors(r, 1, 3 * RIG_MIB);
    assert_true(rig_logged(r, "BULK-OFF", why, 0));
    bulk_assert_mirrors(r, 1, 3 * RIG_MIB);
    rig_down(&r);
}

static void without_the_port_it_takes_the_lane(void **state)
{
    (void)state;
    without_port(close_port, "rank=1 why=Connection refused");
    without_port(deafen_port, "no answer");
}

static relay *way;

static rig *up_by_relay(void)
{
    rig *r = bulk_opened("sealed");

    way = bulk_way_of(r);
    rig_launch(r, 1);
    bulk_ship(r);
    return r;
}

static void a_man_in_the_middle_only_costs_time(void **state)
{
    rig *r = up_by_relay();
    int connections;

    (void)state;
    bulk_assert_mirrors(r, 1, RIG_MIB);
    connections = relay_connections(way);
    assert_int_equal(connections, 1);
    for (int i = 0; i < 10; i++) {
        if (i % 2 == 0)
            relay_garble(way);
        else
            relay_cut_after(way, (uint64_t)i * 700001);
        bulk_assert_mirrors(r, 1, 4 * RIG_MIB + (size_t)i);
    }
    print_message("           %d connections\n", relay_connections(way));
    assert_true(relay_connections(way) > connections + 5);
    assert_true(bulk_figures_of(r, 1).on);
    rig_down(&r);
    relay_destroy(&way);
}

/* He never lets anything through: then it takes the lane. */
static void one_who_cuts_everything_is_avoided(void **state)
{
    rig *r = up_by_relay();

    (void)state;
    bulk_assert_mirrors(r, 1, RIG_MIB);
    relay_hold(way);
    bulk_assert_mirrors(r, 1, 4 * RIG_MIB);
    assert_true(rig_logged(r, "BULK-OFF", "rank=1", 0));
    bulk_assert_mirrors(r, 1, 4 * RIG_MIB);
    rig_down(&r);
    relay_destroy(&way);
}

static void strangers_stay_outside(void **state)
{
    uint8_t answer[MST_PROOF_ANSWER] = {0}, challenge[MST_PROOF_CHALLENGE];
    const uint8_t nonce[MST_PROOF_NONCE] = {1}, key[MST_BULK_KEY_BYTES] = {2};
    rig *r = bulk_opened("sealed");
    const uint16_t port = r->m->door.port;
    int silent[100], fd;
    char byte;

    (void)state;
    rig_launch(r, 1); /* nothing is large yet */
    fd = bulk_knock(port);
    /* the form is right, the key is not */
    assert_int_equal(recv(fd, challenge, sizeof(challenge), MSG_WAITALL),
                     sizeof(challenge));
    mst_proof_answer(answer, challenge, (mst_proof_name){1, 1, 0}, nonce, key);
    assert_int_equal(send(fd, answer, sizeof(answer), MSG_NOSIGNAL),
                     sizeof(answer));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    assert_true(rig_logged(r, "BULK-REFUSED", "does not have the key", 1000));
    fd = bulk_knock(port); /* nonsense */
    assert_int_equal(send(fd, challenge, sizeof(challenge), MSG_NOSIGNAL), 32);
    assert_int_equal(send(fd, challenge, sizeof(challenge), MSG_NOSIGNAL), 32);
    assert_int_equal(recv(fd, challenge, sizeof(challenge), MSG_WAITALL), 32);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    for (int i = 0; i < 100; i++)
        silent[i] = bulk_knock(port);
    bulk_ship(r); /* its worker knocks for the first time */
    bulk_assert_mirrors(r, 1, RIG_MIB);
    assert_true(bulk_figures_of(r, 1).guests <= MST_DOOR_GUESTS);
    assert_int_equal(bulk_figures_of(r, 1).opened, 1);
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
    o.bulk = "fast";
    assert_code(muster_open(&o, &m, &err), MUSTER_EINVAL, err);
    assert_words(err.text, "bulk", "sealed", "fast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(without_the_port_it_takes_the_lane),
        rig_test(a_man_in_the_middle_only_costs_time),
        rig_test(one_who_cuts_everything_is_avoided),
        rig_test(strangers_stay_outside),
        rig_test(a_wrong_word_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
