/* it_relay.c - workers that pass large payloads on to each other, in good
 * times and bad. */
#include "rig.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"
#include "session/session.h"

#define KIB ((size_t)1024)
#define MOST 16

static unsigned char *bytes_of(size_t len, unsigned seed)
{
    unsigned char *data = malloc(len + 1);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(i * 37 + (i >> 9) + seed);
    return data;
}

/* As the handler `sum` has it. */
static void sum_of(const unsigned char *bytes, size_t len, char text[32])
{
    uint64_t h = len;

    for (size_t i = 0; i < len; i += 61)
        h = h * UINT64_C(0x100000001b3) + bytes[i];
    snprintf(text, 32, "%" PRIu64, h);
}

/* ----------------------------------------------- what the loop knows -- */

typedef struct figures {
    uint64_t transfers, sealed, sent, relayed;
    unsigned flows;
    struct {
        bool flows; /* it does not have all of it */
        bool relayed;
        uint32_t got;
        bool listens;
    } of[MOST + 1]; /* by rank */
} figures;

static void look(muster *m, void *arg)
{
    figures *f = (figures *)arg;
    mst_member *w;

    f->transfers = m->bulk.last;
    f->sealed = m->bulk.sealed;
    f->sent = m->bulk.sent;
    f->relayed = m->nrelayed;
    TAILQ_FOREACH (w, &m->all, of_all) {
        const mst_flow *flow;

        if (w->carrier.bulk == NULL || w->rank > MOST)
            continue;
        f->of[w->rank].listens = w->relay_port > 0;
        TAILQ_FOREACH (flow, &w->carrier.flows, of_carrier) {
            f->flows++;
            f->of[w->rank].flows = true;
            f->of[w->rank].relayed = flow->relayed;
            f->of[w->rank].got = flow->got;
        }
    }
}

static figures figures_of(rig *r)
{
    figures f = {0};

    assert_true(mst_session_run(r->m, look, &f));
    return f;
}

/* Until it is so; false: not in time. */
static bool until(rig *r, bool (*fn)(const figures *f, uint32_t rank),
                  uint32_t rank, int64_t wait_ms)
{
    const int64_t end_ms = rig_now_ms() + wait_ms * RIG_SLOW;
    figures f;

    do {
        f = figures_of(r);
        if (fn(&f, rank))
            return true;
        poll(NULL, 0, 1);
    } while (rig_now_ms() < end_ms);
    return false;
}

static bool listens(const figures *f, uint32_t rank)
{
    return f->of[rank].listens;
}

static bool has_some(const figures *f, uint32_t rank)
{
    return f->of[rank].got > 0;
}

static bool has_all(const figures *f, uint32_t rank)
{
    return !f->of[rank].flows;
}

