/* map.c - muster_map: the thread that waits cuts items into loads, and turns
 * what comes back into results, retries or an end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "call/batch.h"
#include "session/mapping.h"
#include "session/results.h"

#define BATCH_MOST 4096 /* items, when the number is automatic      */
#define BATCH_BYTES ((size_t)1 << 18)
#define QUICK_MS 4 /* a load that takes less may be larger     */
#define SLOW_MS 20 /* and one that takes more should be smaller */
#define PROGRESS_MS 100

/* One item between source and result. */
typedef struct task {
    size_t index;
    muster_item item;
    void *copy;            /* of the item, when it came from a source */
    uint32_t lost, failed; /* how often so far */
    bool done;
    muster_result result; /* once done */
    char *text;
    mst_payload *payload;
} task;

typedef struct map {
    mst_mapping p;
    const char *name;
    const muster_map_options *o;
    mst_results *results; /* NULL with a sink */
    task *window;         /* a ring: items told .. given - 1 */
    size_t room, given, told, ndone;
    size_t *again; /* indices to be sent once more, each alone; ring-sized */
    size_t nagain;
    size_t flying_bytes, flying_loads, batch;
    muster_item *scratch; /* while a request is built */
    size_t scratch_room;
    bool ended;          /* the source has no more */
    muster_err rc;       /* why it ends early */
    size_t first_failed; /* SIZE_MAX: none */
    muster_error error;
    int64_t progress_ms;
} map;

static task *task_of(const map *p, size_t index)
{
    return &p->window[index % p->room];
}

/* The map ends early: what is out comes back, nothing more goes. */
static void end_early(map *p, muster_err why)
{
    if (p->rc != MUSTER_OK)
        return;
    p->rc = why;
    p->ended = true;
    p->nagain = 0;
    mst_mapping_stop(&p->p, MUSTER_ECANCELED);
}

/* ------------------------------------------------------------- sending -- */

/* The next new item; false: none now. */
static bool take_item(map *p)
{
    const muster_map_options *o = p->o;
    const size_t index = p->given;
    task *t = task_of(p, index);
    int more;

    if (p->ended || index - p->told >= p->room)
        return false;
    memset(t, 0, sizeof(*t));
    t->index = index;
    if (o->source == NULL) {
        p->ended = index == o->nitems;
        if (p->ended)
            return false;
        t->item = o->items[index];
        p->given++;
        return true;
    }
    more = o->source(o->arg, index, &t->item);
    if (more <= 0) {
        p->ended = true;
        if (more < 0) {
            mst_fail(&p->error, MUSTER_ECANCELED, "the source ended it");
            end_early(p, MUSTER_ECANCELED);
        }
        return false;
    }
    t->copy = mst_pool_alloc(p->p.m->pool, t->item.len);
    if (t->copy == NULL) {
        mst_fail(&p->error, MUSTER_ENOMEM, "item %zu", index);
        end_early(p, MUSTER_ENOMEM);
        return false;
    }
    if (t->item.len > 0)
        memcpy(t->copy, t->item.data, t->item.len);
    t->item.data = t->copy;
    p->given++;
    return true;
}

/* For the items of one load. */
static muster_item *room_for(map *p, size_t n)
{
    muster_item *items;

    if (n <= p->scratch_room)
        return p->scratch;
    items = mst_realloc(p->scratch, n * sizeof(*items));
    if (items == NULL)
        return NULL;
    p->scratch = items;
    p->scratch_room = n;
    return items;
}

/* The indices lie behind the load; the request is built from their items. */
static bool send_load(map *p, const size_t *indices, size_t n)
{
    mst_pool *pool = p->p.m->pool;
    mst_load *load = mst_pool_alloc(pool, sizeof(*load) + n * sizeof(*indices));
    muster_item *items = room_for(p, n);
    void *body;

    if (load == NULL || items == NULL) {
        mst_pool_free(pool, load);
        return false;
    }
    memset(load, 0, sizeof(*load));
    load->items = (size_t *)(load + 1);
    memcpy(load->items, indices, n * sizeof(*indices));
    load->n = n;
    for (size_t i = 0; i < n; i++)
        items[i] = task_of(p, indices[i])->item;
    load->bytes = mst_batch_size(p->name, items, n);
    body = mst_pool_alloc(pool, load->bytes);
    if (body != NULL) {
        mst_batch_write(body, load->bytes, p->name, items, n);
        load->call.payload = mst_payload_own_in(pool, body, load->bytes);
    }
    if (load->call.payload == NULL) {
        mst_pool_free(pool, body);
        mst_pool_free(pool, load);
        return false;
    }
    load->call.name = MST_BUILTIN_BATCH;
    load->call.name_len = sizeof(MST_BUILTIN_BATCH) - 1;
    load->call.count = 1;
    p->flying_bytes += load->bytes;
    p->flying_loads++;
    mst_mapping_add(&p->p, load);
    return true;
}

