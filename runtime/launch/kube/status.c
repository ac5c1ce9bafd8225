#include "launch/kube/status.h"

#include <stdarg.h>
#include <string.h>

#include "base/fail.h"
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

/* One line of plain text, cut at a whole character. */
static void put(char *text, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(char *text, size_t bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mst_sentence(text, bytes, format, args);
    va_end(args);
}

static void say(mst_pod_status *s, const char *what, const char *more)
{
    put(s->text, sizeof(s->text), "%s%s%s", what,
        what[0] != '\0' && more != NULL && more[0] != '\0' ? ": " : "",
        more != NULL ? more : "");
}

/* ----------------------------------------------------------------- waiting --
 */

static const char *const hopeless[] = {"ErrImageNeverPull",
                                       "InvalidImageName",
                                       "CreateContainerConfigError",
                                       "CreateContainerError",
                                       "RunContainerError",
                                       "CrashLoopBackOff",
                                       NULL};
/* ImagePullBackOff is the wait until the next try. */
static const char *const not_pulled[] = {"ErrImagePull", "ImageInspectError",
                                         "RegistryUnavailable",
                                         "SignatureValidationFailed", NULL};

/* What a busy node says, and then does it at the next try. */
static bool is_passing(const char *message)
{
    return message != NULL &&
           (strstr(message, "context deadline exceeded") != NULL ||
            strstr(message, "failed to reserve container name") != NULL ||
            strstr(message, "failed to sync") != NULL);
}

/* What a container waits for, with "init container x: " in front of the words.
 * False: nothing that matters. */
static bool read_waiting(const cJSON *status, bool init, mst_pod_status *s)
{
    const char *reason = mst_json_str(status, "state.waiting.reason");
    const char *message = mst_json_str(status, "state.waiting.message");
    const char *name = mst_json_str(status, "name");
    char what[160];

    if (one_of(reason, not_pulled) || is(reason, "ImagePullBackOff")) {
        s->phase = MST_POD_PULLING;
        s->pull_error = !is(reason, "ImagePullBackOff");
    } else if (one_of(reason, hopeless)) {
        s->phase = is_passing(message) ? MST_POD_CREATING : MST_POD_HOPELESS;
    } else {
        return false;
    }
    put(what, sizeof(what), "%s%.60s%s%.64s", init ? "init container " : "",
        init && name != NULL ? name : "", init ? ": " : "", reason);
    say(s, what, message);
    return true;
}

static void read_unscheduled(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *scheduled = condition(pod, "PodScheduled");

    if (is(mst_json_str(scheduled, "status"), "False")) {
        s->phase = MST_POD_UNSCHEDULABLE;
        say(s, "", mst_json_str(scheduled, "message"));
    }
}

/* Volumes and network are there, and the container is not: since 1.29 the
 * status says that much. */
static bool is_pulling(const cJSON *pod, const cJSON *mine)
{
    const cJSON *container =
        named(mst_json_list(pod, "spec.containers"), "name", MST_CONTAINER);

    return is(mst_json_str(mine, "state.waiting.reason"),
              "ContainerCreating") &&
           is_true(condition(pod, "PodReadyToStartContainers")) &&
           !is(mst_json_str(container, "imagePullPolicy"), "Never");
}

/* A node has it, and nothing runs yet. */
static void read_starting(const cJSON *pod, const cJSON *mine,
                          mst_pod_status *s)
{
    const cJSON *init;

    s->phase = MST_POD_SCHEDULED;
    cJSON_ArrayForEach(init, mst_json_list(pod, "status.initContainerStatuses"))
    {
        if (read_waiting(init, true, s))
            return;
    }
    if (read_waiting(mine, false, s))
        return;
    if (is_pulling(pod, mine))
        s->phase = MST_POD_PULLING;
    else if (mst_json_object(mine, "state.waiting") != NULL)
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
        put(s->reason, sizeof(s->reason), "%s", reason);
    /* what could not even be started: "exec: no such file" */
    if (s->text[0] == '\0')
        say(s, "", mst_json_str(terminated, "message"));
}

/* The worker never ran because one before it failed. */
static void read_failed_init(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *init;

    cJSON_ArrayForEach(init, mst_json_list(pod, "status.initContainerStatuses"))
    {
        const cJSON *end = mst_json_object(init, "state.terminated");
        const int64_t code = mst_json_int(end, "exitCode", 0);
        const char *name = mst_json_str(init, "name");
        const char *reason = mst_json_str(end, "reason");

        if (code == 0)
            continue;
        put(s->reason, sizeof(s->reason), "%s", MST_REASON_INIT);
        put(s->text, sizeof(s->text),
            "init container %s exited with status %lld%s%s",
            name != NULL ? name : "?", (long long)code,
            is(reason, "OOMKilled") ? ", " : "",
            is(reason, "OOMKilled") ? reason : "");
        return;
    }
}

static void read_ended(const cJSON *pod, const cJSON *state, mst_pod_status *s)
{
    const char *reason = mst_json_str(pod, "status.reason");
    const cJSON *terminated = mst_json_object(state, "terminated");

    s->phase = MST_POD_ENDED;
    if (reason != NULL)
        put(s->reason, sizeof(s->reason), "%s", reason);
    say(s, "", mst_json_str(pod, "status.message"));
    if (terminated != NULL)
        read_code(terminated, s);
    else if (is(mst_json_str(pod, "status.phase"), "Succeeded"))
        s->exit_status = 0;
    else if (s->reason[0] == '\0')
        read_failed_init(pod, s);
}

/* ------------------------------------------------------------------- whole --
 */

static void read_limit(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *container =
        named(mst_json_list(pod, "spec.containers"), "name", MST_CONTAINER);
    const char *memory = mst_json_str(container, "resources.limits.memory");

    if (memory != NULL)
        put(s->memory, sizeof(s->memory), "%s", memory);
}

/* Its node is not heard of: the node controller, not the kubelet, has said that
 * the Pod is not ready, while its containers are. The kubelet would give a
 * reason. */
static bool is_unreachable(const cJSON *pod)
{
    const cJSON *ready = condition(pod, "Ready");
    const char *status = mst_json_str(ready, "status");
    const char *reason = mst_json_str(ready, "reason");

    return is(mst_json_str(pod, "status.reason"), "NodeLost") ||
           is(status, "Unknown") ||
           (is(status, "False") && !is(reason, "ReadinessGatesNotReady") &&
            is_true(condition(pod, "ContainersReady")));
}

/* What the cluster has against it; the end may have said it already. */
static void read_disruption(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *target = condition(pod, "DisruptionTarget");
    const char *reason = mst_json_str(target, "reason");

    s->disrupted = is_true(target);
    if (!s->disrupted)
        return;
    if (reason != NULL && s->reason[0] == '\0')
        put(s->reason, sizeof(s->reason), "%s", reason);
    if (s->text[0] == '\0')
        say(s, "", mst_json_str(target, "message"));
}

void mst_pod_status_read(const cJSON *pod, mst_pod_status *s)
{
    const cJSON *mine = named(mst_json_list(pod, "status.containerStatuses"),
                              "name", MST_CONTAINER);
    const cJSON *state = mst_json_object(mine, "state");
    const char *phase = mst_json_str(pod, "status.phase");
    const char *node = mst_json_str(pod, "spec.nodeName");

    *s = (mst_pod_status){.phase = MST_POD_CREATED, .exit_status = -1};
    s->deleting = mst_json_str(pod, "metadata.deletionTimestamp") != NULL;
    s->oom = is(mst_json_str(mine, "lastState.terminated.reason"), "OOMKilled");
    if (node != NULL)
        put(s->node, sizeof(s->node), "%s", node);
    read_limit(pod, s);
    if (mst_json_object(state, "terminated") != NULL || is(phase, "Failed") ||
        is(phase, "Succeeded")) {
        read_ended(pod, state, s);
    } else if (mst_json_object(state, "running") != NULL ||
               (state == NULL && is(phase, "Running"))) {
        s->phase = MST_POD_RUNNING;
    } else if (node == NULL) {
        read_unscheduled(pod, s);
    } else {
        read_starting(pod, mine, s);
    }
    s->unreachable = s->phase < MST_POD_ENDED && is_unreachable(pod);
    read_disruption(pod, s);
}
