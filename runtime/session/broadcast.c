/* broadcast.c - one request to many, answers in rank order. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "session/group.h"
#include "session/results.h"

static void part_done(mst_call *call)
{
    mst_group *g = MST_OF(mst_part, call, call)->group;

    if (--g->left == 0)
        mst_loop_done(&g->m->loop, &g->await);
}

static bool in_set(const mst_group *g, const mst_member *w)
{
    if (!mst_member_takes(w))
        return false;
    if (g->set == NULL || g->set->kind == MUSTER_SET_ALL)
        return true;
    return g->set->kind == MUSTER_SET_IDLE && w->ncalls == 0 && w->linked;
}

static int by_rank(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Write the set's ranks in order; returns how many, 0 with g->rc set. */
static size_t resolve(mst_group *g, uint32_t *ranks)
{
    muster *m = g->m;
    size_t n = 0;

    if (g->set == NULL || g->set->kind != MUSTER_SET_LIST) {
        for (uint32_t i = 0; i < m->nmembers; i++)
            if (in_set(g, m->members[i]))
                ranks[n++] = m->members[i]->rank;
    } else {
        for (; n < g->set->nranks; n++)
            ranks[n] = g->set->ranks[n];
        qsort(ranks, n, sizeof(*ranks), by_rank);
    }
    for (size_t i = 0; i < n; i++) {
        const mst_member *w = mst_member_get(m, ranks[i]);

        if (w == NULL || !mst_member_takes(w) ||
            (i > 0 && ranks[i] == ranks[i - 1])) {
            g->rc = mst_fail(&g->error, MUSTER_EWORKER,
                             w == NULL ? "there is no worker %u"
                             : !mst_member_takes(w)
                                 ? "worker %u is not ready"
                                 : "worker %u is in the set twice",
                             ranks[i]);
            g->error.rank = ranks[i];
            return 0;
        }
    }
    if (n == 0)
        g->rc = mst_fail(&g->error, MUSTER_EWORKER,
                         "no worker is ready, or none of the set");
    return n;
}

static size_t choose(mst_group *g, uint32_t **ranks)
{
    const size_t most = g->set != NULL && g->set->kind == MUSTER_SET_LIST
                            ? g->set->nranks
                            : g->m->nmembers;
    size_t n;

    *ranks = mst_alloc(most * sizeof(**ranks));
    if (*ranks == NULL) {
        g->rc = mst_fail(&g->error, MUSTER_ENOMEM, "a set of %zu", most);
        return 0;
    }
    n = resolve(g, *ranks);
    if (n == 0)
        return 0;
    g->parts = mst_calloc(n, sizeof(*g->parts));
    if (g->parts != NULL)
        return n;
    g->rc = mst_fail(&g->error, MUSTER_ENOMEM, "a broadcast to %zu", n);
    return 0;
}

typedef struct place {
    const char *node;
    size_t i; /* of the rank */
} place;

static int by_node(const void *a, const void *b)
{
    const place *x = (const place *)a, *y = (const place *)b;
    const int order = strcmp(x->node, y->node);

    return order != 0 ? order : (x->i > y->i) - (x->i < y->i);
}

/* Workers on one node one after the other, so that what they pass on to each
 * other crosses the network once. NULL where that does not matter, or no
 * memory: as the ranks come. */
static place *by_nodes(const mst_group *g, const uint32_t *ranks, size_t n)
{
    place *order =
        g->payload->len >= MST_BULK_MIN ? mst_alloc(n * sizeof(*order)) : NULL;

    for (size_t i = 0; order != NULL && i < n; i++) {
        const mst_member *w = mst_member_get(g->m, ranks[i]);

        order[i] = (place){w->node != NULL ? w->node : "", i};
    }
    if (order != NULL)
        qsort(order, n, sizeof(*order), by_node);
    return order;
}

static void begin_part(mst_group *g, size_t i, uint32_t rank)
{
    g->parts[i].group = g;
    g->parts[i].call = (mst_call){.payload = g->payload,
                                  .name = g->name,
                                  .name_len = strlen(g->name),
                                  .until_ms = g->until_ms,
                                  .origin = g->origin,
                                  .index = (uint32_t)i,
                                  .count = (uint32_t)g->n,
                                  .done = part_done};
    mst_call_begin(g->m, &g->parts[i].call, rank);
}

