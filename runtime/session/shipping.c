/* shipping.c - modules and blobs: on the present workers now, on later ones
 * before they are ready. */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "call/module.h"
#include "session/group.h"

static void shipment_free(mst_shipment *s)
{
    mst_payload_unref(&s->payload);
    mst_free(s->name);
    mst_free(s);
}

static void nothing(void *node)
{
    (void)node;
}

void mst_shipments_free(muster *m)
{
    mst_shipment *s;

    tdestroy(m->by_name, nothing);
    m->by_name = NULL;
    while ((s = TAILQ_FIRST(&m->shipments)) != NULL) {
        TAILQ_REMOVE(&m->shipments, s, link);
        shipment_free(s);
    }
}

/* One behind the other; NULL: no memory. */
static mst_payload *joined(const muster *m, const struct iovec parts[2])
{
    const size_t first = parts[0].iov_len, len = parts[1].iov_len;
    const bool fits = len <= SIZE_MAX - first - 1;
    mst_payload *payload = NULL;
    char *body;

    if (fits && m->shares)
        payload = mst_payload_shared(parts, 2);
    if (payload != NULL)
        return payload;
    body = fits ? mst_alloc(first + len) : NULL;
    if (body == NULL)
        return NULL;
    memcpy(body, parts[0].iov_base, first);
    if (len > 0)
        memcpy(body + first, parts[1].iov_base, len);
    payload = mst_payload_own(body, first + len);
    if (payload == NULL)
        mst_free(body);
    return payload;
}

static muster_err shipment_create(const muster *m, const char *builtin,
                                  const char *name, const struct iovec parts[2],
                                  mst_shipment **out, muster_error *err)
{
    mst_shipment *s = mst_calloc(1, sizeof(*s));

    if (s != NULL) {
        s->builtin = builtin;
        s->name = mst_strdup(name);
        s->payload = joined(m, parts);
    }
    if (s != NULL && s->name != NULL && s->payload != NULL) {
        *out = s;
        return MUSTER_OK;
    }
    if (s != NULL)
        shipment_free(s);
    return mst_fail(err, MUSTER_ENOMEM, "no memory for %s of %zu bytes", name,
                    parts[1].iov_len);
}

/* ---------------------------------------------------------------- loop -- */

static int by_name(const void *a, const void *b)
{
    const mst_shipment *x = (const mst_shipment *)a;
    const mst_shipment *y = (const mst_shipment *)b;
    const int order = strcmp(x->builtin, y->builtin);

    return order != 0 ? order : strcmp(x->name, y->name);
}

static mst_shipment *known(const muster *m, const mst_shipment *key)
{
    mst_shipment **node = tfind(key, &m->by_name, by_name);

    return node != NULL ? *node : NULL;
}

static bool same(const mst_shipment *a, const mst_shipment *b)
{
    return a->payload->len == b->payload->len &&
           memcmp(a->payload->data, b->payload->data, a->payload->len) == 0;
}

static bool is_blob(const mst_shipment *s)
{
    return strcmp(s->builtin, MST_BUILTIN_PUT) == 0;
}

static bool take_in(muster *m, mst_shipment *s, muster_error *err)
{
    mst_payload *body = mst_payload_ref(s->payload);
    muster_err rc = MUSTER_OK;

    if (is_blob(s)) /* for handlers here */
        rc = mst_blobs_put(&m->blobs, &body, err);
    mst_payload_unref(&body);
    if (rc != MUSTER_OK)
        return false;
    if (tsearch(s, &m->by_name, by_name) == NULL) {
        if (is_blob(s))
            mst_blobs_drop(&m->blobs, s->name, strlen(s->name));
        mst_fail(err, MUSTER_ENOMEM, "no memory for %s", s->name);
        return false;
    }
    s->serial = ++m->last_serial;
    TAILQ_INSERT_TAIL(&m->shipments, s, link);
    return true;
}

/* Workers that are being sent it go on with the one behind it. */
static void take_out(muster *m, mst_shipment *s)
{
    mst_shipment *before = TAILQ_PREV(s, mst_shipments, link);

    mst_member *w;

    TAILQ_FOREACH (w, &m->all, of_all)
        if (w->loading == s)
            w->loading = before;
    tdelete(s, &m->by_name, by_name);
    TAILQ_REMOVE(&m->shipments, s, link);
    if (is_blob(s))
        mst_blobs_drop(&m->blobs, s->name, strlen(s->name));
    shipment_free(s);
}

/* Late joiners load it from now on, so none falls between; it is taken back
 * when the present ones cannot. */
