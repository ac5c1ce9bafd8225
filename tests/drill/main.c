/* main.c - the drill: work with known results, under faults.
 *
 * Exit status: 0 all was right; 1 something was wrong; 2 bad arguments; 3 it
 * could not be set up, or did not end. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/muster.h>

#include "book.h"
#include "foe.h"
#include "relay.h"
#include "report.h"
#include "strangers.h"
#include "system.h"
#include "traffic.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 4
#elif defined(__SANITIZE_THREAD__)
#define SLOW 8
#else
#define SLOW 1
#endif

#define FDS_MORE 8        /* that a connection or two may take meanwhile */
#define SHUT_OUT_MS 16000 /* after that no stranger is left */
#define SAMPLES 4096

typedef struct drill {
    uint64_t seed;
    double seconds;
    int64_t every_ms;
    uint32_t nworkers;
    bool json;
    FILE *log;
    muster *m;
    book *book;
    traffic traffic;
    foe foe;
    atomic_bool keep, quiet;
    pthread_t keeper;
    char cells_env[64], relay_env[64], worker_env[512];
    struct {
        double minutes, kib, lost;
    } samples[SAMPLES];
    size_t nsamples;
    report report;
} drill;

static char command[256] = "./dev drill";
static char hanging[320]; /* what is said when it does not end */

static void on_event(void *arg, const muster_event *e)
{
    book_event(((drill *)arg)->book, e);
}

static void on_output(void *arg, uint32_t rank, int stream, const char *line,
                      size_t len)
{
    drill *d = (drill *)arg;

    if (stream == 1)
        book_line(d->book, rank, line, len);
    else
        book_news(d->book, "worker %u says: %.*s", rank, (int)len, line);
}

static void on_log(void *arg, muster_level level, const char *id,
                   const char *text)
{
    (void)level;
    book_log(((drill *)arg)->book, id, text);
}

/* It hangs: say which drill it was, and go. */
static void on_alarm(int signal)
{
    (void)signal;
    (void)!write(STDERR_FILENO, hanging, sizeof(hanging) - 1);
    _exit(3);
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "drill: %s: %s\n", what, why);
    exit(3);
}

static uint16_t free_port(void)
{
    relay *probe = relay_create(1);
    uint16_t port;

    if (probe == NULL)
        die("listen", "no port");
    port = relay_port(probe);
    relay_destroy(&probe);
    return port;
}

