/* it_modules.c - modules are shipped, and refused. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

static muster_err ship(rig *r, const char *path)
{
    r->err = (muster_error){0};
    return muster_module_ship(r->m, path, &r->err);
}

static void assert_answer(rig *r, uint32_t rank, const char *name,
                          const char *want)
{
    assert_code(rig_call(r, rank, name, NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, want);
}

static void later_workers_load_it_too(void **state)
{
    rig *r = rig_open(NULL);

    (void)state;
    /* with nobody there yet */
    assert_code(ship(r, MODULE_SECOND), MUSTER_OK, r->err);
    rig_launch(r, 1);
    assert_answer(r, 1, "second", "yes");
    assert_code(ship(r, RIG_HANDLERS), MUSTER_OK, r->err);
    rig_launch(r, 2);
    for (uint32_t rank = 1; rank <= 3; rank++)
        assert_answer(r, rank, "second", "yes");
    rig_alive(r, 3);
    /* and each has a state of its own */
    assert_answer(r, 3, "count", "301");
    assert_answer(r, 1, "count", "101");
    rig_down(&r);
}

/* A library is known by its path: a second one from memory must not be taken
 * for the first. */
static void two_are_shipped_one_after_the_other(void **state)
{
    rig *r = rig_up(2);

    (void)state;
    assert_code(ship(r, MODULE_SECOND), MUSTER_OK, r->err);
    assert_code(ship(r, MODULE_TWIN_A), MUSTER_OK, r->err);
    for (uint32_t rank = 1; rank <= 2; rank++) {
        assert_answer(r, rank, "second", "yes");
        assert_answer(r, rank, "twin", "a");
        assert_answer(r, rank, "echo", "");
    }
    rig_down(&r);
}

static void the_same_again_changes_nothing(void **state)
{
    rig *r = rig_up(2);

    (void)state;
    assert_answer(r, 2, "count", "201");
    for (int i = 0; i < 3; i++)
        assert_code(ship(r, RIG_HANDLERS), MUSTER_OK, r->err);
    assert_answer(r, 2, "count", "202");
    rig_launch(r, 1);
    assert_answer(r, 3, "count", "301");
    rig_down(&r);
}

static void another_build_of_the_name_is_refused(void **state)
{
    rig *r = rig_up(2);

    (void)state;
    assert_code(ship(r, MODULE_TWIN_A), MUSTER_OK, r->err);
    assert_code(ship(r, MODULE_TWIN_B), MUSTER_EMODULE, r->err);
    assert_words(r->err.text, "another build of twin.so", "new session");
    assert_answer(r, 1, "twin", "a");
    rig_launch(r, 1);
    assert_answer(r, 3, "twin", "a");
    rig_alive(r, 3);
    rig_down(&r);
}

static void a_handler_belongs_to_one_module(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(ship(r, MODULE_TWIN_A), MUSTER_OK, r->err);
    assert_code(ship(r, MODULE_RIVAL), MUSTER_EMODULE, r->err);
    assert_words(r->err.text, "worker 1", "rival.so", "twin", "twin.so");
    assert_answer(r, 1, "twin", "a");
    rig_launch(r, 1); /* which does not load the refused one */
    assert_answer(r, 2, "twin", "a");
    rig_down(&r);
}

/* -------------------------------------------------------------- refused -- */

/* Everything goes on after a refusal: the workers, their handlers, and those
 * who come later. */
#define assert_refused(r, path, ...)                                           \
    refused(r, path, (const char *const[]){__VA_ARGS__, NULL})
static void refused(rig *r, const char *path, const char *const *words)
{
    const int64_t began = rig_now_ms();
    const uint32_t n = muster_size(r->m);

    assert_code(ship(r, path), MUSTER_EMODULE, r->err);
    rig_assert_words(r->err.text, words, __FILE__, __LINE__);
    assert_within(words[0], began, 1000);
    rig_alive(r, n);
    rig_launch(r, 1);
    rig_alive(r, n + 1);
}

static void what_is_no_module_is_refused(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_refused(r, "/nonexistent/m.so", "No such file", "/nonexistent/m.so");
    assert_refused(r, "/", "not a file");
    assert_refused(r, "/etc/passwd", "not a shared object", "passwd",
                   "cc -shared -fPIC");
    assert_refused(r, "/dev/null", "not a file");
    assert_code(ship(r, NULL), MUSTER_EINVAL, r->err);
    rig_down(&r);
}

/* Write the first `n` bytes of `from` to a file named `to`. */
static void copy(const char *from, const char *to, size_t n)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char *data = malloc(n > 0 ? n : 1);

    assert_non_null(in);
    assert_non_null(out);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, n, in), n);
    assert_int_equal(fwrite(data, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    fclose(in);
    free(data);
}

static size_t size_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    long n;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    n = ftell(file);
    fclose(file);
    return (size_t)n;
}

