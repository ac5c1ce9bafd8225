/* it_relay_foes.c - somebody sits between two workers and has every frame that
 * the one passes on to the other in his hands. */
#include "cast.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bulk/proof.h"
#include "relay.h"

#define PROOFS (MST_PROOF_CHALLENGE + MST_PROOF_MAC) /* before the frames */
#define FRAME (MST_BULK_HEAD + MST_BULK_CHUNK)
#define NAME 16u /* of a head: transfer, index, length; then comes the tag */

typedef enum deed {
    PASS,
    STEAL, /* keeps a copy for later */
    FLIP_BODY,
    FLIP_TAG,
    FLIP_INDEX,
    FLIP_LENGTH,
    CUT, /* in the middle of a frame */
    REPEAT,
    SWAP,          /* with the next one */
    SWAP_SLYLY,    /* and each has the other's name */
    FOREIGN,       /* the stolen one comes in between */
    FOREIGN_SLYLY, /* under the name of one of this transfer, and instead */
    STALL,
    DEEDS
} deed;

/* All frames are whole chunks. */
static struct {
    relay *way; /* between the first worker and who takes from it */
    deed deed;
    uint32_t when; /* at this frame, once */
    atomic_bool done;
    int connection;
    size_t proofs; /* bytes of them that are to come */
    unsigned char frame[FRAME], held[FRAME], stolen[FRAME];
    size_t have;
    bool holds;
    char out[4 * FRAME];
    size_t nout;
} man;

static void put(const void *bytes, size_t len)
{
    assert_true(man.nout + len <= sizeof(man.out));
    memcpy(man.out + man.nout, bytes, len);
    man.nout += len;
}

static uint32_t number_at(size_t at)
{
    mst_reader r = mst_reader_of(man.frame + at, 4);

    return mst_read_u32(&r);
}

/* The one that he holds, and the next. */
static void swap(bool slyly)
{
    unsigned char name[NAME];

    if (!man.holds) {
        memcpy(man.held, man.frame, FRAME);
        man.holds = true;
        return;
    }
    if (slyly) {
        memcpy(name, man.held, NAME);
        memcpy(man.held, man.frame, NAME);
        memcpy(man.frame, name, NAME);
    }
    put(man.frame, FRAME);
    put(man.held, FRAME);
    man.holds = false;
    man.done = true;
}

static void change(void)
{
    static const size_t flips[] = {[FLIP_BODY] = FRAME / 2,
                                   [FLIP_TAG] = NAME + 3,
                                   [FLIP_INDEX] = 11,
                                   [FLIP_LENGTH] = 14};

    if (man.deed >= FLIP_BODY && man.deed <= FLIP_LENGTH)
        man.frame[flips[man.deed]] ^= 1;
    if (man.deed == STEAL)
        memcpy(man.stolen, man.frame, FRAME);
    if (man.deed == REPEAT)
        put(man.frame, FRAME);
    if (man.deed == FOREIGN)
        put(man.stolen, FRAME);
    if (man.deed == FOREIGN_SLYLY)
        memcpy(man.frame + NAME, man.stolen + NAME, FRAME - NAME);
}

static relay_then whole_frame(void)
{
    if (man.done || man.deed == PASS || number_at(8) < man.when) {
        put(man.frame, FRAME);
        return RELAY_GO_ON;
    }
    if (man.deed == SWAP || man.deed == SWAP_SLYLY) {
        swap(man.deed == SWAP_SLYLY);
        return RELAY_GO_ON;
    }
    man.done = true;
    change();
    put(man.frame, man.deed == CUT ? FRAME / 2 : FRAME);
    return man.deed == CUT     ? RELAY_CLOSE
           : man.deed == STALL ? RELAY_FREEZE
                               : RELAY_GO_ON;
}

