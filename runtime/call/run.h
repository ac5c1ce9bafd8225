/* run.h - one job on the thread it was given: its handler, or one of ours. */
#ifndef MST_RUN_H
#define MST_RUN_H

#include "call/executor.h"

/* Sets job->code, and what belongs to it: the result, or ctx.text. */
void mst_run(mst_job *job);

#endif
