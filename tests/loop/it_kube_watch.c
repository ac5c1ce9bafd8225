/* it_kube_watch.c - the one list+watch, whatever the server does. */
#include "kube_rig.h"

#include <pthread.h>

#include "base/sync.h"
#include "launch/kube/watch.h"

#define ADDED(name, version) EVENT("ADDED", name, version)
#define EVENT(type, name, version)                                             \
    "{\\\"type\\\": \\\"" type                                                 \
    "\\\", \\\"object\\\": " POD(name, version) "}\\n"
#define POD(name, version)                                                     \
    "{\\\"metadata\\\": {\\\"name\\\": \\\"" name                              \
    "\\\", \\\"uid\\\": \\\"u-" name                                           \
    "\\\", \\\"resourceVersion\\\": \\\"" version "\\\"}}"
#define LIST(version, items)                                                   \
    "{\"body\": \"{\\\"metadata\\\": {\\\"resourceVersion\\\": \\\"" version   \
    "\\\"}, \\\"items\\\": [" items "]}\"}"
#define BOOKMARK(version)                                                      \
    "{\\\"type\\\": \\\"BOOKMARK\\\", \\\"object\\\": {\\\"metadata\\\": "     \
    "{\\\"resourceVersion\\\": \\\"" version "\\\"}}}\\n"
#define GONE                                                                   \
    "{\\\"type\\\": \\\"ERROR\\\", \\\"object\\\": {\\\"kind\\\": "            \
    "\\\"Status\\\", \\\"code\\\": 410, \\\"message\\\": \\\"too old\\\"}}\\n"
#define WATCH(version) "resourceVersion=" version
#define LISTS "labelSelector=muster%2Fsession%3Dx"
#define HANG ", \"then\": \"hang\"}"

/* ------------------------------------------------------------------- watch --
 */

typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    char text[4096]; /* "+a ~a -a" for Pods, "away", "back", "failed" */
    int calls;
    muster_error err; /* the last */
    mst_kube_watch *watch;
} seen;

static seen s; /* of the test that runs */

static void say(const char *what, const char *name, const muster_error *err)
{
    size_t used;

    pthread_mutex_lock(&s.lock);
    if (err != NULL)
        s.err = *err;
    used = strlen(s.text);
    snprintf(s.text + used, sizeof(s.text) - used, "%s%s ", what,
             name != NULL ? name : "?");
    s.calls++;
    pthread_cond_broadcast(&s.cond);
    pthread_mutex_unlock(&s.lock);
}

static void on_pod(void *arg, mst_kube_event event, const cJSON *pod)
{
    (void)arg;
    say(event == MST_KUBE_ADDED      ? "+"
        : event == MST_KUBE_MODIFIED ? "~"
        : event == MST_KUBE_DELETED  ? "-"
                                     : "?",
        mst_json_str(pod, "metadata.name"), NULL);
}

static void on_failed(void *arg, const muster_error *err)
{
    (void)arg;
    say("failed", "", err);
}

static void on_away(void *arg, bool away, const muster_error *err)
{
    (void)arg;
    say(away != (err != NULL) ? "wrong" : away ? "away" : "back", "", err);
}

static void watch(rig *r)
{
    static const mst_kube_watch_calls calls = {on_pod, on_failed, on_away};
    muster_error err = {0};

    s = (seen){.text = ""};
    pthread_mutex_init(&s.lock, NULL);
    assert_int_equal(mst_cond_init(&s.cond), 0);
    rig_begin(r);
    if (mst_kube_watch_start(r->access, &r->log.log, "muster/session=x", &calls,
                             NULL, &s.watch, &err) != MUSTER_OK)
        fail_msg("watch: %s", err.text);
}

/* Wait for exactly that. */
static void expect(rig *r, const char *text)
{
    char told[sizeof(s.text)];
    const int64_t until_ms = mst_until_ms(20000);

    pthread_mutex_lock(&s.lock);
    while (strlen(s.text) < strlen(text) &&
           mst_cond_wait_until(&s.cond, &s.lock, until_ms))
        continue;
    memcpy(told, s.text, sizeof(told));
    pthread_mutex_unlock(&s.lock);
    rig_end(r);
    if (strcmp(told, text) != 0)
        fail_msg("it told \"%s\" instead of \"%s\"", told, text);
}

