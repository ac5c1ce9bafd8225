/* results.h - muster_results that own what they point to. */
#ifndef MST_RESULTS_H
#define MST_RESULTS_H

#include <muster/muster.h>

#include "bulk/payload.h"

typedef struct mst_results {
    muster_results results; /* first: what the program sees */
    muster_result *items;
    char **texts;           /* owned, or NULL */
    mst_payload **payloads; /* that hold the items' data, or NULL */
    size_t room;
    mst_pool *pool; /* of the payloads; a reference */
} mst_results;

/* For n items, or to begin with when it will grow; their payloads are of the
 * pool, which is kept. NULL: no memory. */
mst_results *mst_results_create(mst_pool *pool, size_t n);

/* Item i, growing when it is new; takes *text and *payload in any case.
 * False: no memory. */
bool mst_results_set(mst_results *r, size_t i, const muster_result *item,
                     char **text, mst_payload **payload);

#endif
