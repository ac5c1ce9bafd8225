/* bench_scale - one manager and thousands of workers that are there in name.
 *
 * For each size this program starts itself anew, so that memory starts from
 * nothing: a manager through the public API with the `join` launcher, and a few
 * processes of stand-ins (standins.h). What is measured is the manager: its
 * memory, its processor time while nothing happens, a small broadcast with all
 * answers, and workers that come and go. Beside it bare libzmq: a ROUTER with
 * as many connections, and nothing else.
 */
#include "bare.h"
#include "rss.h"
#include "sample.h"
#include "standins.h"

#include <muster/muster.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PARTS 4
#define SIZE_MAX_WORKERS 20000u
#define CASTS 20
#define IDLE_S 16 /* two rounds of heartbeats, of 7.5 s each */
#define CHURN_STEP 10u
#define CHURN_STEPS_S 10u
#define WAIT_MS 60000

typedef struct part {
    pid_t pid;
    int input, output;
} part;

static int usage(void)
{
    fputs("usage: bench_scale [--quick | WORKERS...]\n"
          "One manager and that many stand-ins; 500 1000 2500 5000.\n",
          stderr);
    return 2;
}

static void must(muster_err rc, const muster_error *err, const char *what)
{
    if (rc != MUSTER_OK)
        bench_die("%s: %s: %s", what, muster_strerror(rc), err->text);
}