/* Wait for that many requests with `what` in them. */
static void expect_asked(rig *r, const char *what, int n)
{
    const int64_t until_ms = mst_until_ms(20000);

    while (scripted_count(&r->server, what) < n) {
        if (mst_now_ms() > until_ms)
            fail_msg("%d requests with %s", scripted_count(&r->server, what),
                     what);
        rig_nap(20);
    }
    rig_end(r);
}

/* One that failed leaves its watch. */
static int stop_and_teardown(void **state)
{
    mst_kube_watch_stop(&s.watch);
    return rig_teardown(state);
}

#define watch_test(fn)                                                         \
    cmocka_unit_test_setup_teardown(fn, rig_setup, stop_and_teardown)

static void end(rig *r)
{
    rig_begin(r);
    mst_kube_watch_stop(&s.watch);
    rig_end(r);
    assert_took(r, 0, 100);
    assert_null(s.watch);
    pthread_cond_destroy(&s.cond);
    pthread_mutex_destroy(&s.lock);
}

static void it_lists_and_watches_from_there(void **state)
{
    rig *r = (rig *)*state;
    const char *seconds;
    cJSON *asked;

    scripted_on(&r->server, LISTS,
                "[" LIST("10", POD("a", "3") ", " POD("b", "4")) "]");
    scripted_on(&r->server, WATCH("10"),
                "[{\"chunks\": [\"" EVENT("MODIFIED", "a", "11")
                    ADDED("c", "12") EVENT("DELETED", "b", "13") "\"]" HANG
                                                                 "]");
    watch(r);
    expect(r, "+a +b ~a +c -b ");
    asked = scripted_asked(&r->server, "GET /api");
    assert_int_equal(cJSON_GetArraySize(asked), 2);
    /* the newest there is, not what a cache has */
    assert_string_equal(
        mst_json_str(asked, "0.line"),
        "GET /api/v1/namespaces/demo/pods?labelSelector=muster%2Fsession%3Dx");
    assert_non_null(
        strstr(mst_json_str(asked, "1.line"), "allowWatchBookmarks=true"));
    seconds = strstr(mst_json_str(asked, "1.line"), "timeoutSeconds=");
    assert_non_null(seconds);
    assert_in_range(strtol(seconds + strlen("timeoutSeconds="), NULL, 10), 270,
                    310);
    cJSON_Delete(asked);
    end(r);
}

static void it_goes_on_where_it_was(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS, "[" LIST("10", "") "]");
    scripted_on(&r->server, WATCH("10"),
                "[{\"chunks\": [\"" ADDED("a", "11") "\"]}]");
    /* what was seen already is not told again */
    scripted_on(&r->server, WATCH("11"),
                "[{\"chunks\": [\"" ADDED("a", "11") BOOKMARK("20") "\"]}]");
    scripted_on(&r->server, WATCH("20"),
                "[{\"chunks\": [\"" EVENT("DELETED", "a", "21") "\"]" HANG "]");
    watch(r);
    expect(r, "+a -a ");
    assert_took(r, 0, 3000);
    assert_int_equal(scripted_count(&r->server, "watch=1"), 3);
    assert_int_equal(scripted_count(&r->server, "GET"), 4);
    end(r);
}

static void torn_lines_are_whole(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS, "[" LIST("10", "") "]");
    scripted_on(&r->server, WATCH("10"),
                "[{\"chunks\": [\"" ADDED("a", "11")
                    ADDED("b", "12") "\"], \"split\": 3" HANG "]");
    watch(r);
    expect(r, "+a +b ");
    end(r);
}

static void a_torn_end_is_asked_for_again(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS, "[" LIST("10", "") "]");
    scripted_on(
        &r->server, WATCH("10"),
        "[{\"chunks\": [\"" ADDED(
            "a", "11") "{\\\"type\\\": "
                       "\\\"ADD\"], \"then\": \"reset\", \"pause\": 0.1}]");
    scripted_on(&r->server, WATCH("11"),
                "[{\"chunks\": [\"" ADDED("b", "12") "\"]" HANG "]");
    watch(r);
    expect(r, "+a +b ");
    assert_took(r, 0, 2000);
    assert_int_equal(scripted_count(&r->server, "GET"), 3);
    end(r);
}

