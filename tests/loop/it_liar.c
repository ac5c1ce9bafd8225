/* it_liar.c - workers that lie at random, beside two that work: the work is
 * done as if they were not there. See liar.h.
 *
 *   MUSTER_SEED   of the first; printed
 *   MUSTER_LIES   how many records, at least
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#include "base/tame.h"

#define LIARS 4      /* at a time */
#define CALLS 6      /* to each of them, for it to lie about */
#define ROUND_MS 400 /* then they are sent away */

/* Sanitizers: what is too large is NULL, as it is without them. That is less:
 * to free the gigabytes of a lie takes them a minute. */
MUSTER_API const char *__asan_default_options(void);
MUSTER_API const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}

typedef struct lies {
    rig *r;
    volatile uint64_t *told;
    uint64_t seed, wanted;
    uint64_t good, rounds; /* calls that were answered right */
    char told_path[64], canary[64];
    char env[6][600];
    const char *list[8];
} lies;

static uint64_t number(const char *name, uint64_t other)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : other;
}

static void put_env(lies *l)
{
    snprintf(l->env[0], sizeof(l->env[0]), "BAD=liar");
    snprintf(l->env[1], sizeof(l->env[1]), "BAD_BUT_FIRST=%s", RIG_WORKER);
    snprintf(l->env[2], sizeof(l->env[2]), "TWO_GOOD=1");
    snprintf(l->env[3], sizeof(l->env[3]), "LIES_TOLD=%s", l->told_path);
    snprintf(l->env[4], sizeof(l->env[4]), "LIES_SEED=%llu",
             (unsigned long long)l->seed);
    snprintf(l->env[5], sizeof(l->env[5]), "CANARY=%s", l->canary);
    for (size_t i = 0; i < 6; i++)
        l->list[i] = l->env[i];
    l->list[6] = "LIES_MOST=3000";
}

static void lies_up(lies *l)
{
    muster_options o = rig_options();
    int fd;

    *l = (lies){.seed = number("MUSTER_SEED", (uint64_t)rig_now_ms()),
                .wanted = number("MUSTER_LIES", 4000 / RIG_SLOW)};
    print_message("MUSTER_SEED=%llu\n", (unsigned long long)l->seed);
    snprintf(l->told_path, sizeof(l->told_path), "/tmp/it_liar.%d",
             (int)getpid());
    snprintf(l->canary, sizeof(l->canary), "/tmp/it_liar.%d.so", (int)getpid());
    fd = open(l->told_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(*l->told)), 0);
    l->told =
        mmap(NULL, sizeof(*l->told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(l->told != MAP_FAILED);
    close(fd);
    assert_int_equal(symlink(CANARY_MODULE, l->canary), 0);
    put_env(l);
    o.worker = BAD_WORKER;
    o.env = l->list;
    l->r = rig_up_with(&o, 2);
}

static void lies_down(lies *l)
{
    rig_down(&l->r);
    unlink(l->told_path);
    unlink(l->canary);
    munmap((void *)(uintptr_t)l->told, sizeof(*l->told));
}

static void assert_fit_to_be_shown(const char *text)
{
    char copy[MUSTER_ERROR_TEXT];

    snprintf(copy, sizeof(copy), "%s", text);
    mst_tame(copy);
    assert_string_equal(text, copy);
}

/* Both work, and what they answer is what they were asked. */
static void work(lies *l, unsigned i)
{
    const uint32_t rank = 1 + i % 2;
    char text[64];

    snprintf(text, sizeof(text), "item %u of %llu", i,
             (unsigned long long)l->rounds);
    assert_code(rig_call(l->r, rank, "echo", text, 0), MUSTER_OK, l->r->err);
    assert_string_equal(l->r->answer, text);
    l->good++;
}

static bool one_lives(lies *l, uint32_t first)
{
    muster_info info;
    muster_error err;

    for (uint32_t rank = first; rank < first + LIARS; rank++) {
        assert_code(muster_worker_info(l->r->m, rank, &info, &err), MUSTER_OK,
                    err);
        assert_fit_to_be_shown(info.verdict);
        assert_fit_to_be_shown(info.name);
        if (info.state == MUSTER_READY)
            return true;
    }
    return false;
}

/* Some new ones, with calls to lie about, until they are lost or time is
 * over. */
static void one_round(lies *l)
{
    const uint32_t first = 3 + (uint32_t)l->rounds * LIARS;
    const int64_t until = rig_now_ms() + (int64_t)ROUND_MS * RIG_SLOW;
    muster_future *futures[LIARS * CALLS], *slow[2];
    uint32_t nready;
    muster_error err;
    unsigned n = 0;

    assert_code(muster_launch(l->r->m, LIARS, 0, &nready, &err), MUSTER_OK,
                err);
    for (unsigned i = 0; i < LIARS * CALLS; i++)
        futures[i] = rig_start(l->r, first + i % LIARS, "echo", "x");
    do {
        slow[0] = rig_start(l->r, 1, "nap", "3");
        slow[1] = rig_start(l->r, 2, "nap", "3");
        for (unsigned i = 0; i < 10; i++)
            work(l, n++);
        for (unsigned i = 0; i < 2; i++) {
            muster_reply *reply = NULL;

            assert_code(muster_future_result(slow[i], &reply, &err), MUSTER_OK,
                        err);
            assert_string_equal(reply->data, "slept");
            muster_reply_destroy(&reply);
            muster_future_destroy(&slow[i]);
        }
    } while (rig_now_ms() < until && one_lives(l, first));
    for (uint32_t rank = first; rank < first + LIARS; rank++) {
        const muster_err rc = muster_remove(l->r->m, &rank, 1, 0, &err);

        /* it is lost, before or now, or has not ended yet: it is killed */
        if (rc != MUSTER_EWORKER && rc != MUSTER_ELOST && rc != MUSTER_ETIMEOUT)
            assert_code(rc, MUSTER_OK, err);
    }
    for (unsigned i = 0; i < LIARS * CALLS; i++) {
        (void)rig_result(l->r, &futures[i]);
        assert_fit_to_be_shown(l->r->err.text);
    }
    l->rounds++;
}

static bool is_good_and_lost(rig *r, void *arg)
{
    rig_event *e;

    (void)arg;
    STAILQ_FOREACH (e, &r->events, link)
        if (e->event.rank <= 2 && e->event.to != MUSTER_READY &&
            e->event.from == MUSTER_READY) {
            print_message("worker %u, which works: %s: %s\n", e->event.rank,
                          muster_state_name(e->event.to), e->text);
            return true;
        }
    return false;
}

static void liars_are_alone_with_their_lies(void **state)
{
    lies l;

    (void)state;
    lies_up(&l);
    while (*l.told < l.wanted)
        one_round(&l);
    assert_false(rig_wait(l.r, is_good_and_lost, NULL, 0));
    /* the canary says so when it is loaded, wherever that is */
    assert_null(rig_take_line(l.r, 0, "canary", 0));
    assert_int_equal(access(CANARY_TRACE, F_OK), -1);
    rig_alive(l.r, 2);
    print_message("%llu records of %llu liars; %llu calls beside them\n",
                  (unsigned long long)*l.told,
                  (unsigned long long)l.rounds * LIARS,
                  (unsigned long long)l.good);
    lies_down(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(liars_are_alone_with_their_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
