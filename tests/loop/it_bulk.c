/* it_bulk.c - large payloads, by each way they can take, in good times and
 * bad. */
#include "rig.h"

#include <arpa/inet.h>
#include <dirent.h>
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

/* No worker yet. */
static rig *opened(const char *bulk)
{
    muster_options o = rig_options();

    o.bulk = bulk;
    return rig_open(&o);
}

/* The first large payload. */
static void ship(rig *r)
{
    assert_code(muster_module_ship(r->m, BULK_HANDLERS, &r->err), MUSTER_OK,
                r->err);
}

static rig *up(const char *bulk, uint32_t n)
{
    rig *r = opened(bulk);

    rig_launch(r, n);
    ship(r);
    return r;
}

/* ----------------------------------------------- what the loop knows -- */

typedef struct figures {
    uint64_t transfers, sealed;
    unsigned flows, guests;
    uint32_t rank;
    bool on;
    unsigned opened;
    unsigned segments, uses; /* of shared memory */
    size_t shared;           /* its bytes */
} figures;

static void look(muster *m, void *arg)
{
    figures *f = (figures *)arg;
    mst_member *w;

    f->transfers = m->bulk.last;
    f->sealed = m->bulk.sealed;
    f->guests = m->door.nguests;
    f->shared = m->bulk.segments.bytes;
    for (unsigned i = 0; i < MST_SEGMENTS; i++) {
        f->segments += m->bulk.segments.places[i].fd >= 0;
        f->uses += m->bulk.segments.places[i].uses;
    }
    TAILQ_FOREACH (w, &m->all, of_all) {
        const mst_flow *flow;

        if (w->carrier.bulk == NULL)
            continue;
        TAILQ_FOREACH (flow, &w->carrier.flows, of_carrier)
            f->flows++;
        if (w->rank == f->rank) {
            f->on = w->carrier.on;
            f->opened = w->carrier.opened;
        }
    }
}

static figures figures_of(rig *r, uint32_t rank)
{
    figures f = {.rank = rank};

    assert_true(mst_session_run(r->m, look, &f));
    return f;
}

/* The stream of a local child is used as soon as it says that it is open. */
static void wait_until_on(rig *r, uint32_t rank)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    while (!figures_of(r, rank).on && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_true(figures_of(r, rank).on);
}

static muster_err mirror(rig *r, uint32_t rank, const unsigned char *data,
                         size_t len, int64_t timeout_ms)
{
    muster_reply *reply = NULL;
    const muster_err rc = muster_call(r->m, rank, "mirror", data, len,
                                      timeout_ms, &reply, &r->err);

    if (rc == MUSTER_OK) {
        assert_int_equal(reply->len, len);
        assert_memory_equal(reply->data, data, len);
    }
    muster_reply_destroy(&reply);
    return rc;
}

static void assert_mirrors(rig *r, uint32_t rank, size_t len)
{
    unsigned char *data = bytes_of(len, (unsigned)len);

    assert_code(mirror(r, rank, data, len, 0), MUSTER_OK, r->err);
    free(data);
}

/* -------------------------------------------------------------- good times --
 */

static void sizes_by(const char *bulk)
{
    static const size_t sizes[] = {
        64 * KIB - 1, 64 * KIB,      64 * KIB + 1, 256 * KIB - 1,
        256 * KIB,    256 * KIB + 1, 1024 * KIB,   5 * RIG_MIB + 77};
    const size_t n = sizeof(sizes) / sizeof(sizes[0]);
    const bool is_off = strcmp(bulk, "off") == 0;
    rig *r = up(bulk, 1);
    figures before;

    if (!is_off)
        wait_until_on(r, 1);
    before = figures_of(r, 1);
    for (size_t i = 0; i < n; i++)
        assert_mirrors(r, 1, sizes[i]);
    assert_int_equal(figures_of(r, 1).transfers - before.transfers,
                     is_off ? 0 : n - 1);
    assert_int_equal(figures_of(r, 1).flows, 0);
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
    rig *r = up("plain", 1);

    (void)state;
    assert_true(rig_logged(r, "BULK-PLAINTEXT", "NOT ENCRYPTED", 0));
    rig_down(&r);
    r = up("auto", 1);
    assert_false(rig_logged(r, "BULK-PLAINTEXT", "", 0));
    assert_int_equal(r->m->door.fd, -1); /* no port for one's own children */
    rig_down(&r);
}