/* Both forms, twice; what is gone meanwhile is told. */
static void too_old_is_listed_anew(void **state)
{
    static const char *const forms[] = {
        "{\"status\": 410, \"body\": {\"kind\": \"Status\", \"code\": 410}}",
        "{\"chunks\": [\"" GONE "\"]}",
    };
    rig *r = (rig *)*state;
    char answers[1024];

    for (size_t i = 0; i < 2; i++) {
        scripted_forget(&r->server);
        scripted_on(
            &r->server, LISTS,
            "[" LIST("10", POD("a", "3") ", " POD("b", "4")) ", " LIST(
                "30", POD("b", "4") ", " POD(
                          "c", "22")) ", " LIST("50", POD("c", "44")) "]");
        snprintf(answers, sizeof(answers), "[%s]", forms[i]);
        scripted_on(&r->server, WATCH("10"), answers);
        scripted_on(&r->server, WATCH("30"), answers);
        scripted_on(&r->server, WATCH("50"),
                    "[{\"chunks\": [\"" ADDED("d", "51") "\"]" HANG "]");
        watch(r);
        expect(r, "+a +b +c -a ~c -b +d ");
        assert_took(r, 0, 3000);
        end(r);
        assert_null(strstr(s.text, "away"));
    }
}

static void what_is_no_event_is_listed_anew(void **state)
{
    static const char *const strange[] = {
        "<html>\\n",
        "{}\\n",
        "{\\\"type\\\": \\\"ADDED\\\", \\\"object\\\": {}}\\n",
        "{\\\"type\\\": \\\"ADDED\\\", \\\"object\\\": {\\\"metadata\\\": "
        "{\\\"name\\\": 7}}}\\n",
        "{\\\"type\\\": \\\"ERROR\\\", \\\"object\\\": {\\\"code\\\": "
        "500}}\\n",
        "{\\\"type\\\": \\\"ERROR\\\", \\\"object\\\": {\\\"code\\\": "
        "\\\"x\\\"}}\\n",
    };
    rig *r = (rig *)*state;
    char answers[1024];

    for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
        scripted_forget(&r->server);
        scripted_on(&r->server, LISTS,
                    "[" LIST("10", "") ", " LIST("30", POD("a", "22")) "]");
        snprintf(answers, sizeof(answers), "[{\"chunks\": [\"%s\"]" HANG "]",
                 strange[i]);
        scripted_on(&r->server, WATCH("10"), answers);
        scripted_on(&r->server, WATCH("30"), "[{\"chunks\": []" HANG "]");
        watch(r);
        expect(r, "+a ");
        assert_took(r, 0, 2500);
        end(r);
    }
}

static void an_away_server_is_waited_for(void **state)
{
    static const char *const away[] = {
        "{\"status\": 503}",
        "{\"status\": 429}",
        "{\"status\": 0, \"then\": \"reset\"}",
        "{\"body\": \"<html>\"}",
        "{\"body\": {\"items\": 7, \"metadata\": {\"resourceVersion\": "
        "\"1\"}}}",
        "{\"body\": {\"items\": [{}], \"metadata\": {\"resourceVersion\": "
        "\"1\"}}}",
        "{\"body\": {\"items\": []}}",
        "{\"body\": {\"items\": [], \"metadata\": {\"resourceVersion\": 7}}}",
    };
    rig *r = (rig *)*state;
    char answers[1024];

    for (size_t i = 0; i < sizeof(away) / sizeof(*away); i++) {
        scripted_forget(&r->server);
        snprintf(answers, sizeof(answers),
                 "[%s, %s, %s, " LIST("10", POD("a", "3")) "]", away[i],
                 away[i], away[i]);
        scripted_on(&r->server, LISTS, answers);
        scripted_on(&r->server, WATCH("10"), "[{\"chunks\": []" HANG "]");
        watch(r);
        expect(r, "away +a back ");
        assert_took(r, 300, 3500);
        end(r);
    }
}

static void it_is_back_when_a_stream_begins(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS, "[" LIST("10", "") "]");
    scripted_on(&r->server, WATCH("10"),
                "[{\"status\": 503, \"body\": {\"kind\": \"Status\", "
                "\"message\": \"starting\"}}, {\"status\": 0, \"then\": "
                "\"close\"}, {\"chunks\": []" HANG "]");
    watch(r);
    expect(r, "away back ");
    assert_non_null(strstr(s.err.text, "watch pods in namespace demo"));
    assert_non_null(strstr(s.err.text, "503 Service Unavailable: starting"));
    /* it went on where it was */
    assert_int_equal(scripted_count(&r->server, "GET"), 4);
    end(r);
}

