/* chunk.h - putting a payload together again. Pure: no socket, no clock.
 *
 * A connection carries one payload at a time in each direction: its first
 * bytes come with a CALL or RESULT record, the rest as CHUNKs in order.
 */
#ifndef MST_CHUNK_H
#define MST_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#include "base/pool.h"

typedef struct mst_assembly {
    bool open;    /* more chunks are to come                        */
    bool discard; /* nobody wants it, or there was no memory for it */
    uint64_t id;
    uint64_t total, have;
    unsigned char *data; /* total + 1 bytes, the last one zero */
    mst_pool *pool;      /* borrowed: where data comes from; or NULL */
} mst_assembly;

/* Start with the first bytes.
 *
 * Success: MUSTER_OK; `open` tells whether more is to come.
 * Errors:  MUSTER_EPROTO   another payload is not complete yet
 *          MUSTER_ENOMEM   its bytes will be counted and thrown away
 */
muster_err mst_assembly_begin(mst_assembly *a, uint64_t id, uint64_t total,
                              const void *first, size_t len);

/* The next chunk.
 *
 * Errors:  MUSTER_EPROTO   not of this payload, not the next one, or too long
 */
muster_err mst_assembly_add(mst_assembly *a, uint64_t id, uint64_t offset,
                            const void *data, size_t len);

/* The rest will not come. Errors: MUSTER_EPROTO: it is not open. */
muster_err mst_assembly_abort(mst_assembly *a, uint64_t id);

/* Nobody wants payload `id` any more; the rest of it is thrown away. */
void mst_assembly_forget(mst_assembly *a, uint64_t id);

/* The complete bytes, the caller's now (mst_pool_free); NULL if they were
 * thrown away. */
void *mst_assembly_take(mst_assembly *a);

void mst_assembly_fini(mst_assembly *a);

#endif
