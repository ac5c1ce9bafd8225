/* fz_grant.c - what a credential plugin writes. */
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "launch/kube/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mst_grant grant = {0};
    muster_error err = {0};
    const muster_err rc =
        mst_grant_read((const char *)data, size,
                       "client.authentication.k8s.io/v1", &grant, &err);
    char text[40];
    int64_t seconds;

    must(rc == MUSTER_OK || (rc == MUSTER_EKUBE && err.text[0] != '\0'));
    if (rc == MUSTER_OK)
        must(grant.token != NULL || grant.cert != NULL);
    else
        must(grant.token == NULL && grant.cert == NULL);
    must((grant.cert != NULL) == (grant.key != NULL));
    mst_grant_fini(&grant);

    /* and the same bytes as the time in it */
    if (size < sizeof(text)) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (mst_grant_time(text, &seconds))
            must(seconds > -70000000000 && seconds < 300000000000);
    }
    return 0;
}
