/* output.h - where the lines of workers go. */
#ifndef MST_CLI_OUTPUT_H
#define MST_CLI_OUTPUT_H

#include <stdio.h>

#include "cli/options.h"

typedef struct mst_output {
    mst_output_mode mode;
    bool timestamps;
    const char *dir;
    FILE **files; /* DIR: that of rank r at r; NULL: none yet */
    uint32_t room;
    bool failed; /* a line could not be written where it should be */
} mst_output;

/* Make the directory, if one is asked for. False: not possible, and said. */
bool mst_output_begin(mst_output *output, const mst_run_options *o);

/* A muster_output_fn; arg is the mst_output. */
void mst_output_line(void *arg, uint32_t rank, int stream, const char *line,
                     size_t len);

/* False: something was not written, and it was said. */
bool mst_output_finish(mst_output *output);

#endif
