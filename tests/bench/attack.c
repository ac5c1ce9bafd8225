/* bench_attack - work beside those who have no key and try again and again.
 *
 * A manager and two workers with a few calls in flight, and beside it bare
 * libzmq with CURVE, a ROUTER and two children, as many messages in flight.
 * Each works by turns, alone and while the same attackers (attacker.h) knock
 * at its port. The attackers, who are somebody else's in the real world, run on
 * the same processors here; their time is told.
 */
#include "attack.h"
#include "bare.h"
#include "ours.h"
#include "sample.h"

#include "session/session.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define WORKERS 2
#define HELD 400
#define CALLS_MOST 256
#define RATE_MOST 10000
#define SECONDS_MOST 60 /* of four works, within BENCH_ALARM_S */
#define TURNS 6
#define GOAL 0.8

typedef struct plan {
    double seconds; /* under attack, of each side */
    unsigned rate, calls, turns;
} plan;

typedef struct side {
    const char *name;
    void (*calls)(struct side *s, unsigned n); /* at a time, all answered */
    attack attack;
    char handshake[64];
    muster *m; /* NULL: the bare one */
    uint32_t ranks[WORKERS];
    bare b;
    bare_id ids[WORKERS];
    pid_t children[WORKERS];
    double alone[TURNS], attacked[TURNS], ratio[TURNS];
    double attackers[TURNS]; /* of a processor */
} side;

static const char usage[] =
    "usage: bench_attack [--seconds S] [--rate N] [--calls N]\n"
    "Work while N attempts a second are made by those who have no key, beside\n"
    "bare libzmq with CURVE under the same. 60 s each, 400, 8 calls in "
    "flight.\n";

