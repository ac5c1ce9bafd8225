/* it_matrix.c - what becomes of every operation in every trouble.
 *
 * A cell is an operation that is under way when a trouble comes, in a session
 * of its own with two workers; the trouble is worker 1's where it is one's. A
 * cell that does not end within its time is named, and ends the test. With two
 * arguments, an operation and a trouble, only that one runs. With MATRIX_HOST,
 * MATRIX_IMAGE and MATRIX_NAMESPACE in the environment, workers are Pods of the
 * cluster that KUBECONFIG names, and reach this machine as MATRIX_HOST.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "matrix.h"
#include "relay.h"

#define CELL_MS 20000 /* the longest a cell may take */
#define DEADLINE_MS 300

static const char *const troubles[TROUBLES] = {
    "killed", "stopped", "cut", "fails", "cancel", "deadline", "close"};

static char **only; /* "put" "cut": that cell alone; NULL: all */
static relay *way;
static char relay_env[64], worker_env[512];
static const char *env[] = {relay_env, worker_env, NULL};

/* --------------------------------------------------------------- a cell -- */

/* On a cluster: workers are Pods, this is a manager outside it. */
static const char *host, *image, *namespace;

/* The process on this machine, which has the nodes of the test cluster, that is
 * worker 1 of this session: the younger one where process 1 of the container is
 * there, too. */
static pid_t pid_in_pod(rig *r, uint32_t rank)
{
    char command[512], line[32] = "";
    muster_info info;
    FILE *out;

    assert_code(muster_worker_info(r->m, rank, &info, &r->err), MUSTER_OK,
                r->err);
    snprintf(command, sizeof(command),
             "grep -lx '%s' $(pgrep -x muster-worker | "
             "sed 's,.*,/proc/&/root/etc/hostname,') 2>/dev/null | "
             "cut -d / -f 3 | sort -n | tail -n 1",
             info.name);
    out = popen(command,
                "r"); /* NOLINT(cert-env33-c): a test, on names of ours */
    assert_non_null(out);
    if (fgets(line, sizeof(line), out) == NULL)
        fail_msg("no process is the worker %s", info.name);
    pclose(out);
    return (pid_t)strtol(line, NULL, 10);
}

static void up_as_pods(cell *c)
{
    static char advertise[64];
    muster_options o = rig_options();
    muster_kube_options k = MUSTER_KUBE_OPTIONS_INIT;

    k.namespace_ = namespace;
    k.image = image;
    k.pull_policy = getenv("PULL");
    k.cpu = "50m";
    k.memory = "64Mi";
    o.kube = &k;
    o.launcher = MUSTER_LAUNCHER_K8S;
    o.worker = NULL;
    o.listen = "127.0.0.1";
    o.port = relay_free_port();
    assert_true(o.port != 0);
    o.pending_timeout_ms = 60000;
    if (c->what == DEADLINE)
        o.call_timeout_ms = c->op->still ? DEADLINE_MS : RIG_WAIT_MS;
    way = relay_create_at(host, o.port);
    assert_non_null(way);
    snprintf(advertise, sizeof(advertise), "%s:%u", host, relay_port(way));
    o.advertise = advertise;
    c->r = rig_open(&o);
    rig_launch(c->r, 2);
    assert_code(muster_module_ship(c->r->m, MATRIX_HANDLERS, &c->err),
                MUSTER_OK, c->err);
    c->m = c->r->m;
    c->pid = pid_in_pod(c->r, 1);
}

static void up(cell *c)
{
    muster_options o = rig_options();

    o.port = relay_free_port();
    assert_true(o.port != 0);
    o.worker = RELAY_WORKER_PROGRAM;
    o.env = env;
    if (c->what == DEADLINE) /* of what has none of its own */
        o.call_timeout_ms = c->op->still ? DEADLINE_MS : RIG_WAIT_MS;
    way = relay_create(o.port);
    assert_non_null(way);
    snprintf(relay_env, sizeof(relay_env), "RELAY=tcp://127.0.0.1:%u",
             relay_port(way));
    snprintf(worker_env, sizeof(worker_env), "RELAY_WORKER=%s", TRUE_WORKER);
    c->r = rig_open(&o);
    rig_launch(c->r, 2);
    assert_code(muster_module_ship(c->r->m, MATRIX_HANDLERS, &c->err),
                MUSTER_OK, c->err);
    c->m = c->r->m;
    c->pid = rig_pid(c->r, 1);
}

/* It is on its way to worker 1. */
static void wait_for_call(cell *c)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_info info;

    do
        assert_code(muster_worker_info(c->m, 1, &info, &c->r->err), MUSTER_OK,
                    c->r->err);
    while (info.calls == 0 && rig_now_ms() < until && poll(NULL, 0, 1) == 0);
    assert_true(info.calls > 0);
}

/* The thread of the operation is about to call. */
static atomic_bool calling;

static void *act(void *arg)
{
    cell *c = (cell *)arg;

    atomic_store(&calling, true);
    c->rc = c->op->run(c);
    return NULL;
}

