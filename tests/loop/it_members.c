/* it_members.c - workers come, are looked at, and go. */
#include <stdlib.h>
#include <string.h>

#include "lame.h"
#include "rig.h"

static void assert_ranks(rig *r, const uint32_t *want, size_t n)
{
    uint32_t ranks[64] = {0};

    assert_int_equal(muster_ranks(r->m, ranks, 64), n);
    assert_int_equal(muster_size(r->m), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ranks[i], want[i]);
}

static muster_info info_of(rig *r, uint32_t rank)
{
    muster_info info;
    const muster_err rc = muster_worker_info(r->m, rank, &info, &r->err);

    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(info.rank, rank);
    assert_int_equal(info.incarnation, 1);
    return info;
}

static void more_are_launched(void **state)
{
    uint32_t two[3] = {0, 0, 77};
    rig *r = rig_open(NULL);

    (void)state;
    assert_ranks(r, NULL, 0);
    rig_launch(r, 2);
    assert_ranks(r, (const uint32_t[]){1, 2}, 2);
    rig_launch(r, 1);
    assert_ranks(r, (const uint32_t[]){1, 2, 3}, 3);
    /* a short list is filled as far as it goes */
    assert_int_equal(muster_ranks(r->m, two, 2), 3);
    assert_int_equal(two[1], 2);
    assert_int_equal(two[2], 77);
    assert_int_equal(muster_ranks(r->m, NULL, 0), 3);
    rig_down(&r);
}

static void wrong_numbers_are_refused(void **state)
{
    static const uint32_t wrong[][2] = {
        {0, 0}, {2, 3}, {65536, 1}, {UINT32_MAX, 1}};
    rig *r = rig_open(NULL);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint32_t nready = 99;
        const muster_err rc =
            muster_launch(r->m, wrong[i][0], wrong[i][1], &nready, &r->err);

        assert_code(rc, MUSTER_EINVAL, r->err);
        assert_int_equal(nready, 0);
    }
    assert_words(r->err.text, "1 to 65535");
    assert_code(muster_launch(r->m, 0, 0, NULL, &r->err), MUSTER_EINVAL,
                r->err);
    assert_words(r->err.text, "not 0");
    rig_launch(r, 1);
    assert_ranks(r, (const uint32_t[]){1}, 1);
    rig_down(&r);
}

static void each_change_is_an_event(void **state)
{
    static const muster_state life[] = {MUSTER_BOOTING, MUSTER_JOINING,
                                        MUSTER_READY, MUSTER_LEAVING,
                                        MUSTER_GONE};
    const uint32_t first = 1;
    const rig_event *e;
    muster_state at = MUSTER_ASKED;
    size_t n = 0;
    rig *r = rig_up(2);
    char pid[32];

    (void)state;
    snprintf(pid, sizeof(pid), "pid %d", (int)rig_pid(r, 1));
    assert_code(muster_remove(r->m, &first, 1, 0, &r->err), MUSTER_OK, r->err);
    assert_non_null(rig_event_to(r, 1, MUSTER_GONE, RIG_WAIT_MS));
    pthread_mutex_lock(&r->lock);
    STAILQ_FOREACH (e, &r->events, link) {
        if (e->event.rank != 1)
            continue;
        assert_true(n < 5);
        assert_int_equal(e->event.incarnation, 1);
        assert_int_equal(e->event.from, at);
        assert_int_equal(e->event.to, life[n]);
        at = life[n++];
    }
    pthread_mutex_unlock(&r->lock);
    assert_int_equal(n, 5);
    assert_string_equal(rig_event_to(r, 1, MUSTER_BOOTING, 0)->text, pid);
    assert_words(rig_event_to(r, 1, MUSTER_LEAVING, 0)->text, "drain");
    assert_null(rig_event_to(r, 2, MUSTER_LEAVING, 0));
    rig_down(&r);
}

