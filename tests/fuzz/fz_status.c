/* fz_status.c - a Pod from a server: whatever it is, its words are short lines
 * and its numbers are in their ranges. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"
#include "launch/kube/status.h"

static void must_be_line(const char *text, size_t bytes)
{
    must(memchr(text, '\0', bytes) != NULL);
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void words(const mst_pod_status *s, size_t bytes)
{
    char text[MST_STATUS_TEXT];

    for (int deleted = 0; deleted < 2; deleted++) {
        memset(text, 0, sizeof(text));
        mst_pod_verdict(s, deleted != 0, text, bytes);
        must_be_line(text, bytes);
        must(text[0] != '\0');
    }
    mst_pod_waits(s, text, bytes);
    must_be_line(text, bytes);
    must(text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *pod = mst_json_parse((const char *)data, size);
    const char *name = NULL;
    mst_pod_status s;

    memset(&s, 0xa5, sizeof(s));
    mst_pod_status_read(pod, &s);
    must(s.phase < MST_POD_GONE);
    must(s.exit_status >= -1 && s.exit_status <= 255);
    must(s.exit_signal >= 0 && s.exit_signal <= 64);
    must(s.phase == MST_POD_ENDED || s.exit_status == -1);
    must(!s.unreachable || s.phase < MST_POD_ENDED);
    must(!s.pull_error || s.phase == MST_POD_PULLING);
    must_be_line(s.text, sizeof(s.text));
    must_be_line(s.node, sizeof(s.node));
    must_be_line(s.reason, sizeof(s.reason));
    must_be_line(s.memory, sizeof(s.memory));
    words(&s, MST_STATUS_TEXT);
    words(&s, 24);
    must((mst_manifest_image(pod, &name) == NULL) == (name == NULL));
    cJSON_Delete(pod);
    return 0;
}
