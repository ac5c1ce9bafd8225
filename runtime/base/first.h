/* first.h - being process 1 of a container.
 *
 * The kernel does not deliver to process 1 what it has no handler for, so that
 * abort(3) becomes something else there, and it gives it every orphan to wait
 * for. So that process does just this, and the program runs in its child:
 * signals that somebody sent are passed on (a terminal's reach the child by
 * themselves), the dead are waited for, and the child's end is its end; 128+N
 * for signal N.
 *
 * Source: pid_namespaces(7), "The namespace init process".
 */
#ifndef MST_FIRST_H
#define MST_FIRST_H

/* Returns in the child; in the same process when it is not process 1, or when
 * there is no process to be had. Before any thread is started. */
void mst_first(void);

#endif
