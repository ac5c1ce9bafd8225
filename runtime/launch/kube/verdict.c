/* verdict.c - a Pod's status in words. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "launch/kube/status.h"

static bool is(const char *text, const char *want)
{
    return strcmp(text, want) == 0;
}

/* ": the words of the server", without their last full stop. */
static void add(char *text, size_t bytes, const char *more)
{
    const size_t n = strlen(text);
    size_t len = strlen(more);

    while (len > 0 && (more[len - 1] == '.' || more[len - 1] == ' '))
        len--;
    if (len > 0 && n < bytes)
        snprintf(text + n, bytes - n, ": %.*s", (int)len, more);
}

static void exit_words(const mst_pod_status *s, char *text, size_t bytes)
{
    const char *name = sigabbrev_np(s->exit_signal);

    if (s->exit_signal != 0)
        snprintf(text, bytes, "was killed by SIG%s", name != NULL ? name : "?");
    else if (s->exit_status >= 0)
        snprintf(text, bytes, "exited with status %d", s->exit_status);
    else
        snprintf(text, bytes, "ended%s%s", s->reason[0] != '\0' ? " as " : "",
                 s->reason);
    if (s->exit_status < 0 || is(s->reason, "ContainerCannotRun") ||
        is(s->reason, "StartError"))
        add(text, bytes, s->text);
}

static void oom_words(const mst_pod_status *s, char *text, size_t bytes)
{
    const bool child = s->exit_status == 0;

    snprintf(text, bytes, "%s%s%s%s",
             child ? "had a child process that was OOMKilled" : "was OOMKilled",
             s->memory[0] != '\0' ? " (limit " : "", s->memory,
             s->memory[0] != '\0' ? ")" : "");
}

void mst_pod_verdict(const mst_pod_status *s, bool deleted, char *text,
                     size_t bytes)
{
    char how[160];

    if (s->oom) {
        oom_words(s, text, bytes);
    } else if (is(s->reason, "Evicted") || is(s->reason, "Preempting") ||
               s->disrupted) {
        snprintf(text, bytes, "was evicted");
        add(text, bytes, s->text);
    } else if (is(s->reason, "DeadlineExceeded")) {
        snprintf(text, bytes, "ran into its deadline and was ended");
    } else if (s->phase == MST_POD_HOPELESS ||
               (s->phase == MST_POD_PULLING && !deleted)) {
        snprintf(text, bytes, "cannot start");
        add(text, bytes, s->text);
    } else if (s->phase == MST_POD_ENDED && (s->deleting || deleted)) {
        exit_words(s, how, sizeof(how));
        snprintf(text, bytes, "was deleted by someone, and %s", how);
    } else if (deleted && s->unreachable) {
        snprintf(text, bytes, "was deleted: its node %s is not heard of",
                 s->node);
    } else if (deleted) {
        snprintf(text, bytes, "was deleted by someone");
    } else {
        exit_words(s, text, bytes);
    }
}

void mst_pod_waits(const mst_pod_status *s, char *text, size_t bytes)
{
    static const char *const words[] = {
        [MST_POD_CREATED] = "waiting for a node",
        [MST_POD_UNSCHEDULABLE] = "unschedulable",
        [MST_POD_SCHEDULED] = "starting",
        [MST_POD_PULLING] = "pulling image",
        [MST_POD_CREATING] = "starting",
        [MST_POD_RUNNING] = "connecting",
        [MST_POD_ENDED] = "ended",
        [MST_POD_HOPELESS] = "not startable",
        [MST_POD_GONE] = "deleted"};

    snprintf(text, bytes, "%s", words[s->phase]);
    if (s->phase == MST_POD_UNSCHEDULABLE || s->phase == MST_POD_HOPELESS ||
        s->phase == MST_POD_PULLING)
        add(text, bytes, s->text);
    if (s->phase == MST_POD_RUNNING && s->unreachable)
        snprintf(text, bytes, "its node %s is not heard of", s->node);
    else if (s->deleting && s->phase < MST_POD_ENDED)
        snprintf(text, bytes, "being deleted by someone");
}
