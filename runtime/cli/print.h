/* print.h - what the tool says while it works, on standard error. */
#ifndef MST_CLI_PRINT_H
#define MST_CLI_PRINT_H

#include <muster/muster.h>

/* A muster_log_fn. */
void mst_print_log(void *arg, muster_level level, const char *id,
                   const char *text);

/* A muster_event_fn: what somebody has to start by hand. */
void mst_print_event(void *arg, const muster_event *event);

/* A muster_launch_fn: in place on a terminal; in a pipe a line when it has
 * changed, but not for what is over at once. */
void mst_print_launch(void *arg, const muster_launch_state *state);

#endif
