/* it_join.c - workers that are started by hand, from join files. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 3

/* A session, its join files, the workers that were started from them. */
typedef struct joined {
    rig *r;
    char dir[64], out[64];
    pthread_t launch;
    uint32_t n, nready;
    muster_err rc;
    muster_error err;
    pid_t pids[MOST + 1]; /* by rank */
} joined;

static void path_of(const joined *j, uint32_t rank, char path[128])
{
    snprintf(path, 128, "%s/worker-%u.join", j->dir, rank);
}

static bool is_there(const joined *j, uint32_t rank)
{
    char path[128];

    path_of(j, rank, path);
    return access(path, F_OK) == 0;
}

static pid_t start_from(const joined *j, const char *path)
{
    char *argv[] = {(char *)"muster-worker", (char *)"--cookie",
                    (char *)(uintptr_t)path, NULL};
    const pid_t pid = fork();
    int fd;

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    fd = open(j->out, O_WRONLY | O_CREAT | O_APPEND, S_IRUSR | S_IWUSR);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(99);
    close(fd);
    execv(RIG_WORKER, argv);
    _exit(99);
}

static int status_of(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void *launch(void *arg)
{
    joined *j = (joined *)arg;

    j->rc = muster_launch(j->r->m, j->n, 0, &j->nready, &j->err);
    return NULL;
}

static void begin(joined *j, uint32_t n, const muster_options *options)
{
    muster_options o = options != NULL ? *options : rig_options();

    *j = (joined){.n = n};
    snprintf(j->dir, sizeof(j->dir), "/tmp/it_join.%d", (int)getpid());
    snprintf(j->out, sizeof(j->out), "/tmp/it_join.%d.out", (int)getpid());
    unlink(j->out);
    o.launcher = MUSTER_LAUNCHER_JOIN;
    o.join_dir = j->dir;
    j->r = rig_open(&o);
    assert_int_equal(pthread_create(&j->launch, NULL, launch, j), 0);
    for (uint32_t rank = 1; rank <= n; rank++)
        assert_non_null(rig_event_to(j->r, rank, MUSTER_BOOTING, RIG_WAIT_MS));
}

static void up(joined *j, uint32_t n, const muster_options *options)
{
    char path[128];
    muster_error err;

    begin(j, n, options);
    for (uint32_t rank = 1; rank <= n; rank++) {
        path_of(j, rank, path);
        j->pids[rank] = start_from(j, path);
    }
    pthread_join(j->launch, NULL);
    assert_code(j->rc, MUSTER_OK, j->err);
    assert_int_equal(j->nready, n);
    assert_code(muster_module_ship(j->r->m, RIG_HANDLERS, &err), MUSTER_OK,
                err);
}

/* What the workers wrote to where they were started. */
static char *own_output(const joined *j)
{
    static char text[1 << 16];
    FILE *f = fopen(j->out, "re");
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static void down(joined *j)
{
    rig_down(&j->r);
    assert_int_equal(access(j->dir, F_OK), -1);
    unlink(j->out);
}

/* ---------------------------------------------------------------- tests -- */

static void each_file_is_one_rank(void **state)
{
    char path[128], copy[160], command[320];
    struct stat info;
    joined j;

    (void)state;
    begin(&j, 2, NULL);
    assert_int_equal(stat(j.dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        path_of(&j, rank, path);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    path_of(&j, 1, path);
    snprintf(copy, sizeof(copy), "%s.copy", path);
    snprintf(command, sizeof(command), "cp %s %s", path, copy);
    assert_int_equal(system(command), 0);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        path_of(&j, rank, path);
        j.pids[rank] = start_from(&j, path);
    }
    pthread_join(j.launch, NULL);
    assert_code(j.rc, MUSTER_OK, j.err);
    /* used up */
    assert_false(is_there(&j, 1));
    assert_false(is_there(&j, 2));
    /* the same once more is refused, and harms nobody */
    assert_int_equal(status_of(start_from(&j, copy)), 76);
    assert_words(own_output(&j), "connected already");
    unlink(copy);
    assert_int_equal(muster_size(j.r->m), 2);
    down(&j);
    assert_int_equal(status_of(j.pids[1]), 0);
    assert_int_equal(status_of(j.pids[2]), 0);
}

static void removed_it_ends_well(void **state)
{
    const uint32_t one = 1;
    muster_error err;
    muster_info info;
    joined j;

    (void)state;
    up(&j, 2, NULL);
    assert_code(muster_remove(j.r->m, &one, 1, 0, &err), MUSTER_OK, err);
    assert_int_equal(status_of(j.pids[1]), 0);
    assert_code(muster_worker_info(j.r->m, 1, &info, &err), MUSTER_OK, err);
    assert_int_equal(info.state, MUSTER_GONE);
    assert_words(info.name, "pid");
    rig_alive(j.r, 1);
    down(&j);
    assert_int_equal(status_of(j.pids[2]), 0);
}

static void a_signal_is_its_last_word(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    const rig_event *event;
    joined j;

    (void)state;
    up(&j, 2, NULL);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        kill(j.pids[rank], signals[rank - 1]);
        assert_int_equal(status_of(j.pids[rank]), rank == 1 ? 0 : 128 + SIGINT);
        event = rig_event_to(j.r, rank, rank == 1 ? MUSTER_GONE : MUSTER_LOST,
                             RIG_WAIT_MS);
        assert_non_null(event);
        assert_words(event->text,
                     rank == 1 ? "drained on SIGTERM" : "terminated by SIGINT");
    }
    down(&j);
}

static void killed_it_is_cut_and_then_lost(void **state)
{
    muster_options o = rig_options();
    muster_future *f;
    joined j;

    (void)state;
    o.heartbeat_timeout_ms = INT64_C(500) * RIG_SLOW;
    up(&j, 2, &o);
    f = rig_start(j.r, 1, "never", "");
    assert_non_null(rig_take_line(j.r, 1, "begun", RIG_WAIT_MS));
    kill(j.pids[1], SIGKILL);
    assert_int_equal(status_of(j.pids[1]), -SIGKILL);
    assert_non_null(rig_event_to(j.r, 1, MUSTER_CUT, RIG_WAIT_MS));
    assert_code(rig_result(j.r, &f), MUSTER_ELOST, j.r->err);
    assert_words(j.r->err.text, "worker 1", "cut", "did not come back");
    assert_non_null(rig_event_to(j.r, 1, MUSTER_LOST, RIG_WAIT_MS));
    rig_alive(j.r, 1);
    down(&j);
    assert_int_equal(status_of(j.pids[2]), 0);
}

static void what_it_prints_goes_both_ways(void **state)
{
    const long many = 3000;
    char want[32];
    joined j;

    (void)state;
    up(&j, 1, NULL);
    assert_code(rig_call(j.r, 1, "lines", "3000", 0), MUSTER_OK, j.r->err);
    for (long i = 0; i < many; i++) { /* in order, and none twice */
        snprintf(want, sizeof(want), "line %ld", i);
        assert_non_null(rig_take_line(j.r, 1, want, RIG_WAIT_MS));
    }
    snprintf(want, sizeof(want), "note %ld", many - 1);
    assert_non_null(rig_take_line(j.r, 1, want, RIG_WAIT_MS));
    assert_null(rig_take_line(j.r, 1, "line", 0));
    assert_words(own_output(&j), "line 0\n", "line 2999\n", "note 2999\n");
    /* more than may be under way */
    assert_code(rig_call(j.r, 1, "junk", "3000000", 0), MUSTER_OK, j.r->err);
    rig_alive(j.r, 1);
    down(&j);
    assert_int_equal(status_of(j.pids[1]), 0);
}

static void a_crash_leaves_its_words_there(void **state)
{
    muster_options o = rig_options();
    joined j;

    (void)state;
    o.heartbeat_timeout_ms = INT64_C(500) * RIG_SLOW;
    up(&j, 1, &o);
    assert_code(rig_call(j.r, 1, "crash", "", 0), MUSTER_ELOST, j.r->err);
    assert_true(status_of(j.pids[1]) != 0);
    assert_words(own_output(&j), "crashed in handler crash");
    assert_non_null(rig_event_to(j.r, 1, MUSTER_LOST, RIG_WAIT_MS));
    down(&j);
}

static void nobody_comes(void **state)
{
    muster_options o = rig_options();
    joined j;

    (void)state;
    o.pending_timeout_ms = 200;
    begin(&j, 2, &o);
    pthread_join(j.launch, NULL);
    assert_code(j.rc, MUSTER_EQUORUM, j.err);
    assert_words(j.err.text, "0 of 2", "still booting");
    assert_false(is_there(&j, 1));
    down(&j);
}

static void a_place_for_files_must_be_there(void **state)
{
    muster_options o = rig_options();
    muster *m = NULL;
    muster_error err;

    (void)state;
    o.launcher = MUSTER_LAUNCHER_JOIN;
    o.join_dir = "/dev/null/join";
    assert_code(muster_open(&o, &m, &err), MUSTER_ESYS, err);
    assert_words(err.text, "/dev/null/join", "Not a directory");
    assert_null(m);
    o.join_dir = NULL;
    o.advertise = "tcp://x";
    assert_code(muster_open(&o, &m, &err), MUSTER_EINVAL, err);
    assert_words(err.text, "advertise", "tcp://x");
}

/* 0.0.0.0 is no address to connect to: the file has those of this machine. */
static void every_address_is_in_the_file(void **state)
{
    muster_options o = rig_options();
    char path[128], text[2048];
    size_t n;
    joined j;
    FILE *f;

    (void)state;
    o.listen = "0.0.0.0";
    begin(&j, 1, &o);
    path_of(&j, 1, path);
    f = fopen(path, "re");
    assert_non_null(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    assert_words(text, "manager tcp://127.0.0.1:");
    assert_null(strstr(text, "0.0.0.0"));
    j.pids[1] = start_from(&j, path);
    pthread_join(j.launch, NULL);
    assert_code(j.rc, MUSTER_OK, j.err);
    down(&j);
    assert_int_equal(status_of(j.pids[1]), 0);
}

static void the_list_tells_all(void **state)
{
    muster_info infos[4];
    char text[1024] = "";
    FILE *to = fmemopen(text, sizeof(text), "w");
    joined j;

    (void)state;
    up(&j, 2, NULL);
    assert_int_equal(muster_list(j.r->m, NULL, 0), 2);
    assert_int_equal(muster_list(j.r->m, infos, 1), 2);
    assert_int_equal(muster_list(j.r->m, infos, 4), 2);
    assert_int_equal(infos[1].rank, 2);
    assert_int_equal(infos[1].state, MUSTER_READY);
    assert_true(muster_print_list(j.r->m, to));
    fclose(to);
    assert_words(text, "RANK", "STATE", "CALLS", "ready", "pid");
    down(&j);
    assert_int_equal(status_of(j.pids[1]), 0);
    assert_int_equal(status_of(j.pids[2]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(each_file_is_one_rank),
        rig_test(removed_it_ends_well),
        rig_test(a_signal_is_its_last_word),
        rig_test(killed_it_is_cut_and_then_lost),
        rig_test(what_it_prints_goes_both_ways),
        rig_test(a_crash_leaves_its_words_there),
        rig_test(nobody_comes),
        rig_test(a_place_for_files_must_be_there),
        rig_test(every_address_is_in_the_file),
        rig_test(the_list_tells_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
