#include "foe.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#define STEADY_MS 5500 /* as in runtime/session/replacing.c, and some */

static void undo_later(foe *f, double after_ms, foe_undo what, pid_t pid)
{
    for (int i = 0; i < FOE_UNDOS; i++) {
        if (f->undos[i].what != UNDO_NONE)
            continue;
        f->undos[i].at_ms = book_now() + after_ms;
        f->undos[i].what = what;
        f->undos[i].pid = pid;
        return;
    }
    book_wrong(f->book, "the drill has too many faults to undo");
}

static void undo_one(foe *f, foe_undo what, pid_t pid)
{
    switch (what) {
    case UNDO_NONE:
        return;
    case UNDO_CONT:
        kill(pid, SIGCONT);
        return;
    case UNDO_THAW:
        relay_thaw(f->way);
        return;
    case UNDO_HEAL:
        cluster_heal(f->cluster);
        book_news(f->book, "the node is healed");
        return;
    case UNDO_API:
        cluster_start_api(f->cluster);
        book_news(f->book, "the API server is back");
        return;
    }
}

/* Those whose time has come, or all of them. */
static void undo(foe *f, bool all)
{
    const double now = book_now();

    for (int i = 0; i < FOE_UNDOS; i++) {
        if (f->undos[i].what == UNDO_NONE || (!all && f->undos[i].at_ms > now))
            continue;
        undo_one(f, f->undos[i].what, f->undos[i].pid);
        f->undos[i].what = UNDO_NONE;
    }
}

/* The target among the ready workers, or the next one that lived for so long;
 * false: there is none. */
static bool target(foe *f, const fault *one, double age_ms, muster_info *info)
{
    uint32_t ranks[256];
    const size_t all = muster_ranks(f->m, ranks, 256);
    const size_t n = all < 256 ? all : 256;

    /* cppcheck-suppress knownConditionTrueFalse */
    for (size_t i = 0; i < n; i++)
        if (muster_worker_info(f->m, ranks[(one->target + i) % n], info,
                               NULL) == MUSTER_OK &&
            info->state == MUSTER_READY &&
            (age_ms == 0 ||
             book_age_ms(f->book, info->rank, info->incarnation) >= age_ms))
            return true;
    return false;
}

/* Successors of those that died young are held back for longer and longer:
 * most are left to live until that is over, or nobody would be there. */
static double least_age(const foe *f, const fault *one)
{
    const bool deadly = one->kind == FAULT_KILL || one->kind == FAULT_STOP ||
                        one->kind == FAULT_FORCE;

    return f->cluster == NULL && deadly && one->amount >= 100 ? STEADY_MS : 0;
}

static void harm(foe *f, const fault *one)
{
    muster_info info;
    double hold = 0;
    char words[64];
    pid_t pid;

    if (!target(f, one, least_age(f, one), &info))
        return;
    pid = f->cluster != NULL ? cluster_pid(info.name) : (pid_t)info.pid;
    if (pid <= 1)
        return;
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
        undo_later(f, hold, UNDO_CONT, pid);
    }
}

static void delete_pod(foe *f, const fault *one)
{
    muster_info info;

    if (f->cluster->away || !target(f, one, 0, &info))
        return;
    book_fault(f->book, one->kind, info.rank, info.incarnation, info.name);
    if (!cluster_delete(f->cluster, info.name, one->kind == FAULT_FORCE))
        book_news(f->book, "kubectl did not delete %s", info.name);
}

/* Those who live there are silent from now on. */
static void cut_node(foe *f, const fault *one)
{
    const double hold = 1000 + (double)f->heartbeat_ms * one->amount / 1000 * 2;
    muster_info infos[256];
    char words[64];
    size_t n;

    if (f->cluster->cut)
        return;
    snprintf(words, sizeof(words), "for %.0f ms", hold);
    book_fault(f->book, one->kind, 0, 0, words);
    if (!cluster_cut(f->cluster)) {
        book_wrong(f->book, "the node cannot be cut off");
        return;
    }
    n = muster_list(f->m, infos, 256);
    for (size_t i = 0; i < n && i < 256; i++)
        if (infos[i].state == MUSTER_READY &&
            cluster_is_cut_off(f->cluster, infos[i].node))
            book_befalls(f->book, FAULT_STOP, infos[i].rank,
                         infos[i].incarnation);
    undo_later(f, hold, UNDO_HEAL, 0);
}

static void kill_api(foe *f, const fault *one)
{
    const double hold = (double)one->amount * 15;
    char words[64];

    if (f->cluster->away)
        return;
    snprintf(words, sizeof(words), "for %.0f ms", hold);
    book_fault(f->book, one->kind, 0, 0, words);
    if (!cluster_kill_api(f->cluster))
        book_wrong(f->book, "the API server cannot be killed");
    undo_later(f, hold, UNDO_API, 0);
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
                   UNDO_THAW, 0);
        return;
    case FAULT_FLOOD:
        book_fault(f->book, one->kind, 0, 0, "");
        strangers_flood(f->crowd, one->target);
        return;
    case FAULT_DELETE:
    case FAULT_FORCE:
        delete_pod(f, one);
        return;
    case FAULT_NODE:
        cut_node(f, one);
        return;
    case FAULT_API:
        kill_api(f, one);
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
    return pthread_create(&f->thread, NULL, run, f) == 0;
}

void foe_join(foe *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    if (f->way != NULL)
        relay_cut_after(f->way, 0);
    if (f->crowd != NULL)
        strangers_leave(f->crowd);
}
