#include "drill.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plan.h"
#include "relay.h"
#include "strangers.h"

static char command[256] = "./dev drill";
static char hanging[320]; /* what is said when it does not end */

void drill_die(const char *what, const char *why)
{
    fprintf(stderr, "drill: %s: %s\n", what, why);
    exit(3);
}

static int usage(FILE *to)
{
    fputs("usage: drill [--seed S] [--minutes M] [--every MS] [--workers N]\n"
          "             [--heartbeat MS] [--cluster] [--json] [--quiet]\n"
          "             [--log FILE]\n",
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

void drill_options(drill *d, int argc, char **argv)
{
    static const struct option longs[] = {
        {"seed", required_argument, NULL, 's'},
        {"minutes", required_argument, NULL, 'm'},
        {"every", required_argument, NULL, 'e'},
        {"workers", required_argument, NULL, 'n'},
        {"heartbeat", required_argument, NULL, 'b'},
        {"log", required_argument, NULL, 'l'},
        {"cluster", no_argument, NULL, 'c'},
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
                drill_die(optarg, strerror(errno));
            /* commands write to it, too */
            setvbuf(d->log, NULL, _IOLBF, 0);
            (void)fcntl(fileno(d->log), F_SETFL, O_APPEND);
            break;
        case 'c':
            d->on_cluster = true;
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
            exit(usage(stderr));
        }
    }
    if (optind < argc)
        exit(usage(stderr));
    if (d->every_ms == 0)
        d->every_ms = d->on_cluster ? 3000 : 100 * SLOW;
    if (d->foe.heartbeat_ms == 0)
        d->foe.heartbeat_ms = d->on_cluster ? 10000 : 2000 * SLOW;
}

/* What the workers count in: theirs by the path in the environment. */
static job_cell *shared_cells(drill *d)
{
    const bool there = d->on_cluster;
    const int fd = there ? open(d->cluster.counts, O_RDWR | O_CLOEXEC)
                         : memfd_create("drill", MFD_CLOEXEC);
    void *at;

    if (fd < 0 || ftruncate(fd, (off_t)(JOBS * sizeof(job_cell))) != 0)
        drill_die("counts", strerror(errno));
    at = mmap(NULL, JOBS * sizeof(job_cell), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        drill_die("counts", strerror(errno));
    if (there)
        snprintf(d->cells_env, sizeof(d->cells_env), "DRILL_CELLS=%.48s",
                 d->cluster.counts);
    else
        snprintf(d->cells_env, sizeof(d->cells_env),
                 "DRILL_CELLS=/proc/%d/fd/%d", (int)getpid(), fd);
    if (there)
        close(fd);
    return at;
}

/* It hangs: say which drill it was, and go. */
static void on_alarm(int signal)
{
    (void)signal;
    (void)!write(STDERR_FILENO, hanging, sizeof(hanging) - 1);
    _exit(3);
}

void drill_prepare(drill *d)
{
    static fault *plan;
    char why[256];

    snprintf(command, sizeof(command),
             "./dev drill --seed %" PRIu64
             " --minutes %g --every %lld --workers %u --heartbeat %lld%s",
             d->seed, d->seconds / 60, (long long)d->every_ms, d->nworkers,
             (long long)d->foe.heartbeat_ms, d->on_cluster ? " --cluster" : "");
    snprintf(hanging, sizeof(hanging), "the drill does not end; again: %s\n",
             command);
    d->foe.nplan = (size_t)(d->seconds * 1e3 / (double)d->every_ms);
    plan = plan_create(d->seed, d->every_ms, d->foe.nplan, d->on_cluster);
    d->foe.plan = plan;
    if (plan == NULL || !book_init(d->book))
        drill_die("memory", strerror(errno));
    d->book->log = d->log;
    if (d->on_cluster && !cluster_begin(&d->cluster, d->log, why, sizeof(why)))
        drill_die("cluster", why);
    d->foe.cluster = d->on_cluster ? &d->cluster : NULL;
    d->traffic.cells = shared_cells(d);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)d->seconds + (d->on_cluster ? 600 : 150 * SLOW));
    d->traffic.limit_ms =
        d->foe.heartbeat_ms + (d->on_cluster ? 180000 : 40000 * SLOW);
    d->report = (report){.seed = d->seed,
                         .pods = d->on_cluster,
                         .nworkers = d->nworkers,
                         .heartbeat_ms = d->foe.heartbeat_ms,
                         .command = command};
    /* glibc keeps more and more of what large blocks took, unless told how
     * much: what is freed should be seen to be free */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

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
    book_log(((drill *)arg)->book, level, id, text);
}

static void by_the_relay(drill *d, muster_options *o)
{
    o->launcher = MUSTER_LAUNCHER_LOCAL;
    o->port = relay_free_port();
    if (o->port == 0)
        drill_die("listen", "no port");
    o->worker = DRILL_RELAY_WORKER;
    d->foe.way = relay_create(o->port);
    d->foe.crowd = strangers_create(o->port);
    if (d->foe.way == NULL || d->foe.crowd == NULL)
        drill_die("relay", strerror(errno));
    snprintf(d->relay_env, sizeof(d->relay_env), "RELAY=tcp://127.0.0.1:%u",
             relay_port(d->foe.way));
    snprintf(d->worker_env, sizeof(d->worker_env), "RELAY_WORKER=%s",
             DRILL_WORKER);
}

static void open_runtime(drill *d, muster_options *o, const char *shipped)
{
    muster_error err;

    if (muster_open(o, &d->m, &err) == MUSTER_OK &&
        (shipped == NULL ||
         muster_module_ship(d->m, shipped, &err) == MUSTER_OK) &&
        muster_launch(d->m, d->nworkers, 0, NULL, &err) == MUSTER_OK)
        return;
    muster_close(&d->m);
    if (d->on_cluster)
        cluster_end(&d->cluster);
    drill_die("muster", err.text);
}

void drill_open(drill *d)
{
    const char *env[] = {d->cells_env, NULL, NULL, NULL};
    const char *modules[] = {DRILL_HANDLERS, NULL};
    muster_options o = MUSTER_OPTIONS_INIT;

    if (d->on_cluster) {
        cluster_options(&d->cluster, &o);
    } else {
        by_the_relay(d, &o);
        env[1] = d->relay_env;
        env[2] = d->worker_env;
        o.modules = modules;
    }
    o.env = env;
    o.heartbeat_timeout_ms = d->foe.heartbeat_ms;
    o.pending_timeout_ms = d->on_cluster ? 60000 : 15000 * SLOW;
    o.replace = UINT32_MAX;
    o.log_level = MUSTER_LOG_INFO; /* REPLACE: was it held back? */
    o.on_log = on_log;
    o.on_event = on_event;
    o.on_output = on_output;
    o.arg = d;
    open_runtime(d, &o, d->on_cluster ? DRILL_HANDLERS : NULL);
}
