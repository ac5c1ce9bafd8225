/* resume_rig.c - a session whose links go through a relay. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resume_rig.h"

resume_rig at;

/* ------------------------------------------------------------- up, down -- */

static pid_t start_worker(uint32_t rank)
{
    char path[128];
    char *argv[] = {(char *)"muster-worker", (char *)"--cookie", path, NULL};
    const pid_t pid = fork();
    int null;

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    snprintf(path, sizeof(path), "%s/worker-%u.join", at.dir, rank);
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(99);
    execv(RIG_WORKER, argv);
    _exit(99);
}

static void *launch(void *arg)
{
    (void)arg;
    at.rc = muster_launch(at.r->m, at.n, 0, NULL, &at.err);
    return NULL;
}

rig *resume_up_with(uint32_t n, int64_t heartbeat_ms, const char *bulk)
{
    muster_options o = rig_options();

    o.bulk = bulk;
    memset(&at, 0, sizeof(at));
    at.n = n;
    o.port = relay_free_port();
    assert_true(o.port != 0);
    at.way = relay_create(o.port);
    assert_non_null(at.way);
    snprintf(at.dir, sizeof(at.dir), "/tmp/resume_rig.%d", (int)getpid());
    snprintf(at.advertise, sizeof(at.advertise), "127.0.0.1:%u",
             relay_port(at.way));
    o.launcher = MUSTER_LAUNCHER_JOIN;
    o.join_dir = at.dir;
    o.advertise = at.advertise;
    o.heartbeat_timeout_ms = heartbeat_ms;
    o.call_timeout_ms = 60000;
    at.r = rig_open(&o);
    assert_int_equal(pthread_create(&at.launch, NULL, launch, NULL), 0);
    for (uint32_t rank = 1; rank <= n; rank++) {
        assert_non_null(rig_event_to(at.r, rank, MUSTER_BOOTING, RIG_WAIT_MS));
        at.pids[rank] = start_worker(rank);
    }
    pthread_join(at.launch, NULL);
    assert_code(at.rc, MUSTER_OK, at.err);
    assert_code(muster_module_ship(at.r->m, RESUME_HANDLERS, &at.err),
                MUSTER_OK, at.err);
    return at.r;
}

rig *resume_up(uint32_t n, int64_t heartbeat_ms)
{
    return resume_up_with(n, heartbeat_ms, NULL);
}

int resume_status(uint32_t rank)
{
    int status = 0;

    if (at.pids[rank] <= 0)
        return -1;
    while (waitpid(at.pids[rank], &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    at.pids[rank] = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void resume_down(void)
{
    rig_down(&at.r);
    for (uint32_t rank = 1; rank <= at.n; rank++)
        resume_status(rank);
    relay_destroy(&at.way);
}

int resume_teardown(void **state)
{
    const int rc = rig_teardown(state);

    for (uint32_t rank = 1; rank <= RESUME_WORKERS; rank++)
        if (at.pids[rank] > 0) {
            kill(at.pids[rank], SIGKILL);
            resume_status(rank);
        }
    relay_destroy(&at.way);
    return rc;
}

/* ---------------------------------------------------------------- items -- */

uint32_t resume_take(uint32_t n)
{
    const uint32_t first = at.next_item;

    at.next_item += n;
    assert_true(at.next_item <= RESUME_ITEMS);
    return first;
}

void *resume_request(uint32_t item, size_t bytes, uint32_t back,
                     uint32_t target, size_t *len)
{
    const resume_head head = {item, back, target, 0};
    unsigned char *body = malloc(sizeof(head) + bytes);

    assert_non_null(body);
    memcpy(body, &head, sizeof(head));
    resume_fill(body + sizeof(head), item, bytes);
    *len = sizeof(head) + bytes;
    return body;
}

/* Each of the items was run once, somewhere. */
void assert_each_once(uint32_t first, uint32_t n)
{
    const uint32_t range[2] = {first, n};
    unsigned char *sum = calloc(n, 1);
    muster_results *all = NULL;
    uint32_t never = 0, again = 0;

    assert_non_null(sum);
    assert_code(muster_broadcast(at.r->m, NULL, "tally", range, sizeof(range),
                                 60000, &all, &at.err),
                MUSTER_OK, at.err);
    for (size_t w = 0; w < all->n; w++) {
        assert_int_equal(all->items[w].len, n);
        for (uint32_t i = 0; i < n; i++)
            sum[i] += ((const unsigned char *)all->items[w].data)[i];
    }
    muster_results_destroy(&all);
    for (uint32_t i = 0; i < n; i++) {
        never += sum[i] == 0;
        again += sum[i] > 1;
    }
    free(sum);
    if (never + again > 0)
        fail_msg("of %u items %u were never run and %u more than once", n,
                 never, again);
}

void resume_start(uint32_t rank, const char *name, uint32_t item, size_t bytes,
                  uint32_t back, uint32_t target, muster_future **f)
{
    size_t len;
    void *body = resume_request(item, bytes, back, target, &len);

    assert_code(
        muster_call_start(at.r->m, rank, name, body, len, 60000, f, &at.err),
        MUSTER_OK, at.err);
    free(body);
}

void resume_finish(muster_future **f, uint32_t item, uint32_t back)
{
    muster_reply *reply = NULL;

    assert_code(muster_future_result(*f, &reply, &at.err), MUSTER_OK, at.err);
    assert_int_equal(reply->len, back);
    assert_int_equal(
        resume_check((const unsigned char *)reply->data, item, back), back);
    muster_reply_destroy(&reply);
    muster_future_destroy(f);
}
