/* main.c - the drill: work with known results, under faults.
 *
 * Exit status: 0 all was right; 1 something was wrong; 2 bad arguments; 3 it
 * could not be set up, or did not end. */
#include "drill.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay.h"
#include "strangers.h"
#include "system.h"

#define FDS_MORE 4         /* that a connection may take meanwhile */
#define SHUT_OUT_MS 16000  /* after that no stranger is left */
#define POD_MS 120000      /* of a node that was cut off, and of its Pods */
#define HELD_BACK_MS 30000 /* a successor, at most */
#define SPARE_MS 25000 /* chunks for the next transfer: two looks, and some */
/* What may be in use at the end and was not at first: what is known of each
 * worker there was, and what is allocated once and kept. */
#define KIB_EACH 4
#define KIB_ONCE 1536

static void progress(drill *d)
{
    unsigned long long jobs = 0;
    uint32_t nready, nalive;

    if (d->quiet || !isatty(STDERR_FILENO))
        return;
    for (int i = 0; i < WORKS; i++)
        jobs += atomic_load(&d->traffic.done[i]);
    book_state(d->book, &nready, &nalive);
    fprintf(stderr,
            "\r%.0f of %.0f s: %zu faults, %llu right, %u of %u ready, "
            "%u lost, %u wrong \033[K",
            (book_now() - d->book->began_ms) / 1e3, d->seconds,
            atomic_load(&d->foe.next), jobs, nready, d->nworkers,
            atomic_load(&d->book->nlost), atomic_load(&d->book->nfailed));
}

/* All that was stopped goes on; all workers must be ready. */
static void settle(drill *d)
{
    const double until = book_now() + (double)d->foe.heartbeat_ms * 2 +
                         HELD_BACK_MS + 10000 * SLOW +
                         (d->on_cluster ? POD_MS : 0);
    uint32_t nready = 0, nalive = 0;

    foe_join(&d->foe);
    while (book_now() < until) {
        book_state(d->book, &nready, &nalive);
        if (nready >= d->nworkers && nready == nalive)
            break;
        poll(NULL, 0, 5);
    }
    if (nready < d->nworkers || nready != nalive)
        book_wrong(d->book,
                   "of %u workers %u live and %u are ready, long after the "
                   "last fault",
                   d->nworkers, nalive, nready);
    poll(NULL, 0, 1000); /* work as on any day */
    traffic_join(&d->traffic);
}

