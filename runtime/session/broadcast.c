/* broadcast.c - one request to many, answers in rank order; modules go so. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "call/module.h"
#include "session/session.h"

typedef struct group {
    mst_cmd cmd;
    mst_await await;
    muster *m;
    const muster_set *set;
    const char *name;
    mst_payload *payload;
    int64_t until_ms;
    struct part *parts;
    size_t n, left;
    mst_shipment *ship; /* taken in on success; NULL: a plain broadcast */
    muster_err rc;
    muster_error error;
} group;

typedef struct part {
    mst_call call;
    group *group;
} part;

static void part_done(mst_call *call)
{
    group *g = MST_OF(part, call, call)->group;

    if (--g->left == 0)
        mst_loop_done(&g->m->loop, &g->await);
}

static bool in_set(const group *g, const mst_member *w)
{
    if (w->state != MUSTER_READY)
        return false;
    if (g->set == NULL || g->set->kind == MUSTER_SET_ALL)
        return true;
    return g->set->kind == MUSTER_SET_IDLE && w->ncalls == 0;
}

static int by_rank(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Write the set's ranks in order; returns how many, 0 with g->rc set. */
static size_t resolve(group *g, uint32_t *ranks)
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

        if (w == NULL || w->state != MUSTER_READY ||
            (i > 0 && ranks[i] == ranks[i - 1])) {
            g->rc = mst_fail(&g->error, MUSTER_EWORKER,
                             w == NULL ? "there is no worker %u"
                             : w->state != MUSTER_READY
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

static size_t choose(group *g, uint32_t **ranks)
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

static void begin(mst_cmd *cmd, void *arg)
{
    group *g = MST_OF(group, cmd, cmd);
    MST_AUTO(mst_drop) uint32_t *ranks = NULL;
    size_t n;

    if (((muster *)arg)->closing) {
        g->rc = mst_fail(&g->error, MUSTER_ECLOSED, "the runtime is closed");
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
    for (size_t i = 0; i < n; i++) {
        g->parts[i].group = g;
        g->parts[i].call = (mst_call){.payload = g->payload,
                                      .name = g->name,
                                      .name_len = strlen(g->name),
                                      .until_ms = g->until_ms,
                                      .index = (uint32_t)i,
                                      .count = (uint32_t)n,
                                      .done = part_done};
        mst_call_begin(g->m, &g->parts[i].call, ranks[i]);
    }
    if (--g->left == 0)
        mst_loop_done(&g->m->loop, &g->await);
}

/* Run it and wait; afterwards the parts have their outcomes. */
static muster_err run(group *g)
{
    mst_await_init(&g->await);
    if (mst_loop_post(&g->m->loop, &g->cmd, true))
        mst_loop_await(&g->m->loop, &g->await, INT64_MAX, true);
    else
        g->rc = mst_fail(&g->error, MUSTER_ECLOSED, "the runtime is closed");
    mst_await_fini(&g->await);
    for (size_t i = 0; i < g->n && g->rc == MUSTER_OK; i++) {
        const mst_call *call = &g->parts[i].call;

        if (call->code == MUSTER_OK)
            continue;
        mst_call_error(call, &g->error);
        g->rc = MUSTER_EPARTIAL;
    }
    return g->rc;
}

static void group_fini(group *g)
{
    for (size_t i = 0; i < g->n; i++)
        mst_call_fini(&g->parts[i].call);
    mst_free(g->parts);
    mst_payload_unref(&g->payload);
}

/* ------------------------------------------------------------- results -- */

typedef struct owned_results {
    muster_results results; /* first: what the program sees */
    muster_result *items;
    char **texts;
    void **data;
} owned_results;

void muster_results_destroy(muster_results **results)
{
    owned_results *r;

    if (*results == NULL)
        return;
    r = MST_OF(owned_results, results, *results);
    for (size_t i = 0; i < r->results.n; i++) {
        mst_free(r->data[i]);
        mst_free(r->texts[i]);
    }
    mst_free(r->items);
    mst_free(r->texts);
    mst_free(r->data);
    mst_free(r);
    *results = NULL;
}

/* Move the outcomes out of the parts; NULL: no memory. */
static muster_results *take_results(group *g)
{
    owned_results *r = mst_calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->items = mst_calloc(g->n, sizeof(*r->items));
    r->texts = mst_calloc(g->n, sizeof(*r->texts));
    r->data = mst_calloc(g->n, sizeof(*r->data));
    r->results.items = r->items;
    if (r->items == NULL || r->texts == NULL || r->data == NULL) {
        mst_free(r->items);
        mst_free(r->texts);
        mst_free(r->data);
        mst_free(r);
        return NULL;
    }
    r->results.n = g->n;
    for (size_t i = 0; i < g->n; i++) {
        mst_call *call = &g->parts[i].call;

        r->texts[i] = MST_MOVE(call->text);
        r->data[i] = MST_MOVE(call->data);
        r->items[i] =
            (muster_result){.rank = call->rank,
                            .code = call->code,
                            .remote = call->remote,
                            .data = r->data[i],
                            .len = call->len,
                            .text = r->texts[i] != NULL ? r->texts[i] : ""};
        r->results.nfailed += call->code != MUSTER_OK;
    }
    return &r->results;
}

muster_err muster_broadcast(muster *m, const muster_set *set, const char *name,
                            const void *body, size_t len, int64_t timeout_ms,
                            muster_results **results, muster_error *err)
{
    group g = {.cmd = {.run = begin},
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
    rc = run(&g);
    if (results != NULL && (rc == MUSTER_OK || rc == MUSTER_EPARTIAL)) {
        *results = take_results(&g);
        if (*results == NULL)
            rc = mst_fail(&g.error, MUSTER_ENOMEM, "the results of %s", name);
    }
    if (rc == MUSTER_EPARTIAL)
        mst_because(&g.error, rc, "broadcast %.64s", name);
    if (rc != MUSTER_OK && err != NULL)
        *err = g.error;
    group_fini(&g);
    return rc;
}

/* ------------------------------------------------------------- modules -- */

static void shipment_free(mst_shipment *s)
{
    mst_payload_unref(&s->payload);
    mst_free(s->name);
    mst_free(s);
}

void mst_shipments_free(muster *m)
{
    mst_shipment *s;

    while ((s = TAILQ_FIRST(&m->shipments)) != NULL) {
        TAILQ_REMOVE(&m->shipments, s, link);
        shipment_free(s);
    }
}

static muster_err shipment_create(const char *builtin, const char *name,
                                  void *body, size_t len, mst_shipment **out,
                                  muster_error *err)
{
    mst_shipment *s = mst_calloc(1, sizeof(*s));

    if (s != NULL) {
        s->builtin = builtin;
        s->name = mst_strdup(name);
        s->payload = mst_payload_own(body, len);
    }
    if (s != NULL && s->name != NULL && s->payload != NULL) {
        *out = s;
        return MUSTER_OK;
    }
    if (s != NULL && s->payload == NULL)
        mst_free(body);
    if (s == NULL)
        mst_free(body);
    else
        shipment_free(s);
    return mst_fail(err, MUSTER_ENOMEM, "module %s", name);
}

static const mst_shipment *known(const muster *m, const mst_shipment *s)
{
    const mst_shipment *old;

    TAILQ_FOREACH(old, &m->shipments, link)
    if (!old->dead && old->builtin == s->builtin &&
        strcmp(old->name, s->name) == 0)
        return old;
    return NULL;
}

static bool same(const mst_shipment *a, const mst_shipment *b)
{
    return a->payload->len == b->payload->len &&
           memcmp(a->payload->data, b->payload->data, a->payload->len) == 0;
}

/* Late joiners load it from now on, so none falls between; it is taken back
 * when the present ones cannot. */
static void begin_ship(mst_cmd *cmd, void *arg)
{
    group *g = MST_OF(group, cmd, cmd);
    muster *m = (muster *)arg;
    const mst_shipment *old = known(m, g->ship);
    const bool news = old == NULL;

    if (!news && !same(old, g->ship)) {
        g->rc = mst_fail(&g->error, MUSTER_EMODULE,
                         "another build of %s was shipped already; give the "
                         "new one another name or start a new session",
                         g->ship->name);
        mst_loop_done(&m->loop, &g->await);
        return;
    }
    if (news) {
        TAILQ_INSERT_TAIL(&m->shipments, g->ship, link);
        g->ship = NULL;
    }
    if (!m->closing && (!news || atomic_load(&m->nready) == 0)) {
        mst_loop_done(&m->loop, &g->await); /* nobody has to load it now */
        return;
    }
    begin(cmd, arg);
}

static void take_back(muster *m, void *arg)
{
    mst_shipment *s;

    /* a worker may be loading it just now: it stays where it is, passed over */
    TAILQ_FOREACH(s, &m->shipments, link)
    if (s->payload == arg)
        s->dead = true;
}

static muster_err ship(muster *m, mst_shipment *shipment, muster_error *err)
{
    group g = {.cmd = {.run = begin_ship},
               .m = m,
               .name = shipment->builtin,
               .payload = mst_payload_ref(shipment->payload),
               .until_ms = mst_deadline(m, MUSTER_DEFAULT_MS),
               .ship = shipment};
    muster_err rc = run(&g);

    if (rc == MUSTER_EPARTIAL)
        rc = mst_because(&g.error, g.error.code, "worker %u", g.error.rank);
    if (rc != MUSTER_OK && g.ship == NULL)
        mst_session_run(m, take_back, g.payload);
    if (g.ship != NULL)
        shipment_free(g.ship);
    if (rc != MUSTER_OK && err != NULL)
        *err = g.error;
    group_fini(&g);
    return rc;
}

muster_err muster_module_ship(muster *m, const char *path, muster_error *err)
{
    const char *name = path != NULL ? strrchr(path, '/') : NULL;
    MST_AUTO(mst_drop) void *file = NULL;
    mst_shipment *shipment = NULL;
    unsigned char *body;
    size_t len, name_len;
    muster_err rc;

    if (path == NULL)
        return mst_fail(err, MUSTER_EINVAL, "no path of a module");
    name = name != NULL ? name + 1 : path;
    name_len = strlen(name) + 1;
    rc = mst_module_read(path, &file, &len, err);
    if (rc != MUSTER_OK)
        return rc;
    body = mst_alloc(name_len + len);
    if (body == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "module %s", name);
    memcpy(body, name, name_len);
    memcpy(body + name_len, file, len);
    rc = shipment_create(MST_BUILTIN_SHIP, name, body, name_len + len,
                         &shipment, err);
    return shipment != NULL ? ship(m, shipment, err) : rc;
}

muster_err muster_module_load(muster *m, const char *path, muster_error *err)
{
    mst_shipment *shipment = NULL;
    char *body = mst_strdup(path);
    muster_err rc;

    if (path == NULL || path[0] == '\0')
        rc = mst_fail(err, MUSTER_EINVAL, "no path of a module");
    else if (body == NULL)
        rc = mst_fail(err, MUSTER_ENOMEM, "module %s", path);
    else
        rc = shipment_create(MST_BUILTIN_LOAD, path, body, strlen(path),
                             &shipment, err);
    if (shipment != NULL)
        return ship(m, shipment, err);
    if (path == NULL || path[0] == '\0')
        mst_free(body);
    return rc;
}