static double since_s(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

/* User and system, of all threads. */
static double cpu_s(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void sleep_until(int64_t at_ns)
{
    const struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* --------------------------------------------------------------- processes */

/* This program again, with pipes at its standard input and output. */
static part start(char *const argv[])
{
    posix_spawn_file_actions_t actions;
    int in[2], out[2], rc;
    part p = {0};

    if (pipe(in) != 0 || pipe(out) != 0)
        bench_die("pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&actions, in[i]);
        posix_spawn_file_actions_addclose(&actions, out[i]);
    }
    rc = posix_spawn(&p.pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        bench_die("start a process: %s", strerror(rc));
    close(in[0]);
    close(out[1]);
    p.input = in[1];
    p.output = out[0];
    return p;
}

static void await_ready(const part *p)
{
    char text[6];

    if (read(p->output, text, sizeof(text)) <= 0)
        bench_die("the stand-ins did not start");
}

static void end(part *p)
{
    int status = 0;

    close(p->input);
    close(p->output);
    while (waitpid(p->pid, &status, 0) == -1 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("stand-ins ended with status %#x", (unsigned)status);
}

/* Each part ends when its input does: the later ones must not hold the
 * earlier ones' pipes. */
static void keep_to_ourselves(const part *p)
{
    if (fcntl(p->input, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(p->output, F_SETFD, FD_CLOEXEC) != 0)
        bench_die("pipe: %s", strerror(errno));
}

static void start_standins(part parts[PARTS], const char *dir)
{
    for (uint32_t i = 0; i < PARTS; i++) {
        char name[] = "bench_scale", mode[] = "standins", path[128], number[8];
        char *argv[] = {name, mode, path, number, NULL};

        snprintf(path, sizeof(path), "%s", dir);
        snprintf(number, sizeof(number), "%" PRIu32, i);
        parts[i] = start(argv);
        keep_to_ourselves(&parts[i]);
        await_ready(&parts[i]);
    }
}

/* ------------------------------------------------------------- one manager */

static void on_log(void *arg, muster_level level, const char *id,
                   const char *text)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "bench_scale: %s %s\n", id, text);
}

static muster *open_manager(const char *dir)
{
    muster_options options = MUSTER_OPTIONS_INIT;
    muster_error err = {0};
    muster *m = NULL;

    options.launcher = MUSTER_LAUNCHER_JOIN;
    options.join_dir = dir;
    options.on_log = on_log;
    options.log_level = MUSTER_LOG_ERROR;
    must(muster_open(&options, &m, &err), &err, "open");
    return m;
}

static void broadcasts(muster *m, uint32_t n)
{
    double ms[CASTS];

    for (int i = 0; i <= CASTS; i++) {
        muster_results *results = NULL;
        muster_error err = {0};
        const int64_t start = bench_now_ns();

        must(muster_broadcast(m, NULL, "echo", "8 bytes.", 8, WAIT_MS, &results,
                              &err),
             &err, "broadcast");
        if (i > 0) /* the first makes room */
            ms[i - 1] = since_s(start) * 1e3;
        if (results->n != n || results->nfailed != 0)
            bench_die("%zu answers of %" PRIu32, results->n, n);
        muster_results_destroy(&results);
    }
    bench_tell("cast_ms", bench_quantile(ms, CASTS, 0.5));
    bench_tell("cast_worst_ms", ms[CASTS - 1]);
}

static void idle(int seconds)
{
    const double before = cpu_s();
    const int64_t start = bench_now_ns();

    sleep_until(start + (int64_t)seconds * 1000000000);
    bench_tell("idle_percent", (cpu_s() - before) / since_s(start) * 100);
}

/* So many come and so many of the oldest go, ten times a second. */
static void churn(muster *m, uint32_t n, uint32_t seconds)
{
    const uint32_t steps = seconds * CHURN_STEPS_S;
    const int64_t start = bench_now_ns();
    const double before = cpu_s();
    double worst = 0;
    uint32_t oldest = 1;

    for (uint32_t i = 0; i < steps; i++) {
        const int64_t at = start + (int64_t)i * 1000000000 / CHURN_STEPS_S;
        uint32_t ranks[CHURN_STEP], nready = 0;
        muster_error err = {0};

        sleep_until(at);
        must(muster_launch(m, CHURN_STEP, CHURN_STEP, &nready, &err), &err,
             "a join");
        for (uint32_t k = 0; k < CHURN_STEP; k++)
            ranks[k] = oldest++;
        must(muster_remove(m, ranks, CHURN_STEP, WAIT_MS, &err), &err,
             "a leave");
        if (since_s(at) > worst)
            worst = since_s(at);
    }
    if (muster_size(m) != n)
        bench_die("%" PRIu32 " workers after the churn", muster_size(m));
    bench_tell("churn_per_s", steps * CHURN_STEP / since_s(start));
    bench_tell("churn_percent", (cpu_s() - before) / since_s(start) * 100);
    bench_tell("churn_worst_ms", worst * 1e3);
}

static int manager(uint32_t n, bool quick)
{
    char dir[] = "/dev/shm/bench_scale_XXXXXX";
    part parts[PARTS];
    muster_error err = {0};
    int64_t start;
    double cpu;
    long before;
    muster *m;

    if (mkdtemp(dir) == NULL)
        bench_die("%s: %s", dir, strerror(errno));
    start_standins(parts, dir);
    m = open_manager(dir);
    before = bench_rss_kib(0);
    start = bench_now_ns();
    cpu = cpu_s();
    must(muster_launch(m, n, n, NULL, &err), &err, "launch");
    bench_tell("join_s", since_s(start));
    bench_tell("join_cpu_s", cpu_s() - cpu);
    broadcasts(m, n);
    idle(quick ? 1 : IDLE_S);
    bench_tell("kib_each", (double)(bench_rss_kib(0) - before) / n);
    churn(m, n, quick ? 1 : 5);
    bench_tell("kib_each_churned", (double)(bench_rss_kib(0) - before) / n);
    start = bench_now_ns();
    muster_close(&m);
    bench_tell("close_s", since_s(start));
    for (int i = 0; i < PARTS; i++)
        end(&parts[i]);
    rmdir(dir);
    return EXIT_SUCCESS;
}

/* -------------------------------------------------------------- one ROUTER */

static int router(uint32_t n)
{
    part parts[PARTS];
    bare b;
    long before;

    bare_open(&b);
    before = bench_rss_kib(0);
    for (uint32_t i = 0; i < PARTS; i++) {
        char name[] = "bench_scale", mode[] = "bare", endpoint[64], key[41];
        char number[16];
        char *argv[] = {name, mode, endpoint, key, number, NULL};

        memcpy(endpoint, b.endpoint, sizeof(endpoint));
        memcpy(key, b.key, sizeof(key));
        snprintf(number, sizeof(number), "%" PRIu32,
                 n / PARTS + (i < n % PARTS));
        parts[i] = start(argv);
        keep_to_ourselves(&parts[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        char body[BENCH_BODY_BYTES];
        size_t len;
        bare_id from;

        bare_recv(&b, &from, body, &len, true);
    }
    bench_tell("bare_kib_each", (double)(bench_rss_kib(0) - before) / n);
    for (int i = 0; i < PARTS; i++)
        end(&parts[i]);
    bare_close(&b);
    return EXIT_SUCCESS;
}

/* ------------------------------------------------------------------- table */

static const struct {
    const char *key, *title, *goal;
} rows[] = {
    {"kib_each", "manager memory, KiB each", "<= 64"},
    {"bare_kib_each", "  bare ROUTER, KiB each", ""},
    {"kib_each_churned", "  after the churn, KiB each", ""},
    {"join_s", "all joined, s", ""},
    {"join_cpu_s", "  manager's processor time, s", ""},
    {"idle_percent", "idle heartbeats, % of a core", "<= 5"},
    {"cast_ms", "8 B to all, all answers, ms", "<= 500"},
    {"cast_worst_ms", "  the slowest of 20, ms", ""},
    {"churn_per_s", "joins and leaves a second", ">= 100"},
    {"churn_percent", "  % of a core", ""},
    {"churn_worst_ms", "  slowest ten in and out, ms", ""},
    {"close_s", "close, s", ""},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define SIZES 8

/* Run this program in a mode and read what it tells. */
static void measure(const char *mode_name, uint32_t n, double values[ROWS])
{
    char name[] = "bench_scale", mode[16], number[16], line[128];
    char *argv[] = {name, mode, number, NULL};
    part p;
    FILE *file;

    snprintf(mode, sizeof(mode), "%s", mode_name);
    snprintf(number, sizeof(number), "%" PRIu32, n);
    p = start(argv);
    file = fdopen(dup(p.output), "r");
    if (file == NULL) {
        bench_die("pipe: %s", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL)
        for (size_t i = 0; i < ROWS; i++) {
            const size_t len = strlen(rows[i].key);

            if (strncmp(line, rows[i].key, len) == 0 && line[len] == ' ')
                values[i] = strtod(line + len, NULL);
        }
    fclose(file);
    end(&p);
}

static void print_table(const uint32_t *sizes, size_t nsizes,
                        double values[][ROWS])
{
    printf("%-32s", "workers");
    for (size_t k = 0; k < nsizes; k++)
        printf("%10" PRIu32, sizes[k]);
    printf("   goal\n");
    for (size_t i = 0; i < ROWS; i++) {
        printf("%-32s", rows[i].title);
        for (size_t k = 0; k < nsizes; k++)
            printf("%10.2f", values[k][i]);
        printf("   %s\n", rows[i].goal);
    }
    puts("\nfor each worker");
    printf("%-32s", "join, manager's time, us");
    for (size_t k = 0; k < nsizes; k++)
        printf("%10.1f", values[k][4] * 1e6 / sizes[k]);
    printf("\n%-32s", "8 B and its answer, us");
    for (size_t k = 0; k < nsizes; k++)
        printf("%10.1f", values[k][6] * 1e3 / sizes[k]);
    printf("\n%-32s", "idle, us a second");
    for (size_t k = 0; k < nsizes; k++)
        printf("%10.1f", values[k][5] * 1e4 / sizes[k]);
    puts("");
}

static int all(int argc, char **argv)
{
    static double values[SIZES][ROWS];
    uint32_t sizes[SIZES] = {500, 1000, 2500, 5000};
    size_t nsizes = 4;
    bool quick = argc == 2 && strcmp(argv[1], "--quick") == 0;

    if (argc > SIZES + 1 || (argc > 1 && !quick && argv[1][0] == '-'))
        return usage();
    if (quick) {
        sizes[0] = 50;
        nsizes = 1;
    } else if (argc > 1) {
        nsizes = (size_t)argc - 1;
        for (size_t k = 0; k < nsizes; k++)
            sizes[k] = (uint32_t)bench_count(argv[k + 1], SIZE_MAX_WORKERS);
    }
    for (size_t k = 0; k < nsizes; k++) {
        fprintf(stderr, "bench_scale: %" PRIu32 " workers\n", sizes[k]);
        measure(quick ? "quick" : "manager", sizes[k], values[k]);
        measure("router", sizes[k], values[k]);
    }
    print_table(sizes, nsizes, values);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("descriptors: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    alarm(BENCH_ALARM_S * (argc > 2 ? 1 : SIZES));
    raise_limit();
    if (argc == 4 && strcmp(mode, "standins") == 0)
        return standins_serve(argv[2], (uint32_t)strtoul(argv[3], NULL, 10),
                              PARTS);
    if (argc == 5 && strcmp(mode, "bare") == 0)
        return standins_bare(argv[2], argv[3],
                             (uint32_t)strtoul(argv[4], NULL, 10));
    if (argc == 3 && strcmp(mode, "router") == 0)
        return router((uint32_t)bench_count(argv[2], SIZE_MAX_WORKERS));
    if (argc == 3 &&
        (strcmp(mode, "manager") == 0 || strcmp(mode, "quick") == 0))
        return manager((uint32_t)bench_count(argv[2], SIZE_MAX_WORKERS),
                       mode[0] == 'q');
    return all(argc, argv);
}