static void a_truncated_one_is_refused(void **state)
{
    char path[] = "/tmp/it_modules.XXXXXX";
    const size_t whole = size_of(MODULE_SECOND);
    const size_t parts[] = {0, 3, 63, 64, 500, whole / 4};
    rig *r = rig_up(1);

    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        copy(MODULE_SECOND, path, parts[i]);
        assert_code(ship(r, path), MUSTER_EMODULE, r->err);
        assert_words(r->err.text, path,
                     parts[i] < 64 ? "not a shared object" : "cut off");
        rig_alive(r, 1);
    }
    unlink(path);
    rig_launch(r, 1);
    rig_alive(r, 2);
    rig_down(&r);
}

static void one_of_another_abi_is_refused(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_refused(r, MODULE_ABI, "built for module ABI 999", "worker 1",
                   "rebuild");
    assert_code(rig_call(r, 1, "abi", NULL, 0), MUSTER_ENOHANDLER, r->err);
    rig_down(&r);
}

static void one_that_cannot_be_resolved_is_refused(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_refused(r, MODULE_UNRESOLVED, "no_such_function_anywhere",
                   "cannot load unresolved.so");
    rig_down(&r);
}

static void one_whose_start_fails_is_refused(void **state)
{
    rig *r = rig_up(2);

    (void)state;
    assert_refused(r, MODULE_INIT, "rank 1 has no such device", "worker 1",
                   "start", "returned 23");
    assert_code(rig_call(r, 1, "init", NULL, 0), MUSTER_ENOHANDLER, r->err);
    rig_down(&r);
}

/* --------------------------------------------------------------- halves -- */

/* `-z now` resolves the manager's half at once: on workers it is there too,
 * and says that it is not for them. */
static void both_halves_load_and_one_works(void **state)
{
    rig *r = rig_up(2);
    char want[64];

    (void)state;
    assert_code(ship(r, MODULE_BOTH), MUSTER_OK, r->err);
    assert_code(rig_call(r, 2, "as_manager", NULL, 0), MUSTER_OK, r->err);
    snprintf(want, sizeof(want), "%d %d %d 0 ", MUSTER_ENOTMANAGER,
             MUSTER_ENOTMANAGER, MUSTER_ENOTMANAGER);
    assert_words(r->answer, want, "this is a worker");
    assert_answer(r, 1, "both", "yes");
    rig_alive(r, 2);
    rig_down(&r);
}

/* ---------------------------------------------------------------- paths -- */

static void one_on_the_other_side_is_loaded(void **state)
{
    static const char *const modules[] = {MODULE_SECOND, NULL};
    muster_options o = rig_options();
    rig *r;

    (void)state;
    o.modules = modules;
    r = rig_up_with(&o, 1);
    assert_answer(r, 1, "second", "yes");
    assert_code(muster_module_load(r->m, MODULE_TWIN_A, &r->err), MUSTER_OK,
                r->err);
    assert_code(muster_module_load(r->m, MODULE_TWIN_A, &r->err), MUSTER_OK,
                r->err);
    assert_answer(r, 1, "twin", "a");
    rig_launch(r, 1);
    assert_answer(r, 2, "second", "yes");
    assert_answer(r, 2, "twin", "a");
    rig_down(&r);
}

static void one_that_is_not_there_is_refused(void **state)
{
    rig *r = rig_up(1);

    (void)state;
    assert_code(muster_module_load(r->m, "/nonexistent/m.so", &r->err),
                MUSTER_EMODULE, r->err);
    assert_words(r->err.text, "worker 1", "/nonexistent/m.so");
    assert_code(muster_module_load(r->m, NULL, &r->err), MUSTER_EINVAL, r->err);
    assert_code(muster_module_load(r->m, "", &r->err), MUSTER_EINVAL, r->err);
    rig_alive(r, 1);
    rig_launch(r, 1);
    rig_alive(r, 2);
    rig_down(&r);
}

/* What options.modules names and no worker has: nobody comes up, and the
 * launch says why. */
static void a_missing_module_fails_the_launch(void **state)
{
    static const char *const modules[] = {"/nonexistent/m.so", NULL};
    muster_options o = rig_options();
    int64_t began;
    rig *r;

    (void)state;
    o.modules = modules;
    r = rig_open(&o);
    began = rig_now_ms();
    assert_code(muster_launch(r->m, 2, 0, NULL, &r->err), MUSTER_EQUORUM,
                r->err);
    assert_words(r->err.text, "/nonexistent/m.so");
    assert_within("launch without its module", began, 1000);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(later_workers_load_it_too),
        rig_test(two_are_shipped_one_after_the_other),
        rig_test(the_same_again_changes_nothing),
        rig_test(another_build_of_the_name_is_refused),
        rig_test(a_handler_belongs_to_one_module),
        rig_test(what_is_no_module_is_refused),
        rig_test(a_truncated_one_is_refused),
        rig_test(one_of_another_abi_is_refused),
        rig_test(one_that_cannot_be_resolved_is_refused),
        rig_test(one_whose_start_fails_is_refused),
        rig_test(both_halves_load_and_one_works),
        rig_test(one_on_the_other_side_is_loaded),
        rig_test(one_that_is_not_there_is_refused),
        rig_test(a_missing_module_fails_the_launch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
