/* fz_watch.c - bytes of a watch: in pieces they are what they are at once, and
 * what comes of them, Pods and refusals, is well formed. */
#include <string.h>

#include "fuzz.h"
#include "launch/kube/events.h"
#include "launch/kube/json.h"
#include "launch/kube/known.h"
#include "launch/kube/refusal.h"

typedef struct sum {
    uint64_t hash;
    mst_known known;
    int pods; /* that are there */
} sum;

static void mix(sum *s, uint64_t value)
{
    s->hash = (s->hash ^ value) * 0x100000001b3u;
}

static void on_pod(void *arg, mst_kube_event event, const cJSON *pod)
{
    sum *s = (sum *)arg;

    must(mst_json_str(pod, "metadata.name") != NULL);
    must(event == MST_KUBE_ADDED || event == MST_KUBE_MODIFIED ||
         event == MST_KUBE_DELETED);
    s->pods += event == MST_KUBE_ADDED;
    s->pods -= event == MST_KUBE_DELETED;
    mix(s, (uint64_t)event + 100);
}

static bool on_event(void *arg, mst_kube_event event, const cJSON *object)
{
    static const mst_kube_what what = {"watch", "pods", "demo", NULL};
    sum *s = (sum *)arg;
    muster_error err = {0};

    must((event == MST_KUBE_STRANGE) == (object == NULL));
    mix(s, (uint64_t)event);
    if (event == MST_KUBE_ERROR) {
        must(mst_refusal_error_at(&what, "https://h", 403, object, &err) ==
             MUSTER_EDENIED);
        must(strlen(err.text) < sizeof(err.text));
        must(strncmp(err.text, "watch pods in namespace demo", 28) == 0);
        for (const char *c = err.text; *c != '\0'; c++)
            must((unsigned char)*c >= 0x20);
    } else if (event == MST_KUBE_BOOKMARK) {
        /* as a list, too */
        mst_known_list(&s->known, mst_json_list(object, "items"), on_pod, s);
    } else if (event != MST_KUBE_STRANGE) {
        mst_known_event(&s->known, event, object, on_pod, s);
    }
    must((size_t)s->pods == s->known.n);
    return true;
}

static uint64_t feed(const uint8_t *data, size_t size, bool pieces)
{
    sum s = {.hash = 0};
    mst_kube_lines lines = {.fn = on_event, .arg = &s};

    for (size_t at = 0; at < size;) {
        size_t n = pieces ? (size_t)(data[at] % 7) + 1 : size;

        if (n > size - at)
            n = size - at;
        must(mst_kube_lines_take(&lines, (const char *)data + at, n));
        at += n;
    }
    mst_kube_lines_fini(&lines);
    mst_known_fini(&s.known);
    return s.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    must(feed(data, size, false) == feed(data, size, true));
    return 0;
}
