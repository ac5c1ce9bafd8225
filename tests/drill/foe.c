#include "foe.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#define NONE ((pid_t)-1)

static void undo_later(foe *f, double after_ms, pid_t pid)
{
    for (int i = 0; i < FOE_UNDOS; i++) {
        if (f->undos[i].pid != NONE)
            continue;
        f->undos[i].at_ms = book_now() + after_ms;
        f->undos[i].pid = pid;
        return;
    }
    book_wrong(f->book, "the drill has too many workers stopped");
}

/* Those whose time has come, or all of them. */
static void undo(foe *f, bool all)
{
    const double now = book_now();

    for (int i = 0; i < FOE_UNDOS; i++) {
        if (f->undos[i].pid == NONE || (!all && f->undos[i].at_ms > now))
            continue;
        if (f->undos[i].pid == 0)
            relay_thaw(f->way);
        else
            kill(f->undos[i].pid, SIGCONT);
        f->undos[i].pid = NONE;
    }
}

/* The target among the ready workers; false: there is none. */
static bool target(foe *f, const fault *one, muster_info *info)
{
    uint32_t ranks[256];
    const size_t all = muster_ranks(f->m, ranks, 256);
    const size_t n = all < 256 ? all : 256;

    if (n == 0) /* cppcheck-suppress knownConditionTrueFalse */
        return false;
    return muster_worker_info(f->m, ranks[one->target % n], info, NULL) ==
               MUSTER_OK &&
           info->state == MUSTER_READY;
}

static void harm(foe *f, const fault *one)
{
    muster_info info;
    double hold = 0;
    char words[64];
    pid_t pid;

    if (!target(f, one, &info) || info.pid <= 1)
        return;
    pid = (pid_t)info.pid;
    if (one->kind == FAULT_PAUSE)
        hold = 20 + (double)f->heartbeat_ms * one->amount / 1000 * 0.4;
    if (one->kind == FAULT_STOP)
        hold = (double)f->heartbeat_ms + 1500 + one->amount;
    snprintf(words, sizeof(words), "pid %d for %.0f ms", (int)pid, hold);
    book_fault(f->book, one->kind, info.rank, info.incarnation, words);
    if (one->kind == FAULT_KILL || one->kind == FAULT_DRAIN) {
        kill(pid, one->kind == FAULT_KILL ? SIGKILL : SIGTERM);
    } else {
        kill(pid, SIGSTOP);
        undo_later(f, hold, pid);
    }
}

static void make(foe *f, const fault *one)
{
    switch (one->kind) {
    case FAULT_KILL:
    case FAULT_PAUSE:
    case FAULT_STOP:
    case FAULT_DRAIN:
        harm(f, one);
        return;
    case FAULT_CUT:
        book_fault(f->book, one->kind, 0, 0, "");
        relay_cut_one(f->way, one->target);
        return;
    case FAULT_CUT_ALL:
        book_fault(f->book, one->kind, 0, 0, "");
        relay_cut(f->way);
        return;
    case FAULT_CUT_LATER:
        book_fault(f->book, one->kind, 0, 0, "");
        relay_cut_after(f->way, 1 + (uint64_t)one->amount * one->amount);
        return;
    case FAULT_GARBLE:
        book_fault(f->book, one->kind, 0, 0, "");
        relay_garble(f->way);
        return;
    case FAULT_FREEZE:
        book_fault(f->book, one->kind, 0, 0, "");
        relay_freeze(f->way);
        undo_later(f, 20 + (double)f->heartbeat_ms * one->amount / 1000 * 0.3,
                   0);
        return;
    case FAULT_FLOOD:
        book_fault(f->book, one->kind, 0, 0, "");
        strangers_flood(f->crowd, one->target);
        return;
    case FAULTS:
        return;
    }
}

static void *run(void *arg)
{
    foe *f = (foe *)arg;
    const double began = book_now();

    while (!atomic_load(&f->stop)) {
        const size_t at = atomic_load(&f->next);

        undo(f, false);
        if (at < f->nplan && book_now() - began >= (double)f->plan[at].at_ms) {
            make(f, &f->plan[at]);
            atomic_store(&f->next, at + 1);
        } else {
            poll(NULL, 0, 1);
        }
    }
    undo(f, true);
    return NULL;
}

bool foe_start(foe *f)
{
    for (int i = 0; i < FOE_UNDOS; i++)
        f->undos[i].pid = NONE;
    return pthread_create(&f->thread, NULL, run, f) == 0;
}

void foe_join(foe *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    relay_cut_after(f->way, 0);
    strangers_leave(f->crowd);
}
