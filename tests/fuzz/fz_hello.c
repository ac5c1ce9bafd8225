/* fz_hello.c - the fields of HELLO, WELCOME and REFUSE: the first byte picks
 * the kind, so that the fuzzer spends its time behind the header. */
#include "again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char message[1 << 16];
    mst_writer w = mst_writer_of(message, sizeof(message));
    mst_reader r;
    mst_record record;

    if (size < 1 || size > sizeof(message) - MST_WIRE_HEADER)
        return 0;
    mst_write_u32(&w, (uint32_t)(size - 1 + MST_WIRE_HEADER - 4));
    mst_write_u8(&w, (uint8_t)(MST_HELLO + data[0] % 3));
    mst_write_u8(&w, 0);
    mst_write_u16(&w, 0);
    mst_write_bytes(&w, data + 1, size - 1);
    r = mst_reader_of(message, mst_written(&w));
    if (mst_wire_get(&r, &record) == MUSTER_OK) {
        must(record.side.build.len <= size);
        if (is_ours(&record))
            encode_again(&record);
    }
    return 0;
}