/* So many items for the next load: few enough that all workers get some. */
static size_t load_size(const map *p)
{
    const muster_map_options *o = p->o;
    const size_t places =
        (size_t)muster_size(p->p.m) * atomic_load(&p->p.depth) + 1;
    size_t n = p->batch;

    if (o->batch == 0 && o->source == NULL &&
        n > (o->nitems - p->given) / places + 1)
        n = (o->nitems - p->given) / places + 1;
    return n;
}

static void send_new(map *p)
{
    size_t indices[BATCH_MOST];
    const size_t most = load_size(p);
    size_t n = 0, bytes = 0;

    while (n < most && (n == 0 || bytes < BATCH_BYTES) && take_item(p)) {
        indices[n] = p->given - 1;
        bytes += task_of(p, indices[n++])->item.len;
    }
    if (n > 0 && p->rc == MUSTER_OK && !send_load(p, indices, n)) {
        mst_fail(&p->error, MUSTER_ENOMEM, "no memory for item %zu",
                 indices[0]);
        end_early(p, MUSTER_ENOMEM);
    }
}

/* Keep enough loads with the loop that no worker waits for us. */
static void send_some(map *p)
{
    const size_t loads =
        (size_t)2 * (muster_size(p->p.m) + 2) * atomic_load(&p->p.depth) + 4;

    while (p->rc == MUSTER_OK && p->flying_loads < loads &&
           (p->flying_loads == 0 || p->flying_bytes < p->o->max_bytes)) {
        if (p->nagain > 0) {
            const size_t index = p->again[--p->nagain];

            if (!send_load(p, &index, 1)) {
                mst_fail(&p->error, MUSTER_ENOMEM, "item %zu", index);
                end_early(p, MUSTER_ENOMEM);
            }
        } else if (p->ended || p->given - p->told >= p->room) {
            break;
        } else {
            send_new(p);
        }
    }
}

/* ----------------------------------------------------------- receiving -- */

static void drop_task(map *p, task *t)
{
    mst_pool_free(p->p.m->pool, t->copy);
    mst_free(t->text);
    mst_payload_unref(&t->payload);
    t->copy = NULL;
    t->text = NULL;
}

/* To the sink, or into the array. */
static void tell(map *p, task *t)
{
    if (p->rc == MUSTER_OK && p->o->sink != NULL) {
        t->result.text = t->text != NULL ? t->text : "";
        if (p->o->sink(p->o->arg, t->index, &t->result) != 0) {
            mst_fail(&p->error, MUSTER_ECANCELED, "the sink ended it");
            end_early(p, MUSTER_ECANCELED);
        }
    } else if (p->rc == MUSTER_OK &&
               !mst_results_set(p->results, t->index, &t->result, &t->text,
                                &t->payload)) {
        mst_fail(&p->error, MUSTER_ENOMEM, "the result of item %zu", t->index);
        end_early(p, MUSTER_ENOMEM);
    }
    drop_task(p, t);
}

static void finish_task(map *p, task *t)
{
    t->done = true;
    p->ndone++;
    if (t->result.code != MUSTER_OK && t->index < p->first_failed) {
        p->first_failed = t->index;
        mst_fail(&p->error, t->result.code, "item %zu: %s", t->index,
                 t->text != NULL ? t->text : muster_strerror(t->result.code));
        p->error.remote = t->result.remote;
        p->error.rank = t->result.rank;
    }
    if (t->result.code != MUSTER_OK && p->o->on_failure == MUSTER_FAIL_STOP) {
        end_early(p, t->result.code);
        return;
    }
    if (p->o->as_they_come)
        tell(p, t);
    for (; p->told < p->given && task_of(p, p->told)->done; p->told++)
        if (!p->o->as_they_come)
            tell(p, task_of(p, p->told));
}

