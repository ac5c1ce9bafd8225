/* fz_refusal.c - what an API server says when it says no: one line that fits,
 * and our own words are never cut. The first two bytes are the status. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/json.h"
#include "launch/kube/refusal.h"

static void must_be_line(const char *text, size_t bytes)
{
    must(memchr(text, '\0', bytes) != NULL);
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mst_kube_what what = {"create", "pods", "some-namespace",
                                       "some-pod"};
    muster_error err;
    mst_refusal refusal;
    cJSON *answer;
    long status;

    if (size < 2)
        return 0;
    status = 300 + (data[0] << 8 | data[1]) % 300;
    answer = mst_json_parse((const char *)data + 2, size - 2);
    refusal = mst_refusal_of(status, answer);
    must(refusal <= MST_REFUSAL_BUSY);
    memset(&err, 0xa5, sizeof(err));
    must(mst_refusal_error_at(&what, "https://[2001:db8::1]:6443", status,
                              answer, &err) == MUSTER_EDENIED);
    must(err.code == MUSTER_EDENIED && err.http == status);
    must_be_line(err.text, sizeof(err.text));
    must(strncmp(err.text, "create pods some-pod in namespace ", 34) == 0);
    if (refusal == MST_REFUSAL_RBAC)
        must(strstr(err.text, "verbs: [\"create\"]}") != NULL);
    cJSON_Delete(answer);
    return 0;
}
