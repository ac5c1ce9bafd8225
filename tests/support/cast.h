/* cast.h - broadcasts to workers that pass them on to each other, and what the
 * manager's loop knows of them. For it_relay and it_relay_faults. */
#ifndef CAST_H
#define CAST_H

#include "bulk_rig.h"

#include "session/session.h"

#define KIB ((size_t)1024)
#define CAST_MOST 16 /* ranks */

typedef struct figures {
    uint64_t transfers, sealed, sent, relayed;
    unsigned flows;
    struct {
        bool flows; /* it does not have all of it */
        bool relayed;
        uint32_t got;
        bool listens;
    } of[CAST_MOST + 1]; /* by rank */
} figures;

figures figures_of(rig *r);

/* Until it is so; false: not in time. */
bool until(rig *r, bool (*fn)(const figures *f, uint32_t rank), uint32_t rank,
           int64_t wait_ms);
bool listens(const figures *f, uint32_t rank);
bool has_some(const figures *f, uint32_t rank);
bool has_all(const figures *f, uint32_t rank);

/* n workers that have bulk_handlers.c, and listen if relay is "always". */
void cast_ready(rig *r, const char *relay, uint32_t n);
rig *up_with(const char *bulk, const char *relay, uint32_t n);
rig *up(uint32_t n); /* sealed, always */

/* A broadcast of `sum` by a thread of its own. */
typedef struct cast {
    rig *r;
    unsigned char *data;
    size_t len;
    int64_t timeout_ms;
    char want[32];
    muster_results *all;
    muster_err rc;
    muster_error err;
    pthread_t thread;
} cast;

/* Returns when it has begun. */
void begin(cast *c, rig *r, size_t len, int64_t timeout_ms);
/* All n have it, but `lost` (0: nobody), which ended with that code. */
void end(cast *c, size_t n, uint32_t lost, muster_err code);
/* All n have it, but rank 2, which may or may not. */
void end_without_2(cast *c, size_t n);
/* Nothing else happens. */
void assert_casts(rig *r, size_t len, size_t n);

#endif
