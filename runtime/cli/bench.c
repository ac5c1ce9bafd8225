/* bench.c - muster bench: what workers here can do. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/signals.h"

#define GIVE_UP_KUBE_MS 10000 /* after a signal: Pods are to be deleted */

/* Where the plot goes: asked before anything is started, and emptied only
 * when there is something to write. */
typedef struct plot_file {
    const char *path;
    int fd; /* -1: none */
    bool made;
} plot_file;

static bool plot_open(plot_file *file, const char *path)
{
    file->path = path;
    file->fd = -1;
    if (path == NULL)
        return true;
    file->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    file->made = file->fd >= 0;
    if (file->fd < 0 && errno == EEXIST)
        file->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (file->fd >= 0)
        return true;
    fprintf(stderr, "muster bench: cannot write %s: %s\n", path,
            strerror(errno));
    return false;
}

/* A plot that is not to be leaves the file as it was. */
static void plot_forget(plot_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    if (file->made)
        unlink(file->path);
}

static bool plot_write(plot_file *file, const mst_bench *bench)
{
    FILE *to;
    bool good;

    if (file->fd < 0)
        return true;
    /* a pipe or a device has nothing to cut */
    if (ftruncate(file->fd, 0) != 0)
        errno = 0;
    to = fdopen(file->fd, "w");
    good = to != NULL && mst_bench_plot(bench, to);
    good = to != NULL && fclose(to) == 0 && good;
    if (!good)
        fprintf(stderr, "muster bench: cannot write %s: %s\n", file->path,
                strerror(errno));
    if (to == NULL)
        close(file->fd);
    file->fd = -1;
    return good;
}

/* The module with our handlers: beside us, or where it is installed. */
static bool find_module(char *path)
{
    static const char *const places[] = {"bench.so", MST_BENCH_INSTALLED};
    char self[PATH_MAX] = "";
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    const char *slash = n > 0 ? strrchr(self, '/') : NULL;

    for (size_t i = 0; slash != NULL && i < 2; i++)
        if (snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self,
                     places[i]) < PATH_MAX &&
            access(path, R_OK) == 0)
            return true;
    fprintf(stderr,
            "muster bench: its module bench.so is not beside %s, nor "
            "in " MST_BENCH_INSTALLED " from there\n",
            self);
    return false;
}

static void on_event(void *arg, const muster_event *event)
{
    mst_bench *b = (mst_bench *)arg;
    long long none = 0;
    unsigned nobody = 0;

    mst_print_event(NULL, event);
    if (event->to == MUSTER_READY)
        atomic_compare_exchange_strong(&b->first_ns, &none, mst_bench_now_ns());
    if (event->to == MUSTER_LOST && atomic_load(&b->measuring))
        atomic_compare_exchange_strong(&b->lost, &nobody, event->rank);
}

/* Says what failed, unless we were told to end. */
static int failed(int status, muster_err rc, const muster_error *err)
{
    mst_bench_say(NULL);
    if (rc != MUSTER_ECLOSED && rc != MUSTER_ECANCELED)
        fprintf(stderr, "muster bench: %s\n", err->text);
    return status;
}

static int work(mst_bench *b, uint32_t n, const char *module)
{
    muster_error err = {0};
    muster_err rc;

    mst_machine_look(&b->machine);
    b->begun_ns = mst_bench_now_ns();
    rc = muster_launch(b->m, n, n, &b->nworkers, &err);
    if (rc != MUSTER_OK)
        return failed(MST_CLI_LAUNCH, rc, &err);
    b->all_s = (double)(mst_bench_now_ns() - b->begun_ns) / 1e9;
    atomic_store(&b->measuring, true);
    rc = muster_module_ship(b->m, module, &err);
    if (rc != MUSTER_OK)
        return failed(rc == MUSTER_EMODULE ? MST_CLI_SCRIPT : MST_CLI_WORK, rc,
                      &err);
    /* ranks are given from 1 on, and all of them are ready */
    b->first_rank = 1;
    rc = mst_bench_measure(b, &err);
    if (rc != MUSTER_OK)
        return failed(MST_CLI_WORK, rc, &err);
    b->first_s = (double)(atomic_load(&b->first_ns) - b->begun_ns) / 1e9;
    if (b->first_s > b->all_s)
        b->first_s = b->all_s; /* we heard of it late */
    return 0;
}

static int report(const mst_bench *b, plot_file *plot)
{
    if (b->json)
        mst_bench_json(b, stdout);
    else
        mst_bench_table(b, stdout);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "muster bench: cannot write to standard output\n");
        return EXIT_FAILURE;
    }
    return plot_write(plot, b) ? 0 : MST_CLI_OUTPUT;
}

static int run(mst_run_options *o, mst_bench *b, const char *module,
               plot_file *plot)
{
    const bool pods =
        o->open.launcher == MUSTER_LAUNCHER_K8S ||
        (o->open.launcher == MUSTER_LAUNCHER_AUTO && muster_is_k8s());
    mst_signals signals = {.give_up_ms = pods ? GIVE_UP_KUBE_MS : 0};
    muster_error err;
    int status, sig;

    snprintf(b->launcher, sizeof(b->launcher), "%s",
             pods                                       ? "k8s"
             : o->open.launcher == MUSTER_LAUNCHER_JOIN ? "join"
                                                        : "local");
    mst_signals_block(&signals);
    if (muster_open(&o->open, &b->m, &err) != MUSTER_OK)
        return failed(MST_CLI_LAUNCH, MUSTER_EINVAL, &err);
    if (!mst_signals_start(&signals, b->m)) {
        muster_close(&b->m);
        fprintf(stderr, "muster bench: no thread for signals\n");
        return MST_CLI_LAUNCH;
    }
    status = work(b, o->n, module);
    atomic_store(&b->measuring, false);
    muster_shutdown(b->m);
    mst_signals_stop(&signals);
    muster_close(&b->m);
    sig = atomic_load(&signals.sig);
    if (sig != 0)
        return MST_CLI_SIGNAL + sig;
    return status == 0 ? report(b, plot) : status;
}

int mst_cli_bench(int argc, char **argv)
{
    mst_run_options o = {.verb = MST_VERB_BENCH,
                         .open = MUSTER_OPTIONS_INIT,
                         .kube = MUSTER_KUBE_OPTIONS_INIT,
                         .n = mst_cli_processors()};
    mst_bench bench = {0};
    plot_file plot = {.fd = -1};
    char module[PATH_MAX];
    int status;

    o.open.on_event = on_event;
    o.open.on_log = mst_print_log;
    o.open.on_launch = mst_print_launch;
    o.open.kube = &o.kube;
    o.open.arg = &bench;
    status = mst_cli_options(argc, argv, &o);
    if (status >= 0)
        return status;
    bench.quick = o.quick;
    bench.json = o.json;
    if (!find_module(module))
        return MST_CLI_SCRIPT;
    if (!plot_open(&plot, o.plot))
        return MST_CLI_OUTPUT;
    status = run(&o, &bench, module, &plot);
    plot_forget(&plot);
    return status;
}
