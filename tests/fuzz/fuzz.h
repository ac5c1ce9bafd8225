/* fuzz.h - the entry that libFuzzer, or replay.c, calls. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the bytes are; NDEBUG does not switch it off. */
static inline void must(int holds)
{
    if (!holds)
        abort();
}

#endif
