/* crash.h - last words: which handler was running when the process ended.
 *
 * A note goes to the manager through the inherited line (or, without one, to
 * standard error) from where it happens: a signal handler, or exit() called by
 * a handler. See note.h for what is in it.
 */
#ifndef MST_CRASH_H
#define MST_CRASH_H

#include "launch/note.h"

/* Install for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS and exit().
 * `line` is the inherited socket or -1. Main thread, once. */
void mst_crash_install(int line);

/* Give this thread a signal stack, so that an overflow of the other is told. */
void mst_crash_stack(void);
void mst_crash_unstack(void); /* before the thread ends */

/* Say why we are about to end: to the line, and to standard error. */
void mst_note_why(const char *sentence);

#endif