/* The attackers of a side replay a handshake of its own. */
static void aim(side *s, const char *endpoint, const uint8_t *key,
                const mst_pair *self)
{
    attack *a = &s->attack;
    const int file = mkstemp(s->handshake);

    if (file < 0 || close(file) != 0)
        bench_die("%s: %s", s->handshake, strerror(errno));
    a->program = BENCH_ATTACKER;
    a->port = (uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
    a->hold = HELD;
    a->handshake = s->handshake;
    memcpy(a->key, key, MST_KEY_BYTES);
    if (!attack_record(a, self))
        bench_die("no handshake was recorded");
}

/* ------------------------------------------------------------------ ours -- */

static void calls_of_ours(side *s, unsigned n)
{
    muster_future *futures[CALLS_MOST];

    for (unsigned i = 0; i < n; i++)
        ours_start_call(s->m, s->ranks[i % WORKERS], &futures[i]);
    for (unsigned i = 0; i < n; i++)
        ours_finish_call(&futures[i]);
}

static void up_ours(side *s)
{
    mst_pair self;

    s->name = "muster";
    s->calls = calls_of_ours;
    s->m = ours_up(WORKERS);
    if (muster_ranks(s->m, s->ranks, WORKERS) != WORKERS)
        bench_die("there are not %d workers", WORKERS);
    mst_root_worker(s->m->root, 1, 1, &self);
    aim(s, muster_endpoint(s->m), mst_root_manager(s->m->root)->public_key,
        &self);
    sodium_memzero(&self, sizeof(self));
}

/* ------------------------------------------------------------------ bare -- */

/* The answer of a child. Attackers with a key of their own are let in here. */
static void take_answer(side *s)
{
    char body[BENCH_BODY_BYTES];
    size_t len;
    bare_id from;

    do
        bare_recv(&s->b, &from, body, &len, true);
    while (len != sizeof(ours_request));
}

static void calls_of_bare(side *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        bare_send(&s->b, &s->ids[i % WORKERS], ours_request,
                  sizeof(ours_request));
    for (unsigned i = 0; i < n; i++)
        take_answer(s);
}

static void up_bare(side *s)
{
    char body[BENCH_BODY_BYTES];
    uint8_t key[MST_KEY_BYTES];
    mst_pair self;
    size_t len;

    s->name = "bare libzmq, CURVE";
    s->calls = calls_of_bare;
    bare_open(&s->b);
    for (size_t i = 0; i < WORKERS; i++) {
        s->children[i] = bare_spawn(&s->b);
        bare_recv(&s->b, &s->ids[i], body, &len, true);
    }
    crypto_box_keypair(self.public_key, self.secret_key);
    if (zmq_z85_decode(key, s->b.key) == NULL)
        bench_die("no key");
    aim(s, s->b.endpoint, key, &self);
}

/* --------------------------------------------------------------- in turn -- */

static void down(side *s)
{
    unlink(s->handshake);
    if (s->m != NULL) {
        muster_close(&s->m);
        return;
    }
    for (size_t i = 0; i < WORKERS; i++)
        bare_send(&s->b, &s->ids[i], "", 0);
    for (size_t i = 0; i < WORKERS; i++)
        bare_reap(s->children[i]);
    bare_close(&s->b);
}

/* How many calls a second. */
static double work(side *s, const plan *p, double seconds)
{
    const int64_t began = bench_now_ns();
    const int64_t until = began + (int64_t)(seconds * 1e9);
    double n = 0;

    while (bench_now_ns() < until) {
        s->calls(s, p->calls);
        n += p->calls;
    }
    return n * 1e9 / (double)(bench_now_ns() - began);
}

static void turn(side *s, const plan *p, unsigned i)
{
    const double slice = p->seconds / p->turns;
    char line[512];
    bool none;

    s->alone[i] = work(s, p, slice);
    s->attack.rate = p->rate;
    if (!attack_begin(&s->attack, slice))
        bench_die("start the attackers: %s", strerror(errno));
    s->attacked[i] = work(s, p, 0.95 * slice);
    none = attack_end(&s->attack, line, &s->attackers[i]);
    if (line[0] == '\0' || (s->m != NULL && !none))
        bench_die("the attackers failed, or were let in: %s", line);
    s->attackers[i] /= slice;
    s->ratio[i] = s->attacked[i] / s->alone[i];
}

static double tell(side *s, unsigned turns)
{
    const double alone = bench_quantile(s->alone, turns, 0.5);
    const double attacked = bench_quantile(s->attacked, turns, 0.5);
    const double ratio = bench_quantile(s->ratio, turns, 0.5);

    printf("%-20s %10.0f %12.0f %8.2f %14.2f\n", s->name, alone, attacked,
           ratio, bench_quantile(s->attackers, turns, 0.5));
    return ratio;
}

static void compare(const plan *p)
{
    static side sides[2] = {{.handshake = "/tmp/bench_attack.XXXXXX"},
                            {.handshake = "/tmp/bench_attack.XXXXXX"}};
    double ratio, bare;

    up_ours(&sides[0]);
    up_bare(&sides[1]);
    for (size_t k = 0; k < 2; k++)
        work(&sides[k], p, 0.5);
    for (unsigned i = 0; i < p->turns; i++)
        for (size_t k = 0; k < 2; k++)
            turn(&sides[k], p, i);
    printf("%u attempts a second, %.0f s in %u turns, %u calls in flight\n\n"
           "%-20s %10s %12s %8s %14s\n",
           p->rate, p->seconds, p->turns, p->calls, "calls a second, median",
           "alone", "attacked", "ratio", "attackers, CPU");
    ratio = tell(&sides[0], p->turns);
    bare = tell(&sides[1], p->turns);
    printf("\nmuster keeps %.2f of its work (goal %.1f), %.2f x of what bare "
           "libzmq keeps\n",
           ratio, GOAL, ratio / bare);
    for (size_t k = 0; k < 2; k++)
        down(&sides[k]);
}

static unsigned number(const char *text, size_t most)
{
    return (unsigned)bench_count(text, most);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},
        {"calls", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    plan p = {.seconds = 60, .rate = 400, .calls = 8};
    int o;

    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return bare_child(argv[1], argv[2], argv[3], argv[4]);
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 's')
            p.seconds = number(optarg, SECONDS_MOST);
        else if (o == 'r')
            p.rate = number(optarg, RATE_MOST);
        else if (o == 'c')
            p.calls = number(optarg, CALLS_MOST);
        else {
            fputs(usage, o == 'h' ? stdout : stderr);
            return o == 'h' ? EXIT_SUCCESS : 2;
        }
    }
    if (optind < argc || sodium_init() < 0) {
        fputs(usage, stderr);
        return 2;
    }
    alarm(BENCH_ALARM_S);
    p.turns = p.seconds < TURNS ? (unsigned)p.seconds : TURNS;
    compare(&p);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
