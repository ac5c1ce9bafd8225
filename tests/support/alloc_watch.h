/* alloc_watch.h - how often the heap was asked, by whom. Linked, or preloaded
 * into a worker. */
#ifndef ALLOC_WATCH_H
#define ALLOC_WATCH_H

#include <stdbool.h>

typedef enum alloc_who {
    ALLOC_PROGRAM, /* the executable, and with it what is linked statically */
    ALLOC_ZMQ,
    ALLOC_OTHER,
    ALLOC_WATCHED
} alloc_who;

/* From zero; any thread's. */
void alloc_watch_begin(void);
void alloc_watch_end(long got[ALLOC_WATCHED]);

#endif
