/* fz_chunk.c - payloads begun, continued, dropped, in any order. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "bulk/chunk.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_reader r = mst_reader_of(data, size);
    mst_assembly a = {0};

    while (r.left > 0 && r.ok) {
        const uint8_t what = mst_read_u8(&r);
        const uint64_t id = what >> 6;
        const uint64_t number = mst_read_u16(&r);
        const size_t len = mst_read_u8(&r);
        const void *bytes = mst_read_bytes(&r, len);

        if (!r.ok)
            break;
        if (what % 8 < 3)
            (void)mst_assembly_begin(&a, id, what & 8 ? number : UINT64_MAX,
                                     bytes, len);
        else if (what % 8 < 6)
            (void)mst_assembly_add(&a, id, what & 8 ? a.have : number, bytes,
                                   len);
        else if (what % 8 == 6)
            (void)mst_assembly_abort(&a, id);
        else
            mst_assembly_forget(&a, id);
        must(a.have <= a.total);
        if (!a.open && a.data != NULL)
            mst_free(mst_assembly_take(&a));
    }
    mst_assembly_fini(&a);
    return 0;
}
