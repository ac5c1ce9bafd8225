#include "cast.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static void look(muster *m, void *arg)
{
    figures *f = (figures *)arg;
    mst_member *w;

    f->transfers = m->bulk.last;
    f->sealed = m->bulk.sealed;
    f->sent = m->bulk.sent;
    f->relayed = m->nrelayed;
    TAILQ_FOREACH (w, &m->all, of_all) {
        const mst_flow *flow;

        if (w->carrier.bulk == NULL || w->rank > CAST_MOST)
            continue;
        f->of[w->rank].listens = w->relay_port > 0;
        TAILQ_FOREACH (flow, &w->carrier.flows, of_carrier) {
            f->flows++;
            f->of[w->rank].flows = true;
            f->of[w->rank].relayed = flow->relayed;
            f->of[w->rank].got = flow->got;
        }
    }
}

figures figures_of(rig *r)
{
    figures f = {0};

    assert_true(mst_session_run(r->m, look, &f));
    return f;
}

bool until(rig *r, bool (*fn)(const figures *f, uint32_t rank), uint32_t rank,
           int64_t wait_ms)
{
    const int64_t end_ms = rig_now_ms() + wait_ms * RIG_SLOW;
    figures f;

    do {
        f = figures_of(r);
        if (fn(&f, rank))
            return true;
        poll(NULL, 0, 1);
    } while (rig_now_ms() < end_ms);
    return false;
}

bool listens(const figures *f, uint32_t rank)
{
    return f->of[rank].listens;
}

bool has_some(const figures *f, uint32_t rank)
{
    return f->of[rank].got > 0;
}

bool has_all(const figures *f, uint32_t rank)
{
    return !f->of[rank].flows;
}

void cast_ready(rig *r, const char *relay, uint32_t n)
{
    rig_launch(r, n);
    for (uint32_t rank = 1; rank <= n; rank++)
        assert_true(strcmp(relay, "always") != 0 ||
                    until(r, listens, rank, RIG_WAIT_MS));
    bulk_ship(r);
}

rig *up_with(const char *bulk, const char *relay, uint32_t n)
{
    muster_options o = rig_options();
    rig *r;

    o.bulk = bulk;
    o.relay = relay;
    o.log_level = MUSTER_LOG_INFO;
    r = rig_open(&o);
    cast_ready(r, relay, n);
    return r;
}

rig *up(uint32_t n)
{
    return up_with("sealed", "always", n);
}

static void *run_cast(void *arg)
{
    cast *c = (cast *)arg;

    c->rc = muster_broadcast(c->r->m, NULL, "sum", c->data, c->len,
                             c->timeout_ms, &c->all, &c->err);
    return NULL;
}

void begin(cast *c, rig *r, size_t len, int64_t timeout_ms)
{
    const uint64_t before = figures_of(r).transfers;

    *c = (cast){.r = r,
                .data = bulk_bytes(len, 3),
                .len = len,
                .timeout_ms = timeout_ms};
    bulk_sum(c->data, len, c->want);
    assert_int_equal(pthread_create(&c->thread, NULL, run_cast, c), 0);
    while (figures_of(r).transfers == before)
        poll(NULL, 0, 1);
}

void end(cast *c, size_t n, uint32_t lost, muster_err code)
{
    pthread_join(c->thread, NULL);
    assert_code(c->rc, lost > 0 ? MUSTER_EPARTIAL : MUSTER_OK, c->err);
    assert_int_equal(c->all->n, n);
    for (size_t i = 0; i < n; i++) {
        const muster_result *one = &c->all->items[i];

        if (one->rank == lost) {
            assert_int_equal(one->code, code);
            continue;
        }
        assert_int_equal(one->code, MUSTER_OK);
        assert_string_equal(one->data, c->want);
    }
    muster_results_destroy(&c->all);
    free(c->data);
    assert_int_equal(figures_of(c->r).flows, 0);
}

void end_without_2(cast *c, size_t n)
{
    pthread_join(c->thread, NULL);
    assert_int_equal(c->all->n, n);
    for (size_t i = 0; i < n; i++)
        if (c->all->items[i].rank != 2)
            assert_string_equal(c->all->items[i].data, c->want);
    muster_results_destroy(&c->all);
    free(c->data);
    assert_int_equal(figures_of(c->r).flows, 0);
}

void assert_casts(rig *r, size_t len, size_t n)
{
    cast c;

    begin(&c, r, len, 0);
    end(&c, n, 0, MUSTER_OK);
}
