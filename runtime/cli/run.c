/* run.c - muster run: a script on workers. */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "call/module.h"
#include "cli/cli.h"

#define CANCEL_MS 5000  /* after ^C, for the program to end by itself */
#define SIGNAL_MS 500   /* ...and for handlers that do not look */
#define GIVE_UP_MS 1800 /* after a signal, with everything gone or not */

static const char help[] =
    "Usage: muster run [OPTION]... SCRIPT.so [ARG]...\n"
    "Start workers, ship SCRIPT.so to each, call its muster_main here, and "
    "end\n"
    "everything. The exit status is what muster_main returns.\n"
    "\n"
    "  -n, --workers N           how many (default: processors of this "
    "machine)\n"
    "      --min M               go on with M when not all come up (default: "
    "N)\n"
    "      --launcher WHICH      auto, local or k8s (default: auto)\n"
    "      --threads K           handlers at a time on each worker (default: "
    "1)\n"
    "      --pending-timeout S   seconds for workers to come up (default: "
    "180)\n"
    "      --heartbeat-timeout S seconds of silence that count as death;\n"
    "                            0 = never, else at least 0.2 (default: 30)\n"
    "      --listen ADDRESS      bind there (default: 127.0.0.1)\n"
    "      --port P              bind this port (default: any free one)\n"
    "      --log-level L         error, warn, info or debug (default: warn)\n"
    "  -h, --help                show this\n"
    "\n"
    "Exit status: muster_main's; or 64 usage, 66 SCRIPT.so cannot be loaded,\n"
    "69 launch failed, 128+N ended by signal N.\n"
    "\n"
    "^C (SIGINT) cancels the work, so that muster_main can end; a second one,\n"
    "5 s, SIGTERM or SIGHUP end everything.\n";

typedef struct run_options {
    muster_options open;
    uint32_t n, min;
    const char *script;
} run_options;

static int usage(const char *format, const char *what)
{
    fprintf(stderr, "muster run: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; see muster run --help\n");
    return MST_CLI_USAGE;
}

/* ------------------------------------------------------------- options -- */

static bool to_number(const char *text, unsigned long most, unsigned long *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && *out <= most;
}

static bool to_u32(const char *text, uint32_t *out)
{
    unsigned long number = 0;
    const bool ok = to_number(text, UINT32_MAX, &number);

    *out = (uint32_t)number;
    return ok;
}

static bool to_ms(const char *text, int64_t *out)
{
    char *end;
    const double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 1e9)
        return false;
    *out = (int64_t)ceil(seconds * 1000);
    return true;
}