/* It did not work out: once more, or that is its result. */
static void fail_task(map *p, task *t, muster_err code, int remote,
                      uint32_t rank, const char *text, size_t text_len)
{
    const bool again = code == MUSTER_ELOST
                           ? t->lost++ < p->o->lost_retries
                           : p->o->on_failure == MUSTER_FAIL_RETRY &&
                                 t->failed++ < p->o->retries;

    if (again) {
        p->again[p->nagain++] = t->index;
        return;
    }
    t->text = mst_alloc(text_len + 1);
    if (t->text != NULL) {
        memcpy(t->text, text, text_len);
        t->text[text_len] = '\0';
    }
    t->result = (muster_result){.rank = rank, .code = code, .remote = remote};
    finish_task(p, t);
}

/* All of a load has the same fate. */
static void fail_load(map *p, const mst_load *load)
{
    const mst_call *call = &load->call;
    const char *text =
        call->text != NULL ? call->text : muster_strerror(call->code);

    switch (call->code) {
    case MUSTER_ETIMEOUT:
    case MUSTER_ECANCELED:
    case MUSTER_ECLOSED:
    case MUSTER_EWORKER:
    case MUSTER_EQUORUM:
    case MUSTER_ENOMEM:
        if (p->rc == MUSTER_OK)
            mst_fail(&p->error, call->code, "%s",
                     call->code == MUSTER_EWORKER ? "no worker is left" : text);
        end_early(p, call->code);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < load->n && p->rc == MUSTER_OK; i++)
        if (call->behind)
            p->again[p->nagain++] = load->items[i];
        else
            fail_task(p, task_of(p, load->items[i]), call->code, call->remote,
                      call->rank, text, strlen(text));
}

static void read_results(map *p, mst_load *load)
{
    mst_payload *block =
        mst_payload_own_in(p->p.m->pool, load->call.data, load->call.len);
    mst_batch batch = mst_batch_of(load->call.data, load->call.len);
    mst_batch_result r;

    if (block == NULL) {
        mst_fail(&p->error, MUSTER_ENOMEM, "results");
        end_early(p, MUSTER_ENOMEM);
        return;
    }
    load->call.data = NULL;
    for (size_t i = 0; i < load->n && p->rc == MUSTER_OK; i++) {
        task *t = task_of(p, load->items[i]);

        if (!mst_batch_next_result(&batch, &r)) {
            mst_fail(&p->error, MUSTER_EPROTO,
                     "worker %u: results of a batch "
                     "are missing",
                     load->call.rank);
            end_early(p, MUSTER_EPROTO);
        } else if (r.code == MUSTER_ETIMEOUT || r.code == MUSTER_ECANCELED) {
            mst_fail(&p->error, r.code, "item %zu: %s", t->index,
                     muster_strerror(r.code));
            end_early(p, r.code);
        } else if (r.code != MUSTER_OK) {
            fail_task(p, t, r.code, r.remote, load->call.rank, r.text,
                      r.text_len);
        } else {
            t->result = (muster_result){.rank = load->call.rank,
                                        .data = r.data.data,
                                        .len = r.data.len};
            t->payload = mst_payload_ref(block);
            finish_task(p, t);
        }
    }
    mst_payload_unref(&block);
}

/* Larger while loads are quick, smaller when they are slow. */
static void learn(map *p, const mst_load *load)
{
    if (p->o->batch != 0 || load->n < p->batch)
        return;
    if (load->took_ms < QUICK_MS && p->batch < BATCH_MOST)
        p->batch = 2 * p->batch;
    else if (load->took_ms > SLOW_MS && p->batch > 1)
        p->batch /= 2;
}

static void receive(map *p)
{
    mst_loads taken;
    mst_load *load;

    mst_mapping_take(&p->p, &taken);
    while ((load = TAILQ_FIRST(&taken)) != NULL) {
        TAILQ_REMOVE(&taken, load, link);
        p->flying_bytes -= load->bytes;
        p->flying_loads--;
        if (load->call.code == MUSTER_OK && p->rc == MUSTER_OK) {
            learn(p, load);
            read_results(p, load);
        } else if (load->call.code != MUSTER_OK) {
            fail_load(p, load);
        }
        mst_payload_unref(&load->call.payload);
        mst_call_fini(&load->call);
        mst_pool_free(p->p.m->pool, load);
    }
}

static void show(map *p, bool last)
{
    const int64_t now = mst_now_ms();

    if (p->o->progress == NULL || (!last && now < p->progress_ms))
        return;
    p->progress_ms = now + PROGRESS_MS;
    p->o->progress(p->o->arg, p->ndone,
                   p->o->source == NULL || p->ended
                       ? p->given > p->o->nitems ? p->given : p->o->nitems
                       : 0);
}

