/* ut_events.c - the lines of a watch, and the Pods that it has told of. */
#include "unit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "launch/kube/events.h"
#include "launch/kube/json.h"
#include "launch/kube/known.h"

typedef struct heard {
    char text[4096];
    int n, most; /* after `most` it is enough; 0: never */
} heard;

static const char *const names[] = {"ADDED",    "MODIFIED", "DELETED",
                                    "BOOKMARK", "ERROR",    "STRANGE"};

static void note(heard *h, mst_kube_event event, const cJSON *object)
{
    const char *name = mst_json_str(object, "metadata.name");
    const size_t used = strlen(h->text);
    const int n = snprintf(h->text + used, sizeof(h->text) - used, "%s%s%s|",
                           names[event], name != NULL ? " " : "",
                           name != NULL ? name : "");

    assert_true(n > 0 && used + (size_t)n < sizeof(h->text));
    h->n++;
}

static bool hear(void *arg, mst_kube_event event, const cJSON *object)
{
    heard *h = (heard *)arg;

    assert_true((event == MST_KUBE_STRANGE) == (object == NULL));
    note(h, event, object);
    return h->most == 0 || h->n < h->most;
}

static const char bytes[] =
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n"
    "\r\n"
    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"\\u00e4\"}}}"
    "\r\n"
    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n"
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\"}}\n"
    "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n"
    "{\"type\":\"ADDED\",\"object\":{}}";
static const char told[] =
    "ADDED a|MODIFIED \xc3\xa4|DELETED a|BOOKMARK|ERROR|";

static void cut_at_every_byte_it_is_the_same(void **state)
{
    const size_t len = sizeof(bytes) - 1;

    (void)state;
    for (size_t first = 0; first <= len; first++) {
        heard h = {{0}, 0, 0};
        mst_kube_lines lines = {.fn = hear, .arg = &h};

        assert_true(mst_kube_lines_take(&lines, bytes, first));
        assert_true(mst_kube_lines_take(&lines, bytes + first, len - first));
        assert_string_equal(h.text, told);
        mst_kube_lines_fini(&lines);
    }
    for (size_t step = 1; step <= len; step++) {
        heard h = {{0}, 0, 0};
        mst_kube_lines lines = {.fn = hear, .arg = &h};

        for (size_t at = 0; at < len; at += step)
            assert_true(mst_kube_lines_take(&lines, bytes + at,
                                            len - at < step ? len - at : step));
        assert_string_equal(h.text, told);
        mst_kube_lines_fini(&lines);
    }
}

static void what_is_no_event_is_strange(void **state)
{
    static const char *const strange[] = {
        "x",
        "<html>",
        "null",
        "[]",
        "\"ADDED\"",
        "{}",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":null}",
        "{\"type\":\"ADDED\",\"object\":[1]}",
        "{\"type\":7,\"object\":{}}",
        "{\"type\":\"added\",\"object\":{}}",
        "{\"type\":\"\",\"object\":{}}",
        "{\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{}} x",
        "{\"type\":\"ADDED\",\"object\":{}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
        heard h = {{0}, 0, 0};
        mst_kube_lines lines = {.fn = hear, .arg = &h};

        assert_true(
            mst_kube_lines_take(&lines, strange[i], strlen(strange[i])));
        assert_int_equal(h.n, 0);
        assert_true(mst_kube_lines_take(&lines, "\n", 1));
        if (strcmp(h.text, "STRANGE|") != 0)
            fail_msg("%s gave %s", strange[i], h.text);
        mst_kube_lines_fini(&lines);
    }
}

static void who_has_enough_gets_no_more(void **state)
{
    heard h = {.most = 2};
    mst_kube_lines lines = {.fn = hear, .arg = &h};

    (void)state;
    assert_false(mst_kube_lines_take(&lines, bytes, sizeof(bytes) - 1));
    assert_int_equal(h.n, 2);
    assert_false(lines.too_long);
    mst_kube_lines_fini(&lines);
}