static void run(drill *d)
{
    const double until = book_now() + d->seconds * 1e3;

    if (!traffic_start(&d->traffic, d->seed) || !foe_start(&d->foe))
        drill_die("threads", strerror(errno));
    for (double next = 0; book_now() < until;) {
        const double now = book_now();

        if (now >= next) {
            traffic_watch(&d->traffic);
            progress(d);
            next = now + 500;
        }
        if (atomic_load(&d->book->nfailed) > 0)
            break;
        poll(NULL, 0, 1);
        if (book_now() - now > 3)
            book_stalled(d->book, book_now() - now - 1);
    }
    settle(d);
    if (!d->quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

/* Only where this machine let us run: else it is the machine that is timed. */
static void check_spans(drill *d)
{
    book *b = d->book;
    const double silent = (double)d->foe.heartbeat_ms + 1000.0 * SLOW;

    if (d->on_cluster || b->stalled_ms > d->report.seconds * 1e3 / 40)
        return;
    if (spans_at(&b->noticed_kill, 0.9) > 50.0 * SLOW)
        book_wrong(b, "killed workers were noticed after %.0f ms (p90)",
                   spans_at(&b->noticed_kill, 0.9));
    if (spans_at(&b->noticed_stop, 0.9) > silent)
        book_wrong(b, "silent workers were noticed after %.0f ms (p90)",
                   spans_at(&b->noticed_stop, 0.9));
}

/* Once strangers are gone: a connection without a word is shut out in time. */
static int settled_descriptors(drill *d)
{
    const double until = book_now() + SHUT_OUT_MS;
    int n;

    if (d->foe.crowd != NULL)
        strangers_leave(d->foe.crowd);
    while ((n = system_descriptors()) > d->report.fds_full + FDS_MORE &&
           book_now() < until)
        poll(NULL, 0, 100);
    return n;
}

static void check_cluster(drill *d)
{
    const double until = book_now() + POD_MS;

    while ((d->report.left = cluster_left(&d->cluster)) != 0 &&
           book_now() < until)
        poll(NULL, 0, 500);
    if (d->report.left != 0)
        book_wrong(d->book, "%d Pods and Secrets are left", d->report.left);
    cluster_end(&d->cluster);
}

static int64_t most_in_use(const drill *d)
{
    return d->report.in_use_first + KIB_ONCE +
           KIB_EACH * (int64_t)d->book->nworkers;
}

/* With nothing to do, what is kept for the next transfer is given back. */
static int64_t settled_memory(const drill *d)
{
    const double until = book_now() + SPARE_MS;
    int64_t kib;

    while ((kib = system_in_use_kib()) > most_in_use(d) && book_now() < until)
        poll(NULL, 0, 100);
    return kib;
}

static void check_memory(drill *d)
{
    const report *r = &d->report;

    if (r->in_use_last > most_in_use(d))
        book_wrong(d->book,
                   "%lld KiB of memory are in use with nothing to do, first "
                   "%lld; after %u workers it should be at most %lld",
                   (long long)r->in_use_last, (long long)r->in_use_first,
                   d->book->nworkers, (long long)most_in_use(d));
}

static void check_rest(drill *d)
{
    report *r = &d->report;

    r->orphans = 0;
    for (int i = 0; i < 2000; i++) {
        r->orphans = system_processes(d->cells_env);
        if (r->orphans == 0)
            break;
        poll(NULL, 0, 5);
    }
    if (r->orphans > 0)
        book_wrong(d->book, "%d processes are left", r->orphans);
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
        book_wrong(d->book, "a child was not waited for");
    r->fds_after = system_descriptors();
    if (r->fds_after != r->fds_before)
        book_wrong(d->book, "%d descriptors are open after all, %d before",
                   r->fds_after, r->fds_before);
    if (r->fds_last > r->fds_full + FDS_MORE)
        book_wrong(d->book, "%d descriptors with the same workers, first %d",
                   r->fds_last, r->fds_full);
}

/* From the first worker that is ready until all have ended. */
static void work(drill *d)
{
    report *r = &d->report;
    const double began_ms = book_now();

    r->fds_full = system_descriptors();
    r->kib_first = system_memory_kib();
    r->in_use_first = system_in_use_kib();
    atomic_store(&d->book->heard, true);
    d->foe.m = d->traffic.m = d->m;
    d->foe.book = d->traffic.book = d->book;
    run(d);
    r->seconds = (book_now() - began_ms) / 1e3;
    r->fds_last = settled_descriptors(d);
    r->kib_last = system_memory_kib();
    r->in_use_last = settled_memory(d);
    r->relayed = d->foe.way != NULL ? relay_open(d->foe.way) : 0;
    atomic_store(&d->book->heard, false);
    muster_close(&d->m);
}

int main(int argc, char **argv)
{
    static book kept;
    static drill d = {.book = &kept, .seconds = 60, .nworkers = 4};
    int rc;

    drill_options(&d, argc, argv);
    if (d.seed == 0 && getrandom(&d.seed, 4, 0) != 4)
        drill_die("seed", strerror(errno));
    drill_prepare(&d);
    d.report.fds_before = system_descriptors();
    drill_open(&d);
    work(&d);
    relay_destroy(&d.foe.way);
    strangers_destroy(&d.foe.crowd);
    if (d.on_cluster)
        check_cluster(&d);
    check_rest(&d);
    check_memory(&d);
    check_spans(&d);
    traffic_audit(&d.traffic);
    report_print(&d.report, d.book, &d.traffic, d.json);
    rc = atomic_load(&d.book->nfailed) > 0;
    if (d.log != NULL)
        fclose(d.log);
    book_fini(d.book);
    return rc;
}