static bool to_choice(const char *text, const char *const *names, int *out)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool set_option(run_options *o, int c, const char *value)
{
    static const char *const launchers[] = {"auto", "local", "k8s", NULL};
    static const char *const levels[] = {"error", "warn", "info", "debug",
                                         NULL};
    unsigned long port;
    int choice;

    switch (c) {
    case 'n':
        return to_u32(value, &o->n);
    case 'm':
        return to_u32(value, &o->min);
    case 't':
        return to_u32(value, &o->open.threads);
    case 'p':
        return to_ms(value, &o->open.pending_timeout_ms) &&
               o->open.pending_timeout_ms > 0;
    case 'b':
        return to_ms(value, &o->open.heartbeat_timeout_ms) &&
               (o->open.heartbeat_timeout_ms == 0 ||
                o->open.heartbeat_timeout_ms >= 200);
    case 'a':
        o->open.listen = value;
        return true;
    case 'P':
        if (!to_number(value, 65535, &port))
            return false;
        o->open.port = (uint16_t)port;
        return true;
    case 'l':
        if (!to_choice(value, launchers, &choice))
            return false;
        o->open.launcher = (muster_launcher)choice;
        return true;
    case 'L':
        if (!to_choice(value, levels, &choice))
            return false;
        o->open.log_level = (muster_level)choice;
        return true;
    default:
        return false;
    }
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, run_options *o)
{
    static const struct option longs[] = {
        {"workers", required_argument, NULL, 'n'},
        {"min", required_argument, NULL, 'm'},
        {"launcher", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"pending-timeout", required_argument, NULL, 'p'},
        {"heartbeat-timeout", required_argument, NULL, 'b'},
        {"listen", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'P'},
        {"log-level", required_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    char what[128];
    int c, at;

    opterr = 0;
    while (at = -1, (c = getopt_long(argc, argv, "+:n:h", longs, &at)) != -1) {
        if (c == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0;
        if (c == 'V')
            return printf("muster %s\n", muster_version()) < 0 ||
                   fflush(stdout) != 0;
        if (c == ':')
            return usage("%s wants a value", argv[optind - 1]);
        if (c == '?')
            return usage("there is no option %s", argv[optind - 1]);
        if (!set_option(o, c, optarg)) {
            snprintf(what, sizeof(what), "%s%s cannot be \"%.60s\"",
                     at < 0 ? "-" : "--", at < 0 ? "n" : longs[at].name,
                     optarg);
            return usage("%s", what);
        }
    }
    if (optind == argc)
        return usage("%s", "which script? give the path of a SCRIPT.so");
    o->script = argv[optind];
    if (o->n == 0)
        return usage("%s", "-n must be at least 1");
    if (o->min > o->n)
        return usage("%s", "--min must not be more than -n");
    return -1;
}

/* ------------------------------------------------------------- signals -- */

typedef struct watcher {
    sigset_t set;
    muster *m;
    atomic_int sig; /* that ended us, or 0 */
    atomic_bool over;
    pthread_t thread;
} watcher;

/* Wait for another signal, or until we are told that it is over. */
static void watch_more(watcher *w, int64_t ms)
{
    const struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};

    while (sigtimedwait(&w->set, NULL, &left) < 0 && errno == EINTR)
        ;
}

/* ^C ends the work, and the program with it; the second one, or any other
 * signal, ends everything in order; the next, or too late: at once, and
 * workers go with us. */
static void *watch(void *arg)
{
    watcher *w = (watcher *)arg;
    int sig;

    if (sigwait(&w->set, &sig) != 0 || atomic_load(&w->over))
        return NULL;
    atomic_store(&w->sig, sig);
    if (sig == SIGINT) {
        fprintf(stderr, "muster: SIGINT: cancelling the work\n");
        muster_cancel(w->m);
        muster_interrupt(w->m, NULL, SIGNAL_MS, MUSTER_FOREVER, NULL);
        watch_more(w, CANCEL_MS);
        if (atomic_load(&w->over))
            return NULL;
    }
    fprintf(stderr, "muster: SIG%s: ending the workers\n", sigabbrev_np(sig));
    muster_shutdown(w->m);
    watch_more(w, GIVE_UP_MS);
    if (!atomic_load(&w->over))
        _exit(MST_CLI_SIGNAL + sig);
    return NULL;
}

static bool watch_start(watcher *w, muster *m)
{
    w->m = m;
    return pthread_create(&w->thread, NULL, watch, w) == 0;
}

/* Before the runtime is closed: after this no signal touches it. */
static void watch_stop(watcher *w)
{
    atomic_store(&w->over, true);
    /* it waits for this signal; nobody is ended by it
     * NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c) */
    pthread_kill(w->thread, SIGTERM);
    pthread_join(w->thread, NULL);
}

/* ------------------------------------------------------------- the run -- */

static void print_log(void *arg, muster_level level, const char *id,
                      const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};

    (void)arg;
    fprintf(stderr, "muster: %s: %s %s\n", levels[level], id, text);
}

typedef int (*main_fn)(muster *m, int argc, char **argv);

/* Load the script here; its muster_main. */
static int load(const char *script, main_fn *entry)
{
    MST_AUTO(mst_drop) void *data = NULL;
    void *handle;
    muster_error err;
    size_t len;

    if (mst_module_read(script, &data, &len, &err) != MUSTER_OK ||
        mst_module_open(script, NULL, &handle, &err) != MUSTER_OK) {
        fprintf(stderr, "muster run: %s\n", err.text);
        return MST_CLI_SCRIPT;
    }
    *(void **)entry = dlsym(handle, "muster_main");
    if (*entry == NULL) {
        fprintf(stderr, "muster run: %s has no function muster_main\n", script);
        return MST_CLI_SCRIPT;
    }
    return 0;
}

static int launch(muster *m, const run_options *o)
{
    muster_error err;
    uint32_t nready;
    muster_err rc;

    rc = muster_launch(m, o->n, o->min, &nready, &err);
    if (rc != MUSTER_OK) {
        if (rc != MUSTER_ECLOSED && rc != MUSTER_ECANCELED)
            fprintf(stderr, "muster run: %s\n", err.text);
        return MST_CLI_LAUNCH;
    }
    if (nready < o->n)
        fprintf(stderr, "muster run: going on with %u of %u workers\n", nready,
                o->n);
    rc = muster_module_ship(m, o->script, &err);
    if (rc == MUSTER_OK)
        return 0;
    if (rc == MUSTER_ECLOSED || rc == MUSTER_ECANCELED)
        return MST_CLI_LAUNCH;
    fprintf(stderr, "muster run: %s\n", err.text);
    return MST_CLI_SCRIPT;
}

static uint32_t processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
    return 1;
}

int mst_cli_run(int argc, char **argv)
{
    run_options o = {.open = MUSTER_OPTIONS_INIT, .n = processors()};
    watcher w = {0};
    main_fn entry;
    muster *m = NULL;
    muster_error err;
    int status, sig;

    o.open.on_output = muster_print_output;
    o.open.on_log = print_log;
    status = parse(argc, argv, &o);
    if (status >= 0)
        return status;
    status = load(o.script, &entry);
    if (status != 0)
        return status;
    sigemptyset(&w.set);
    sigaddset(&w.set, SIGINT);
    sigaddset(&w.set, SIGTERM);
    sigaddset(&w.set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &w.set, NULL);
    if (muster_open(&o.open, &m, &err) != MUSTER_OK) {
        fprintf(stderr, "muster run: %s\n", err.text);
        return MST_CLI_LAUNCH;
    }
    if (!watch_start(&w, m)) {
        muster_close(&m);
        fprintf(stderr, "muster run: no thread for signals\n");
        return MST_CLI_LAUNCH;
    }
    status = launch(m, &o);
    if (status == 0)
        status = entry(m, argc - optind, argv + optind);
    muster_shutdown(m);
    watch_stop(&w);
    muster_close(&m);
    /* the last lines of workers are printed until here */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0)
        status = EXIT_FAILURE;
    sig = atomic_load(&w.sig);
    return sig != 0 ? MST_CLI_SIGNAL + sig : status;
}
