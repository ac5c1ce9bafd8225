/* relaying.c - which workers pass a large payload on to which (bulk/relay.h).
 *
 * The receivers of a transfer form chains, in the order in which they are
 * announced, node by node: each takes from the one before it. That pays when
 * they are not on this machine, from RELAY_MIN bytes and two receivers on.
 * Modules are code, and a worker that was taken over could change what it
 * passes on: they come from here. With n receivers and c chunks, k chains take
 * k * c + n / k times what a chunk takes on one link, which is least with
 * chains of sqrt(n * c) workers.
 */
#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "call/module.h"
#include "session/session.h"

#define RELAY_MIN ((size_t)1 << 20)
#define PATIENCE_MS 1500 /* nothing comes, though the giver has more */
#define PACE_MS 1000     /* for a chunk, until one was seen to come */
#define TICK_MS INT64_C(250)
#define AVOID_MS 60000 /* one that failed; and twice that the next time... */
#define AVOID_TIMES 6  /* ...until so many */

bool mst_relaying_parse(const char *text, mst_relaying *relaying)
{
    static const char *const names[] = {"auto", "off", "always"};

    for (int i = 0; i < 3; i++)
        if (strcmp(text != NULL ? text : "auto", names[i]) == 0) {
            *relaying = (mst_relaying)i;
            return true;
        }
    return false;
}

void mst_relaying_begin(mst_member *w)
{
    const mst_record listen = {.kind = MST_RELAY,
                               .mode = MST_RELAY_LISTEN,
                               .bulk_port = w->m->options.relay_port};

    w->relay_port = 0;
    w->relay_failures = 0;
    w->gives_ms = w->takes_ms = 0;
    if (w->bulk_mode > MST_BULK_LINE && w->m->relaying != MST_RELAYING_OFF)
        mst_lane_put(&w->lane, &listen);
}

/* ----------------------------------------------------------- who is where --
 */

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* A worker that reached us by an address of ours has that address, too. */
static bool is_ours(const muster *m, const char *host)
{
    char ours[MST_ADDRESS_BYTES];

    for (uint32_t i = 0; i < m->cookie.naddresses; i++)
        if (mst_knock_host(m->cookie.addresses[i], ours, sizeof(ours)) &&
            strcmp(ours, host) == 0)
            return true;
    return is_loopback(host);
}

bool mst_relaying_record(mst_member *w, const mst_record *r)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (r->mode != MST_RELAY_HERE || w->bulk_mode <= MST_BULK_LINE ||
        r->text.len >= sizeof(w->relay_host))
        return false;
    if (r->bulk_port == 0) {
        mst_log_line(&w->m->log, MUSTER_LOG_INFO, "RELAY-NONE",
                     "rank=%u others cannot connect to it", w->rank);
        return true;
    }
    memcpy(w->relay_host, r->text.at, r->text.len);
    w->relay_host[r->text.len] = '\0';
    if (inet_pton(AF_INET, w->relay_host, address) != 1 &&
        inet_pton(AF_INET6, w->relay_host, address) != 1)
        return false;
    w->near = is_ours(w->m, w->relay_host);
    w->relay_port = r->bulk_port;
    return true;
}

/* ------------------------------------------------------------- the chains --
 */

static uint32_t root_of(uint64_t n)
{
    uint32_t root = 1;

    while ((uint64_t)(root + 1) * (root + 1) <= n)
        root++;
    return root;
}

static bool takes_part(const mst_member *w)
{
    return w->relay_port > 0 && w->linked &&
           (!w->near || w->m->relaying == MST_RELAYING_ALWAYS);
}

static bool is_code(const mst_record *record)
{
    static const char ship[] = MST_BUILTIN_SHIP;

    return record->text.len == sizeof(ship) - 1 &&
           memcmp(record->text.at, ship, sizeof(ship) - 1) == 0;
}

static bool pays(const mst_member *w, const mst_flow *flow,
                 const mst_record *record)
{
    return w->m->relaying != MST_RELAYING_OFF && record->kind == MST_CALL &&
           record->count > 1 && !is_code(record) && takes_part(w) &&
           (w->m->relaying == MST_RELAYING_ALWAYS ||
            flow->transfer->payload->len >= RELAY_MIN);
}

/* The end of a chain that can go on; NULL: it is another chain's first. */
static mst_flow *end_of_chain(const mst_flow *flow, uint32_t longest,
                              int64_t now_ms)
{
    mst_flow *f;

    LIST_FOREACH(f, &flow->transfer->flows, of_transfer)
    {
        const mst_member *w = (const mst_member *)f->carrier->arg;

        if (f != flow && f->keeps && f->next == NULL && f->depth < longest &&
            takes_part(w) && now_ms >= w->gives_ms)
            return f;
    }
    return NULL;
}

/* Do they get on? False: no memory to look at that. */
static bool watch_over(muster *m)
{
    if (m->relays.timed.place != 0)
        return true;
    m->relays_ms = mst_now_ms();
    return mst_loop_time(&m->loop, &m->relays, m->relays_ms + TICK_MS);
}