static void begin_ship(mst_cmd *cmd, void *arg)
{
    mst_group *g = MST_OF(mst_group, cmd, cmd);
    muster *m = (muster *)arg;
    const mst_shipment *old = known(m, g->ship);
    const bool news = old == NULL;

    if (!news && !same(old, g->ship))
        g->rc = is_blob(old)
                    ? mst_fail(&g->error, MUSTER_EEXIST,
                               "a blob %s with other bytes is there; drop it "
                               "first",
                               g->ship->name)
                    : mst_fail(&g->error, MUSTER_EMODULE,
                               "another build of %s was shipped already; give "
                               "the new one another name or start a new "
                               "session",
                               g->ship->name);
    else if (news && take_in(m, g->ship, &g->error))
        g->ship = NULL;
    else if (news)
        g->rc = g->error.code;
    if (g->rc != MUSTER_OK || (!m->closing && m->spent == NULL &&
                               (!news || atomic_load(&m->nready) == 0)))
        mst_loop_done(&m->loop, &g->await); /* nobody has to load it now */
    else
        mst_group_begin(cmd, arg);
}

typedef TAILQ_HEAD(drops, mst_call) drops;

static void posted(mst_call *call)
{
    mst_payload_unref(&call->payload);
    mst_call_fini(call);
    mst_free(call);
}

/* One that is joining may have a blob already. */
static bool may_have_it(const mst_member *w)
{
    return w->bound && !mst_member_takes(w) && w->state != MUSTER_LEAVING;
}

static bool add_drop(drops *all, mst_payload *name)
{
    mst_call *call = mst_calloc(1, sizeof(*call));

    if (call == NULL)
        return false;
    call->payload = mst_payload_ref(name);
    call->name = MST_BUILTIN_DROP;
    call->name_len = sizeof(MST_BUILTIN_DROP) - 1;
    call->until_ms = MST_NEVER;
    call->count = 1;
    call->done = posted;
    TAILQ_INSERT_TAIL(all, call, of_member);
    return true;
}

static mst_call *take_drop(drops *all)
{
    mst_call *call = TAILQ_FIRST(all);

    if (call != NULL)
        TAILQ_REMOVE(all, call, of_member);
    return call;
}

/* A call for each that is joining, before anything is changed. */
static bool make_drops(const muster *m, drops *all, mst_payload *name)
{
    mst_call *call;
    bool ok = true;

    for (uint32_t i = 0; ok && i < m->nmembers; i++)
        ok = !may_have_it(m->members[i]) || add_drop(all, name);
    while (!ok && (call = take_drop(all)) != NULL)
        posted(call);
    return ok;
}

static muster_err check_drop(const muster *m, mst_group *g, drops *all,
                             const mst_shipment *old)
{
    if (old == NULL && !m->closing)
        return mst_fail(&g->error, MUSTER_ENOENT, "there is no blob %s",
                        g->ship->name);
    if (!make_drops(m, all, g->payload))
        return mst_fail(&g->error, MUSTER_ENOMEM, "no memory to drop blob %s",
                        g->ship->name);
    return MUSTER_OK;
}

static void begin_drop(mst_cmd *cmd, void *arg)
{
    mst_group *g = MST_OF(mst_group, cmd, cmd);
    muster *m = (muster *)arg;
    mst_shipment *old = known(m, g->ship);
    drops all = TAILQ_HEAD_INITIALIZER(all);

    g->rc = check_drop(m, g, &all, old);
    if (g->rc != MUSTER_OK) {
        mst_loop_done(&m->loop, &g->await);
        return;
    }
    if (old != NULL)
        take_out(m, old);
    for (uint32_t i = 0; i < m->nmembers; i++)
        if (may_have_it(m->members[i]))
            mst_call_begin_on(m->members[i], take_drop(&all));
    if (!m->closing && m->spent == NULL && atomic_load(&m->nready) == 0)
        mst_loop_done(&m->loop, &g->await);
    else
        mst_group_begin(cmd, arg);
}

static void take_back(muster *m, void *arg)
{
    mst_shipment *s;

    TAILQ_FOREACH (s, &m->shipments, link)
        if (s->payload == arg) {
            take_out(m, s);
            return;
        }
}

/* ---------------------------------------------------------- any thread -- */

/* A worker that drains needs nothing more, and one that is lost no blob. */
static muster_err but_for_the_lost(mst_group *g, bool blob)
{
    for (size_t i = 0; i < g->n; i++) {
        const mst_call *call = &g->parts[i].call;

        if (call->code == MUSTER_OK || call->code == MUSTER_EWORKER ||
            (blob && call->code == MUSTER_ELOST))
            continue;
        mst_call_error(call, &g->error);
        return MUSTER_EPARTIAL;
    }
    return MUSTER_OK;
}