static void a_worker_can_be_looked_at(void **state)
{
    rig *r = rig_up(1);
    muster_future *f = rig_start(r, 1, "until_canceled", "");
    muster_info info;
    char name[MUSTER_NAME_TEXT];

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    info = info_of(r, 1);
    assert_int_equal(info.state, MUSTER_READY);
    assert_string_equal(muster_state_name(info.state), "ready");
    assert_true(info.pid > 1);
    assert_int_equal(info.calls, 1);
    assert_true(info.silent_ms >= 0);
    assert_int_equal(info.exit_status, -1);
    assert_int_equal(info.exit_signal, 0);
    assert_string_equal(info.verdict, "");
    assert_true(info.name[0] != '\0');
    memcpy(name, info.name, sizeof(name));
    muster_future_cancel(f);
    assert_code(rig_result(r, &f), MUSTER_ECANCELED, r->err);
    assert_int_equal(info_of(r, 1).calls, 0);
    /* what is known of it stays */
    assert_code(muster_remove(r->m, NULL, 0, 0, &r->err), MUSTER_OK, r->err);
    info = info_of(r, 1);
    assert_int_equal(info.state, MUSTER_GONE);
    assert_int_equal(info.exit_status, 0);
    assert_int_equal(info.silent_ms, -1);
    assert_words(info.verdict, "as it was told");
    assert_string_equal(info.name, name);
    assert_code(muster_worker_info(r->m, 2, &info, &r->err), MUSTER_EWORKER,
                r->err);
    assert_code(muster_worker_info(r->m, 0, &info, &r->err), MUSTER_EWORKER,
                r->err);
    rig_down(&r);
}

static void a_rank_is_never_used_again(void **state)
{
    const uint32_t second = 2, mixed[] = {2, 9, 3};
    rig *r = rig_up(3);

    (void)state;
    assert_code(muster_remove(r->m, &second, 1, 0, &r->err), MUSTER_OK, r->err);
    assert_ranks(r, (const uint32_t[]){1, 3}, 2);
    rig_launch(r, 1);
    assert_ranks(r, (const uint32_t[]){1, 3, 4}, 3);
    assert_code(rig_call(r, 2, "echo", "", 0), MUSTER_EWORKER, r->err);
    assert_words(r->err.text, "worker 2 is gone", "as it was told");
    /* twice, and one that never was; the others are ended all the same */
    assert_code(muster_remove(r->m, mixed, 3, 0, &r->err), MUSTER_EWORKER,
                r->err);
    assert_ranks(r, (const uint32_t[]){1, 4}, 2);
    rig_alive(r, 2);
    rig_down(&r);
}

static void all_are_removed(void **state)
{
    rig *r = rig_up(3);

    (void)state;
    assert_code(muster_remove(r->m, NULL, 0, 0, &r->err), MUSTER_OK, r->err);
    assert_ranks(r, NULL, 0);
    for (uint32_t rank = 1; rank <= 3; rank++) {
        assert_int_equal(info_of(r, rank).state, MUSTER_GONE);
        /* its module's end function ran, and what it printed arrived */
        assert_non_null(rig_take_line(r, rank, "module ended", RIG_WAIT_MS));
    }
    assert_code(muster_remove(r->m, NULL, 0, 0, &r->err), MUSTER_OK, r->err);
    rig_launch(r, 1);
    assert_ranks(r, (const uint32_t[]){4}, 1);
    assert_code(rig_call(r, 4, "count", NULL, 0), MUSTER_OK, r->err);
    assert_string_equal(r->answer, "401");
    rig_down(&r);
}

static void draining_finishes_what_was_begun(void **state)
{
    const uint32_t first = 1;
    rig *r = rig_up(2);
    muster_future *running = rig_start(r, 1, "nap", "200");
    muster_future *behind = rig_start(r, 1, "echo", "me too");

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    assert_code(muster_remove(r->m, &first, 1, RIG_WAIT_MS, &r->err), MUSTER_OK,
                r->err);
    assert_true(muster_future_wait(running, 0));
    assert_code(rig_result(r, &running), MUSTER_OK, r->err);
    assert_code(rig_result(r, &behind), MUSTER_OK, r->err);
    rig_alive(r, 1);
    rig_down(&r);
}