static relay_then hand(void *arg, int connection, relay_bytes *bytes)
{
    const char *from = bytes->at;
    size_t left = bytes->len, n;
    relay_then then = RELAY_GO_ON;

    (void)arg;
    if (connection != man.connection) {
        man.connection = connection;
        man.proofs = PROOFS;
        man.have = 0;
        man.holds = false;
    }
    man.nout = 0;
    n = left < man.proofs ? left : man.proofs;
    put(from, n);
    man.proofs -= n;
    for (from += n, left -= n; left > 0; from += n, left -= n) {
        n = left < FRAME - man.have ? left : FRAME - man.have;
        memcpy(man.frame + man.have, from, n);
        man.have += n;
        if (man.have < FRAME)
            break;
        man.have = 0;
        then = whole_frame();
        if (then == RELAY_CLOSE)
            break;
    }
    *bytes = (relay_bytes){man.out, man.nout};
    return then;
}

/* -------------------------------------------------------------- the tests --
 */

static void misdirect(muster *m, void *arg)
{
    (void)arg;
    man.way = relay_create(m->members[0]->relay_port);
    if (man.way != NULL)
        m->members[0]->relay_port = relay_port(man.way);
}

static void forgive(muster *m, void *arg)
{
    mst_member *w;

    (void)arg;
    TAILQ_FOREACH (w, &m->all, of_all)
        w->gives_ms = w->takes_ms = 0;
}

static rig *up_by_him(uint32_t n)
{
    rig *r = up(n);

    memset(&man, 0, sizeof(man));
    assert_true(mst_session_run(r->m, misdirect, NULL));
    assert_non_null(man.way);
    return r;
}

static void down(rig **r)
{
    rig_down(r);
    relay_destroy(&man.way);
}

static void ask_him(rig *r, deed deed, uint32_t when)
{
    relay_by_hand(man.way, NULL, NULL);
    relay_thaw(man.way);
    assert_true(mst_session_run(r->m, forgive, NULL));
    man.deed = deed;
    man.when = when;
    man.done = false;
    relay_by_hand(man.way, hand, NULL);
}

static void wait_until_done(void)
{
    const int64_t end_ms = rig_now_ms() + 5000 * RIG_SLOW;

    while (!man.done && rig_now_ms() < end_ms)
        poll(NULL, 0, 1);
    assert_true(man.done);
}

#define CHUNKS 24u

/* It costs what is missing, and nothing when it harms nobody. */
static void what_he_does_is_made_good(void **state)
{
    const size_t len = CHUNKS * MST_BULK_CHUNK, wire = CHUNKS * FRAME;
    rig *r = up_by_him(3);

    (void)state;
    for (deed deed = PASS; deed < STALL; deed++)
        for (uint32_t when = 0; when < CHUNKS - 1; when += 11) {
            const bool harmless = deed <= STEAL || deed == REPEAT;
            figures before, after;
            size_t again;

            ask_him(r, deed, when);
            before = figures_of(r);
            assert_casts(r, len, 3);
            after = figures_of(r);
            assert_int_equal(after.sealed - before.sealed, len);
            again = after.sent - before.sent - wire;
            if (deed == PASS)
                continue;
            assert_true(man.done);
            if (RIG_SLOW > 1)
                continue;
            /* what was on its way when the stream was cut is gone, too */
            if (harmless != (again == 0) ||
                again > (CHUNKS - (deed == CUT ? 0 : when)) * FRAME)
                fail_msg("deed %d at %u: %zu bytes again", deed, when, again);
        }
    assert_true(rig_logged(r, "RELAY-FAILED", "rank=2 from=1", 0));
    down(&r);
}

/* Who gets nothing more does not hold up who has it, and that one keeps no more
 * than it may. */
static void one_that_reads_no_more(void **state)
{
    const size_t len = 64 * RIG_MIB;
    rig *r = up_by_him(4);
    const pid_t giver = rig_pid(r, 1);
    int64_t began;
    long before;

    (void)state;
    assert_casts(r, len, 4);
    before = rig_status_kib(giver, "VmHWM");
    ask_him(r, STALL, 20);
    began = rig_now_ms();
    assert_casts(r, len, 4);
    assert_within("one that gets nothing more", began, 6000);
    assert_true(man.done);
    assert_true(rig_logged(r, "RELAY-FAILED", "rank=2 from=1", 0));
    before = rig_status_kib(giver, "VmHWM") - before;
    print_message("           what waits for it: %ld KiB\n", before);
    if (RIG_SLOW == 1) /* 64 chunks, and a little */
        assert_true(before < 20 * 1024);
    down(&r);
}

