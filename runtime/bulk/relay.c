#include "bulk/relay.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK_MS 200

static bool find_key(void *arg, mst_proof_name name,
                     uint8_t key[MST_BULK_KEY_BYTES])
{
    const mst_kept *k = mst_kept_find((mst_relay *)arg, name.transfer);

    if (k == NULL || !k->granted || k->name.rank != name.rank ||
        k->name.incarnation != name.incarnation)
        return false;
    memcpy(key, k->key, sizeof(k->key));
    return true;
}

static void came(void *arg, mst_proof_name name, int fd)
{
    mst_kept *k = mst_kept_find((mst_relay *)arg, name.transfer);

    if (k != NULL)
        mst_kept_came(k, fd);
    else
        close(fd);
}

static const mst_door_calls door_calls = {find_key, came};

static void on_timer(void *arg, mst_timer *timer)
{
    mst_relay *relay = (mst_relay *)arg;

    (void)timer;
    mst_relay_tick(relay, mst_now_ms());
    mst_relay_wake(relay);
}

void mst_relay_init(mst_relay *relay, mst_loop *loop, mst_carrier *carrier,
                    mst_proof_name name)
{
    memset(relay, 0, sizeof(*relay));
    relay->loop = loop;
    relay->carrier = carrier;
    relay->bulk = carrier->bulk;
    relay->name = name;
    mst_log_init(&relay->log, MUSTER_LOG_ERROR, NULL, NULL);
    mst_door_init(&relay->door, &relay->log, &door_calls, relay);
    relay->timer.fn = on_timer;
    relay->timer.arg = relay;
    LIST_INIT(&relay->kept);
    LIST_INIT(&relay->pulls);
    carrier->relay = relay;
}

void mst_relay_fini(mst_relay *relay)
{
    if (relay->loop == NULL)
        return;
    while (!LIST_EMPTY(&relay->pulls))
        mst_pull_free(LIST_FIRST(&relay->pulls));
    while (!LIST_EMPTY(&relay->kept))
        mst_kept_end(LIST_FIRST(&relay->kept));
    mst_door_close(&relay->door);
    mst_loop_time(relay->loop, &relay->timer, MST_NEVER);
    mst_log_fini(&relay->log);
    relay->carrier->relay = NULL;
    relay->loop = NULL;
}

void mst_relay_wake(mst_relay *relay)
{
    const mst_pull *p;
    int64_t at_ms = mst_now_ms() + TICK_MS;

    if (LIST_EMPTY(&relay->pulls) && LIST_EMPTY(&relay->kept))
        return;
    LIST_FOREACH(p, &relay->pulls, link)
    if (p->again_ms > 0 && p->again_ms < at_ms)
        at_ms = p->again_ms;
    if (relay->timer.timed.place == 0 || relay->timer.timed.at_ms > at_ms)
        mst_loop_time(relay->loop, &relay->timer, at_ms);
}

void mst_relay_tick(mst_relay *relay, int64_t now_ms)
{
    const int64_t passed_ms = now_ms - relay->ticked_ms;
    mst_kept *k, *next_kept;
    mst_pull *p, *next_pull;

    relay->ticked_ms = now_ms;

    for (k = LIST_FIRST(&relay->kept); k != NULL; k = next_kept) {
        next_kept = LIST_NEXT(k, link);
        /* no tick was there while this process stood still */
        mst_kept_tick(k, now_ms, passed_ms < TICK_MS ? passed_ms : TICK_MS);
    }
    for (p = LIST_FIRST(&relay->pulls); p != NULL; p = next_pull) {
        next_pull = LIST_NEXT(p, link);
        mst_pull_tick(p, now_ms);
    }
    mst_door_tick(&relay->door, now_ms);
}

void mst_relay_expected(mst_relay *relay, mst_incoming *in)
{
    mst_kept *k = mst_kept_find(relay, in->transfer);
    mst_pull *p;

    if (k != NULL && k->in == NULL && k->count == 0) {
        k->in = in;
        k->count = in->count;
        in->kept = k;
    }
    LIST_FOREACH(p, &relay->pulls, link)
    if (p->transfer == in->transfer && p->in == NULL && !p->over) {
        mst_pull_expected(p, in);
        return;
    }
}

void mst_relay_refused(mst_relay *relay, uint64_t transfer)
{
    mst_kept *k = mst_kept_find(relay, transfer);
    mst_pull *p;

    if (k != NULL)
        mst_kept_end(k);
    LIST_FOREACH(p, &relay->pulls, link)
    if (p->transfer == transfer && !p->over)
        mst_pull_end(p);
}

/* --------------------------------------------------------- the manager's -- */

/* The address of ours that the manager would see. Nothing is sent. */
static bool own_address(const char *manager, char own[MST_RELAY_ADDRESS])
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_DGRAM,
                                    .ai_flags =
                                        AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *at = NULL;
    struct sockaddr_storage here;
    socklen_t len = sizeof(here);
    char host[128];
    bool known;
    int fd;

    if (!mst_knock_host(manager, host, sizeof(host)) ||
        getaddrinfo(host, "9", &wanted, &at) != 0)
        return false;
    fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    known = fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0 &&
            getsockname(fd, (struct sockaddr *)&here, &len) == 0 &&
            getnameinfo((struct sockaddr *)&here, len, own, MST_RELAY_ADDRESS,
                        NULL, 0, NI_NUMERICHOST) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(at);
    /* one that means something on its own link only is no use to others */
    return known && strchr(own, '%') == NULL;
}

static void be_here(mst_relay *relay, uint16_t port, const char *manager)
{
    char own[MST_RELAY_ADDRESS] = "";
    mst_record here = {.kind = MST_RELAY, .mode = MST_RELAY_HERE};
    muster_error err;

    if (relay->door.fd < 0 && own_address(manager, own) &&
        mst_door_open(&relay->door, &relay->loop->poll, own, port, &err) ==
            MUSTER_OK) {
        here.bulk_port = relay->door.port;
        here.text = (mst_span){own, strlen(own)};
    }
    mst_lane_put(relay->carrier->lane, &here);
    relay->carrier->calls->dirty(relay->carrier->arg);
}

static void grant(mst_relay *relay, const mst_record *r)
{
    mst_kept *k = mst_kept_find(relay, r->transfer);

    if (k == NULL)
        return; /* it had to be given up */
    k->granted = true;
    k->name = (mst_proof_name){r->rank, r->incarnation, r->transfer};
    memcpy(k->key, r->key, sizeof(k->key));
}

bool mst_relay_record(mst_relay *relay, const mst_record *r,
                      const char *manager)
{
    switch (r->mode) {
    case MST_RELAY_LISTEN:
        be_here(relay, r->bulk_port, manager);
        return true;
    case MST_RELAY_KEEP:
        if (r->transfer <= relay->carrier->last_in ||
            mst_kept_find(relay, r->transfer) != NULL)
            return false;
        mst_kept_begin(relay, r->transfer);
        return true;
    case MST_RELAY_TAKE:
        if (r->transfer <= relay->carrier->last_in ||
            r->text.len >= MST_RELAY_ADDRESS)
            return false;
        mst_pull_begin(relay, r);
        return true;
    case MST_RELAY_GIVE:
        grant(relay, r);
        return true;
    default:
        return false;
    }
}
