/* it_kube_retry.c - the API server's bad days: what is tried again, until when,
 * and what is said then. */
#include "kube_rig.h"

#include <time.h>

#define ANSWER "{\"body\": {\"kind\": \"Pod\"}}"
#define EXISTS                                                                 \
    "{\"status\": 409, \"body\": {\"kind\": \"Status\", \"reason\": "          \
    "\"AlreadyExists\", \"message\": \"pods \\\"w\\\" already exists\"}}"

/* -------------------------------------------------------------------- busy --
 */

static void a_busy_server_is_asked_again(void **state)
{
    static const int busy[] = {429, 500, 502, 503, 504};
    rig *r = (rig *)*state;

    for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++) {
        mst_kube_request q = rig_request("GET", "/busy", 20000);
        char answer[128];

        snprintf(answer, sizeof(answer),
                 "[{\"status\": %d}, {\"status\": %d, \"body\": \"<html>\"}, "
                 "{\"status\": %d}, " ANSWER "]",
                 busy[i], busy[i], busy[i]);
        scripted_on(&r->server, "GET /busy", answer);
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_OK, 200, 4, NULL);
        /* 100, 200 and 400 ms, of each at least the half */
        assert_took(r, 350, 2500);
        mst_kube_request_fini(&q);
    }
}

static void a_busy_server_has_until_its_time_is_over(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/busy", 1000);

    scripted_on(&r->server, "POST /busy",
                "[{\"status\": 503, \"body\": {\"kind\": \"Status\", "
                "\"message\": \"etcd is away\"}}]");
    q.body = "{}";
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_EDENIED, 503, -1,
                   "503 Service Unavailable: etcd is away");
    assert_words(&q, "tried ");
    assert_true(q.tries >= 3 || SCRIPTED_SLOW > 1);
    assert_true(q.unclear);
    assert_took(r, 900, 1500);
    mst_kube_request_fini(&q);
    /* it would be too late */
    scripted_on(&r->server, "POST /busy",
                "[{\"status\": 429, \"headers\": {\"Retry-After\": 30}}]");
    q.until_ms = mst_until_ms(5000);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_EDENIED, 429, 1, "429 Too Many Requests");
    assert_int_equal(q.retry_after_ms, 30000);
    assert_false(q.unclear);
    assert_took(r, 0, 1000);
    mst_kube_request_fini(&q);
    /* nor is it tried again when it shall not be */
    q.once = true;
    scripted_on(&r->server, "POST /busy", "[{\"status\": 500}]");
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_EDENIED, 500, 1, "500 Internal");
    mst_kube_request_fini(&q);
}

static void retry_after_is_kept(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/later", 20000);
    char answer[256], date[64];
    const time_t then = time(NULL) + 3;
    struct tm tm;

    scripted_on(
        &r->server, "GET /later",
        "[{\"status\": 429, \"headers\": {\"Retry-After\": \"1\"}}, " ANSWER
        "]");
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 2, NULL);
    assert_took(r, 1000, 2500);
    mst_kube_request_fini(&q);
    gmtime_r(&then, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(
        answer, sizeof(answer),
        "[{\"status\": 503, \"headers\": {\"Retry-After\": \"%s\"}}, " ANSWER
        "]",
        date);
    scripted_on(&r->server, "GET /later", answer);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 2, NULL);
    assert_took(r, SCRIPTED_SLOW > 1 ? 0 : 900, 4500);
    mst_kube_request_fini(&q);
}

/* ------------------------------------------------------- answers that break --
 */

