#include "bulk_rig.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/session.h"

unsigned char *bulk_bytes(size_t len, unsigned seed)
{
    unsigned char *data = malloc(len + 1);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)(i * 37 + (i >> 9) + seed);
    return data;
}

/* As the handler `sum` has it. */
void bulk_sum(const unsigned char *bytes, size_t len, char text[32])
{
    uint64_t h = len;

    for (size_t i = 0; i < len; i += 61)
        h = h * UINT64_C(0x100000001b3) + bytes[i];
    snprintf(text, 32, "%" PRIu64, h);
}

/* No worker yet. */
rig *bulk_opened(const char *bulk)
{
    muster_options o = rig_options();

    o.bulk = bulk;
    return rig_open(&o);
}

/* The first large payload. */
void bulk_ship(rig *r)
{
    assert_code(muster_module_ship(r->m, BULK_HANDLERS, &r->err), MUSTER_OK,
                r->err);
}

rig *bulk_up(const char *bulk, uint32_t n)
{
    rig *r = bulk_opened(bulk);

    rig_launch(r, n);
    bulk_ship(r);
    return r;
}

/* ----------------------------------------------- what the loop knows -- */

static void look(muster *m, void *arg)
{
    bulk_figures *f = (bulk_figures *)arg;
    mst_member *w;

    f->transfers = m->bulk.last;
    f->sealed = m->bulk.sealed;
    f->guests = m->door.nguests;
    f->shared = m->bulk.segments.bytes;
    for (unsigned i = 0; i < MST_SEGMENTS; i++) {
        f->segments += m->bulk.segments.places[i].fd >= 0;
        f->uses += m->bulk.segments.places[i].uses;
    }
    TAILQ_FOREACH (w, &m->all, of_all) {
        const mst_flow *flow;

        if (w->carrier.bulk == NULL)
            continue;
        TAILQ_FOREACH (flow, &w->carrier.flows, of_carrier)
            f->flows++;
        if (w->rank == f->rank) {
            f->on = w->carrier.on;
            f->opened = w->carrier.opened;
        }
    }
}

bulk_figures bulk_figures_of(rig *r, uint32_t rank)
{
    bulk_figures f = {.rank = rank};

    assert_true(mst_session_run(r->m, look, &f));
    return f;
}

/* The stream of a local child is used as soon as it says that it is open. */
void bulk_wait_until_on(rig *r, uint32_t rank)
{
    const int64_t until = rig_now_ms() + RIG_WAIT_MS;

    while (!bulk_figures_of(r, rank).on && rig_now_ms() < until)
        poll(NULL, 0, 1);
    assert_true(bulk_figures_of(r, rank).on);
}

muster_err bulk_mirror(rig *r, uint32_t rank, const unsigned char *data,
                       size_t len, int64_t timeout_ms)
{
    muster_reply *reply = NULL;
    const muster_err rc = muster_call(r->m, rank, "mirror", data, len,
                                      timeout_ms, &reply, &r->err);

    if (rc == MUSTER_OK) {
        assert_int_equal(reply->len, len);
        assert_memory_equal(reply->data, data, len);
    }
    muster_reply_destroy(&reply);
    return rc;
}

void bulk_assert_mirrors(rig *r, uint32_t rank, size_t len)
{
    unsigned char *data = bulk_bytes(len, (unsigned)len);

    assert_code(bulk_mirror(r, rank, data, len, 0), MUSTER_OK, r->err);
    free(data);
}

int bulk_knock(uint16_t port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void use_way(muster *m, void *arg)
{
    relay *way = relay_create(m->door.port);

    *(relay **)arg = way;
    if (way != NULL)
        m->door.port = relay_port(way);
}

relay *bulk_way_of(rig *r)
{
    relay *way = NULL;

    assert_true(mst_session_run(r->m, use_way, &way));
    assert_non_null(way);
    return way;
}

void *bulk_cast_often(void *arg)
{
    bulk_caster *c = (bulk_caster *)arg;

    for (int i = 0; i < 12; i++) {
        muster_results *all = NULL;
        muster_error err;

        (void)muster_broadcast(c->r->m, NULL, "sum", c->data, c->len, 0, &all,
                               &err);
        for (size_t k = 0; all != NULL && k < all->n; k++) {
            const muster_result *one = &all->items[k];

            if (one->code == MUSTER_OK && strcmp(one->data, c->want) == 0)
                c->good++;
            else if (one->code != MUSTER_ELOST && one->code != MUSTER_EWORKER)
                c->wrong++;
        }
        muster_results_destroy(&all);
    }
    return NULL;
}
