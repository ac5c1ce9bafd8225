/* verdict.c - a Pod's status in words. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "launch/kube/status.h"

static bool is_one(const char *text, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
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
    static const char *const not_begun[] = {"StartError", "ContainerCannotRun",
                                            MST_REASON_INIT, NULL};
    const char *name = sigabbrev_np(s->exit_signal);

    if (is_one(s->reason, not_begun)) {
        snprintf(text, bytes, "could not be started");
        add(text, bytes, s->text);
        return;
    }
    if (s->exit_signal != 0 && name != NULL)
        snprintf(text, bytes, "was killed by SIG%s", name);
    else if (s->exit_signal != 0)
        snprintf(text, bytes, "was killed by signal %d", s->exit_signal);
    else if (s->exit_status >= 0)
        snprintf(text, bytes, "exited with status %d", s->exit_status);
    else
        snprintf(text, bytes, "ended");
    add(text, bytes, s->reason);
    if (s->reason[0] != '\0' || s->exit_status < 0)
        add(text, bytes, s->text);
}

/* What the limit was, and what it used, is said behind. */
static void oom_words(const mst_pod_status *s, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s",
             s->exit_status == 0 ? "had a child process that was OOMKilled"
                                 : "was OOMKilled");
}

static void node_words(const mst_pod_status *s, char *text, size_t bytes)
{
    snprintf(text, bytes, "its node%s%s is not heard of",
             s->node[0] != '\0' ? " " : "", s->node);
}

/* False: it was not the cluster that ended it. */
static bool disruption_words(const mst_pod_status *s, char *text, size_t bytes)
{
    static const char *const preempted[] = {"Preempting",
                                            "PreemptionByScheduler", NULL};

    if (is_one(s->reason, preempted))
        snprintf(text, bytes, "was preempted");
    else if (s->disrupted || strcmp(s->reason, "Evicted") == 0)
        snprintf(text, bytes, "was evicted");
    else
        return false;
    add(text, bytes, s->text);
    return true;
}

/* Of one that nothing has ended yet, as far as its status knows. */
static void live_words(const mst_pod_status *s, char *text, size_t bytes)
{
    char waits[MST_STATUS_TEXT];

    if (s->deleting) {
        snprintf(text, bytes, "is being deleted by someone");
    } else if (s->phase == MST_POD_RUNNING) {
        snprintf(text, bytes, "runs, and is not heard of");
    } else {
        mst_pod_waits(s, waits, sizeof(waits));
        snprintf(text, bytes, "did not start");
        add(text, bytes, waits);
    }
}

void mst_pod_verdict(const mst_pod_status *s, bool deleted, char *text,
                     size_t bytes)
{
    char how[MST_STATUS_TEXT];

    if (s->oom) {
        oom_words(s, text, bytes);
    } else if (s->unreachable && s->phase != MST_POD_ENDED) {
        node_words(s, how, sizeof(how));
        snprintf(text, bytes, "%s%s", deleted ? "was deleted: " : "", how);
    } else if (disruption_words(s, text, bytes)) {
        return;
    } else if (strcmp(s->reason, "DeadlineExceeded") == 0) {
        snprintf(text, bytes, "ran into its deadline and was ended");
    } else if (s->phase == MST_POD_HOPELESS) {
        snprintf(text, bytes, "cannot start");
        add(text, bytes, s->text);
    } else if (s->phase == MST_POD_ENDED) {
        exit_words(s, how, sizeof(how));
        snprintf(text, bytes, "%s%s",
                 s->deleting || deleted ? "was deleted by someone, and " : "",
                 how);
    } else if (deleted || s->phase == MST_POD_GONE) {
        snprintf(text, bytes, "was deleted by someone");
    } else {
        live_words(s, text, bytes);
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

    if (s->unreachable && s->phase < MST_POD_ENDED) {
        node_words(s, text, bytes);
    } else if (s->deleting && s->phase < MST_POD_ENDED) {
        snprintf(text, bytes, "being deleted by someone");
    } else {
        snprintf(text, bytes, "%s", words[s->phase]);
        if (s->phase == MST_POD_UNSCHEDULABLE || s->phase == MST_POD_PULLING ||
            s->phase == MST_POD_CREATING || s->phase == MST_POD_HOPELESS)
            add(text, bytes, s->text);
    }
}