static void what_breaks_is_asked_again(void **state)
{
    static const char *const broken[] = {
        "{\"status\": 0, \"then\": \"reset\"}",
        "{\"status\": 0, \"then\": \"close\"}",
        "{\"raw\": \"HTTP/1.1 200 OK\\r\\nContent-Le\", \"then\": \"close\"}",
        "{\"raw\": \"\\u0000\\u0001\\u0002 what\\r\\n\\r\\n\", "
        "\"then\": \"close\"}",
        "{\"body\": \"{\\\"kind\\\": \\\"P\", \"length\": 1000, "
        "\"then\": \"close\"}",
        "{\"body\": \"{\\\"kind\\\": \\\"P\", \"length\": 1000, "
        "\"then\": \"reset\"}",
        "{\"chunks\": [\"{\\\"kind\\\":\"], \"then\": \"cut\"}",
        "{\"body\": \"{\\\"kind\\\": \\\"P\", \"length\": null}",
        "{\"body\": \"{\\\"kind\\\": \\\"P\"}",
        "{\"body\": \"\"}",
        "{\"body\": [1, \"two\", null]}",
        "{\"body\": \"null\"}",
        "{\"body\": \"7\"}",
        "{\"body\": \"{} trailing\"}",
    };
    rig *r = (rig *)*state;

    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        mst_kube_request q = rig_request("GET", "/broken", 10000);
        char answer[512];

        snprintf(answer, sizeof(answer), "[%s, %s, " ANSWER "]", broken[i],
                 broken[i]);
        scripted_on(&r->server, "GET /broken", answer);
        rig_run(r, &q);
        if (q.rc != MUSTER_OK)
            fail_msg("%s: %s", broken[i], q.err.text);
        assert_string_equal(mst_json_str(q.answer, "kind"), "Pod");
        assert_true(q.tries >= 3);
        /* one of them may be libcurl's own, at once */
        assert_took(r, 50, 3000);
        mst_kube_request_fini(&q);
    }
}

static void what_makes_no_sense_is_not_asked_for_ever(void **state)
{
    static const struct {
        const char *answer, *words;
    } senseless[] = {
        {"{\"body\": \"<html>Log in</html>\", \"headers\": "
         "{\"Content-Type\": \"text/html\"}}",
         "no JSON object (19 bytes of text/html); is a proxy in between?"},
        {"{\"body\": \"\"}", "the answer is empty"},
        {"{\"body\": [7]}", "no JSON object (3 bytes of application/json)"},
    };
    rig *r = (rig *)*state;

    for (size_t i = 0; i < sizeof(senseless) / sizeof(*senseless); i++) {
        mst_kube_request q = rig_request("GET", "/html", 10000);
        char answer[256];

        snprintf(answer, sizeof(answer), "[%s]", senseless[i].answer);
        scripted_on(&r->server, "GET /html", answer);
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_ENOSERVER, 200, 3, senseless[i].words);
        assert_took(r, 100, 2500);
        mst_kube_request_fini(&q);
    }
}

static void a_refused_connection_is_tried_until_the_end(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/p", 800);
    const int fd = rig_closed_port(r);

    q.body = "{}";
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, -1, "connection refused");
    assert_words(&q, "was not reached");
    assert_words(&q, "tried ");
    assert_words(&q, "/kubeconfig");
    assert_true(q.tries >= 3 || SCRIPTED_SLOW > 1);
    assert_false(q.unclear);
    assert_took(r, 600, 1300);
    close(fd);
}

static void a_silent_server_has_until_its_time_is_over(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/hang", 700);

    q.body = "{}";
    scripted_on(&r->server, "/hang", "[{\"status\": 0, \"then\": \"hang\"}]");
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, -1, "no answer in time");
    assert_true(q.unclear);
    assert_took(r, 650, 1500);
    mst_kube_request_fini(&q);
    /* a body that does not end */
    scripted_on(&r->server, "/hang",
                "[{\"body\": \"{\", \"length\": 10, \"then\": \"hang\"}]");
    q.until_ms = mst_until_ms(700);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 200, -1, "no answer in time");
    assert_took(r, 650, 1500);
    mst_kube_request_fini(&q);
    /* one that comes too slowly */
    scripted_on(&r->server, "/hang",
                "[{\"body\": \"0123456789\", \"repeat\": 100, \"rate\": 20}]");
    q.until_ms = mst_until_ms(700);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 200, -1, "no answer in time");
    assert_took(r, 650, 1500);
    mst_kube_request_fini(&q);
}

