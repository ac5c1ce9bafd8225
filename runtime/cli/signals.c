#include "cli/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define CANCEL_MS 5000  /* after ^C, for the program to end by itself */
#define SIGNAL_MS 500   /* ...and for handlers that do not look */
#define GIVE_UP_MS 1800 /* after a signal, with everything gone or not */

/* Wait for a signal that counts; 0: the time is over, or we are told to end. */
static int next(mst_signals *s, int64_t ms)
{
    const struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
    int sig;

    for (;;) {
        sig = ms < 0 ? sigwaitinfo(&s->set, NULL)
                     : sigtimedwait(&s->set, NULL, &left);
        if (atomic_load(&s->over))
            return 0;
        if (sig == SIGUSR1)
            muster_print_list(s->m, stderr);
        else if (sig > 0)
            return sig;
        else if (errno != EINTR)
            return 0;
    }
}

/* ^C ends the work, and the program with it; the second one, or any other
 * signal, ends everything in order; the next, or too late: at once, and
 * workers go with us. */
static void *watch(void *arg)
{
    mst_signals *s = (mst_signals *)arg;
    const int sig = next(s, -1);

    if (sig == 0)
        return NULL;
    atomic_store(&s->sig, sig);
    if (sig == SIGINT) {
        fprintf(stderr, "muster: SIGINT: cancelling the work\n");
        muster_cancel(s->m);
        muster_interrupt(s->m, NULL, SIGNAL_MS, MUSTER_FOREVER, NULL);
        (void)next(s, CANCEL_MS);
        if (atomic_load(&s->over))
            return NULL;
    }
    fprintf(stderr, "muster: SIG%s: ending the workers\n", sigabbrev_np(sig));
    muster_shutdown(s->m);
    (void)next(s, s->give_up_ms > 0 ? s->give_up_ms : GIVE_UP_MS);
    if (!atomic_load(&s->over))
        _exit(MST_CLI_SIGNAL + sig);
    return NULL;
}

void mst_signals_block(mst_signals *s)
{
    sigemptyset(&s->set);
    sigaddset(&s->set, SIGINT);
    sigaddset(&s->set, SIGTERM);
    sigaddset(&s->set, SIGHUP);
    sigaddset(&s->set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &s->set, NULL);
}

bool mst_signals_start(mst_signals *s, muster *m)
{
    s->m = m;
    return pthread_create(&s->thread, NULL, watch, s) == 0;
}

void mst_signals_stop(mst_signals *s)
{
    atomic_store(&s->over, true);
    /* it waits for this signal; nobody is ended by it
     * NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c) */
    pthread_kill(s->thread, SIGTERM);
    pthread_join(s->thread, NULL);
}
