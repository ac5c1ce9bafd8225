/* fz_warnings.c - the value of an HTTP Warning header, the one part of a
 * response's head that is not libcurl's to read. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/warnings.h"

static unsigned told;

static void tell(void *arg, const char *text)
{
    (void)arg;
    must(text[0] != '\0' && strlen(text) < MST_WARNING_TEXT);
    told++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_warnings warnings = {0};
    unsigned before;

    told = 0;
    mst_warnings_take(&warnings, (const char *)data, size, tell, NULL);
    must(told <= MST_WARNINGS_MOST && told == warnings.n);
    before = told;
    mst_warnings_take(&warnings, (const char *)data, size, tell, NULL);
    must(told == before || warnings.n > before);
    return 0;
}
