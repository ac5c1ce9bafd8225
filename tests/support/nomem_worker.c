/* nomem_worker.c - a worker whose memory ends when it is told so: SIGRTMIN with
 * a value n makes its n-th allocation from then on fail, and all after it; 0:
 * there is memory again. */
#include <signal.h>

#include <muster/worker.h>

#include "base/alloc.h"

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    mst_alloc_fail_after(info->si_value.sival_int);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART};

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGRTMIN, &action, NULL) != 0)
        return 70;
    return muster_worker_main(argc, argv);
}
