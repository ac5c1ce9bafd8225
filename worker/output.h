/* output.h - what handlers print, when nobody but us can pass it on: standard
 * output and error go through pipes, to where they went before and, as OUTPUT,
 * to the manager. A local worker's pipes are read by the manager itself. */
#ifndef MST_OUTPUT_H
#define MST_OUTPUT_H

#include "worker.h"

/* Errors: MUSTER_ESYS; then nothing is changed. */
muster_err mst_output_start(mst_worker *w, muster_error *err);

/* The connection began: so much may be sent. */
void mst_output_on(mst_worker *w);
/* The manager's TAKEN. */
void mst_output_taken(mst_worker *w, uint32_t bytes);

/* The end: what is left goes both ways, and the streams are as before. */
void mst_output_end(mst_worker *w);

/* The process ends here and now: what is left goes to where it went before.
 * Async-signal-safe. */
void mst_output_rescue(void);

#endif
