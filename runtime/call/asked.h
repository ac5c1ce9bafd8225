/* asked.h - what a worker's handlers have asked for and not got yet. Both ends
 * count alike: the worker to wait, the manager to see that it does. Pure.
 *
 * What is outstanding may wait for deeper calls of the same worker. So each
 * depth has some places that less deep ones do not take; and a request that is
 * too much beside the others can go when none is outstanding that is as deep.
 */
#ifndef MST_ASKED_H
#define MST_ASKED_H

#include <stdbool.h>

#include "link/wire.h"

#define MST_ASKED_PLACES (MST_WIRE_CALLS / 4 / MST_DEPTH_MAX) /* of a depth */

typedef struct mst_asked {
    unsigned calls;
    size_t bytes; /* of their requests */
    uint16_t at[MST_DEPTH_MAX + 1];
} mst_asked;

static inline bool mst_asked_fits(const mst_asked *a, unsigned depth,
                                  uint64_t bytes)
{
    const unsigned kept = (MST_DEPTH_MAX - depth) * MST_ASKED_PLACES;

    if (a->calls + kept >= MST_WIRE_CALLS)
        return false;
    if (bytes <= MST_WIRE_ASKED && a->bytes + bytes <= MST_WIRE_ASKED)
        return true;
    for (; depth <= MST_DEPTH_MAX; depth++)
        if (a->at[depth] > 0)
            return false;
    return true;
}

static inline void mst_asked_add(mst_asked *a, unsigned depth, size_t bytes)
{
    a->calls++;
    a->bytes += bytes;
    a->at[depth]++;
}

static inline void mst_asked_remove(mst_asked *a, unsigned depth, size_t bytes)
{
    a->calls--;
    a->bytes -= bytes;
    a->at[depth]--;
}

#endif
