/* matrix_operations.c - each operation, and how each trouble ends it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <muster/worker.h>

#include "matrix.h"

static unsigned char big[(size_t)12 << 20];

/* ------------------------------------------------- handlers here, rank 0 -- */

atomic_int matrix_begun;

static int step(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const struct timespec one = {0, 1000000};
    char text[16] = "";
    long ms;

    (void)out;
    atomic_fetch_add(&matrix_begun, 1);
    memcpy(text, in, len < sizeof(text) ? len : sizeof(text) - 1);
    ms = strtol(text, NULL, 10);
    for (long left = ms != 0 ? ms : 20; left != 0; left--) {
        if (muster_ctx_canceled(ctx))
            return muster_fail(ctx, 9, "I was told to give up");
        nanosleep(&one, NULL);
    }
    return ms != 0 ? 0 : muster_fail(ctx, 41, "as I was told");
}
MUSTER_HANDLER(step);

/* ------------------------------------------------------------ operations -- */

static muster_err one_call(cell *c, uint32_t rank, const char *name,
                           const char *body)
{
    return muster_call(c->m, rank, name, body, strlen(body), c->timeout_ms,
                       NULL, &c->err);
}

static muster_err run_call(cell *c)
{
    return one_call(c, 1, "step", c->body);
}

static muster_err run_future(cell *c)
{
    muster_future *f = NULL;
    muster_err rc = muster_call_start(c->m, 1, "step", c->body, strlen(c->body),
                                      c->timeout_ms, &f, &c->err);

    if (rc == MUSTER_OK)
        rc = muster_future_result(f, NULL, &c->err);
    if (f != NULL)
        muster_future_destroy(&f);
    return rc;
}

/* Accepted is all it says. */
static muster_err run_post(cell *c)
{
    return muster_post(c->m, 1, "step", c->body, strlen(c->body), &c->err);
}

static muster_err run_broadcast(cell *c)
{
    return muster_broadcast(c->m, NULL, "step_once", c->body, strlen(c->body),
                            c->timeout_ms, NULL, &c->err);
}

static muster_err run_map(cell *c, uint32_t batch)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item items[8];

    for (int i = 0; i < 8; i++)
        items[i] = (muster_item){c->body, strlen(c->body)};
    o.items = items;
    o.nitems = 8;
    o.batch = batch;
    o.timeout_ms = c->timeout_ms;
    return muster_map(c->m, "step_once", &o, NULL, &c->err);
}

static muster_err run_map_singly(cell *c)
{
    return run_map(c, 1);
}

static muster_err run_map_in_batches(cell *c)
{
    return run_map(c, 2);
}

static muster_err run_inner(cell *c)
{
    char body[32];

    snprintf(body, sizeof(body), "1 %s", c->body);
    return one_call(c, 2, "step_there", body);
}

static muster_err run_up(cell *c)
{
    char body[32];

    snprintf(body, sizeof(body), "0 %s", c->body);
    return one_call(c, 1, "step_there", body);
}

static muster_err run_put(cell *c)
{
    return muster_put(c->m, "big", big, sizeof(big), &c->err);
}

static muster_err run_drop(cell *c)
{
    return muster_drop(c->m, "small", &c->err);
}

static muster_err run_ship(cell *c)
{
    return muster_module_ship(c->m, c->what == FAILS ? BAD_MODULE : A_MODULE,
                              &c->err);
}

static muster_err run_channel_put(cell *c)
{
    return one_call(c, 1, "put_one", "");
}

static muster_err run_channel_take(cell *c)
{
    return one_call(c, 1, "take_it", "");
}

static muster_err run_take_here(cell *c)
{
    return muster_channel_take(c->m, "c", c->timeout_ms, NULL, &c->err);
}

/* Of a worker that has something to finish. */
static muster_err run_remove(cell *c)
{
    const uint32_t one = 1;
    muster_future *f = NULL;

    assert_code(muster_call_start(c->m, 1, "step", c->body, strlen(c->body),
                                  MUSTER_FOREVER, &f, &c->err),
                MUSTER_OK, c->err);
    muster_future_destroy(&f);
    return muster_remove(c->m, &one, 1, c->timeout_ms, &c->err);
}

