/* verdicts.c - how a worker ended, in one sentence: what the launcher saw, its
 * own last words, and its black box. */
#include <signal.h>
#include <stdio.h>

#include "session/session.h"

#define STATUS_SILENT 75 /* of muster-worker: the manager was silent */

/* The handler it was in: by its own last words, or the oldest call it had.
 * *id is of the call, *ran_ms -1 or for how long. */
static const char *last_handler(const mst_member *w, int64_t *ran_ms)
{
    const mst_call *call, *oldest = TAILQ_FIRST(&w->calls);

    *ran_ms = mst_box_ran_ms(w, w->note_id);
    if (w->handler_note != NULL)
        return w->handler_note;
    TAILQ_FOREACH (call, &w->calls, of_member) {
        *ran_ms = mst_box_ran_ms(w, call->id);
        if (*ran_ms >= 0)
            return w->box.handler;
    }
    *ran_ms = -1;
    if (oldest != NULL && !oldest->out.queued)
        return oldest->name;
    return NULL;
}

/* What muster-worker means by its exit status, when it could not say more. */
static const char *own_words(int status)
{
    switch (status) {
    case 64:
        return "wrong options";
    case 65:
        return "its cookie could not be read";
    case 69:
        return "the manager could not be reached";
    case 70:
        return "no memory or no threads";
    case 75:
        return "the manager was silent to it";
    case 76:
        return "the manager refused it";
    case 77:
        return "a handler did not return in time";
    case 130:
        return "terminated by SIGINT";
    case 143:
        return "terminated by SIGTERM";
    default:
        return NULL;
    }
}

/* " in handler fit after 12.4 s", or "". */
static const char *where(const mst_member *w, char *text, size_t bytes)
{
    int64_t ran_ms;
    const char *handler = last_handler(w, &ran_ms);
    int n;

    text[0] = '\0';
    if (handler == NULL)
        return text;
    n = snprintf(text, bytes, " in handler %.100s", handler);
    if (ran_ms >= 0 && n > 0 && (size_t)n < bytes)
        snprintf(text + n, bytes - (size_t)n, " after %.1f s",
                 (double)ran_ms / 1000);
    return text;
}

/* The kernel counts whom it kills for want of memory. In a group that others
 * are in, one kill explains one end. */
static bool killed_for_memory(mst_member *w)
{
    uint64_t before = w->box.at_ms != 0 ? w->box.usage.oom_kills : 0;

    if (w->exit_signal != SIGKILL || w->oom_kills == MST_UNKNOWN ||
        before == MST_UNKNOWN)
        return false;
    if (w->shared && before < w->m->oom_explained)
        before = w->m->oom_explained;
    if (w->oom_kills <= before)
        return false;
    if (w->shared)
        w->m->oom_explained = before + 1;
    return true;
}

/* Why a SIGKILL, when it was not for want of memory, or is not known. */
static const char *by_whom(const mst_member *w)
{
    if (w->exit_signal != SIGKILL)
        return "";
    return w->oom_kills != MST_UNKNOWN && w->box.at_ms != 0 &&
                   w->box.usage.oom_kills != MST_UNKNOWN
               ? " (by hand, not for want of memory)"
               : " (by hand, or for want of memory)";
}

/* It ended because it did not hear from us, who stood still. */
static bool our_fault(const mst_member *w)
{
    const muster *m = w->m;

    return w->exit_status == STATUS_SILENT && m->woke_ms > 0 &&
           w->ended_ms >= m->woke_ms &&
           w->ended_ms - m->woke_ms < m->options.heartbeat_timeout_ms;
}

static void by_the_launcher(const mst_member *w, const char *in,
                            const char *why, char *text, size_t bytes)
{
    const bool lined = why == NULL && w->last_line != NULL;
    char memory[80] = "";

    if (w->oom)
        mst_box_memory(w, memory, sizeof(memory));
    snprintf(text, bytes, "worker %u%s%.60s %.600s%s%s%s%.100s%s%.120s%s",
             w->rank, w->oom && w->node != NULL ? " on " : "",
             w->oom && w->node != NULL ? w->node : "", w->end_words, in, memory,
             why != NULL ? ": " : "", why != NULL ? why : "",
             lined ? "; its last line: \"" : "", lined ? w->last_line : "",
             lined ? "\"" : "");
}

static void by_a_signal(const mst_member *w, const char *in, char *text,
                        size_t bytes)
{
    const char *abbrev = sigabbrev_np(w->exit_signal);
    char memory[80];

    if (w->oom)
        snprintf(text, bytes, "worker %u was OOMKilled%s%s", w->rank, in,
                 mst_box_memory(w, memory, sizeof(memory)));
    else
        snprintf(text, bytes, "worker %u was killed by SIG%s%s%s", w->rank,
                 abbrev != NULL ? abbrev : "?", in, by_whom(w));
}

void mst_describe_end(mst_member *w, char *text, size_t bytes)
{
    const char *why =
        w->why_note != NULL ? w->why_note : own_words(w->exit_status);
    char in[192], fault[96];

    if (our_fault(w)) {
        snprintf(fault, sizeof(fault),
                 "it heard nothing from this manager, which stood still for "
                 "%.1f s",
                 (double)w->m->paused_ms / 1000);
        why = fault;
    }
    w->oom = w->oom || killed_for_memory(w);
    where(w, in, sizeof(in));
    if (w->end_words != NULL)
        by_the_launcher(w, in, why, text, bytes);
    else if (w->exit_signal != 0)
        by_a_signal(w, in, text, bytes);
    else if (w->unseen || w->exit_status < 0)
        snprintf(text, bytes, "worker %u ended%s%.200s", w->rank,
                 why != NULL ? ": " : ", nothing is known of how",
                 why != NULL ? why : "");
    else if (w->handler_note != NULL)
        snprintf(text, bytes, "worker %u: handler %.100s called exit(%d)",
                 w->rank, w->handler_note, w->exit_status);
    else if (why != NULL)
        snprintf(text, bytes, "worker %u ended with status %d: %.200s", w->rank,
                 w->exit_status, why);
    else
        snprintf(text, bytes, "worker %u exited with status %d%s", w->rank,
                 w->exit_status, in);
}
