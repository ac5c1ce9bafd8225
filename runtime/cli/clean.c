/* clean.c - muster clean: what crashed managers have left in a cluster. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/muster.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "launch/kube/clean.h"

static const char help[] =
    "Usage: muster clean [OPTION]...\n"
    "Delete the Pods and Secrets of sessions that are over: what a manager "
    "outside\n"
    "the cluster left when it crashed, and Pods that --keep kept.\n"
    "\n"
    "      --session ID      of this session, whether it is over or not\n"
    "      --all             of every session, whether it is over or not\n"
    "      --dry-run         only say what would be deleted\n"
    "      --namespace NS    (default: the kubeconfig context's, else this\n"
    "                        Pod's, else default)\n"
    "      --kubeconfig FILE as for kubectl\n"
    "      --context NAME    of the kubeconfig\n"
    "  -h, --help            show this\n"
    "\n"
    "A session is over when none of its Pods is Pending or Running, and "
    "nothing of it\n"
    "is younger than 5 minutes. Exit status: 0; 64 usage; 69 the API server "
    "was not\n"
    "reached, or refused something.\n";

typedef struct counts {
    bool dry_run;
    unsigned went, stayed;
} counts;

static void told(void *arg, const char *kind, const char *name, const char *why)
{
    counts *c = (counts *)arg;

    if (why == NULL) {
        printf("%s/%s deleted%s\n", kind, name, c->dry_run ? " (dry run)" : "");
        c->went++;
    } else {
        fprintf(stderr, "muster clean: %s/%s stays: %s\n", kind, name, why);
        c->stayed++;
    }
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, mst_clean *clean)
{
    static const struct option longs[] = {
        {"session", required_argument, NULL, 's'},
        {"all", no_argument, NULL, 'a'},
        {"dry-run", no_argument, NULL, 'd'},
        {"namespace", required_argument, NULL, 'n'},
        {"kubeconfig", required_argument, NULL, 'k'},
        {"context", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":n:h", longs, NULL)) != -1) {
        if (c == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0;
        if (c == ':' || c == '?') {
            fprintf(stderr, "muster clean: %s %s; see muster clean --help\n",
                    argv[optind - 1],
                    c == ':' ? "wants a value" : "is no option");
            return MST_CLI_USAGE;
        }
        if (c == 's')
            clean->session = optarg;
        else if (c == 'a')
            clean->all = true;
        else if (c == 'd')
            clean->dry_run = true;
        else if (c == 'n')
            clean->where.ns = optarg;
        else if (c == 'k')
            clean->where.kubeconfig = optarg;
        else
            clean->where.context = optarg;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr,
            "muster clean: %s is not expected; see muster clean "
            "--help\n",
            argv[optind]);
    return MST_CLI_USAGE;
}

int mst_cli_clean(int argc, char **argv)
{
    counts c = {0};
    mst_clean clean = {.told = told, .arg = &c};
    muster_error err;
    muster_err rc;
    mst_log log;
    const int status = parse(argc, argv, &clean);

    if (status >= 0)
        return status;
    c.dry_run = clean.dry_run;
    mst_log_init(&log, MUSTER_LOG_WARN, mst_print_log, NULL);
    rc = mst_kube_clean(&clean, &log, &err);
    mst_log_fini(&log);
    if (rc != MUSTER_OK) {
        fprintf(stderr, "muster clean: %s\n", err.text);
        return MST_CLI_LAUNCH;
    }
    if (c.went == 0 && c.stayed == 0)
        fprintf(stderr, "muster clean: nothing is left\n");
    return fflush(stdout) == 0 ? 0 : EXIT_FAILURE;
}
