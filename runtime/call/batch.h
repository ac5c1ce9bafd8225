/* batch.h - several requests for one handler in one call, and their results.
 * Pure. Data lies at multiples of 16 bytes, so that handlers and programs can
 * use it where it is.
 *
 *   request   handler str, count u32, then for each item: len u64, zeros up
 *             to a multiple of 16, bytes
 *   result    for each item: code u16, remote u32, text str, len u64, zeros
 *             up to a multiple of 16, bytes
 */
#ifndef MST_BATCH_H
#define MST_BATCH_H

#include <muster/map.h>
#include <muster/worker.h>

#include "base/bytes.h"

#define MST_BUILTIN_BATCH "muster.batch"

/* Bytes of a request, and the request itself into so many bytes. */
size_t mst_batch_size(const char *handler, const muster_item *items, size_t n);
void mst_batch_write(void *at, size_t bytes, const char *handler,
                     const muster_item *items, size_t n);

/* What is read of a request or a result. */
typedef struct mst_batch {
    const unsigned char *start;
    mst_reader reader;
} mst_batch;

typedef struct mst_batch_result {
    muster_err code;
    int remote;
    const char *text; /* not terminated */
    size_t text_len;
    muster_item data;
} mst_batch_result;

mst_batch mst_batch_of(const void *data, size_t len);

/* False: that is not a batch. */
bool mst_batch_head(mst_batch *batch, const char **handler, size_t *len,
                    uint32_t *count);
bool mst_batch_item(mst_batch *batch, muster_item *item);
bool mst_batch_next_result(mst_batch *batch, mst_batch_result *result);

/* Append one result, copying its data; false: no memory. */
bool mst_batch_result_put(muster_out *out, const mst_batch_result *result);

#endif