static void join(mst_member *w, mst_flow *flow, mst_flow *feed)
{
    mst_member *giver = (mst_member *)feed->carrier->arg;
    muster *m = w->m;
    mst_record take = {.kind = MST_RELAY,
                       .mode = MST_RELAY_TAKE,
                       .transfer = flow->transfer->id,
                       .rank = giver->rank,
                       .incarnation = giver->incarnation,
                       .bulk_port = giver->relay_port,
                       .text = {giver->relay_host, strlen(giver->relay_host)}};
    mst_record give;

    randombytes_buf(take.key, sizeof(take.key));
    give = take;
    give.mode = MST_RELAY_GIVE;
    give.rank = w->rank;
    give.incarnation = w->incarnation;
    give.text = (mst_span){"", 0};
    mst_lane_put(&w->lane, &take);
    mst_lane_put(&giver->lane, &give);
    mst_link_dirty(giver);
    sodium_memzero(take.key, sizeof(take.key));
    sodium_memzero(give.key, sizeof(give.key));
    flow->relayed = true;
    flow->feed = feed;
    feed->next = flow;
    flow->depth = feed->depth + 1;
    flow->giver = giver->rank;
    flow->giver_incarnation = giver->incarnation;
    m->nrelayed++;
    mst_log_line(&m->log, MUSTER_LOG_DEBUG, "RELAY",
                 "transfer=%llu rank=%u node=%s from=%u node=%s",
                 (unsigned long long)take.transfer, w->rank,
                 w->node != NULL ? w->node : "", giver->rank,
                 giver->node != NULL ? giver->node : "");
}

void mst_relaying_plan(void *arg, mst_flow *flow, const mst_record *record)
{
    mst_member *w = (mst_member *)arg;
    const int64_t now_ms = mst_now_ms();
    const mst_record keep = {.kind = MST_RELAY,
                             .mode = MST_RELAY_KEEP,
                             .transfer = flow->transfer->id};
    const uint32_t longest =
        root_of((uint64_t)record->count * flow->transfer->count);
    mst_flow *feed;

    flow->began_ms = flow->moved_ms = now_ms;
    flow->pace_ms = PACE_MS;
    flow->depth = 1;
    if (!pays(w, flow, record))
        return;
    flow->keeps =
        flow->transfer->begun < record->count && now_ms >= w->gives_ms;
    if (flow->keeps)
        mst_lane_put(&w->lane, &keep);
    feed = now_ms >= w->takes_ms ? end_of_chain(flow, longest, now_ms) : NULL;
    if (feed != NULL && watch_over(w->m))
        join(w, flow, feed);
}

/* ------------------------------------------------------------ what failed --
 */

static int64_t avoid(mst_member *w)
{
    const unsigned times =
        w->relay_failures < AVOID_TIMES ? w->relay_failures : AVOID_TIMES;

    w->relay_failures++;
    return mst_now_ms() + ((int64_t)AVOID_MS << times);
}

static void failed(mst_member *w, const mst_flow *flow, const char *why,
                   bool unreached)
{
    mst_member *giver =
        mst_member_of(w->m, flow->giver, flow->giver_incarnation);

    mst_log_some(&w->m->log, &w->gate,
                 unreached ? MUSTER_LOG_WARN : MUSTER_LOG_INFO,
                 unreached ? "RELAY-UNREACHED" : "RELAY-FAILED",
                 "rank=%u from=%u at=%s port=%u why=%s", w->rank, flow->giver,
                 giver != NULL ? giver->relay_host : "?",
                 giver != NULL ? giver->relay_port : 0, why);
    if (giver != NULL && (unreached || flow->feed != NULL))
        giver->gives_ms = avoid(giver);
    if (unreached)
        w->takes_ms = avoid(w);
}

void mst_relaying_orphan(void *arg, mst_flow *flow, bool unreached)
{
    failed((mst_member *)arg, flow,
           unreached ? "it cannot be reached" : "its stream ended too early",
           unreached);
}

static void stalled(mst_flow *flow)
{
    failed((mst_member *)flow->carrier->arg, flow, "nothing comes from there",
           false);
    mst_flow_direct(flow);
}

/* How long a chunk takes on its way to it, or to who gives it. */
static int64_t pace_of(mst_flow *f, int64_t now_ms)
{
    const mst_flow *lead = f->feed != NULL ? f->feed : f;

    if (f->got != f->had)
        f->moved_ms = now_ms;
    f->had = f->got;
    if (lead->had > 0)
        f->pace_ms = (lead->moved_ms - lead->began_ms) / lead->had;
    return f->pace_ms;
}

/* Nothing moves although it should: it is served from here, or, when it is,
 * the one behind it. True: it is part of a chain. */
static bool look_at(mst_flow *f, int64_t now_ms, int64_t passed_ms)
{
    const uint64_t moves = f->relayed ? f->got : f->carrier->progress;
    const bool due = !f->relayed || f->feed == NULL || f->feed->got > f->got;
    const int64_t pace_ms = pace_of(f, now_ms);

    f->still_ms = due && moves == f->seen ? f->still_ms + passed_ms : 0;
    f->seen = moves;
    if (f->still_ms > PATIENCE_MS + 2 * pace_ms) {
        f->still_ms = 0;
        if (f->relayed)
            stalled(f);
        else if (f->next != NULL)
            stalled(f->next);
    }
    return f->relayed || f->next != NULL;
}

void mst_relaying_tick(void *arg, mst_timer *timer)
{
    muster *m = (muster *)arg;
    const int64_t now_ms = mst_now_ms();
    /* we may have stood still ourselves */
    const int64_t passed_ms = now_ms - m->relays_ms < 2 * TICK_MS
                                  ? now_ms - m->relays_ms
                                  : 2 * TICK_MS;
    bool some = false;
    mst_member *w;
    mst_flow *f;

    m->relays_ms = now_ms;
    TAILQ_FOREACH (w, &m->all, of_all) {
        if (w->carrier.bulk == NULL)
            continue;
        TAILQ_FOREACH (f, &w->carrier.flows, of_carrier)
            some = look_at(f, now_ms, passed_ms) || some;
    }
    if (some)
        mst_loop_time(&m->loop, timer, now_ms + TICK_MS);
}