/* ---------------------------------------------------------- around them -- */

static void a_blob(cell *c)
{
    assert_code(muster_put(c->m, "small", "x", 1, &c->err), MUSTER_OK, c->err);
}

static void an_empty_channel(cell *c)
{
    assert_code(muster_channel_open(c->m, "c", 1, &c->err), MUSTER_OK, c->err);
}

static void a_full_channel(cell *c)
{
    an_empty_channel(c);
    assert_code(muster_channel_put(c->m, "c", "x", 1, 0, &c->err), MUSTER_OK,
                c->err);
}

/* It "fails" when somebody closes it; else there is room, or an item. */
static void relieve_put(cell *c)
{
    muster_error err;

    if (c->what == FAILS)
        muster_channel_close(c->m, "c", &err);
    else
        muster_channel_take(c->m, "c", 1000, NULL, &err);
}

static void relieve_take(cell *c)
{
    muster_error err;

    if (c->what == FAILS)
        muster_channel_close(c->m, "c", &err);
    else
        muster_channel_put(c->m, "c", "x", 1, 1000, &err);
}

/* Codes of the operations, in the order of the troubles. */
#define OK MUSTER_OK
#define LOST MUSTER_ELOST
#define REMOTE MUSTER_EREMOTE
#define PART MUSTER_EPARTIAL
#define CANC MUSTER_ECANCELED
#define TIME MUSTER_ETIMEOUT
#define SHUT MUSTER_ECLOSED

#define ENDS(killed, stopped, cut, fails, cancel, deadline, close)             \
    {                                                                          \
        killed, stopped, cut, fails, cancel, deadline, close                   \
    }
/* most calls: a handler runs on worker 1 */
#define AS_CALLS ENDS(LOST, OK, OK, REMOTE, CANC, TIME, SHUT)

const operation matrix_operations[] = {
    {.name = "call", .run = run_call, .ends = AS_CALLS},
    {.name = "future", .run = run_future, .ends = AS_CALLS},
    {.name = "post", .run = run_post, .ends = ENDS(OK, OK, OK, OK, OK, OK, OK)},
    {.name = "broadcast",
     .run = run_broadcast,
     .ends = ENDS(PART, OK, OK, PART, PART, PART, PART)},
    {.name = "map",
     .run = run_map_singly,
     .ends = ENDS(OK, OK, OK, REMOTE, CANC, TIME, SHUT)},
    {.name = "map in batches",
     .run = run_map_in_batches,
     .ends = ENDS(OK, OK, OK, REMOTE, CANC, TIME, SHUT)},
    {.name = "inner call",
     .run = run_inner,
     .ends = ENDS(REMOTE, OK, OK, REMOTE, CANC, TIME, SHUT)},
    {.name = "call of the manager",
     .run = run_up,
     .here = true,
     .ends = AS_CALLS},
    {.name = "put",
     .run = run_put,
     .still = true,
     .ends = ENDS(OK, OK, OK, OK, CANC, TIME, SHUT)},
    {.name = "drop",
     .run = run_drop,
     .prepare = a_blob,
     .still = true,
     .ends = ENDS(OK, OK, OK, OK, CANC, TIME, SHUT)},
    {.name = "ship",
     .run = run_ship,
     .still = true,
     .ends = ENDS(LOST, OK, OK, MUSTER_EMODULE, CANC, TIME, SHUT)},
    {.name = "channel put",
     .run = run_channel_put,
     .prepare = a_full_channel,
     .relieve = relieve_put,
     .ends = AS_CALLS},
    {.name = "channel take",
     .run = run_channel_take,
     .prepare = an_empty_channel,
     .relieve = relieve_take,
     .ends = AS_CALLS},
    {.name = "channel take here",
     .run = run_take_here,
     .prepare = an_empty_channel,
     .relieve = relieve_take,
     .quiet = true,
     .ends = ENDS(OK, OK, OK, MUSTER_EEND, CANC, TIME, SHUT)},
    {.name = "remove",
     .run = run_remove,
     .ends = ENDS(LOST, OK, OK, OK, OK, TIME, SHUT)},
};
const size_t matrix_count =
    sizeof(matrix_operations) / sizeof(matrix_operations[0]);
