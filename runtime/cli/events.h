/* events.h - --events FILE: each change of a worker's state as a line of JSON.
 * The schema is in muster-events(5). */
#ifndef MST_CLI_EVENTS_H
#define MST_CLI_EVENTS_H

#include "cli/options.h"

typedef struct mst_events {
    const char *path; /* NULL: not asked for */
    int fd;           /* -1: not, or not any more */
    char session[40];
} mst_events;

/* Open the file. False: not possible, and said. */
bool mst_events_open(mst_events *events, const char *path);

/* The first line. False: it cannot be written, and that was said. */
bool mst_events_begin(mst_events *events, const mst_run_options *o,
                      const muster *m);

/* A line for one change. When it cannot be written that is said once, and the
 * run goes on without. */
void mst_events_state(mst_events *events, const muster_event *event);

/* The last line, with the exit status of the run; closes. */
void mst_events_end(mst_events *events, int status);

#endif
