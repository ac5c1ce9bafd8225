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
#include "cluster.h"
#include "plan.h"
#include "relay.h"
#include "strangers.h"

#define FOE_UNDOS 256

/* What is to be done when a fault's time is over. */
typedef enum foe_undo {
    UNDO_NONE,
    UNDO_CONT,
    UNDO_THAW,
    UNDO_HEAL,
    UNDO_API
} foe_undo;

typedef struct foe {
    muster *m;
    book *book;
    relay *way;       /* with children only */
    strangers *crowd; /* with children only */
    cluster *cluster; /* with Pods only     */
    const fault *plan;
    size_t nplan;
    int64_t heartbeat_ms;
    _Atomic size_t next; /* how many faults were made */
    atomic_bool stop;
    pthread_t thread;
    struct {
        double at_ms;
        foe_undo what;
        pid_t pid; /* of UNDO_CONT */
    } undos[FOE_UNDOS];
} foe;

bool foe_start(foe *f);
/* Ends it; what was stopped goes on. */
void foe_join(foe *f);

#endif