static job_cell *shared_cells(drill *d)
{
    const int fd = memfd_create("drill", MFD_CLOEXEC);
    void *at;

    if (fd < 0 || ftruncate(fd, (off_t)(JOBS * sizeof(job_cell))) != 0)
        die("counts", strerror(errno));
    at = mmap(NULL, JOBS * sizeof(job_cell), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        die("counts", strerror(errno));
    snprintf(d->cells_env, sizeof(d->cells_env), "DRILL_CELLS=/proc/%d/fd/%d",
             (int)getpid(), fd);
    return at;
}

static void open_runtime(drill *d)
{
    const char *env[] = {d->cells_env, d->relay_env, d->worker_env, NULL};
    const char *modules[] = {DRILL_HANDLERS, NULL};
    muster_options o = MUSTER_OPTIONS_INIT;
    muster_error err;

    o.launcher = MUSTER_LAUNCHER_LOCAL;
    o.port = free_port();
    o.worker = DRILL_RELAY_WORKER;
    o.env = env;
    o.modules = modules;
    o.heartbeat_timeout_ms = d->foe.heartbeat_ms;
    o.pending_timeout_ms = 15000 * SLOW;
    o.log_level = MUSTER_LOG_WARN;
    o.on_log = on_log;
    o.on_event = on_event;
    o.on_output = on_output;
    o.arg = d;
    d->foe.way = relay_create(o.port);
    d->foe.crowd = strangers_create(o.port);
    if (d->foe.way == NULL || d->foe.crowd == NULL)
        die("relay", strerror(errno));
    snprintf(d->relay_env, sizeof(d->relay_env), "RELAY=tcp://127.0.0.1:%u",
             relay_port(d->foe.way));
    snprintf(d->worker_env, sizeof(d->worker_env), "RELAY_WORKER=%s",
             DRILL_WORKER);
    if (muster_open(&o, &d->m, &err) != MUSTER_OK ||
        muster_launch(d->m, d->nworkers, 0, NULL, &err) != MUSTER_OK)
        die("muster", err.text);
}

/* Launches others in place of those that are lost. */
static void *keep(void *arg)
{
    drill *d = (drill *)arg;
    uint32_t nready, nalive;
    muster_error err;

    while (atomic_load(&d->keep)) {
        book_state(d->book, &nready, &nalive);
        if (nalive >= d->nworkers) {
            poll(NULL, 0, 1);
            continue;
        }
        err.text[0] = '\0';
        if (muster_launch(d->m, d->nworkers - nalive, 1, NULL, &err) !=
            MUSTER_OK)
            book_news(d->book, "launch: %.150s", err.text);
    }
    return NULL;
}

static void sample(drill *d)
{
    const double ms = book_now() - d->book->began_ms;

    if (d->nsamples == SAMPLES)
        return;
    d->samples[d->nsamples].minutes = ms / 60000;
    d->samples[d->nsamples].kib = (double)system_memory_kib();
    d->samples[d->nsamples++].lost = atomic_load(&d->book->nlost);
}

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

/* Slope of y over x by least squares, without the first quarter. */
static double slope(const drill *d, bool by_lost)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

    for (size_t i = d->nsamples / 4; i < d->nsamples; i++) {
        const double x = by_lost ? d->samples[i].lost : d->samples[i].minutes;

        n++;
        sx += x;
        sy += d->samples[i].kib;
        sxx += x * x;
        sxy += x * d->samples[i].kib;
    }
    return n * sxx - sx * sx > 0 ? (n * sxy - sx * sy) / (n * sxx - sx * sx)
                                 : 0;
}

/* All that was stopped goes on; all workers must be ready. */
static void settle(drill *d)
{
    const double until =
        book_now() + (double)d->foe.heartbeat_ms * 2 + 10000 * SLOW;
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
    atomic_store(&d->keep, false);
    pthread_join(d->keeper, NULL);
}

static void run(drill *d)
{
    const double until = book_now() + d->seconds * 1e3;

    if (!traffic_start(&d->traffic, d->seed) ||
        pthread_create(&d->keeper, NULL, keep, d) != 0 || !foe_start(&d->foe))
        die("threads", strerror(errno));
    for (double next = 0; book_now() < until;) {
        const double now = book_now();

        if (now >= next) {
            sample(d);
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

    if (b->stalled_ms > d->report.seconds * 1e3 / 20)
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

    strangers_leave(d->foe.crowd);
    while ((n = system_descriptors()) > d->report.fds_full + FDS_MORE &&
           book_now() < until)
        poll(NULL, 0, 100);
    return n;
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
    /* a connection that is reset may leave one behind: seen, not explained */
    if (r->fds_last > r->fds_full + FDS_MORE + (int)d->book->ncut / 4)
        book_wrong(d->book, "%d descriptors with the same workers, first %d",
                   r->fds_last, r->fds_full);
}

static int usage(FILE *to)
{
    fputs("usage: drill [--seed S] [--minutes M] [--every MS] [--workers N]\n"
          "             [--heartbeat MS] [--json] [--quiet] [--log FILE]\n",
          to);
    return to == stdout ? 0 : 2;
}

static double number(const char *text)
{
    char *end;
    const double x = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(x > 0)) {
        fprintf(stderr, "drill: %s is not a number above 0\n", text);
        exit(2);
    }
    return x;
}

static int options(drill *d, int argc, char **argv)
{
    static const struct option longs[] = {
        {"seed", required_argument, NULL, 's'},
        {"minutes", required_argument, NULL, 'm'},
        {"every", required_argument, NULL, 'e'},
        {"workers", required_argument, NULL, 'n'},
        {"heartbeat", required_argument, NULL, 'b'},
        {"log", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0}};

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's':
            d->seed = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            d->seconds = number(optarg) * 60;
            break;
        case 'e':
            d->every_ms = (int64_t)number(optarg);
            break;
        case 'n':
            d->nworkers = (uint32_t)number(optarg);
            break;
        case 'b':
            d->foe.heartbeat_ms = (int64_t)number(optarg);
            break;
        case 'l':
            d->log = fopen(optarg, "we");
            if (d->log == NULL)
                die(optarg, strerror(errno));
            break;
        case 'j':
            d->json = true;
            break;
        case 'q':
            d->quiet = true;
            break;
        case 'h':
            exit(usage(stdout));
        default:
            return usage(stderr);
        }
    }
    return optind < argc ? usage(stderr) : 0;
}

