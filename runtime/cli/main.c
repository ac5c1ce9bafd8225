/* main.c - muster VERB ... */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <muster/muster.h>

#include "base/first.h"
#include "cli/cli.h"

static const char help[] =
    "Usage: muster run [OPTION]... SCRIPT.so [ARG]...\n"
    "       muster bench [OPTION]...\n"
    "       muster clean [OPTION]...\n"
    "       muster --help | --version\n"
    "Run C functions on workers: child processes here, Pods in Kubernetes.\n"
    "\n"
    "  run    start workers, ship SCRIPT.so to them, call its muster_main\n"
    "  bench  measure launch, calls, broadcast and gather on workers\n"
    "  clean  delete what crashed managers have left in Kubernetes\n"
    "\n"
    "`muster VERB --help` tells more.\n";

/* What is opened later must not become standard input, output or error. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    fill_standard_descriptors();
    mst_first();
    if (strcmp(verb, "run") == 0)
        return mst_cli_run(argc - 1, argv + 1);
    if (strcmp(verb, "bench") == 0)
        return mst_cli_bench(argc - 1, argv + 1);
    if (strcmp(verb, "clean") == 0)
        return mst_cli_clean(argc - 1, argv + 1);
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 ||
        strcmp(verb, "help") == 0)
        return fputs(help, stdout) < 0 || fflush(stdout) != 0;
    if (strcmp(verb, "--version") == 0)
        return printf("muster %s\n", muster_version()) < 0 ||
               fflush(stdout) != 0;
    if (verb[0] == '\0')
        fprintf(stderr, "muster: say what to do; see muster --help\n");
    else
        fprintf(stderr, "muster: there is no %s; see muster --help\n", verb);
    return MST_CLI_USAGE;
}
