/* cli.h - the muster tool: one file a verb. */
#ifndef MST_CLI_H
#define MST_CLI_H

/* Exit statuses of the tool itself, after <sysexits.h>. */
enum {
    MST_CLI_USAGE = 64,  /* options, or no script                        */
    MST_CLI_SCRIPT = 66, /* the script cannot be loaded                  */
    MST_CLI_LAUNCH = 69, /* no runtime, or too few workers               */
    MST_CLI_WORK = 70,   /* bench: a worker was lost, or a call failed   */
    MST_CLI_OUTPUT = 73, /* a file cannot be written                     */
    MST_CLI_SIGNAL = 128 /* and the signal's number: interrupted         */
};

int mst_cli_run(int argc, char **argv);
int mst_cli_bench(int argc, char **argv);
int mst_cli_clean(int argc, char **argv);

#endif
