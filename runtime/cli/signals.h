/* signals.h - a thread for the signals of `muster run`. */
#ifndef MST_CLI_SIGNALS_H
#define MST_CLI_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <muster/muster.h>

typedef struct mst_signals {
    sigset_t set;
    muster *m;
    int64_t give_up_ms; /* after a signal, gone or not; 0: 1.8 s */
    atomic_int sig;     /* that ended us, or 0 */
    atomic_bool over;
    pthread_t thread;
} mst_signals;

/* Before any thread is started: they all inherit it. */
void mst_signals_block(mst_signals *s);

bool mst_signals_start(mst_signals *s, muster *m);

/* Before the runtime is closed: after this no signal touches it. */
void mst_signals_stop(mst_signals *s);

#endif