/* Of a blob: its body begins with it. */
static const char *name_of(const mst_group *g)
{
    return (const char *)g->payload->data;
}

static muster_err ship(muster *m, mst_shipment *shipment, muster_error *err)
{
    mst_group g = {.cmd = {.run = begin_ship},
                   .m = m,
                   .name = shipment->builtin,
                   .payload = mst_payload_ref(shipment->payload),
                   .until_ms = mst_deadline(m, MUSTER_DEFAULT_MS),
                   .ship = shipment};
    const bool blob = is_blob(shipment);
    muster_err rc = mst_group_run(&g);

    if (rc == MUSTER_EPARTIAL)
        rc = but_for_the_lost(&g, blob);
    if (rc == MUSTER_EPARTIAL)
        rc = mst_because(&g.error, g.error.code, "worker %u", g.error.rank);
    if (rc != MUSTER_OK && g.ship == NULL && blob)
        muster_drop(m, name_of(&g), NULL);
    else if (rc != MUSTER_OK && g.ship == NULL)
        mst_session_run(m, take_back, g.payload);
    if (g.ship != NULL)
        shipment_free(g.ship);
    if (rc != MUSTER_OK && err != NULL)
        *err = g.error;
    mst_group_fini(&g);
    return rc;
}

muster_err muster_module_ship(muster *m, const char *path, muster_error *err)
{
    const char *name = path != NULL ? strrchr(path, '/') : NULL;
    MST_AUTO(mst_drop) void *file = NULL;
    mst_shipment *shipment = NULL;
    size_t len;
    muster_err rc;

    if (path == NULL)
        return mst_fail(err, MUSTER_EINVAL, "no path of a module");
    name = name != NULL ? name + 1 : path;
    rc = mst_module_read(path, &file, &len, err);
    if (rc != MUSTER_OK)
        return rc;
    rc = shipment_create(
        m, MST_BUILTIN_SHIP, name,
        (struct iovec[]){{(char *)name, strlen(name) + 1}, {file, len}},
        &shipment, err);
    return shipment != NULL ? ship(m, shipment, err) : rc;
}

muster_err muster_module_load(muster *m, const char *path, muster_error *err)
{
    mst_shipment *shipment = NULL;
    muster_err rc;

    if (path == NULL || path[0] == '\0')
        return mst_fail(err, MUSTER_EINVAL, "no path of a module");
    rc = shipment_create(
        m, MST_BUILTIN_LOAD, path,
        (struct iovec[]){{(char *)path, strlen(path)}, {NULL, 0}}, &shipment,
        err);
    return shipment != NULL ? ship(m, shipment, err) : rc;
}

static muster_err check_name(const char *name, muster_error *err)
{
    const size_t n = name != NULL ? strlen(name) : 0;

    if (n < 1 || n > MST_BLOB_NAME)
        return mst_fail(err, MUSTER_EINVAL, "a blob's name has 1 to %u bytes",
                        MST_BLOB_NAME);
    return MUSTER_OK;
}

muster_err muster_put(muster *m, const char *name, const void *data, size_t len,
                      muster_error *err)
{
    muster_err rc = check_name(name, err);
    mst_shipment *shipment = NULL;
    char head[MST_BLOB_HEAD];

    if (rc != MUSTER_OK)
        return rc;
    if (data == NULL && len > 0)
        return mst_fail(err, MUSTER_EINVAL, "no data, but %zu bytes of it",
                        len);
    rc = shipment_create(m, MST_BUILTIN_PUT, name,
                         (struct iovec[]){{head, mst_blob_head(name, head)},
                                          {(void *)(uintptr_t)data, len}},
                         &shipment, err);
    return shipment != NULL ? ship(m, shipment, err) : rc;
}

muster_err muster_drop(muster *m, const char *name, muster_error *err)
{
    muster_err rc = check_name(name, err);
    mst_shipment key = {.builtin = MST_BUILTIN_PUT, .name = (char *)name};
    mst_group g = {.cmd = {.run = begin_drop},
                   .m = m,
                   .name = MST_BUILTIN_DROP,
                   .until_ms = mst_deadline(m, MUSTER_DEFAULT_MS),
                   .ship = &key};

    if (rc != MUSTER_OK)
        return rc;
    g.payload = mst_payload_copy(name, strlen(name));
    if (g.payload == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "blob %s", name);
    rc = mst_group_run(&g);
    if (rc == MUSTER_EPARTIAL)
        rc = but_for_the_lost(&g, true);
    if (rc == MUSTER_EPARTIAL)
        rc = g.error.code;
    if (rc != MUSTER_OK && err != NULL)
        *err = g.error;
    mst_group_fini(&g);
    return rc;
}