static void a_silent_try_is_given_up(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/hang", 20000);

    scripted_on(&r->server, "/hang",
                "[{\"status\": 0, \"then\": \"hang\"}, " ANSWER "]");
    q.quiet_ms = 500 * SCRIPTED_SLOW;
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 2, NULL);
    assert_took(r, 500, 1500);
    mst_kube_request_fini(&q);
    /* without saying so, half of the time is for another one */
    scripted_on(&r->server, "/hang",
                "[{\"status\": 0, \"then\": \"hang\"}, " ANSWER "]");
    q.quiet_ms = 0;
    q.until_ms = mst_until_ms(4000 * SCRIPTED_SLOW);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 2, NULL);
    assert_took(r, 1900, 3500);
    mst_kube_request_fini(&q);
}

/* -------------------------------------------------------------------- POST --
 */

static void a_post_that_was_tried_before_has_made_it(void **state)
{
    static const struct {
        const char *answers;
        bool ours;
        muster_err rc;
        int tries;
    } posts[] = {
        {"[{\"status\": 500}, " EXISTS "]", false, MUSTER_OK, 2},
        {"[{\"status\": 504}, " EXISTS "]", false, MUSTER_OK, 2},
        {"[{\"status\": 0, \"then\": \"close\"}, " EXISTS "]", false, MUSTER_OK,
         2},
        {"[{\"body\": \"<\", \"status\": 201}, " EXISTS "]", false, MUSTER_OK,
         2},
        /* these were not done */
        {"[" EXISTS "]", false, MUSTER_EDENIED, 1},
        {"[{\"status\": 429}, " EXISTS "]", false, MUSTER_EDENIED, 2},
        {"[{\"status\": 401}, " EXISTS "]", false, MUSTER_EDENIED, 2},
        /* but nobody else would have made it */
        {"[" EXISTS "]", true, MUSTER_OK, 1},
    };
    rig *r = (rig *)*state;

    for (size_t i = 0; i < sizeof(posts) / sizeof(*posts); i++) {
        mst_kube_request q = rig_request("POST", "/p", 10000);

        scripted_on(&r->server, "POST /p", posts[i].answers);
        q.body = "{}";
        q.ours = posts[i].ours;
        rig_run(r, &q);
        if (q.rc != posts[i].rc || q.status != 409 ||
            q.tries != posts[i].tries || q.unclear)
            fail_msg("%s: %d, %ld, %d tries: %s", posts[i].answers, q.rc,
                     q.status, q.tries, q.err.text);
        assert_string_equal(mst_json_str(q.answer, "reason"), "AlreadyExists");
        mst_kube_request_fini(&q);
    }
}

static void a_conflict_of_a_post_passes(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/p", 10000);

    scripted_on(&r->server, "POST /p",
                "[{\"status\": 409, \"body\": {\"kind\": \"Status\", "
                "\"reason\": \"Conflict\", \"message\": \"Operation cannot be "
                "fulfilled on resourcequotas\"}}, {\"status\": 201, \"body\": "
                "{}}]");
    q.body = "{}";
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 201, 2, NULL);
    mst_kube_request_fini(&q);
}

static void a_post_that_may_have_been_done_is_unclear(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/p", 5000);

    scripted_on(&r->server, "POST /p",
                "[{\"status\": 0, \"then\": \"reset\"}]");
    q.body = "{}";
    q.once = true;
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 0, 1, NULL);
    assert_true(q.unclear);
    assert_int_equal(scripted_count(&r->server, "POST /p"), 1);
    mst_kube_request_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_busy_server_is_asked_again),
        rig_test(a_busy_server_has_until_its_time_is_over),
        rig_test(retry_after_is_kept),
        rig_test(what_breaks_is_asked_again),
        rig_test(what_makes_no_sense_is_not_asked_for_ever),
        rig_test(a_refused_connection_is_tried_until_the_end),
        rig_test(a_silent_server_has_until_its_time_is_over),
        rig_test(a_silent_try_is_given_up),
        rig_test(a_post_that_was_tried_before_has_made_it),
        rig_test(a_conflict_of_a_post_passes),
        rig_test(a_post_that_may_have_been_done_is_unclear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