static void trouble_comes(cell *c)
{
    switch (c->what) {
    case KILLED:
        kill(c->pid, SIGKILL);
        break;
    case STOPPED:
        rig_stop(c->pid);
        poll(NULL, 0, 100);
        kill(c->pid, SIGCONT);
        break;
    case CUT:
        relay_cut(way);
        poll(NULL, 0, 20);
        kill(c->pid, SIGCONT);
        break;
    case FAILS:
        kill(c->pid, SIGCONT);
        break;
    case CANCEL:
        muster_cancel(c->m);
        kill(c->pid, SIGCONT);
        break;
    case CLOSE:
        rig_down(&c->r);
        break;
    case DEADLINE:
    case TROUBLES:
        break;
    }
}

/* The first call of a worker that may just be coming back. */
static void assert_goes_on(cell *c)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;
    muster_err rc;

    kill(c->pid, SIGCONT);
    do
        rc = rig_call(c->r, 2, "step", "1", 0);
    while (rc != MUSTER_OK && rig_now_ms() < until && poll(NULL, 0, 5) == 0);
    assert_code(rc, MUSTER_OK, c->r->err);
}

/* Who is where, for the watchdog. */
static atomic_int at_operation = -1, at_trouble, at_cell;

static void *watchdog(void *arg)
{
    int last = -1;
    int64_t since = rig_now_ms();

    (void)arg;
    for (;;) {
        const int now = atomic_load(&at_cell);

        if (now != last)
            since = rig_now_ms();
        last = now;
        if (rig_now_ms() - since > CELL_MS * RIG_SLOW) {
            fprintf(stderr, "no end: %s x %s\n",
                    matrix_operations[atomic_load(&at_operation)].name,
                    troubles[atomic_load(&at_trouble)]);
            abort();
        }
        poll(NULL, 0, 50);
    }
    return NULL;
}

/* As far as that can be seen, the operation is under way. */
static void wait_for_it(cell *c)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    if (c->op->still) {
        wait_for_call(c);
        return;
    }
    if (!c->op->quiet && !c->op->here) {
        assert_non_null(rig_take_line(c->r, 1, "begun", RIG_WAIT_MS));
        return;
    }
    while (!(c->op->here ? atomic_load(&matrix_begun) > 0
                         : atomic_load(&calling)) &&
           rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_true(rig_now_ms() < until);
    if (c->op->quiet)
        poll(NULL, 0, 30 * RIG_SLOW);
}

/* What the session has seen. */
static void show(const cell *c)
{
    const rig_log *line;

    if (c->r == NULL)
        return;
    STAILQ_FOREACH (line, &c->r->logs, link)
        fprintf(stderr, "           %s %s\n", line->id, line->text);
}

static void run_cell(const operation *op, trouble what)
{
    cell c = {.op = op, .what = what};
    pthread_t actor;

    snprintf(c.body, sizeof(c.body), "%d",
             what == STOPPED || what == CUT ? 50
             : what == FAILS                ? 0
                                            : -1);
    c.timeout_ms = what == DEADLINE ? DEADLINE_MS : MUSTER_FOREVER;
    if (host != NULL)
        up_as_pods(&c);
    else
        up(&c);
    if (op->prepare != NULL)
        op->prepare(&c);
    if (op->still)
        rig_stop(c.pid);
    atomic_store(&calling, false);
    atomic_store(&matrix_begun, 0);
    assert_int_equal(pthread_create(&actor, NULL, act, &c), 0);
    wait_for_it(&c);
    trouble_comes(&c);
    if (op->relieve != NULL && c.r != NULL && what != CANCEL &&
        what != DEADLINE)
        op->relieve(&c);
    pthread_join(actor, NULL);
    if (c.rc != op->ends[what])
        show(&c);
    if (c.rc != op->ends[what])
        fail_msg("%s x %s: %s, not %s (%s)", op->name, troubles[what],
                 muster_strerror(c.rc), muster_strerror(op->ends[what]),
                 c.err.text);
    if (c.r == NULL)
        return;
    assert_goes_on(&c);
    rig_down(&c.r);
}

static void every_operation_ends_in_every_trouble(void **state)
{
    pthread_t dog;

    (void)state;
    assert_int_equal(pthread_create(&dog, NULL, watchdog, NULL), 0);
    for (size_t i = 0; i < matrix_count; i++)
        for (int t = 0; t < TROUBLES; t++) {
            const int64_t began = rig_now_ms();

            if (only != NULL &&
                (strcmp(only[0], matrix_operations[i].name) != 0 ||
                 strcmp(only[1], troubles[t]) != 0))
                continue;
            atomic_store(&at_operation, (int)i);
            atomic_store(&at_trouble, t);
            atomic_fetch_add(&at_cell, 1);
            run_cell(&matrix_operations[i], (trouble)t);
            relay_destroy(&way);
            print_message("           %-20s x %-8s %-22s %4lld ms\n",
                          matrix_operations[i].name, troubles[t],
                          muster_strerror(matrix_operations[i].ends[t]),
                          (long long)(rig_now_ms() - began));
        }
}

static int teardown(void **state)
{
    const int rc = rig_teardown(state);

    relay_destroy(&way);
    return rc;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_operation_ends_in_every_trouble,
                                  teardown),
    };

    only = argc == 3 ? argv + 1 : NULL;
    host = getenv("MATRIX_HOST");
    image = getenv("MATRIX_IMAGE");
    namespace = getenv("MATRIX_NAMESPACE");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