static void retry_after_is_waited_for(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS,
                "[{\"status\": 429, \"headers\": {\"Retry-After\": 2}}, " LIST(
                    "10", "") "]");
    scripted_on(&r->server, WATCH("10"), "[{\"chunks\": []" HANG "]");
    watch(r);
    expect(r, "away back ");
    assert_took(r, 2000, 3500);
    end(r);
}

static void a_stream_that_ends_at_once_is_no_storm(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(&r->server, LISTS, "[" LIST("10", "") "]");
    scripted_on(&r->server, WATCH("10"), "[{\"chunks\": []}]");
    watch(r);
    rig_nap(2000);
    end(r);
    if (scripted_count(&r->server, "watch=1") > 12)
        fail_msg("%d streams in 2 s", scripted_count(&r->server, "watch=1"));
    assert_true(scripted_count(&r->server, "watch=1") > 1);
}

static void what_is_refused_from_the_start_is_over(void **state)
{
    static const struct {
        int status;
        const char *words;
    } noes[] = {{401, "401 Unauthorized"},
                {403, "list pods in namespace demo at http"},
                {404, "404 Not Found"}};
    rig *r = (rig *)*state;

    for (size_t i = 0; i < 3; i++) {
        char answer[256];

        scripted_forget(&r->server);
        snprintf(answer, sizeof(answer),
                 "[{\"status\": %d, \"body\": {\"kind\": \"Status\", "
                 "\"message\": \"User \\\"x\\\" cannot list\"}}]",
                 noes[i].status);
        scripted_on(&r->server, LISTS, answer);
        watch(r);
        expect(r, "failed ");
        assert_took(r, 0, 2000);
        if (strstr(s.err.text, noes[i].words) == NULL)
            fail_msg("%s", s.err.text);
        if (noes[i].status == 403)
            assert_non_null(strstr(s.err.text, "verbs: [\"list\"]"));
        end(r);
    }
}

/* An API server that starts knows no Roles yet. */
static void what_was_allowed_may_be_refused_for_a_while(void **state)
{
    rig *r = (rig *)*state;

    scripted_on(
        &r->server, LISTS,
        "[" LIST("10",
                 POD("a", "3")) ", {\"status\": 403}, "
                                "{\"status\": 401}, {\"status\": 401}, " LIST(
                                    "30", POD("a", "3")) "]");
    scripted_on(&r->server, WATCH("10"), "[{\"status\": 410}]");
    scripted_on(&r->server, WATCH("30"), "[{\"status\": 403}]");
    watch(r);
    expect(r, "+a away back away ");
    assert_took(r, 0, 4000);
    /* but not for ever */
    expect(r, "+a away back away failed ");
    assert_took(r, 14000, 22000);
    end(r);
}

static void stop_ends_it_wherever_it_is(void **state)
{
    static const char *const lists[] = {
        "[{\"status\": 0, \"then\": \"hang\"}]",
        "[{\"status\": 503, \"headers\": {\"Retry-After\": 60}}]",
        "[" LIST("10", "") "]",
    };
    rig *r = (rig *)*state;

    for (size_t i = 0; i < 3; i++) {
        scripted_forget(&r->server);
        scripted_on(&r->server, LISTS, lists[i]);
        scripted_on(&r->server, WATCH("10"), "[{\"chunks\": []" HANG "]");
        watch(r);
        expect_asked(r, "GET", i == 2 ? 2 : 1);
        rig_nap(100);
        end(r);
    }
    /* and at once */
    watch(r);
    end(r);
    mst_kube_watch_stop(&s.watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        watch_test(it_lists_and_watches_from_there),
        watch_test(it_goes_on_where_it_was),
        watch_test(torn_lines_are_whole),
        watch_test(a_torn_end_is_asked_for_again),
        watch_test(too_old_is_listed_anew),
        watch_test(what_is_no_event_is_listed_anew),
        watch_test(an_away_server_is_waited_for),
        watch_test(it_is_back_when_a_stream_begins),
        watch_test(retry_after_is_waited_for),
        watch_test(a_stream_that_ends_at_once_is_no_storm),
        watch_test(what_is_refused_from_the_start_is_over),
        watch_test(what_was_allowed_may_be_refused_for_a_while),
        watch_test(stop_ends_it_wherever_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
