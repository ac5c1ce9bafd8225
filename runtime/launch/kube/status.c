#include "launch/kube/status.h"

#include <stdio.h>
#include <string.h>

#include "launch/kube/json.h"
#include "launch/kube/manifest.h"

#define SHELL_SIGNAL 128 /* added to a signal's number in an exit code */

static bool is(const char *text, const char *want)
{
    return text != NULL && strcmp(text, want) == 0;
}

static bool one_of(const char *text, const char *const *list)
{
    for (; text != NULL && *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* The element of a list with this name or type. */
static const cJSON *named(const cJSON *list, const char *key, const char *name)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, list)
    {
        if (is(mst_json_str(one, key), name))
            return one;
    }
    return NULL;
}

static const cJSON *condition(const cJSON *pod, const char *type)
{
    return named(mst_json_list(pod, "status.conditions"), "type", type);
}

static bool is_true(const cJSON *condition)
{
    return is(mst_json_str(condition, "status"), "True");
}

static void say(mst_pod_status *s, const char *what, const char *more)
{
    snprintf(s->text, sizeof(s->text), "%s%s%.300s", what != NULL ? what : "",
             what != NULL && more != NULL && more[0] != '\0' ? ": " : "",
             more != NULL ? more : "");
}

/* ----------------------------------------------------------------- waiting --
 */

static const char *const hopeless[] = {
    "ErrImageNeverPull",    "InvalidImageName",  "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError", NULL};

/* What a container waits for. False: nothing that matters. */
static bool read_waiting(const cJSON *state, mst_pod_status *s)
{
    const char *reason = mst_json_str(state, "waiting.reason");
    const char *message = mst_json_str(state, "waiting.message");

    if (one_of(reason, hopeless)) {
        s->phase = MST_POD_HOPELESS;
        say(s, reason, message);
        return true;
    }
    s->pull_error = is(reason, "ErrImagePull");
    if (s->pull_error || is(reason, "ImagePullBackOff")) {
        s->phase = MST_POD_PULLING;
        say(s, reason, message);
        return true;
    }
    return false;
}

static void read_unscheduled(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *scheduled = condition(pod, "PodScheduled");

    if (is(mst_json_str(scheduled, "status"), "False")) {
        s->phase = MST_POD_UNSCHEDULABLE;
        say(s, NULL, mst_json_str(scheduled, "message"));
    }
}

/* A node has it, and nothing runs yet. */
static void read_starting(const cJSON *pod, const cJSON *state,
                          mst_pod_status *s)
{
    const cJSON *init;

    s->phase = MST_POD_SCHEDULED;
    cJSON_ArrayForEach(init, mst_json_list(pod, "status.initContainerStatuses"))
    {
        if (read_waiting(mst_json_object(init, "state"), s))
            return;
    }
    if (!read_waiting(state, s) && mst_json_object(state, "waiting") != NULL)
        s->phase = MST_POD_CREATING;
}

/* ------------------------------------------------------------------- ended --
 */

static void read_code(const cJSON *terminated, mst_pod_status *s)
{
    const int64_t code = mst_json_int(terminated, "exitCode", -1);
    const int64_t sig = mst_json_int(terminated, "signal", 0);
    const char *reason = mst_json_str(terminated, "reason");

    s->exit_status = code >= 0 && code <= 255 ? (int)code : -1;
    if (sig > 0 && sig <= 64)
        s->exit_signal = (int)sig;
    else if (code > SHELL_SIGNAL && code <= SHELL_SIGNAL + 64)
        s->exit_signal = (int)code - SHELL_SIGNAL;
    if (is(reason, "OOMKilled"))
        s->oom = true;
    if (reason != NULL && s->reason[0] == '\0' && !is(reason, "Error") &&
        !is(reason, "Completed"))
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
    /* what could not even be started: "exec: no such file" */
    if (s->text[0] == '\0')
        say(s, NULL, mst_json_str(terminated, "message"));
}

static void read_ended(const cJSON *pod, const cJSON *state, mst_pod_status *s)
{
    const char *reason = mst_json_str(pod, "status.reason");
    const cJSON *terminated = mst_json_object(state, "terminated");

    s->phase = MST_POD_ENDED;
    if (reason != NULL)
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
    say(s, NULL, mst_json_str(pod, "status.message"));
    if (terminated != NULL)
        read_code(terminated, s);
    else if (is(mst_json_str(pod, "status.phase"), "Succeeded"))
        s->exit_status = 0;
}

/* ------------------------------------------------------------------- whole --
 */

static void read_limit(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *container =
        named(mst_json_list(pod, "spec.containers"), "name", MST_CONTAINER);
    const char *memory = mst_json_str(container, "resources.limits.memory");

    if (memory != NULL)
        snprintf(s->memory, sizeof(s->memory), "%s", memory);
}

/* Its node is not heard of: the node controller, not the kubelet, has said that
 * the Pod is not ready, while its containers are. */
static bool is_unreachable(const cJSON *pod)
{
    const cJSON *ready = condition(pod, "Ready");
    const char *status = mst_json_str(ready, "status");

    return is(mst_json_str(pod, "status.reason"), "NodeLost") ||
           is(status, "Unknown") ||
           (is(status, "False") && is_true(condition(pod, "ContainersReady")));
}

void mst_pod_status_read(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *mine = named(mst_json_list(pod, "status.containerStatuses"),
                              "name", MST_CONTAINER);
    const cJSON *state = mst_json_object(mine, "state");
    const char *phase = mst_json_str(pod, "status.phase");
    const char *node = mst_json_str(pod, "spec.nodeName");

    *s = (mst_pod_status){.phase = MST_POD_CREATED, .exit_status = -1};
    s->deleting = mst_json_at(pod, "metadata.deletionTimestamp") != NULL;
    s->disrupted = is_true(condition(pod, "DisruptionTarget"));
    s->oom = is(mst_json_str(mine, "lastState.terminated.reason"), "OOMKilled");
    if (node != NULL)
        snprintf(s->node, sizeof(s->node), "%s", node);
    read_limit(pod, s);
    if (mst_json_object(state, "terminated") != NULL || is(phase, "Failed") ||
        is(phase, "Succeeded")) {
        read_ended(pod, state, s);
    } else if (mst_json_object(state, "running") != NULL ||
               (state == NULL && is(phase, "Running"))) {
        s->phase = MST_POD_RUNNING;
        s->unreachable = is_unreachable(pod);
    } else if (node == NULL) {
        read_unscheduled(pod, s);
    } else {
        read_starting(pod, state, s);
    }
}
