/* fz_wire.c - any message. */
#include "again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_reader r = mst_reader_of(data, size);
    mst_record record;

    while (r.left > 0 && mst_wire_get(&r, &record) == MUSTER_OK) {
        must(record.body.len <= size && record.text.len <= size);
        if (is_ours(&record))
            encode_again(&record);
    }
    return 0;
}
