/* reply.h - a muster_reply that owns its bytes. */
#ifndef MST_REPLY_H
#define MST_REPLY_H

#include <muster/muster.h>

#include "base/pool.h"

/* Takes *data (of the pool, from mst_alloc, or NULL) and sets it to NULL; keeps
 * the pool for as long as it is there. NULL: no memory, and *data stays. */
muster_reply *mst_reply_create(mst_pool *pool, void **data, size_t len,
                               uint32_t rank);

#endif
