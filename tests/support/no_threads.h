/* no_threads.h - a limit of threads, as a control group has it. For a test that
 * is linked with --wrap=pthread_create. */
#ifndef NO_THREADS_H
#define NO_THREADS_H

#include <stdatomic.h>

extern atomic_bool no_threads; /* pthread_create fails with EAGAIN */

#endif
