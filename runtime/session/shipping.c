/* shipping.c - modules: on the present workers now, on later ones first. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "call/module.h"
#include "session/group.h"

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

    TAILQ_FOREACH (old, &m->shipments, link)
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
    mst_group *g = MST_OF(mst_group, cmd, cmd);
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
    mst_group_begin(cmd, arg);
}

static void take_back(muster *m, void *arg)
{
    mst_shipment *s;

    /* a worker may be loading it just now: it stays where it is, passed over */
    TAILQ_FOREACH (s, &m->shipments, link)
        if (s->payload == arg)
            s->dead = true;
}

static muster_err ship(muster *m, mst_shipment *shipment, muster_error *err)
{
    mst_group g = {.cmd = {.run = begin_ship},
                   .m = m,
                   .name = shipment->builtin,
                   .payload = mst_payload_ref(shipment->payload),
                   .until_ms = mst_deadline(m, MUSTER_DEFAULT_MS),
                   .ship = shipment};
    muster_err rc = mst_group_run(&g);

    if (rc == MUSTER_EPARTIAL)
        rc = mst_because(&g.error, g.error.code, "worker %u", g.error.rank);
    if (rc != MUSTER_OK && g.ship == NULL)
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
