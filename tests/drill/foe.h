/* foe.h - the thread that carries out the plan of faults. */
#ifndef FOE_H
#define FOE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <muster/muster.h>

#include "book.h"
#include "plan.h"
#include "relay.h"
#include "strangers.h"

#define FOE_UNDOS 256

typedef struct foe {
    muster *m;
    book *book;
    relay *way;
    strangers *crowd;
    const fault *plan;
    size_t nplan;
    int64_t heartbeat_ms;
    _Atomic size_t next; /* how many faults were made */
    atomic_bool stop;
    pthread_t thread;
    struct {
        double at_ms;
        pid_t pid; /* SIGCONT to it; 0: thaw the relay; -1: nothing */
    } undos[FOE_UNDOS];
} foe;

bool foe_start(foe *f);
/* Ends it; what was stopped goes on. */
void foe_join(foe *f);

#endif
