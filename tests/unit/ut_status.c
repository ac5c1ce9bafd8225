/* ut_status.c - Pods as clusters send them, read and put in words. */
#include "golden.h"

#include <signal.h>

#include "launch/kube/status.h"

typedef struct expected {
    const char *name;
    mst_pod_phase phase;
    int exit_status, exit_signal;
    const char *flags; /* o om, d eleting, i disrupted, u nreachable, p ull */
    const char *waits, *verdict;
} expected;

#define SCHEDULED MST_POD_SCHEDULED
#define CREATING MST_POD_CREATING
#define PULLING MST_POD_PULLING
#define RUNNING MST_POD_RUNNING
#define ENDED MST_POD_ENDED
#define HOPELESS MST_POD_HOPELESS
#define IMAGE "\"registry.local/solver:7\""
#define NEVER                                                                  \
    "ErrImageNeverPull: Container image " IMAGE                                \
    " is not present with pull policy of Never"
#define NOT_FOUND                                                              \
    "ErrImagePull: rpc error: code = NotFound desc = failed to pull and "      \
    "unpack image " IMAGE ": not found"
#define NO_ROOT                                                                \
    "CreateContainerConfigError: container has runAsNonRoot and image will "   \
    "run as root (pod: \"job-worker-01234567-1_default(6f3c)\", container: "   \
    "worker)"
#define NAME                                                                   \
    "InvalidImageName: Failed to apply default image tag \"Solver:7:8\": "     \
    "couldn't parse image reference \"Solver:7:8\": invalid reference format"
#define NO_COMMAND                                                             \
    "CreateContainerError: failed to generate container \"5d\" spec: failed "  \
    "to generate spec: no command specified"
#define NO_FILE "exec: \"muster-worker\": executable file not found in $PATH"