void mst_group_begin(mst_cmd *cmd, void *arg)
{
    mst_group *g = MST_OF(mst_group, cmd, cmd);
    MST_AUTO(mst_drop) uint32_t *ranks = NULL;
    MST_AUTO(mst_drop) place *order = NULL;
    size_t n;

    if (((muster *)arg)->closing) {
        g->rc = mst_fail(&g->error, MUSTER_ECLOSED, "the runtime is closed");
        mst_loop_done(&g->m->loop, &g->await);
        return;
    }
    if (g->m->spent != NULL) {
        g->rc = mst_fail(&g->error, MUSTER_EQUORUM, "%s", g->m->spent);
        mst_loop_done(&g->m->loop, &g->await);
        return;
    }
    n = choose(g, &ranks);
    if (n == 0) {
        mst_loop_done(&g->m->loop, &g->await);
        return;
    }
    g->n = n;
    g->left = n + 1; /* ourselves, until all are sent */
    order = by_nodes(g, ranks, n);
    for (size_t k = 0; k < n; k++) {
        const size_t i = order != NULL ? order[k].i : k;

        begin_part(g, i, ranks[i]);
    }
    if (--g->left == 0)
        mst_loop_done(&g->m->loop, &g->await);
}

muster_err mst_group_run(mst_group *g)
{
    g->origin = mst_origin_here();
    g->until_ms = mst_origin_until(g->until_ms);
    mst_session_ref(g->m);
    g->pool = mst_pool_ref(g->m->pool); /* m may end before the parts */
    mst_await_init(&g->await);
    if (mst_loop_post(&g->m->loop, &g->cmd, true))
        mst_loop_await(&g->m->loop, &g->await, INT64_MAX, true);
    else
        g->rc = mst_fail(&g->error, MUSTER_ECLOSED, "the runtime is closed");
    mst_await_fini(&g->await);
    mst_session_unref(g->m);
    for (size_t i = 0; i < g->n && g->rc == MUSTER_OK; i++) {
        const mst_call *call = &g->parts[i].call;

        if (call->code == MUSTER_OK)
            continue;
        mst_call_error(call, &g->error);
        g->rc = MUSTER_EPARTIAL;
    }
    return g->rc;
}

void mst_group_fini(mst_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        mst_call_fini(&g->parts[i].call);
    mst_free(g->parts);
    mst_payload_unref(&g->payload);
    mst_pool_unref(&g->pool);
}

/* Move the outcomes out of the parts; NULL: no memory. */
static muster_results *take_results(mst_group *g)
{
    mst_results *r = mst_results_create(g->pool, g->n);

    if (r == NULL)
        return NULL;
    for (size_t i = 0; i < g->n; i++) {
        mst_call *call = &g->parts[i].call;
        mst_payload *payload = NULL;
        const muster_result item = {.rank = call->rank,
                                    .code = call->code,
                                    .remote = call->remote,
                                    .data = call->data,
                                    .len = call->len};

        if (call->data != NULL) {
            payload = mst_payload_own_in(g->pool, call->data, call->len);
            if (payload == NULL) {
                muster_results *half = &r->results;

                muster_results_destroy(&half);
                return NULL;
            }
            call->data = NULL;
        }
        mst_results_set(r, i, &item, &call->text, &payload);
    }
    return &r->results;
}

muster_err muster_broadcast(muster *m, const muster_set *set, const char *name,
                            const void *body, size_t len, int64_t timeout_ms,
                            muster_results **results, muster_error *err)
{
    mst_group g = {.cmd = {.run = mst_group_begin},
                   .m = m,
                   .set = set,
                   .name = name,
                   .until_ms = mst_deadline(m, timeout_ms)};
    muster_err rc;

    if (name == NULL || name[0] == '\0' || strlen(name) > MST_WIRE_NAME)
        return mst_fail(err, MUSTER_EINVAL,
                        "a handler's name has 1 to %u bytes", MST_WIRE_NAME);
    if (body == NULL && len > 0)
        return mst_fail(err, MUSTER_EINVAL, "no request, but %zu bytes of it",
                        len);
    g.payload = mst_payload_borrow(body, len);
    if (g.payload == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "broadcast %s", name);
    rc = mst_group_run(&g);
    if (results != NULL && (rc == MUSTER_OK || rc == MUSTER_EPARTIAL)) {
        *results = take_results(&g);
        if (*results == NULL)
            rc = mst_fail(&g.error, MUSTER_ENOMEM, "the results of %s", name);
    }
    if (rc == MUSTER_EPARTIAL)
        mst_because(&g.error, rc, "broadcast %.64s", name);
    if (rc != MUSTER_OK && err != NULL)
        *err = g.error;
    mst_group_fini(&g);
    return rc;
}
