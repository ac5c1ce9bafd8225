/* it_allocs.c - in steady state 10,000 calls take no memory from the heap,
 * neither in the manager nor in a worker, whoever makes them. libzmq's share is
 * printed. */
#include <stdlib.h>
#include <string.h>

#include <muster/worker.h>

#include "alloc_watch.h"
#include "rig.h"

#define WARM 3000
#define CALLS 10000
/* Buffers and tables grow to what has been needed at a time, which a busy
 * machine may not reach at once: one of so many rounds has to take nothing. */
#define ROUNDS 5
#define WINDOW 1000
#define BODY 64
#define RELAY_MS 60000 /* for all of them, one after the other */

static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror); /* of the manager, too */

static rig *up(uint32_t n)
{
    static const char *const env[] = {"LD_PRELOAD=" ALLOC_WATCH, NULL};
    muster_options o = rig_options();
    muster_error err = {0};
    rig *r;

    o.env = env;
    r = rig_open(&o);
    rig_launch(r, n);
    assert_code(muster_module_ship(r->m, ALLOC_HANDLERS, &err), MUSTER_OK, err);
    return r;
}

/* ----------------------------------------------------------- the work -- */

static void blocking(rig *r, size_t n)
{
    static const char body[BODY] = "sixty-four bytes";

    for (size_t i = 0; i < n; i++) {
        muster_reply *reply = NULL;
        muster_error err = {0};

        assert_code(muster_call(r->m, 1, "mirror", body, sizeof(body),
                                MUSTER_DEFAULT_MS, &reply, &err),
                    MUSTER_OK, err);
        assert_int_equal(reply->len, sizeof(body));
        assert_memory_equal(reply->data, body, sizeof(body));
        muster_reply_destroy(&reply);
    }
}

static void finish(muster_future **future)
{
    muster_reply *reply = NULL;
    muster_error err = {0};

    assert_code(muster_future_result(*future, &reply, &err), MUSTER_OK, err);
    assert_int_equal(reply->len, BODY);
    muster_reply_destroy(&reply);
    muster_future_destroy(future);
}

static void pipelined(rig *r, size_t n)
{
    static const char body[BODY] = "sixty-four bytes";
    static muster_future *out[WINDOW];

    for (size_t i = 0; i < n + WINDOW; i++) {
        muster_error err = {0};

        if (i >= WINDOW)
            finish(&out[i % WINDOW]);
        if (i < n)
            assert_code(muster_call_start(r->m, 1, "mirror", body, sizeof(body),
                                          MUSTER_DEFAULT_MS, &out[i % WINDOW],
                                          &err),
                        MUSTER_OK, err);
    }
}

static void relayed(rig *r, uint32_t rank, size_t n)
{
    const uint32_t numbers[2] = {rank, (uint32_t)n};
    muster_error err = {0};

    assert_code(muster_call(r->m, 1, "relay", numbers, sizeof(numbers),
                            RELAY_MS, NULL, &err),
                MUSTER_OK, err);
}

static void to_the_manager(rig *r, size_t n)
{
    relayed(r, 0, n);
}

static void to_another(rig *r, size_t n)
{
    relayed(r, 2, n);
}

static int sink(void *arg, size_t index, const muster_result *result)
{
    (void)index;
    *(size_t *)arg += result->len;
    return 0;
}

static void map(rig *r, size_t n)
{
    static const char body[BODY] = "sixty-four bytes";
    static muster_item items[CALLS + WARM];
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_error err = {0};
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        items[i] = (muster_item){body, sizeof(body)};
    o.items = items;
    o.nitems = n;
    o.batch = 1;
    o.sink = sink;
    o.arg = &bytes;
    assert_code(muster_map(r->m, "mirror", &o, NULL, &err), MUSTER_OK, err);
    assert_int_equal(bytes, n * sizeof(body));
}

/* ------------------------------------------------------------ counted -- */