/* Between two that go on. */
static void one_that_stops_in_the_middle(void **state)
{
    rig *r = up_by_him(5);
    const pid_t pid = rig_pid(r, 2);
    int64_t began;
    cast c;

    (void)state;
    ask_him(r, STALL, 30);
    begin(&c, r, 48 * RIG_MIB, 20000);
    wait_until_done();
    rig_stop(pid);
    relay_thaw(man.way);
    began = rig_now_ms();
    for (uint32_t rank = 1; rank <= 5; rank++)
        assert_true(rank == 2 || until(r, has_all, rank, 8000));
    assert_within("all but one that stops in the middle", began, 8000);
    assert_true(figures_of(r).of[2].flows);
    kill(pid, SIGCONT);
    end(&c, 5, 0, MUSTER_OK);
    down(&r);
}

/* ------------------------------------------------------------------ cancel --
 */

/* Of the manager and its workers: the largest growth since the last time. */
static long growth(rig *r, long last[4])
{
    long most = 0;

    for (uint32_t rank = 0; rank <= 3; rank++) {
        const pid_t pid = rank > 0 ? rig_pid(r, rank) : getpid();
        const long now = rig_status_kib(pid, "VmRSS");

        most = now - last[rank] > most ? now - last[rank] : most;
        last[rank] = now;
    }
    return most;
}

static void wait_for_descriptors(pid_t pid, int n)
{
    const int64_t end_ms = rig_now_ms() + 3000 * RIG_SLOW;

    while (rig_descriptors_of(pid) != n && rig_now_ms() < end_ms)
        poll(NULL, 0, 1);
    assert_int_equal(rig_descriptors_of(pid), n);
}

static void end_canceled(cast *c)
{
    pthread_join(c->thread, NULL);
    assert_true(c->rc == MUSTER_EPARTIAL || c->rc == MUSTER_ECANCELED);
    for (size_t i = 0; c->all != NULL && i < c->all->n; i++)
        assert_int_equal(c->all->items[i].code, MUSTER_ECANCELED);
    muster_results_destroy(&c->all);
    free(c->data);
}

/* Nothing of it goes on: its streams are closed, its memory is given back, and
 * the manager sends no more of it. */
static void canceled_in_the_middle(void **state)
{
    const size_t len = 48 * RIG_MIB;
    const int times = RIG_SLOW == 1 ? 12 : 4;
    rig *r = up_by_him(3);
    int open[3];
    long memory[4] = {0}, grown;

    (void)state;
    assert_casts(r, len, 3);
    for (uint32_t rank = 1; rank <= 3; rank++)
        open[rank - 1] = rig_descriptors_of(rig_pid(r, rank));
    for (int i = 0; i < times; i++) {
        uint64_t sent;
        cast c;

        if (i == times / 3)
            growth(r, memory);
        ask_him(r, STALL, 9 + 3 * (uint32_t)i);
        begin(&c, r, len, 0);
        wait_until_done();
        muster_cancel(r->m);
        end_canceled(&c);
        sent = figures_of(r).sent;
        assert_int_equal(figures_of(r).flows, 0);
        relay_thaw(man.way);
        for (uint32_t rank = 1; rank <= 3; rank++)
            wait_for_descriptors(rig_pid(r, rank), open[rank - 1]);
        assert_true(figures_of(r).sent - sent <= FRAME); /* one was begun */
        assert_casts(r, 3 * RIG_MIB, 3);
    }
    grown = growth(r, memory);
    print_message("           growth by what was canceled: %ld KiB\n", grown);
    if (RIG_SLOW == 1) /* spare chunks; sanitizers keep what is freed */
        assert_true(grown < (long)(MST_BULK_SPARE + 16) * 256);
    down(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(what_he_does_is_made_good),
        rig_test(one_that_reads_no_more),
        rig_test(one_that_stops_in_the_middle),
        rig_test(canceled_in_the_middle),
    };

    if (argc > 1) /* only those, "one_that*" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