static rig *up_with(const char *bulk, const char *relay, uint32_t n)
{
    muster_options o = rig_options();
    rig *r;

    o.bulk = bulk;
    o.relay = relay;
    o.log_level = MUSTER_LOG_INFO;
    r = rig_open(&o);
    rig_launch(r, n);
    for (uint32_t rank = 1; rank <= n; rank++)
        assert_true(strcmp(relay, "always") != 0 ||
                    until(r, listens, rank, RIG_WAIT_MS));
    assert_code(muster_module_ship(r->m, BULK_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    return r;
}

static rig *up(uint32_t n)
{
    return up_with("sealed", "always", n);
}

/* A broadcast of `sum` by a thread of its own. */
typedef struct cast {
    rig *r;
    unsigned char *data;
    size_t len;
    int64_t timeout_ms;
    char want[32];
    muster_results *all;
    muster_err rc;
    muster_error err;
    pthread_t thread;
} cast;

static void *run_cast(void *arg)
{
    cast *c = (cast *)arg;

    c->rc = muster_broadcast(c->r->m, NULL, "sum", c->data, c->len,
                             c->timeout_ms, &c->all, &c->err);
    return NULL;
}

/* Returns when it has begun. */
static void begin(cast *c, rig *r, size_t len, int64_t timeout_ms)
{
    const uint64_t before = figures_of(r).transfers;

    *c = (cast){
        .r = r, .data = bytes_of(len, 3), .len = len, .timeout_ms = timeout_ms};
    sum_of(c->data, len, c->want);
    assert_int_equal(pthread_create(&c->thread, NULL, run_cast, c), 0);
    while (figures_of(r).transfers == before)
        poll(NULL, 0, 1);
}

/* All have it, but `lost` (0: nobody), which ended with that code. */
static void end(cast *c, size_t n, uint32_t lost, muster_err code)
{
    pthread_join(c->thread, NULL);
    assert_code(c->rc, lost > 0 ? MUSTER_EPARTIAL : MUSTER_OK, c->err);
    assert_int_equal(c->all->n, n);
    for (size_t i = 0; i < n; i++) {
        const muster_result *one = &c->all->items[i];

        if (one->rank == lost) {
            assert_int_equal(one->code, code);
            continue;
        }
        assert_int_equal(one->code, MUSTER_OK);
        assert_string_equal(one->data, c->want);
    }
    muster_results_destroy(&c->all);
    free(c->data);
    assert_int_equal(figures_of(c->r).flows, 0);
}

/* Nothing else happens. */
static void assert_casts(rig *r, size_t len, size_t n)
{
    cast c;

    begin(&c, r, len, 0);
    end(&c, n, 0, MUSTER_OK);
}

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
    unsigned char *data = bytes_of(len, 4);
    char want[32];
    rig *r = up(4);
    figures before;

    (void)state;
    sum_of(data, len, want);
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

/* What the manager sends goes through `way`. */
static void use_relay(muster *m, void *arg)
{
    (void)arg;
    way = relay_create(m->door.port);
    if (way != NULL)
        m->door.port = relay_port(way);
}

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
    assert_true(mst_session_run(r->m, use_relay, NULL));
    assert_non_null(way);
    rig_launch(r, 4);
    assert_code(muster_module_ship(r->m, BULK_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    for (uint32_t rank = 1; rank <= 4; rank++)
        assert_true(until(r, listens, rank, RIG_WAIT_MS));
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
    pthread_join(c.thread, NULL); /* rank 2 may have answered before */
    assert_int_equal(c.all->n, 4);
    for (size_t i = 0; i < 4; i++)
        if (i != 1)
            assert_string_equal(c.all->items[i].data, c.want);
    muster_results_destroy(&c.all);
    free(c.data);
    assert_int_equal(figures_of(r).flows, 0);
    rig_down(&r);
}

/* ----------------------------------------------------------- other failures --
 */

/* The others do not wait for it, be they in front of it or behind. */
static void one_that_stands_still(void **state)
{
    rig *r = up(5);
    const pid_t pid = rig_pid(r, 3);
    int64_t began;
    cast c;

    (void)state;
    kill(pid, SIGSTOP);
    began = rig_now_ms();
    begin(&c, r, 40 * RIG_MIB, 8000 * RIG_SLOW);
    for (uint32_t rank = 1; rank <= 5; rank++)
        assert_true(rank == 3 || until(r, has_all, rank, 7000));
    assert_within("all but one that stands still", began, 6000);
    assert_true(figures_of(r).of[3].flows);
    kill(pid, SIGCONT);
    end(&c, 5, 0, MUSTER_OK);
    rig_down(&r);
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
    unsigned char *data = bytes_of(len, 6);
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
        for (size_t i = 0; i < all->n; i++) {
            late += all->items[i].code == MUSTER_ETIMEOUT;
            done += all->items[i].code == MUSTER_OK;
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
    pthread_join(c.thread, NULL);
    assert_int_equal(c.all->n, 3);
    for (size_t i = 0; i < 3; i++)
        if (i != 1)
            assert_string_equal(c.all->items[i].data, c.want);
    muster_results_destroy(&c.all);
    free(c.data);
    assert_int_equal(figures_of(r).flows, 0);
    rig_down(&r);
}

typedef struct caster {
    rig *r;
    unsigned char *data;
    size_t len;
    unsigned wrong, good;
    char want[32];
} caster;

static void *cast_often(void *arg)
{
    caster *c = (caster *)arg;

    for (int i = 0; i < 12; i++) {
        muster_results *all = NULL;
        muster_error err;

        (void)muster_broadcast(c->r->m, NULL, "sum", c->data, c->len, 0, &all,
                               &err);
        for (size_t k = 0; all != NULL && k < all->n; k++) {
            const muster_result *one = &all->items[k];

            if (one->code == MUSTER_OK && strcmp(one->data, c->want) == 0)
                c->good++;
            else if (one->code != MUSTER_ELOST && one->code != MUSTER_EWORKER)
                c->wrong++;
        }
        muster_results_destroy(&all);
    }
    return NULL;
}

static void workers_come_and_go_meanwhile(void **state)
{
    caster c = {.len = 6 * RIG_MIB};
    muster_error err;
    pthread_t thread;

    (void)state;
    c.data = bytes_of(c.len, 9);
    sum_of(c.data, c.len, c.want);
    c.r = up(4);
    assert_int_equal(pthread_create(&thread, NULL, cast_often, &c), 0);
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

/* ------------------------------------------------------------------- limits --
 */

static long resident_kib(pid_t pid)
{
    char path[64], line[128];
    long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(file);
    return kib;
}

static void many_leave_nothing_behind(void **state)
{
    unsigned char *data = bytes_of(RIG_MIB, 2);
    rig *r = up(3);
    const pid_t worker = rig_pid(r, 2);
    const int times = RIG_SLOW == 1 ? 300 : 60;
    long grown = 0;

    (void)state;
    for (int i = 0; i < times; i++) {
        if (i == times / 3)
            grown = resident_kib(worker);
        assert_code(muster_broadcast(r->m, NULL, "sum", data, RIG_MIB, 0, NULL,
                                     &r->err),
                    MUSTER_OK, r->err);
    }
    grown = resident_kib(worker) - grown;
    print_message("           growth of a relay: %ld KiB\n", grown);
    if (RIG_SLOW == 1) /* sanitizers keep what is freed */
        assert_true(grown < 4096);
    assert_int_equal(figures_of(r).flows, 0);
    free(data);
    rig_down(&r);
}

static void port_of_first(muster *m, void *arg)
{
    *(uint16_t *)arg = m->members[0]->relay_port;
}

static int knock(uint16_t port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
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
        const int fd = knock(port);

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
        silent[i] = knock(port);
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
        rig_test(before_its_first_chunk),
        rig_test(in_the_middle),
        rig_test(after_its_last_chunk),
        rig_test(one_that_stands_still),
        rig_test(one_that_corrupts_or_cuts),
        rig_test(one_that_cannot_be_reached),
        rig_test(deadlines_at_any_moment),
        rig_test(one_is_removed),
        rig_test(workers_come_and_go_meanwhile),
        rig_test(many_leave_nothing_behind),
        rig_test(strangers_stay_outside),
        rig_test(a_wrong_word_is_refused),
    };

    if (argc > 1) /* only those, "*_killed" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
