/* bulk_rig.h - a session whose large payloads take the way that a test wants,
 * and what its loop knows of them. All of it asserts. */
#ifndef BULK_RIG_H
#define BULK_RIG_H

#include "relay.h"
#include "rig.h"

/* Some that repeat nowhere soon; free. */
unsigned char *bulk_bytes(size_t len, unsigned seed);

/* As the handler `sum` has it. */
void bulk_sum(const unsigned char *bytes, size_t len, char text[32]);

/* No worker yet. `bulk` as in the options. */
rig *bulk_opened(const char *bulk);

/* The handlers, which are the first large payload. */
void bulk_ship(rig *r);

rig *bulk_up(const char *bulk, uint32_t n);

typedef struct bulk_figures {
    uint64_t transfers, sealed;
    unsigned flows, guests;
    uint32_t rank;
    bool on;
    unsigned opened;
    unsigned segments, uses; /* of shared memory */
    size_t shared;           /* its bytes */
} bulk_figures;

/* What the loop knows, of that worker where it is one's. */
bulk_figures bulk_figures_of(rig *r, uint32_t rank);

/* The stream of a local child is used as soon as it says that it is open. */
void bulk_wait_until_on(rig *r, uint32_t rank);

/* A call of `mirror`, whose answer is the same. */
muster_err bulk_mirror(rig *r, uint32_t rank, const unsigned char *data,
                       size_t len, int64_t timeout_ms);
void bulk_assert_mirrors(rig *r, uint32_t rank, size_t len);

/* A connection to that port of this machine. */
int bulk_knock(uint16_t port);

/* Bulk data of workers that come from now on goes through it; relay_destroy. */
relay *bulk_way_of(rig *r);

/* Broadcasts of `sum`, one after the other, while something else goes on: who
 * is lost may have no answer, and no answer is wrong. */
typedef struct bulk_caster {
    rig *r;
    unsigned char *data;
    size_t len;
    unsigned wrong, good;
    char want[32];
} bulk_caster;

/* A thread of its own, with one of these. */
void *bulk_cast_often(void *arg);

#endif