typedef struct counts {
    long manager[ALLOC_WATCHED], worker[ALLOC_WATCHED];
} counts;

static counts watch(rig *r, void (*work)(rig *r, size_t n), size_t n)
{
    muster_reply *reply = NULL;
    muster_error err = {0};
    counts c;

    assert_code(rig_call(r, 1, "watch", "", 5000), MUSTER_OK, r->err);
    alloc_watch_begin();
    work(r, n);
    alloc_watch_end(c.manager);
    assert_code(muster_call(r->m, 1, "watched", NULL, 0, 5000, &reply, &err),
                MUSTER_OK, err);
    assert_int_equal(reply->len, sizeof(c.worker));
    memcpy(c.worker, reply->data, sizeof(c.worker));
    muster_reply_destroy(&reply);
    return c;
}

static void print(const char *what, const counts *c)
{
    print_message(
        "%s: manager %ld, libzmq there %.2f a call; worker %ld, "
        "libzmq there %.2f a call\n",
        what, c->manager[ALLOC_PROGRAM], (double)c->manager[ALLOC_ZMQ] / CALLS,
        c->worker[ALLOC_PROGRAM], (double)c->worker[ALLOC_ZMQ] / CALLS);
}

static void want_none(const char *what, uint32_t nworkers,
                      void (*work)(rig *r, size_t n))
{
    rig *r = up(nworkers);
    counts c = {{0}, {0}};

    work(r, WARM);
    for (int i = 0; i < ROUNDS; i++) {
        c = watch(r, work, CALLS);
        print(what, &c);
        if (c.manager[ALLOC_PROGRAM] + c.worker[ALLOC_PROGRAM] == 0)
            break;
    }
    assert_int_equal(c.manager[ALLOC_PROGRAM], 0);
    assert_int_equal(c.worker[ALLOC_PROGRAM], 0);
    rig_down(&r);
}

static void blocking_calls_take_none(void **state)
{
    (void)state;
    want_none("blocking", 1, blocking);
}

static void pipelined_calls_take_none(void **state)
{
    (void)state;
    want_none("pipelined", 1, pipelined);
}

static void calls_of_a_handler_take_none(void **state)
{
    (void)state;
    want_none("a worker calls the manager", 1, to_the_manager);
    want_none("a worker calls another", 2, to_another);
}

/* A map takes memory for itself, as often for many items as for few. */
static void items_of_a_map_take_none(void **state)
{
    rig *r = up(1);
    counts few = {{0}, {0}}, many = {{0}, {0}};

    (void)state;
    map(r, WARM);
    for (int i = 0; i < ROUNDS; i++) {
        few = watch(r, map, 1000);
        many = watch(r, map, CALLS + 1000);
        for (int k = 0; k < ALLOC_WATCHED; k++) {
            many.manager[k] -= few.manager[k];
            many.worker[k] -= few.worker[k];
        }
        print("map", &many);
        if (many.manager[ALLOC_PROGRAM] + many.worker[ALLOC_PROGRAM] == 0)
            break;
    }
    assert_true(few.manager[ALLOC_PROGRAM] < 16);
    assert_int_equal(many.manager[ALLOC_PROGRAM], 0);
    assert_int_equal(many.worker[ALLOC_PROGRAM], 0);
    rig_down(&r);
}

/* What would be counted is counted. */
static void the_watch_sees(void **state)
{
    void *volatile mine;
    long got[ALLOC_WATCHED];

    (void)state;
    alloc_watch_begin();
    mine = malloc(1);
    free(mine);
    /* cppcheck-suppress unusedAllocatedMemory */
    mine = strdup("inside the C library");
    free(mine);
    alloc_watch_end(got);
    assert_int_equal(got[ALLOC_PROGRAM], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(the_watch_sees),
        rig_test(blocking_calls_take_none),
        rig_test(pipelined_calls_take_none),
        rig_test(calls_of_a_handler_take_none),
        rig_test(items_of_a_map_take_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
