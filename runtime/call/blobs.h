/* blobs.h - named immutable bytes of this process, read without a copy.
 *
 * Who got a blob keeps it until its handler returns, dropped or not. Safe from
 * any thread.
 */
#ifndef MST_BLOBS_H
#define MST_BLOBS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include <muster/worker.h>

#include "bulk/payload.h"

/* body: name, NUL, zeros up to a multiple of 16 bytes, data */
#define MST_BUILTIN_PUT "muster.put"
#define MST_BUILTIN_DROP "muster.drop" /* body: name, no NUL */
#define MST_BLOB_NAME 255u
#define MST_BLOB_HEAD 256u /* bytes before the data, at most */

typedef struct mst_blob mst_blob;

typedef struct mst_blobs {
    pthread_mutex_t lock;
    void *tree; /* of tsearch(3), by name */
    size_t n;
} mst_blobs;

void mst_blobs_init(mst_blobs *blobs);
void mst_blobs_fini(mst_blobs *blobs); /* drops all */

/* What comes before the data in the body; its bytes. The name is no longer than
 * it may be. */
size_t mst_blob_head(const char *name, char head[MST_BLOB_HEAD]);

/* Keep what a body describes; a blob of the same name goes.
 *
 *   body   taken on success and set to NULL; given back when the last reader
 *          has returned
 *
 * Errors:  MUSTER_EPROTO   the body is none
 *          MUSTER_ENOMEM
 */
muster_err mst_blobs_put(mst_blobs *blobs, mst_payload **body,
                         muster_error *err);

/* Forget one; a name that is not there is fine. */
void mst_blobs_drop(mst_blobs *blobs, const char *name, size_t len);
void mst_blobs_clear(mst_blobs *blobs);

/* What a handler got is given back. */
void mst_blobs_release(muster_ctx *ctx);

#endif