static void a_line_has_a_longest_length(void **state)
{
    static const char begin[] = "{\"type\":\"ADDED\",\"object\":{\"x\":\"";
    static const char end[] = "\"}}\n";
    const size_t room = MST_KUBE_LINE_BYTES + sizeof(end) + 1;
    char *line = malloc(room);

    (void)state;
    assert_non_null(line);
    for (size_t more = 0; more < 2; more++) {
        const size_t len = MST_KUBE_LINE_BYTES + more;
        heard h = {{0}, 0, 0};
        mst_kube_lines lines = {.fn = hear, .arg = &h};

        memset(line, 'y', len);
        memcpy(line, begin, sizeof(begin) - 1);
        memcpy(line + len - 3, end, sizeof(end) - 1);
        /* whole, and in two pieces */
        assert_int_equal(mst_kube_lines_take(&lines, line, len + 1), more == 0);
        assert_int_equal(lines.too_long, more == 1);
        if (more == 0) {
            assert_true(mst_kube_lines_take(&lines, line, len / 2));
            assert_true(
                mst_kube_lines_take(&lines, line + len / 2, len + 1 - len / 2));
            assert_string_equal(h.text, "ADDED|ADDED|");
        } else {
            assert_false(mst_kube_lines_take(&lines, "\n", 1));
            assert_int_equal(h.n, 0);
        }
        mst_kube_lines_fini(&lines);
    }
    free(line);
}

static void without_memory_the_stream_ends(void **state)
{
    heard h = {{0}, 0, 0};
    mst_kube_lines lines = {.fn = hear, .arg = &h};

    (void)state;
    mst_alloc_fail_after(1);
    assert_false(mst_kube_lines_take(&lines, bytes, 10));
    mst_alloc_fail_after(0);
    assert_true(lines.too_long);
    assert_int_equal(h.n, 0);
    mst_kube_lines_fini(&lines);
}

/* ------------------------------------------------------------------ known --
 */

static void hear_pod(void *arg, mst_kube_event event, const cJSON *pod)
{
    note((heard *)arg, event, pod);
}

/* "name uid version" */
static cJSON *pod_of(const char *text)
{
    char name[16], uid[16], version[16], json[256];

    assert_int_equal(sscanf(text, "%15s %15s %15s", name, uid, version), 3);
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\","
             "\"resourceVersion\":\"%s\",\"managedFields\":[1]},"
             "\"spec\":{\"nodeName\":\"n1\",\"x\":1},"
             "\"status\":{\"phase\":\"Running\"}}",
             name, uid, version);
    return cJSON_Parse(json);
}

static void event(mst_known *known, mst_kube_event kind, const char *pod,
                  heard *h)
{
    cJSON *json = pod_of(pod);

    assert_int_equal(mst_known_event(known, kind, json, hear_pod, h),
                     MST_KNOWN_OK);
    cJSON_Delete(json);
}

static void list(mst_known *known, const char *const *pods, heard *h)
{
    cJSON *items = cJSON_CreateArray();

    for (; *pods != NULL; pods++)
        cJSON_AddItemToArray(items, pod_of(*pods));
    assert_int_equal(mst_known_list(known, items, hear_pod, h), MST_KNOWN_OK);
    cJSON_Delete(items);
}

static void a_list_tells_what_has_changed(void **state)
{
    mst_known known = {0};
    heard h = {{0}, 0, 0};

    (void)state;
    list(&known, (const char *const[]){"a u1 1", "b u2 2", "c u3 3", NULL}, &h);
    assert_string_equal(h.text, "ADDED a|ADDED b|ADDED c|");
    h.text[0] = '\0';
    list(&known, (const char *const[]){"d u4 9", "c u3 3", "b u2 7", NULL}, &h);
    assert_string_equal(h.text, "ADDED d|MODIFIED b|DELETED a|");
    h.text[0] = '\0';
    list(&known, (const char *const[]){NULL}, &h);
    assert_int_equal(known.n, 0);
    assert_int_equal(strlen(h.text), strlen("DELETED b|DELETED c|DELETED d|"));
    mst_known_fini(&known);
}

static void each_event_is_told_once(void **state)
{
    mst_known known = {0};
    heard h = {{0}, 0, 0};

    (void)state;
    event(&known, MST_KUBE_ADDED, "a u1 1", &h);
    event(&known, MST_KUBE_ADDED, "a u1 1", &h);
    event(&known, MST_KUBE_ADDED, "a u1 2", &h);
    event(&known, MST_KUBE_MODIFIED, "b u2 3", &h);
    event(&known, MST_KUBE_DELETED, "a u1 4", &h);
    event(&known, MST_KUBE_DELETED, "a u1 4", &h);
    assert_string_equal(h.text, "ADDED a|MODIFIED a|ADDED b|DELETED a|");
    mst_known_fini(&known);
}

