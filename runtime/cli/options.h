/* options.h - what is said on the command line of `muster run`
 * and `muster bench`. */
#ifndef MST_CLI_OPTIONS_H
#define MST_CLI_OPTIONS_H

#include <stdbool.h>

#include <muster/muster.h>

typedef enum mst_output_mode {
    MST_OUTPUT_TAG,   /* "From worker N:\t" and the line   */
    MST_OUTPUT_PLAIN, /* the line                          */
    MST_OUTPUT_NONE,
    MST_OUTPUT_DIR /* a file for each rank              */
} mst_output_mode;

typedef enum mst_verb { MST_VERB_RUN, MST_VERB_BENCH } mst_verb;

typedef struct mst_run_options {
    mst_verb verb; /* run: what only bench has is refused, and vice versa */
    muster_options open;
    muster_kube_options kube;
    bool dry_run; /* print the manifests, and that is all */
    uint32_t n, min;
    mst_output_mode output;
    const char *output_dir;
    bool timestamps;
    const char *events; /* a file, or NULL */
    bool quick, json;   /* bench */
    const char *plot;   /* bench: a file for the plot, or NULL */
    bool replaces;      /* as often as the number of workers allows */
    const char *script;
    int nargs; /* of the script, with its own name */
    char **args;
} mst_run_options;

/* How many processors this process may use: the default of -n. */
uint32_t mst_cli_processors(void);

/* -1: go on; else the exit status. */
int mst_cli_options(int argc, char **argv, mst_run_options *o);

/* Print what --help wants; an exit status. */
int mst_cli_help(mst_verb verb);

#endif
