#include "liar.h"

#include <poll.h>
#include <string.h>
#include <zmq.h>

#include "link/wire.h"

#define KNOWN 32 /* ids that are remembered */
#define BODY ((size_t)70000)

typedef struct liar {
    void *dealer;
    uint64_t state; /* of the random numbers */
    uint64_t ids[KNOWN];
    unsigned nids;
    uint64_t said; /* messages */
    const char *canary;
    bool away;
} liar;

/* xorshift64*, as published by its authors */
static uint64_t draw(liar *l)
{
    l->state ^= l->state >> 12;
    l->state ^= l->state << 25;
    l->state ^= l->state >> 27;
    return l->state * 0x2545f4914f6cdd1du;
}

static uint64_t below(liar *l, uint64_t n)
{
    return draw(l) % n;
}

#define PICK(l, list) (list)[below(l, sizeof(list) / sizeof((list)[0]))]

/* Of ours, of what we were given, of what others were given, of nobody. */
static uint64_t lie_id(liar *l)
{
    const uint64_t place = 1 + below(l, 40), use = 1 + below(l, 4);

    switch (below(l, 8)) {
    case 0:
    case 1:
    case 2:
        return l->ids[below(l, l->nids)];
    case 3:
    case 4:
        return use << 32 | place; /* another's call, perhaps */
    case 5:
        return MST_ID_WORKER | use << 32 | place;
    case 6:
        return l->ids[below(l, l->nids)] ^ (uint64_t)1 << below(l, 64);
    default:
        return draw(l);
    }
}

static uint64_t lie_total(liar *l, size_t body)
{
    static const uint64_t totals[] = {0,
                                      1,
                                      1000,
                                      (uint64_t)1 << 16,
                                      (uint64_t)1 << 20,
                                      (uint64_t)1 << 33,
                                      (uint64_t)1 << 60,
                                      UINT64_MAX - 1,
                                      UINT64_MAX};

    switch (below(l, 4)) {
    case 0:
        return PICK(l, totals);
    case 1:
        return body + 1 + below(l, 100);
    default:
        return body;
    }
}

static mst_span lie_text(liar *l)
{
    static const char *const texts[] = {
        "",
        "echo",
        "nobody",
        "muster.ship",
        "muster.load",
        "muster.put",
        "muster.drop",
        "muster.batch",
        "muster.",
        "muster.channel.open",
        "muster.channel.put",
        "muster.channel.take",
        "muster.channel.close",
        "\033[2J\033]0;title\007 \302\2335n \377\376\300\200",
        "worker 1 was killed by SIGKILL\r\nworker 1: lost",
        "%s%n%d%1000000d",
    };
    static char longest[MST_WIRE_TEXT];
    const char *text = PICK(l, texts);

    if (below(l, 16) > 0)
        return (mst_span){text, strlen(text)};
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = (char)draw(l);
    return (mst_span){longest, below(l, sizeof(longest) + 1)};
}

static mst_span lie_body(liar *l)
{
    static const uint64_t sizes[] = {0, 1, 2, 8, 64, 64, 300, 4096, BODY};
    static char bytes[BODY];
    size_t n = PICK(l, sizes);

    switch (below(l, 6)) {
    case 0: /* of muster.load */
        return (mst_span){l->canary, strlen(l->canary) + 1};
    case 1: /* of muster.channel.open, and of put and take */
        return below(l, 2) == 0 ? (mst_span){"\0\0\0\4c", 5}
                                : (mst_span){"c\0an item", 9};
    default:
        for (size_t i = 0; i < n && i < 64; i++)
            bytes[i] = (char)draw(l);
        return (mst_span){bytes, n};
    }
}

/* Kinds that end it at once are rare. */
static mst_kind lie_kind(liar *l)
{
    static const mst_kind often[] = {
        MST_RESULT, MST_RESULT, MST_RESULT,    MST_CHUNK, MST_CALL,
        MST_CALL,   MST_CALL,   MST_CANCEL,    MST_ABORT, MST_CREDIT,
        MST_OUTPUT, MST_OUTPUT, MST_HEARTBEAT, MST_BYE};

    return below(l, 60) == 0 ? (mst_kind)below(l, MST_KINDS + 3)
                             : PICK(l, often);
}