static const expected all[] = {
    {"created", MST_POD_CREATED, -1, 0, "", "waiting for a node",
     "did not start: waiting for a node"},
    {"unschedulable", MST_POD_UNSCHEDULABLE, -1, 0, "",
     "unschedulable: 0/2 nodes are available: 2 Insufficient memory",
     "did not start: unschedulable: 0/2 nodes are available: 2 Insufficient "
     "memory"},
    {"gated", MST_POD_UNSCHEDULABLE, -1, 0, "",
     "unschedulable: Scheduling is blocked due to non-empty scheduling gates",
     NULL},
    {"scheduled", SCHEDULED, -1, 0, "", "starting", "did not start: starting"},
    {"creating", CREATING, -1, 0, "", "starting", "did not start: starting"},
    {"pulling", PULLING, -1, 0, "", "pulling image",
     "did not start: pulling image"},
    {"err_image_pull", PULLING, -1, 0, "p", "pulling image: " NOT_FOUND,
     "did not start: pulling image: " NOT_FOUND},
    {"image_pull_back_off", PULLING, -1, 0, "",
     "pulling image: ImagePullBackOff: Back-off pulling image " IMAGE, NULL},
    {"err_image_never_pull", HOPELESS, -1, 0, "", "not startable: " NEVER,
     "cannot start: " NEVER},
    {"invalid_image_name", HOPELESS, -1, 0, "", "not startable: " NAME,
     "cannot start: " NAME},
    {"config_error", HOPELESS, -1, 0, "", "not startable: " NO_ROOT,
     "cannot start: " NO_ROOT},
    {"create_error", HOPELESS, -1, 0, "", "not startable: " NO_COMMAND,
     "cannot start: " NO_COMMAND},
    {"create_error_passing", CREATING, -1, 0, "",
     "starting: CreateContainerError: context deadline exceeded", NULL},
    {"run_error", HOPELESS, -1, 0, "", NULL,
     "cannot start: RunContainerError: context deadline is not it: " NO_FILE},
    {"init_pull", PULLING, -1, 0, "p",
     "pulling image: init container istio-init: ErrImagePull: no such host",
     NULL},
    {"init_crash_loop", HOPELESS, -1, 0, "", NULL,
     "cannot start: init container proxy: CrashLoopBackOff: back-off 10s "
     "restarting failed container"},
    {"init_running", CREATING, -1, 0, "", "starting", NULL},
    {"init_failed", ENDED, -1, 0, "", "ended",
     "could not be started: init container istio-init exited with status 1"},
    {"running", RUNNING, -1, 0, "", "connecting", "runs, and is not heard of"},
    {"running_sidecar_failed", RUNNING, -1, 0, "", "connecting", NULL},
    {"ended_sidecar_runs", ENDED, 7, 0, "", "ended", "exited with status 7"},
    {"deleting", RUNNING, -1, 0, "d", "being deleted by someone",
     "is being deleted by someone"},
    {"unreachable", RUNNING, -1, 0, "u", "its node n2 is not heard of",
     "its node n2 is not heard of"},
    {"unreachable_deleting", RUNNING, -1, 0, "diu",
     "its node n2 is not heard of", "its node n2 is not heard of"},
    {"node_lost", RUNNING, -1, 0, "u", "its node n2 is not heard of",
     "its node n2 is not heard of"},
    {"readiness_gate", RUNNING, -1, 0, "", "connecting", NULL},
    {"succeeded", ENDED, 0, 0, "", "ended", "exited with status 0"},
    {"exit_7", ENDED, 7, 0, "", "ended", "exited with status 7"},
    {"sigsegv", ENDED, 139, SIGSEGV, "", "ended", "was killed by SIGSEGV"},
    {"signal_40", ENDED, 168, 40, "", "ended", "was killed by signal 40"},
    {"exit_255", ENDED, 255, 0, "", "ended", "exited with status 255"},
    {"oom", ENDED, 137, SIGKILL, "o", "ended", "was OOMKilled"},
    {"oom_child", ENDED, 0, 0, "o", "ended",
     "had a child process that was OOMKilled"},
    {"oom_last", RUNNING, -1, 0, "o", "connecting", "was OOMKilled"},
    {"start_error", ENDED, 128, 0, "", "ended",
     "could not be started: failed to create containerd task: failed to create "
     "shim task: OCI runtime create failed: " NO_FILE ": unknown"},
    {"cannot_run", ENDED, 127, 0, "", "ended",
     "could not be started: exec format error"},
    {"evicted", ENDED, -1, 0, "", "ended",
     "was evicted: The node was low on resource: memory. Container worker was "
     "using 612Mi, request is 512Mi"},
    {"evicted_137", ENDED, 137, SIGKILL, "", "ended",
     "was evicted: Pod ephemeral local storage usage exceeds the total limit "
     "of containers 1Gi"},
    {"drained", ENDED, 143, SIGTERM, "di", "ended",
     "was evicted: Eviction API: evicting"},
    {"preempted", RUNNING, -1, 0, "di", "being deleted by someone",
     "was preempted: default-scheduler: preempting to accommodate a higher "
     "priority pod"},
    {"preempting", ENDED, -1, 0, "", "ended",
     "was preempted: Preempted in order to admit critical pod"},
    {"deadline", ENDED, -1, 0, "", "ended",
     "ran into its deadline and was ended"},
    {"node_shutdown", ENDED, 143, SIGTERM, "", "ended",
     "was killed by SIGTERM: Terminated: Pod was terminated in response to "
     "imminent node shutdown"},
    {"out_of_cpu", ENDED, -1, 0, "", "ended",
     "ended: OutOfcpu: Pod Node didn't have enough resource: cpu, requested: "
     "1000, used: 1900, capacity: 2000"},
    {"unknown_code", ENDED, 137, SIGKILL, "", "ended",
     "was killed by SIGKILL: ContainerStatusUnknown: The container could not "
     "be located when the pod was terminated"},
    {"no_statuses", ENDED, -1, 0, "", "ended", "ended"},
    {"wrong_types", ENDED, -1, 0, "", "ended", "ended"},
};

static mst_pod_status status_of(const char *name)
{
    mst_pod_status s;
    char file[80];
    cJSON *pod;

    snprintf(file, sizeof(file), "status_%s", name);
    pod = golden_read(file);
    memset(&s, 0xa5, sizeof(s)); /* nothing of it may be left */
    mst_pod_status_read(pod, &s);
    cJSON_Delete(pod);
    return s;
}

static void same(const char *name, const char *what, const char *want,
                 const char *have)
{
    if (want != NULL && strcmp(want, have) != 0)
        fail_msg("%s: %s\n  should be: %s\n  but it is: %s", name, what, want,
                 have);
}