static void another_pod_of_the_same_name_is_another(void **state)
{
    mst_known known = {0};
    heard h = {{0}, 0, 0};

    (void)state;
    event(&known, MST_KUBE_ADDED, "a u1 1", &h);
    list(&known, (const char *const[]){"a u2 5", NULL}, &h);
    event(&known, MST_KUBE_DELETED, "a u3 6", &h);
    assert_string_equal(h.text, "ADDED a|DELETED a|ADDED a|DELETED a|");
    assert_int_equal(known.n, 0);
    mst_known_fini(&known);
}

static void check_brief(void *arg, mst_kube_event kind, const cJSON *pod)
{
    if (kind != MST_KUBE_DELETED)
        return;
    ++*(int *)arg;
    assert_string_equal(mst_json_str(pod, "status.phase"), "Running");
    assert_string_equal(mst_json_str(pod, "spec.nodeName"), "n1");
    assert_string_equal(mst_json_str(pod, "metadata.uid"), "u1");
    assert_null(mst_json_at(pod, "metadata.managedFields"));
    assert_null(mst_json_at(pod, "spec.x"));
}

static void what_is_gone_has_its_last_status(void **state)
{
    mst_known known = {0};
    cJSON *pod = pod_of("a u1 1"), *none = cJSON_CreateArray();
    int gone = 0;

    (void)state;
    mst_known_event(&known, MST_KUBE_ADDED, pod, check_brief, &gone);
    mst_known_list(&known, none, check_brief, &gone);
    assert_int_equal(gone, 1);
    cJSON_Delete(pod);
    cJSON_Delete(none);
    mst_known_fini(&known);
}

static void what_is_no_pod_ends_a_list_without_deletions(void **state)
{
    static const char *const bad[] = {
        "[7]",
        "[{}]",
        "[{\"metadata\":{\"name\":\"x\"}}]",
        "[{\"metadata\":{\"name\":1,\"resourceVersion\":\"1\"}}]",
        "[{\"metadata\":[]}]",
    };
    mst_known known = {0};
    heard h = {{0}, 0, 0};

    (void)state;
    event(&known, MST_KUBE_ADDED, "a u1 1", &h);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cJSON *items = cJSON_Parse(bad[i]);

        assert_int_equal(mst_known_list(&known, items, hear_pod, &h),
                         MST_KNOWN_STRANGE);
        cJSON_Delete(items);
    }
    assert_string_equal(h.text, "ADDED a|");
    mst_known_fini(&known);
}

static void many_are_known_and_memory_may_end(void **state)
{
    mst_known known = {0};
    heard h = {{0}, 0, 0};
    cJSON *pod = pod_of("z u 1");

    (void)state;
    for (int i = 0; i < 100; i++) {
        char text[48];

        snprintf(text, sizeof(text), "p%d u%d %d", i, i, i);
        event(&known, MST_KUBE_ADDED, text, &h);
    }
    assert_int_equal(known.n, 100);
    while (known.n < known.room) { /* until the next one needs memory */
        char text[32];

        snprintf(text, sizeof(text), "q%zu u 1", known.n);
        event(&known, MST_KUBE_ADDED, text, &h);
    }
    mst_alloc_fail_after(1);
    assert_int_equal(mst_known_event(&known, MST_KUBE_ADDED, pod, hear_pod, &h),
                     MST_KNOWN_NOMEM);
    mst_alloc_fail_after(0);
    assert_int_equal(mst_known_event(&known, MST_KUBE_ADDED, pod, hear_pod, &h),
                     MST_KNOWN_OK);
    cJSON_Delete(pod);
    mst_known_fini(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_byte_it_is_the_same),
        cmocka_unit_test(what_is_no_event_is_strange),
        cmocka_unit_test(who_has_enough_gets_no_more),
        cmocka_unit_test(a_line_has_a_longest_length),
        cmocka_unit_test(without_memory_the_stream_ends),
        cmocka_unit_test(a_list_tells_what_has_changed),
        cmocka_unit_test(each_event_is_told_once),
        cmocka_unit_test(another_pod_of_the_same_name_is_another),
        cmocka_unit_test(what_is_gone_has_its_last_status),
        cmocka_unit_test(what_is_no_pod_ends_a_list_without_deletions),
        cmocka_unit_test(many_are_known_and_memory_may_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