static void prepare(drill *d)
{
    static fault *plan;

    snprintf(command, sizeof(command),
             "./dev drill --seed %" PRIu64
             " --minutes %g --every %lld --workers %u --heartbeat %lld",
             d->seed, d->seconds / 60, (long long)d->every_ms, d->nworkers,
             (long long)d->foe.heartbeat_ms);
    snprintf(hanging, sizeof(hanging), "the drill does not end; again: %s\n",
             command);
    d->foe.nplan = (size_t)(d->seconds * 1e3 / (double)d->every_ms);
    plan = plan_create(d->seed, d->every_ms, d->foe.nplan);
    d->foe.plan = plan;
    d->book = calloc(1, sizeof(*d->book));
    if (plan == NULL || d->book == NULL || !book_init(d->book))
        die("memory", strerror(errno));
    d->book->log = d->log;
    d->traffic.cells = shared_cells(d);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)d->seconds + 120 * SLOW);
}

int main(int argc, char **argv)
{
    static drill d = {.seconds = 60,
                      .every_ms = 100 * SLOW,
                      .nworkers = 4,
                      .foe = {.heartbeat_ms = 2000 * SLOW}};
    int rc = options(&d, argc, argv);
    double began_ms;

    if (rc != 0)
        return rc;
    if (d.seed == 0 && getrandom(&d.seed, 4, 0) != 4)
        die("seed", strerror(errno));
    prepare(&d);
    d.report = (report){.seed = d.seed,
                        .nworkers = d.nworkers,
                        .heartbeat_ms = d.foe.heartbeat_ms,
                        .command = command};
    d.report.fds_before = system_descriptors();
    open_runtime(&d);
    d.report.fds_full = system_descriptors();
    atomic_store(&d.book->heard, true);
    d.foe.m = d.traffic.m = d.m;
    d.foe.book = d.traffic.book = d.book;
    d.traffic.limit_ms = d.foe.heartbeat_ms + 15000 * SLOW;
    atomic_store(&d.keep, true);
    began_ms = book_now();
    d.report.kib_first = system_memory_kib();
    run(&d);
    d.report.seconds = (book_now() - began_ms) / 1e3;
    d.report.kib_last = system_memory_kib();
    d.report.kib_per_minute = slope(&d, false);
    d.report.kib_per_lost = slope(&d, true);
    d.report.fds_last = settled_descriptors(&d);
    d.report.relayed = relay_open(d.foe.way);
    atomic_store(&d.book->heard, false);
    muster_close(&d.m);
    relay_destroy(&d.foe.way);
    strangers_destroy(&d.foe.crowd);
    check_rest(&d);
    check_spans(&d);
    traffic_audit(&d.traffic);
    report_print(&d.report, d.book, &d.traffic, d.json);
    rc = atomic_load(&d.book->nfailed) > 0;
    if (d.log != NULL)
        fclose(d.log);
    book_fini(d.book);
    free(d.book);
    return rc;
}
