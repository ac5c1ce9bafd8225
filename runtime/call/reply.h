/* reply.h - a muster_reply that owns its bytes. */
#ifndef MST_REPLY_H
#define MST_REPLY_H

#include <muster/muster.h>

/* Takes *data (from mst_alloc, or NULL) and sets it to NULL; NULL: no memory,
 * and *data stays. */
muster_reply *mst_reply_create(void **data, size_t len, uint32_t rank);

#endif
