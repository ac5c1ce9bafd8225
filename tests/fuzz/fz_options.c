/* fz_options.c - a command line and the environment of `muster run`: refused
 * as wrong usage, or all of it is in its range. The strings are divided by
 * zero bytes; those of the environment come first, MUSTER_NAME=VALUE. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "fuzz.h"

#define MOST 24

/* What usage says is not of interest; a fuzzer keeps its own stream. */
static void be_silent(void)
{
    static FILE *nowhere;

    if (nowhere != NULL)
        return;
    nowhere = fopen("/dev/null", "we");
    must(nowhere != NULL);
    stdout = stderr = nowhere; /* glibc: these are variables */
}

static void check(const mst_run_options *o, char **argv, int argc)
{
    must(o->n >= 1 && o->min <= o->n);
    must(o->dry_run || o->script != NULL);
    must(o->nargs >= 0 && o->nargs < argc);
    must(o->script == o->args[0] && o->args == argv + argc - o->nargs);
    must(o->open.heartbeat_timeout_ms == 0 ||
         o->open.heartbeat_timeout_ms >= 200);
    must(o->open.pending_timeout_ms > 0);
    must(o->open.pending_timeout_ms <= INT64_C(1000000000000));
    must(o->open.launcher <= MUSTER_LAUNCHER_JOIN);
    must(o->open.log_level <= MUSTER_LOG_DEBUG);
    must(o->output <= MST_OUTPUT_DIR);
    must(o->output != MST_OUTPUT_DIR || o->output_dir[0] != '\0');
    must(o->kube.keep <= MUSTER_KEEP_ALL && o->kube.deadline_s >= 0);
    must(o->kube.image == NULL || o->kube.image[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[2048];
    char *argv[MOST + 2] = {"run"}, *set[MOST], *word = text;
    mst_run_options o = {.n = 1};
    int argc = 1, nset = 0, rc;

    be_silent();
    if (size >= sizeof(text))
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    while (word < text + size && argc < MOST && nset < MOST) {
        char *value = strchr(word, '=');

        if (argc == 1 && value != NULL && strncmp(word, "MUSTER_", 7) == 0) {
            *value = '\0';
            must(setenv(word, value + 1, 1) == 0);
            set[nset++] = word;
            word = value + 1;
        } else {
            argv[argc++] = word;
        }
        word += strlen(word) + 1;
    }
    o.open.pending_timeout_ms = 180000;
    o.open.log_level = MUSTER_LOG_WARN;
    optind = 0; /* glibc: begin anew */
    rc = mst_cli_options(argc, argv, &o);
    must(rc == -1 || rc == 0 || rc == MST_CLI_USAGE);
    if (rc == -1)
        check(&o, argv, argc);
    while (nset > 0)
        unsetenv(set[--nset]);
    return 0;
}
