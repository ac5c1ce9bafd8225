/* run.c - muster run: a script on workers. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "call/module.h"
#include "cli/cli.h"
#include "cli/events.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/signals.h"

#define GIVE_UP_KUBE_MS 10000 /* after a signal: Pods are to be deleted */

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

static int launch(muster *m, const mst_run_options *o)
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

/* What would be created. */
static int dry_run(const mst_run_options *o)
{
    char *text = NULL;
    muster_error err;
    bool good;

    if (muster_manifests(&o->open, o->n, &text, &err) != MUSTER_OK) {
        fprintf(stderr, "muster run: %s\n", err.text);
        return MST_CLI_LAUNCH;
    }
    good = puts(text) != EOF && fflush(stdout) == 0;
    free(text);
    return good ? 0 : EXIT_FAILURE;
}

/* What the runtime reports goes here. */
typedef struct sinks {
    mst_output output;
    mst_events events;
} sinks;

static void on_output(void *arg, uint32_t rank, int stream, const char *line,
                      size_t len)
{
    mst_output_line(&((sinks *)arg)->output, rank, stream, line, len);
}

static void on_event(void *arg, const muster_event *event)
{
    mst_print_event(arg, event);
    mst_events_state(&((sinks *)arg)->events, event);
}

static bool open_sinks(sinks *to, const mst_run_options *o, int *status)
{
    *status = EXIT_FAILURE;
    if (!mst_output_begin(&to->output, o))
        return false;
    *status = MST_CLI_OUTPUT;
    return mst_events_open(&to->events, o->events);
}

/* Is everything written that was to be? Says what is not; a script that failed
 * has said it of its own output. */
static bool finish_output(mst_output *output, bool failed)
{
    const bool files = mst_output_finish(output);

    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || failed)
        return files;
    fprintf(stderr, "muster run: standard output could not be written%s%s\n",
            errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    return false;
}

int mst_cli_run(int argc, char **argv)
{
    mst_run_options o = {.open = MUSTER_OPTIONS_INIT,
                         .kube = MUSTER_KUBE_OPTIONS_INIT,
                         .n = mst_cli_processors()};
    mst_signals signals = {0};
    sinks to;
    main_fn entry;
    muster *m = NULL;
    muster_error err;
    int status, sig;

    o.open.on_output = on_output;
    o.open.on_event = on_event;
    o.open.on_log = mst_print_log;
    o.open.on_launch = mst_print_launch;
    o.open.kube = &o.kube;
    o.open.arg = &to;
    status = mst_cli_options(argc, argv, &o);
    if (status >= 0)
        return status;
    if (o.dry_run)
        return dry_run(&o);
    if (o.open.launcher == MUSTER_LAUNCHER_K8S ||
        (o.open.launcher == MUSTER_LAUNCHER_AUTO && muster_is_k8s()))
        signals.give_up_ms = GIVE_UP_KUBE_MS;
    status = load(o.script, &entry);
    if (status != 0)
        return status;
    if (!open_sinks(&to, &o, &status))
        return status;
    mst_signals_block(&signals);
    if (muster_open(&o.open, &m, &err) != MUSTER_OK) {
        fprintf(stderr, "muster run: %s\n", err.text);
        return MST_CLI_LAUNCH;
    }
    if (!mst_signals_start(&signals, m)) {
        muster_close(&m);
        fprintf(stderr, "muster run: no thread for signals\n");
        return MST_CLI_LAUNCH;
    }
    status =
        mst_events_begin(&to.events, &o, m) ? launch(m, &o) : MST_CLI_OUTPUT;
    if (status == 0)
        status = entry(m, o.nargs, o.args);
    muster_shutdown(m);
    mst_signals_stop(&signals);
    muster_close(&m);
    /* the last lines of workers are printed until here */
    if (!finish_output(&to.output, status != 0) && status == 0)
        status = EXIT_FAILURE;
    sig = atomic_load(&signals.sig);
    status = sig != 0 ? MST_CLI_SIGNAL + sig : status;
    mst_events_end(&to.events, status);
    return status;
}
