/* exercise.h - the calls that the program and the script both make. */
#ifndef EXERCISE_H
#define EXERCISE_H

#include <muster/muster.h>

/* Call every worker, then broadcast to all, and print what comes back.
 * Returns 0, or 1 after printing what went wrong. */
int exercise(muster *m);

/* Print `what` and the words of err to standard error. Returns 1. */
int complain(const char *what, const muster_error *err);

#endif