static void who_does_not_drain_is_killed(void **state)
{
    const uint32_t first = 1;
    const int64_t began = rig_now_ms();
    rig *r = rig_up(2);
    muster_future *stuck = rig_start(r, 1, "never", "");
    muster_err rc;

    (void)state;
    assert_non_null(rig_take_line(r, 1, "begun", RIG_WAIT_MS));
    rc = muster_remove(r->m, &first, 1, 300, &r->err);
    assert_code(rc, MUSTER_ETIMEOUT, r->err);
    assert_words(r->err.text, "killed");
    assert_within("remove of a stuck worker in 0.3 s", began, 1500);
    assert_code(rig_result(r, &stuck), MUSTER_ELOST, r->err);
    assert_words(r->err.text, "worker 1", "did not end in time");
    assert_int_equal(info_of(r, 1).state, MUSTER_LOST);
    rig_alive(r, 1);
    rig_down(&r);
}

/* --------------------------------------------------------------- quorum -- */

typedef struct launching {
    pthread_t thread;
    rig *r;
    uint32_t n, nready;
    muster_err rc;
    muster_error err;
} launching;

static void *launch(void *arg)
{
    launching *l = (launching *)arg;

    l->rc = muster_launch(l->r->m, l->n, 0, &l->nready, &l->err);
    return NULL;
}

static void several_launches_run_at_once(void **state)
{
    launching l[4];
    rig *r = rig_open(NULL);

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        l[i] = (launching){.r = r, .n = i + 1};
        assert_int_equal(pthread_create(&l[i].thread, NULL, launch, &l[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++)
        pthread_join(l[i].thread, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        assert_code(l[i].rc, MUSTER_OK, l[i].err);
        assert_int_equal(l[i].nready, i + 1);
    }
    assert_int_equal(muster_size(r->m), 10);
    rig_down(&r);
}

static void no_quorum_ends_those_who_came(void **state)
{
    lame l;
    const muster_options o = lame_options(&l, "1 2", "exit 9");
    rig *r = rig_open(&o);
    uint32_t nready = 99;
    const muster_err rc = muster_launch(r->m, 4, 4, &nready, &r->err);

    (void)state;
    lame_forget(&l);
    assert_code(rc, MUSTER_EQUORUM, r->err);
    assert_words(r->err.text, "of 4 workers", "4 are needed", "status 9");
    assert_int_equal(nready, 0);
    assert_int_equal(muster_size(r->m), 0);
    rig_launch(r, 2);
    rig_down(&r);
}

static void fewer_may_be_enough(void **state)
{
    lame l;
    const muster_options o = lame_options(&l, "1 2", "exit 9");
    rig *r = rig_open(&o);
    uint32_t nready = 0;
    muster_err rc = muster_launch(r->m, 4, 1, &nready, &r->err);

    (void)state;
    lame_forget(&l);
    assert_code(rc, MUSTER_OK, r->err);
    assert_int_equal(nready, 2);
    rc = muster_module_ship(r->m, RIG_HANDLERS, &r->err);
    assert_code(rc, MUSTER_OK, r->err);
    rig_alive(r, 2);
    rig_down(&r);
}

/* Who looks all the time drives the loop all the time: what workers say has to
 * be read all the same, or they would seem silent to us. */
static void looking_all_the_time_loses_nobody(void **state)
{
    const int64_t timeout_ms = 500 * RIG_SLOW;
    int64_t until;
    muster_options o = rig_options();
    muster_info info;
    rig *r;

    (void)state;
    o.heartbeat_timeout_ms = timeout_ms;
    r = rig_up_with(&o, 2);
    until = rig_now_ms() + 3 * timeout_ms;
    do {
        assert_code(muster_worker_info(r->m, 1, &info, &r->err), MUSTER_OK,
                    r->err);
        assert_int_equal(info.state, MUSTER_READY);
        assert_true(info.silent_ms < timeout_ms);
    } while (rig_now_ms() < until);
    rig_alive(r, 2);
    rig_down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(more_are_launched),
        rig_test(wrong_numbers_are_refused),
        rig_test(each_change_is_an_event),
        rig_test(a_worker_can_be_looked_at),
        rig_test(a_rank_is_never_used_again),
        rig_test(all_are_removed),
        rig_test(draining_finishes_what_was_begun),
        rig_test(who_does_not_drain_is_killed),
        rig_test(several_launches_run_at_once),
        rig_test(no_quorum_ends_those_who_came),
        rig_test(fewer_may_be_enough),
        rig_test(looking_all_the_time_loses_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