static void each_status_is_read_and_put_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const expected *e = &all[i];
        const mst_pod_status s = status_of(e->name);
        char flags[8], text[MST_STATUS_TEXT];

        snprintf(flags, sizeof(flags), "%s%s%s%s%s", s.oom ? "o" : "",
                 s.deleting ? "d" : "", s.disrupted ? "i" : "",
                 s.unreachable ? "u" : "", s.pull_error ? "p" : "");
        same(e->name, "flags", e->flags, flags);
        if (s.phase != e->phase || s.exit_status != e->exit_status ||
            s.exit_signal != e->exit_signal)
            fail_msg("%s: phase %d, not %d; exit %d, not %d; signal %d, not %d",
                     e->name, s.phase, e->phase, s.exit_status, e->exit_status,
                     s.exit_signal, e->exit_signal);
        mst_pod_waits(&s, text, sizeof(text));
        same(e->name, "waits", e->waits, text);
        mst_pod_verdict(&s, false, text, sizeof(text));
        same(e->name, "verdict", e->verdict, text);
    }
}

static void a_deletion_by_others_is_told(void **state)
{
    static const struct {
        const char *name, *verdict;
    } cases[] = {
        {"running", "was deleted by someone"},
        {"creating", "was deleted by someone"},
        {"err_image_pull", "was deleted by someone"},
        {"deleting", "was deleted by someone"},
        {"exit_7", "was deleted by someone, and exited with status 7"},
        {"unreachable", "was deleted: its node n2 is not heard of"},
        {"unreachable_deleting", "was deleted: its node n2 is not heard of"},
        {"drained", "was evicted: Eviction API: evicting"},
        {"oom", "was OOMKilled"},
        {"config_error", "cannot start: " NO_ROOT}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const mst_pod_status s = status_of(cases[i].name);
        char text[MST_STATUS_TEXT];

        mst_pod_verdict(&s, true, text, sizeof(text));
        same(cases[i].name, "verdict", cases[i].verdict, text);
    }
}

/* What a server says may have anything in it. */
static void words_are_one_line_and_are_cut_at_a_character(void **state)
{
    cJSON *pod = golden_read("status_evicted");
    cJSON *status = mst_json_make(pod, "status");
    char message[2000] = "a\nb\tc\x1b[31m";
    mst_pod_status s;
    char text[40];

    (void)state;
    assert_true(mst_json_set_str(status, "message", message));
    mst_pod_status_read(pod, &s);
    assert_string_equal(s.text, "a b c [31m");
    message[0] = 'x'; /* so that the cut is within one */
    for (size_t i = 1; i + 1 < sizeof(message) - 1; i += 2)
        memcpy(message + i, "\xc3\xa9", 2);
    message[sizeof(message) - 1] = '\0';
    assert_true(mst_json_set_str(status, "message", message));
    mst_pod_status_read(pod, &s);
    assert_int_equal(strlen(s.text), MST_STATUS_TEXT - 1);
    message[0] = 'e';
    memmove(message + 1, message, sizeof(message) - 2);
    assert_true(mst_json_set_str(status, "message", message));
    mst_pod_status_read(pod, &s);
    assert_int_equal(strlen(s.text), MST_STATUS_TEXT - 2);
    mst_pod_verdict(&s, false, text, sizeof(text));
    assert_true(strlen(text) < sizeof(text));
    cJSON_Delete(pod);
}

static void no_pod_at_all_is_a_pod_of_which_nothing_is_known(void **state)
{
    mst_pod_status s;

    (void)state;
    mst_pod_status_read(NULL, &s);
    assert_int_equal(s.phase, MST_POD_CREATED);
    assert_int_equal(s.exit_status, -1);
    assert_string_equal(s.text, "");
    assert_string_equal(s.node, "");
}

/* Reading takes no memory, so it cannot fail for want of it. */
static void reading_needs_no_memory(void **state)
{
    cJSON *pod = golden_read("status_evicted");
    mst_pod_status s;

    (void)state;
    mst_alloc_fail_after(1);
    mst_pod_status_read(pod, &s);
    mst_alloc_fail_after(0);
    assert_string_equal(s.reason, "Evicted");
    cJSON_Delete(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_status_is_read_and_put_in_words),
        cmocka_unit_test(a_deletion_by_others_is_told),
        cmocka_unit_test(words_are_one_line_and_are_cut_at_a_character),
        cmocka_unit_test(no_pod_at_all_is_a_pod_of_which_nothing_is_known),
        cmocka_unit_test(reading_needs_no_memory)};

    golden_hooks();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
