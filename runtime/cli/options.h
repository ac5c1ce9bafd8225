/* options.h - what is said on the command line of `muster run`. */
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

typedef struct mst_run_options {
    muster_options open;
    muster_kube_options kube;
    bool dry_run; /* print the manifests, and that is all */
    uint32_t n, min;
    mst_output_mode output;
    const char *output_dir;
    bool timestamps;
    const char *events; /* a file, or NULL */
    const char *script;
    int nargs; /* of the script, with its own name */
    char **args;
} mst_run_options;

/* -1: go on; else the exit status. */
int mst_cli_options(int argc, char **argv, mst_run_options *o);

#endif
