/* ut_notify.c - what is told to the program, and when nothing is any more. */
#include "unit.h"

#include <sched.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "session/notify.h"

#define MANY 1000

typedef struct note {
    mst_notice notice;
    int number;
} note;

static int last;

static void in_order(mst_notice *notice, void *arg)
{
    const note *n = MST_OF(note, notice, notice);

    (void)arg;
    last = n->number == last + 1 ? n->number : -1;
}

static void all_that_was_posted_runs(void **state)
{
    static note notes[MANY];
    mst_notify n;
    bool full;

    (void)state;
    last = 0;
    mst_notify_init(&n, NULL, NULL);
    for (int i = 0; i < MANY; i++) {
        notes[i] = (note){{.run = in_order}, i + 1};
        assert_int_equal(mst_notify_post(&n, &notes[i].notice, &full),
                         MUSTER_OK);
    }
    mst_notify_stop(&n);
    assert_int_equal(last, MANY);
    mst_notify_fini(&n);
}

static muster_err meanwhile;
static mst_notify *stopping;

static bool is_stopping(mst_notify *n)
{
    bool is;

    pthread_mutex_lock(&n->lock);
    is = n->stop;
    pthread_mutex_unlock(&n->lock);
    return is;
}

static void never(mst_notice *notice, void *arg)
{
    (void)notice;
    (void)arg;
    abort();
}

static void post_while_it_stops(mst_notice *notice, void *arg)
{
    static note late = {.notice = {.run = never}};
    bool full;

    (void)notice;
    (void)arg;
    while (!is_stopping(stopping))
        sched_yield();
    meanwhile = mst_notify_post(stopping, &late.notice, &full);
}

/* Nobody might be there to run it. */
static void nothing_is_taken_while_it_stops(void **state)
{
    note first = {.notice = {.run = post_while_it_stops}};
    mst_notify n;
    bool full;

    (void)state;
    meanwhile = MUSTER_OK;
    stopping = &n;
    mst_notify_init(&n, NULL, NULL);
    assert_int_equal(mst_notify_post(&n, &first.notice, &full), MUSTER_OK);
    mst_notify_stop(&n);
    assert_int_equal(meanwhile, MUSTER_ECLOSED);
    assert_int_equal(mst_notify_post(&n, &first.notice, &full), MUSTER_ECLOSED);
    mst_notify_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_posted_runs),
        cmocka_unit_test(nothing_is_taken_while_it_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
