/* fz_module.c - is it a shared object, all of it? */
#include "call/module.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    muster_error err;

    if (mst_module_check(data, size, "fuzz.so", &err) != MUSTER_OK)
        must(err.text[0] != '\0');
    return 0;
}