/* ---------------------------------------------------------- begin, end -- */

static muster_err check(const char *name, const muster_map_options *o,
                        muster_error *err)
{
    if (name == NULL || name[0] == '\0' || strlen(name) > MST_WIRE_NAME)
        return mst_fail(err, MUSTER_EINVAL,
                        "a handler's name has 1 to %u bytes", MST_WIRE_NAME);
    if (o == NULL || o->bytes != sizeof(*o))
        return mst_fail(err, MUSTER_EINVAL,
                        "start from MUSTER_MAP_OPTIONS_INIT of this release");
    if (o->items != NULL && o->source != NULL)
        return mst_fail(err, MUSTER_EINVAL, "items or a source, not both");
    if (o->items == NULL && o->nitems > 0)
        return mst_fail(err, MUSTER_EINVAL, "%zu items, but no array of them",
                        o->nitems);
    if (o->batch > BATCH_MOST)
        return mst_fail(err, MUSTER_EINVAL,
                        "a batch has at most %d items, not %u", BATCH_MOST,
                        o->batch);
    if (o->per_worker > 1024 || o->max_items < 1 || o->max_bytes < 1)
        return mst_fail(err, MUSTER_EINVAL,
                        "per_worker must be 0 to 1024, max_items and max_bytes "
                        "at least 1");
    if (mst_origin_here().depth > MST_DEPTH_MAX)
        return mst_fail(err, MUSTER_EDEPTH,
                        "calls within calls, more than %u deep", MST_DEPTH_MAX);
    return MUSTER_OK;
}

static muster_err begin(map *p, const muster_map_options *o, muster_error *err)
{
    p->o = o;
    p->p.set = o->set;
    p->p.token = o->token;
    p->p.per_worker = o->per_worker;
    p->p.until_ms = mst_origin_until(mst_deadline(p->p.m, o->timeout_ms));
    p->p.origin = mst_origin_here();
    p->batch = o->batch > 0 ? o->batch : 1;
    p->first_failed = SIZE_MAX;
    p->room = o->max_items;
    if (o->source == NULL && o->nitems < p->room)
        p->room = o->nitems > 0 ? o->nitems : 1;
    p->window = mst_calloc(p->room, sizeof(*p->window));
    p->again = mst_alloc(p->room * sizeof(*p->again));
    if (o->sink == NULL)
        p->results =
            mst_results_create(p->p.m->pool, o->source == NULL ? o->nitems : 0);
    if (p->window == NULL || p->again == NULL ||
        (o->sink == NULL && p->results == NULL))
        return mst_fail(err, MUSTER_ENOMEM, "a map of %s", p->name);
    return mst_mapping_begin(&p->p, err);
}

static void drop(map *p)
{
    muster_results *left = p->results != NULL ? &p->results->results : NULL;

    for (size_t i = p->told; p->window != NULL && i < p->given; i++)
        drop_task(p, task_of(p, i));
    muster_results_destroy(&left);
    mst_free(p->window);
    mst_free(p->again);
    mst_free(p->scratch);
    mst_session_unref(p->p.m);
}

muster_err muster_map(muster *m, const char *name,
                      const muster_map_options *options,
                      muster_results **results, muster_error *err)
{
    map p = {.p = {.m = m}, .name = name};
    muster_err rc = check(name, options, err);

    if (rc != MUSTER_OK)
        return rc;
    mst_session_ref(m);
    rc = begin(&p, options, err);
    if (rc != MUSTER_OK) {
        drop(&p);
        return rc;
    }
    for (;;) {
        send_some(&p);
        if (p.flying_loads == 0)
            break;
        receive(&p);
        show(&p, false);
    }
    mst_mapping_end(&p.p);
    show(&p, true);
    rc = p.rc;
    if (rc == MUSTER_OK && p.first_failed != SIZE_MAX)
        rc = MUSTER_EPARTIAL;
    if (rc != MUSTER_OK && err != NULL) {
        *err = p.error;
        err->code = rc;
    }
    if (results != NULL && p.results != NULL &&
        (rc == MUSTER_OK || rc == MUSTER_EPARTIAL)) {
        *results = &p.results->results;
        p.results = NULL;
    }
    drop(&p);
    return rc;
}
