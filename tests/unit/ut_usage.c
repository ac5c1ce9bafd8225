/* ut_usage.c - control groups of both versions as they look in containers and
 * outside, written into a folder. */
#include "unit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/usage.h"

static char top[64];

static int up(void **state)
{
    (void)state;
    strcpy(top, "/tmp/muster_ut.XXXXXX");
    return mkdtemp(top) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file below the folder, with the folders on its way. %s in the text is the
 * folder. */
static void put(const char *name, const char *format)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", top, name);
    for (char *at = path + strlen(top) + 1; (at = strchr(at, '/')) != NULL;
         at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    file = fopen(path, "w");
    assert_non_null(file);
    for (; *format != '\0'; format++)
        if (format[0] == '%' && format[1] == 's') {
            fputs(top, file);
            format++;
        } else {
            fputc(*format, file);
        }
    fclose(file);
}

static mst_usage read_all(void)
{
    char proc[80];
    mst_meter meter;
    mst_usage u, again;

    snprintf(proc, sizeof(proc), "%s/proc", top);
    mst_meter_open(&meter, proc, proc);
    mst_meter_read(&meter, &u);
    mst_meter_read(&meter, &again);
    assert_memory_equal(&u, &again, sizeof(u));
    assert_int_equal(mst_meter_oom_kills(&meter), u.oom_kills);
    mst_meter_close(&meter);
    mst_meter_open_oom(&meter, proc, proc);
    assert_int_equal(mst_meter_oom_kills(&meter), u.oom_kills);
    mst_meter_close(&meter);
    return u;
}

#define STATM "1000 300 200 1 0 100 0\n"
#define V2_EVENTS "low 0\nhigh 3\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"
#define V2_CPU                                                                 \
    "usage_usec 77\nuser_usec 7\nsystem_usec 70\nnr_periods 100\n"             \
    "nr_throttled 12\nthrottled_usec 3456\n"

static void version_2_in_a_container(void **state)
{
    mst_usage u;

    (void)state;
    put("proc/cgroup", "0::/\n");
    put("proc/mountinfo",
        "21 20 0:1 / / rw - overlay overlay rw,lowerdir=/a - b\n"
        "30 21 0:26 / %s/cg ro,nosuid - cgroup2 cgroup rw,nsdelegate\n");
    put("proc/statm", STATM);
    put("cg/memory.current", "522190848\n");
    put("cg/memory.max", "536870912\n");
    put("cg/memory.events", V2_EVENTS);
    put("cg/cpu.stat", V2_CPU);
    u = read_all();
    assert_int_equal(u.memory, 498u << 20);
    assert_int_equal(u.limit, 512u << 20);
    assert_int_equal(u.rss, 300 * sysconf(_SC_PAGESIZE));
    assert_int_equal(u.oom_kills, 1);
    assert_int_equal(u.throttled, 12);
    assert_int_equal(u.throttled_us, 3456);
}

/* The nearest limit counts, the kills are those of the own group. */
static void version_2_with_a_limit_further_up(void **state)
{
    mst_usage u;

    (void)state;
    put("proc/cgroup", "0::/user.slice/a b/c\n");
    put("proc/mountinfo", "30 21 0:26 / %s/c\\040g rw - cgroup2 cgroup rw\n");
    put("proc/statm", STATM);
    put("c g/user.slice/memory.current", "900\n");
    put("c g/user.slice/memory.max", "1000\n");
    put("c g/user.slice/memory.events", "oom_kill 50\n");
    put("c g/user.slice/a b/memory.current", "800\n");
    put("c g/user.slice/a b/memory.max", "max\n");
    put("c g/user.slice/a b/c/memory.current", "700\n");
    put("c g/user.slice/a b/c/memory.max", "max\n");
    put("c g/user.slice/a b/c/memory.events", "oom 1\noom_kill 5\n");
    put("c g/user.slice/a b/c/cpu.stat", "usage_usec 77\n");
    u = read_all();
    assert_int_equal(u.memory, 900);
    assert_int_equal(u.limit, 1000);
    assert_int_equal(u.oom_kills, 5);
    assert_true(u.throttled == MST_UNKNOWN);
    put("c g/user.slice/memory.max", "max\n");
    u = read_all();
    assert_int_equal(u.memory, 700);
    assert_int_equal(u.limit, 0);
}

/* Docker without a group namespace: the mount begins at our group. */
static void version_1_in_a_container(void **state)
{
    mst_usage u;

    (void)state;
    put("proc/cgroup", "12:cpu,cpuacct:/docker/ab\n11:memory:/docker/ab\n"
                       "1:name=systemd:/docker/ab\n0::/system.slice/x\n");
    put("proc/mountinfo",
        "33 31 0:3 /docker/ab %s/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
        "34 31 0:4 /docker/ab %s/memory ro - cgroup cgroup rw,memory\n"
        "35 31 0:5 / %s/unified ro - cgroup2 cgroup2 rw\n");
    put("proc/statm", STATM);
    put("memory/memory.usage_in_bytes", "400\n");
    put("memory/memory.limit_in_bytes", "500\n");
    put("memory/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    put("cpu/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 5000\n");
    put("unified/cpu.stat", V2_CPU);
    u = read_all();
    assert_int_equal(u.memory, 400);
    assert_int_equal(u.limit, 500);
    assert_int_equal(u.oom_kills, 3);
    assert_int_equal(u.throttled, 4);
    assert_int_equal(u.throttled_us, 5);
}

static void version_1_without_a_limit(void **state)
{
    mst_usage u;

    (void)state;
    put("proc/cgroup", "4:memory:/jobs/7\n0::/\n");
    put("proc/mountinfo", "34 31 0:4 / %s/memory rw - cgroup cgroup rw,memory\n"
                          "35 31 0:5 / %s/unified rw - cgroup2 cgroup2 rw\n");
    put("memory/jobs/7/memory.usage_in_bytes", "400\n");
    put("memory/jobs/7/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/memory.usage_in_bytes", "4000\n");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    u = read_all();
    assert_int_equal(u.memory, 400);
    assert_int_equal(u.limit, 0);
    assert_true(u.oom_kills == MST_UNKNOWN);
    assert_true(u.rss == MST_UNKNOWN);
}

/* A path that is not below the mount: what the mount shows. */
static void a_path_out_of_sight_is_the_mount(void **state)
{
    static const char *const paths[] = {"0::/../../x\n", "0::/gone\n"};

    (void)state;
    put("proc/mountinfo", "30 21 0:26 / %s/cg ro - cgroup2 cgroup rw\n");
    put("cg/memory.current", "5\n");
    put("cg/memory.max", "6\n");
    for (int i = 0; i < 2; i++) {
        put("proc/cgroup", paths[i]);
        assert_int_equal(read_all().limit, 6);
    }
}

static void no_group_at_all(void **state)
{
    static const char *const bad[] = {
        "", ":", "::\n", "x", "0:memory\n", "4:memory:/\n", "\n\n0::"};
    mst_usage u;

    (void)state;
    put("proc/statm", STATM);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put("proc/cgroup", bad[i]);
        put("proc/mountinfo", i % 2 == 0 ? "30 - cgroup2\n - \n" : bad[i]);
        u = read_all();
        assert_int_equal(u.rss, 300 * sysconf(_SC_PAGESIZE));
        assert_int_equal(u.memory, u.rss);
        assert_int_equal(u.limit, 0);
        assert_true(u.oom_kills == MST_UNKNOWN);
        assert_true(u.throttled_us == MST_UNKNOWN);
    }
}

static void files_with_nonsense_are_not_known(void **state)
{
    mst_usage u;

    (void)state;
    put("proc/cgroup", "0::/\n");
    put("proc/mountinfo", "30 21 0:26 / %s/cg ro - cgroup2 cgroup rw\n");
    put("proc/statm", "1000");
    put("cg/memory.current", "x\n");
    put("cg/memory.max", "");
    put("cg/memory.events", "oom_killer 4\noom_kill\n");
    put("cg/cpu.stat", "nr_throttled \n");
    u = read_all();
    assert_true(u.memory == MST_UNKNOWN);
    assert_true(u.oom_kills == MST_UNKNOWN);
    assert_true(u.throttled == MST_UNKNOWN);
}

/* Of this process, whatever machine it is on: at least its own size. */
static void of_this_process(void **state)
{
    mst_meter meter;
    mst_usage u;

    (void)state;
    mst_meter_open(&meter, "/proc/self", "/proc/self");
    mst_meter_read(&meter, &u);
    mst_meter_close(&meter);
    assert_in_range(u.rss, 100 << 10, UINT64_C(1) << 40);
    assert_in_range(u.memory, 1, UINT64_C(1) << 50);
    assert_true(mst_meter_shared("/proc/self", "/proc/thread-self"));
    assert_false(mst_meter_shared("/proc/self", "/proc/none"));
}

static void bytes_in_words(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {{0, "0Ki"},
                 {900 << 10, "900Ki"},
                 {498 << 20, "498Mi"},
                 {UINT64_C(4) << 30, "4Gi"},
                 {UINT64_C(3) << 29, "1.5Gi"},
                 {UINT64_C(3) << 40, "3Ti"},
                 {UINT64_MAX - 1, "16777216Ti"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[16];

        assert_string_equal(mst_bytes_text(cases[i].bytes, text),
                            cases[i].want);
    }
}

#define in_folder(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_folder(version_2_in_a_container),
        in_folder(version_2_with_a_limit_further_up),
        in_folder(version_1_in_a_container),
        in_folder(version_1_without_a_limit),
        in_folder(a_path_out_of_sight_is_the_mount),
        in_folder(no_group_at_all),
        in_folder(files_with_nonsense_are_not_known),
        cmocka_unit_test(of_this_process),
        cmocka_unit_test(bytes_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
