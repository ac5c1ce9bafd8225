/* fz_batch.c - a batch as a request and as results. */
#include "call/batch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_batch batch = mst_batch_of(data, size);
    mst_batch_result result;
    muster_item item;
    const char *name;
    size_t len;
    uint32_t count;

    if (mst_batch_head(&batch, &name, &len, &count))
        while (count-- > 0 && mst_batch_item(&batch, &item))
            must(item.len <= size);
    batch = mst_batch_of(data, size);
    while (mst_batch_next_result(&batch, &result))
        must(result.data.len <= size && result.text_len <= size);
    return 0;
}