static void lie(liar *l, mst_record *r)
{
    static const uint32_t peers[] = {
        0, 1, 1, 2, 3, 70000, UINT32_MAX - 1, UINT32_MAX};
    static const uint16_t depths[] = {
        1, 1, 1, 2, MST_DEPTH_MAX, 0, MST_DEPTH_MAX + 1, UINT16_MAX};
    static const uint64_t times[] = {
        0, 1, 50, UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 63, INT64_MAX};
    static const uint32_t credits[] = {0,         0, 1, 64, MST_WIRE_WINDOW,
                                       UINT32_MAX};

    *r = (mst_record){.kind = lie_kind(l)};
    r->flags = (uint8_t)(below(l, 4) == 0 ? draw(l) : 0);
    r->id = lie_id(l);
    r->code = (uint16_t)(below(l, 3) == 0 ? draw(l) : below(l, 4));
    r->remote = (uint32_t)draw(l);
    r->peer = PICK(l, peers);
    r->depth = below(l, 4) > 0 ? 1 : PICK(l, depths);
    r->remaining_ms = PICK(l, times);
    r->text = lie_text(l);
    r->body = lie_body(l);
    r->total = lie_total(l, r->body.len);
    r->offset = below(l, 3) == 0 ? draw(l) : below(l, 100);
    r->credit = below(l, 8) > 0 ? 0 : PICK(l, credits);
    r->mode = (uint8_t)(below(l, 4) == 0 ? draw(l) : 1 + below(l, 2));
    r->side = mst_build_here();
    r->instance = draw(l);
    r->size = (uint32_t)draw(l);
    if (r->kind == MST_CALL && below(l, 4) > 0)
        r->id |= MST_ID_WORKER;
}

/* Now and then a record that is none. */
static size_t spoil(liar *l, unsigned char *bytes, size_t n)
{
    if (n == 0 || below(l, 200) > 0)
        return n;
    if (below(l, 2) == 0)
        return below(l, n);
    bytes[below(l, n)] ^= (unsigned char)(1u << below(l, 8));
    return n;
}

/* One message of a few. */
static unsigned tell(liar *l)
{
    static unsigned char bytes[4 * (BODY + MST_WIRE_FIELDS)];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    const unsigned n = 1 + (unsigned)below(l, 3);
    mst_record r;
    size_t len;

    for (unsigned i = 0; i < n; i++) {
        lie(l, &r);
        mst_wire_put(&w, &r);
        w.ok = true; /* a kind that cannot be written leaves its header */
    }
    len = spoil(l, bytes, mst_written(&w));
    l->said++;
    if (len >= MST_WIRE_HEADER && below(l, 2000) > 0) /* else a false number */
        mst_wire_set_number(bytes, l->said);
    zmq_send(l->dealer, bytes, len, 0);
    return n;
}

static void hear(liar *l)
{
    static unsigned char bytes[1 << 21];
    mst_record r;
    int n;

    while ((n = zmq_recv(l->dealer, bytes, sizeof(bytes), ZMQ_DONTWAIT)) >= 0) {
        mst_reader reader = mst_reader_of(bytes, (size_t)n);

        while (reader.left > 0 && mst_wire_get(&reader, &r) == MUSTER_OK) {
            if (r.kind == MST_CALL)
                l->ids[l->nids < KNOWN ? l->nids++ : below(l, KNOWN)] = r.id;
            l->away = l->away || r.kind == MST_GOAWAY || r.kind == MST_REFUSE;
        }
    }
}

void liar_run(void *dealer, uint64_t seed, uint64_t id, uint64_t said,
              const char *canary, uint64_t most, volatile uint64_t *told)
{
    liar l = {.dealer = dealer,
              .state = seed * 0x9e3779b97f4a7c15u + 1,
              .ids = {id},
              .nids = 1,
              .said = said,
              .canary = canary};

    for (uint64_t n = 0; n < most && !l.away;) {
        const unsigned some = tell(&l);

        n += some;
        __atomic_fetch_add(told, some, __ATOMIC_RELAXED);
        if (below(&l, 8) == 0)
            poll(NULL, 0, 1); /* let the answers come */
        hear(&l);
    }
}