static void a_broadcast_is_sealed_once(void **state)
{
    const size_t len = 8 * RIG_MIB + 5;
    unsigned char *data = bytes_of(len, 1);
    muster_results *all = NULL;
    figures before;
    char want[32];
    rig *r = up("sealed", 4);

    (void)state;
    sum_of(data, len, want);
    before = figures_of(r, 1); /* the module went by lane or sealed */
    assert_code(
        muster_broadcast(r->m, NULL, "sum", data, len, 0, &all, &r->err),
        MUSTER_OK, r->err);
    assert_int_equal(all->n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(all->items[i].data, want);
    assert_int_equal(figures_of(r, 1).sealed - before.sealed, len);
    assert_int_equal(figures_of(r, 1).transfers - before.transfers, 1);
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
    rig *r = up(bulk, 3);

    for (size_t i = 0; i < ITEMS; i++) {
        const size_t len = 50 * KIB + i * 10 * KIB;

        items[i] = (muster_item){bytes_of(len, (unsigned)i), len};
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
    unsigned char *data = bytes_of(len, 3);
    char want[32];
    rig *r = up(bulk, 2);

    sum_of(data, len, want);
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
    unsigned char *data = bytes_of(len, 7);
    muster_reply *reply = NULL;
    rig *r = up(bulk, 2);

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
    rig *r = up("auto", n);

    for (uint32_t rank = 1; rank <= n; rank++)
        wait_until_on(r, rank);
    return r;
}

/* The last word that a segment is not read any more comes behind the result. */
static void wait_until_unused(rig *r)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    while (figures_of(r, 1).uses > 0 && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_int_equal(figures_of(r, 1).uses, 0);
}

static void children_read_where_it_was_put(void **state)
{
    const size_t len = 8 * RIG_MIB + 5;
    rig *r = up_sharing(4);

    (void)state;
    for (unsigned i = 0; i < 6; i++) { /* the same place, other bytes */
        unsigned char *data = bytes_of(len - i, i);
        const figures before = figures_of(r, 1);
        muster_results *all = NULL;
        char want[32];

        sum_of(data, len - i, want);
        assert_code(muster_broadcast(r->m, NULL, "sum", data, len - i, 0, &all,
                                     &r->err),
                    MUSTER_OK, r->err);
        for (size_t k = 0; k < 4; k++)
            assert_string_equal(all->items[k].data, want);
        muster_results_destroy(&all);
        free(data);
        wait_until_unused(r);
        assert_int_equal(figures_of(r, 1).transfers - before.transfers, 4);
    }
    assert_int_equal(figures_of(r, 1).segments, 1);
    assert_int_equal(figures_of(r, 1).flows, 0);
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
        unsigned char *data = bytes_of(len, i);

        sum_of(data, len, want[i]);
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
        assert_true(figures_of(r, 1).shared <= MST_SEGMENT_BYTES);
    }
    wait_until_unused(r);
    rig_down(&r);
}

/* Nobody knows when one that was given up reads no more. */
static void a_reader_that_is_lost(void **state)
{
    const size_t len = 2 * RIG_MIB;
    unsigned char *data = bytes_of(len, 1);
    muster_future *f = NULL;
    rig *r = up_sharing(2);
    muster_err rc;

    (void)state;
    assert_code(muster_call_start(r->m, 1, "stay", data, len, 0, &f, &r->err),
                MUSTER_OK, r->err);
    assert_non_null(rig_take_line(r, 1, "staying", RIG_WAIT_MS));
    assert_int_equal(figures_of(r, 2).uses, 1);
    kill(rig_pid(r, 1), SIGKILL);
    rc = muster_future_result(f, NULL, &r->err);
    assert_code(rc, MUSTER_ELOST, r->err);
    muster_future_destroy(&f);
    assert_int_equal(figures_of(r, 2).segments, 0);
    assert_code(mirror(r, 2, data, len, 0), MUSTER_OK, r->err);
    free(data);
    rig_down(&r);
}

/* What is small does not overtake what is large. */
static void order_by(const char *bulk)
{
    enum { N = 30 };
    unsigned char *data = bytes_of(RIG_MIB, 0);
    rig *r = up(bulk, 1);

    if (strcmp(bulk, "auto") == 0)
        wait_until_on(r, 1);
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
    unsigned char *data = bytes_of(len, 5);
    muster_future *f = NULL;
    rig *r = up(bulk, 1);
    const pid_t pid = rig_pid(r, 1);

    assert_mirrors(r, 1, RIG_MIB);
    rig_stop(pid);
    assert_code(mirror(r, 1, data, len, 50), MUSTER_ETIMEOUT, r->err);
    assert_code(muster_call_start(r->m, 1, "mirror", data, len, MUSTER_FOREVER,
                                  &f, &r->err),
                MUSTER_OK, r->err);
    poll(NULL, 0, 20);
    muster_future_cancel(f);
    assert_code(muster_future_result(f, NULL, &r->err), MUSTER_ECANCELED,
                r->err);
    muster_future_destroy(&f);
    assert_int_equal(figures_of(r, 1).flows, 0);
    kill(pid, SIGCONT);
    assert_code(mirror(r, 1, data, len, 0), MUSTER_OK, r->err);
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
    unsigned char *data = bytes_of(len, 6);
    unsigned timeouts = 0, done = 0;
    muster_reply *reply = NULL;
    rig *r = up(bulk, 2);

    for (int ms = 1; ms < 30; ms++) {
        const muster_err rc = mirror(r, 1, data, len, ms);

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
    assert_mirrors(r, 1, len);
    assert_mirrors(r, 2, len);
    assert_int_equal(figures_of(r, 1).flows, 0);
    free(data);
    rig_down(&r);
}

static void deadlines_at_any_moment(void **state)
{
    (void)state;
    deadlines_by("auto");
    deadlines_by("sealed");
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

static void come_and_go_by(const char *bulk)
{
    caster c = {.len = 6 * RIG_MIB};
    muster_error err;
    pthread_t thread;

    c.data = bytes_of(c.len, 9);
    sum_of(c.data, c.len, c.want);
    c.r = up(bulk, 3);
    assert_int_equal(pthread_create(&thread, NULL, cast_often, &c), 0);
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
    assert_int_equal(figures_of(c.r, 1).flows, 0);
    free(c.data);
    rig_down(&c.r);
}

static void workers_come_and_go_meanwhile(void **state)
{
    (void)state;
    come_and_go_by("auto");
    come_and_go_by("sealed");
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static long resident_kib(pid_t pid)
{
    char path[64], line[128];
    long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(file);
    return kib;
}

static void a_thousand_leave_nothing_behind(void **state)
{
    unsigned char *data = bytes_of(300 * KIB, 2);
    rig *r = up("sealed", 1);
    const pid_t worker = rig_pid(r, 1);
    long ours = 0, theirs = 0;
    unsigned open = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        if (i == 300) {
            ours = resident_kib(getpid());
            theirs = resident_kib(worker);
            open = descriptors();
        }
        assert_code(mirror(r, 1, data, 300 * KIB, 0), MUSTER_OK, r->err);
    }
    ours = resident_kib(getpid()) - ours;
    theirs = resident_kib(worker) - theirs;
    print_message("           growth: manager %ld KiB, worker %ld KiB\n", ours,
                  theirs);
    assert_int_equal(descriptors(), open);
    assert_int_equal(figures_of(r, 1).flows, 0);
    if (RIG_SLOW == 1) { /* sanitizers keep what is freed */
        assert_true(ours < 4096);
        assert_true(theirs < 4096);
    }
    free(data);
    rig_down(&r);
}

/* ---------------------------------------------------------- on the network --
 */

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
    rig *r = opened("sealed");

    rig_launch(r, 2);
    assert_true(mst_session_run(r->m, how, NULL));
    ship(r);
    assert_mirrors(r, 1, 3 * RIG_MIB);
    assert_true(rig_logged(r, "BULK-OFF", why, 0));
    assert_mirrors(r, 1, 3 * RIG_MIB);
    rig_down(&r);
}

static void without_the_port_it_takes_the_lane(void **state)
{
    (void)state;
    without_port(close_port, "rank=1 why=Connection refused");
    without_port(deafen_port, "no answer");
}

static relay *way;

/* Workers' bulk data goes through `way`. */
static void use_relay(muster *m, void *arg)
{
    (void)arg;
    way = relay_create(m->door.port);
    if (way != NULL)
        m->door.port = relay_port(way);
}

static rig *up_by_relay(void)
{
    rig *r = opened("sealed");

    assert_true(mst_session_run(r->m, use_relay, NULL));
    assert_non_null(way);
    rig_launch(r, 1);
    ship(r);
    return r;
}

static void a_man_in_the_middle_only_costs_time(void **state)
{
    rig *r = up_by_relay();
    int connections;

    (void)state;
    assert_mirrors(r, 1, RIG_MIB);
    connections = relay_connections(way);
    assert_int_equal(connections, 1);
    for (int i = 0; i < 10; i++) {
        if (i % 2 == 0)
            relay_garble(way);
        else
            relay_cut_after(way, (uint64_t)i * 700001);
        assert_mirrors(r, 1, 4 * RIG_MIB + (size_t)i);
    }
    print_message("           %d connections\n", relay_connections(way));
    assert_true(relay_connections(way) > connections + 5);
    assert_true(figures_of(r, 1).on);
    rig_down(&r);
    relay_destroy(&way);
}

/* He never lets anything through: then it takes the lane. */
static void one_who_cuts_everything_is_avoided(void **state)
{
    rig *r = up_by_relay();

    (void)state;
    assert_mirrors(r, 1, RIG_MIB);
    relay_hold(way);
    assert_mirrors(r, 1, 4 * RIG_MIB);
    assert_true(rig_logged(r, "BULK-OFF", "rank=1", 0));
    assert_mirrors(r, 1, 4 * RIG_MIB);
    rig_down(&r);
    relay_destroy(&way);
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
    rig *r = opened("sealed");
    const uint16_t port = r->m->door.port;
    int silent[100], fd;
    char byte;

    (void)state;
    rig_launch(r, 1); /* nothing is large yet */
    fd = knock(port);
    /* the form is right, the key is not */
    assert_int_equal(recv(fd, challenge, sizeof(challenge), MSG_WAITALL),
                     sizeof(challenge));
    mst_proof_answer(answer, challenge, (mst_proof_name){1, 1, 0}, nonce, key);
    assert_int_equal(send(fd, answer, sizeof(answer), MSG_NOSIGNAL),
                     sizeof(answer));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    assert_true(rig_logged(r, "BULK-REFUSED", "does not have the key", 1000));
    fd = knock(port); /* nonsense */
    assert_int_equal(send(fd, challenge, sizeof(challenge), MSG_NOSIGNAL), 32);
    assert_int_equal(send(fd, challenge, sizeof(challenge), MSG_NOSIGNAL), 32);
    assert_int_equal(recv(fd, challenge, sizeof(challenge), MSG_WAITALL), 32);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    for (int i = 0; i < 100; i++)
        silent[i] = knock(port);
    ship(r); /* its worker knocks for the first time */
    assert_mirrors(r, 1, RIG_MIB);
    assert_true(figures_of(r, 1).guests <= MST_DOOR_GUESTS);
    assert_int_equal(figures_of(r, 1).opened, 1);
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
        rig_test(all_sizes_come_back_as_they_were),
        rig_test(plain_is_said_loudly),
        rig_test(a_broadcast_is_sealed_once),
        rig_test(a_map_of_large_items),
        rig_test(a_large_blob_also_for_who_comes_late),
        rig_test(from_worker_to_worker),
        rig_test(children_read_where_it_was_put),
        rig_test(more_than_is_shared),
        rig_test(a_reader_that_is_lost),
        rig_test(large_and_small_begin_in_their_order),
        rig_test(cancel_and_deadline_before_it_is_there),
        rig_test(deadlines_at_any_moment),
        rig_test(workers_come_and_go_meanwhile),
        rig_test(a_thousand_leave_nothing_behind),
        rig_test(without_the_port_it_takes_the_lane),
        rig_test(a_man_in_the_middle_only_costs_time),
        rig_test(one_who_cuts_everything_is_avoided),
        rig_test(strangers_stay_outside),
        rig_test(a_wrong_word_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
