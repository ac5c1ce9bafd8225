/* it_kube_http.c - an API server's bad days: each with its error, and when. */
#include "kube_rig.h"

#include <pthread.h>
#include <time.h>

#include "base/alloc.h"

#define ANSWER "{\"body\": {\"kind\": \"Pod\"}}"
#define EXISTS                                                                 \
    "{\"status\": 409, \"body\": {\"kind\": \"Status\", \"reason\": "          \
    "\"AlreadyExists\", \"message\": \"pods \\\"w\\\" already exists\"}}"

/* --------------------------------------------------------------- answers --
 */

static void an_answer_is_an_object(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/p?x=1", 5000);
    cJSON *asked;
    const cJSON *headers;

    scripted_on(&r->server, "GET /p", "[" ANSWER "]");
    for (int i = 0; i < 3; i++) {
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
        assert_string_equal(mst_json_str(q.answer, "kind"), "Pod");
        mst_kube_request_fini(&q);
    }
    asked = scripted_asked(&r->server, "GET /p");
    assert_int_equal(cJSON_GetArraySize(asked), 3);
    headers = mst_json_object(asked, "0.headers");
    assert_string_equal(mst_json_str(headers, "user-agent"),
                        "muster/" MUSTER_VERSION);
    assert_string_equal(mst_json_str(headers, "accept"), "application/json");
    assert_string_equal(mst_json_str(headers, "authorization"), "Bearer t0ken");
    assert_string_equal(mst_json_str(asked, "0.line"), "GET /p?x=1");
    /* the connection was kept */
    assert_int_equal(mst_json_int(asked, "0.port", -1),
                     mst_json_int(asked, "2.port", -2));
    cJSON_Delete(asked);
}

static void a_body_is_sent(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("POST", "/p", 5000);
    cJSON *asked;

    scripted_on(&r->server, "POST /p", "[{\"status\": 201, \"body\": {}}]");
    q.body = "{\"a\": 1}";
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 201, 1, NULL);
    mst_kube_request_fini(&q);
    asked = scripted_asked(&r->server, "POST /p");
    assert_string_equal(mst_json_str(asked, "0.body"), "{\"a\": 1}");
    assert_string_equal(mst_json_str(asked, "0.headers.content-type"),
                        "application/json");
    cJSON_Delete(asked);
}

static void a_text_is_cut_where_it_is_too_long(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/log", 5000);

    scripted_on(&r->server, "GET /log",
                "[{\"body\": \"one\\ntwo\", \"headers\": {\"Content-Type\": "
                "\"text/plain\"}}, {\"body\": \"\"}, "
                "{\"body\": \"0123456789\", \"repeat\": 5000}]");
    q.text = true;
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    assert_string_equal(q.said, "one\ntwo");
    mst_kube_request_fini(&q);
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    assert_string_equal(q.said, "");
    mst_kube_request_fini(&q);
    q.most_bytes = 1234;
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    assert_int_equal(q.said_len, 1234);
    assert_int_equal(strlen(q.said), 1234);
    mst_kube_request_fini(&q);
}

static void a_large_answer_is_refused(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/large", 5000);

    scripted_on(&r->server, "GET /large",
                "[{\"body\": \"0123456789\", \"repeat\": 500000}]");
    q.most_bytes = 100000;
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_ENOSERVER, 200, 1, "longer than 100000 bytes");
    assert_took(r, 0, 2500);
    mst_kube_request_fini(&q);
}

static void bytes_may_come_one_by_one(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/slow", 10000);

    scripted_on(&r->server, "GET /slow",
                "[{\"body\": {\"kind\": \"Pod\"}, \"split\": 1}, "
                "{\"body\": {\"kind\": \"Pod\"}, \"rate\": 200}]");
    for (int i = 0; i < 2; i++) {
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
        assert_string_equal(mst_json_str(q.answer, "kind"), "Pod");
        mst_kube_request_fini(&q);
    }
}

/* ---------------------------------------------------------------- refusals --
 */

static void a_no_is_final(void **state)
{
    static const struct {
        int status;
        const char *words;
    } noes[] = {
        {400, "400 Bad Request: why"}, {403, "403 Forbidden: why"},
        {404, "404 Not Found: why"},   {409, "409 Conflict: why"},
        {410, "410 Gone: why"},        {413, "413 Request Entity"},
        {422, "422 Invalid: why"},     {405, "405 Method Not Allowed: why"},
        {302, "302 Found: why"},
    };
    rig *r = (rig *)*state;

    for (size_t i = 0; i < sizeof(noes) / sizeof(*noes); i++) {
        mst_kube_request q = rig_request("GET", "/no", 5000);
        char answer[256];

        snprintf(answer, sizeof(answer),
                 "[{\"status\": %d, \"headers\": {\"Location\": \"/other\"}, "
                 "\"body\": {\"kind\": \"Status\", \"message\": \"why\"}}]",
                 noes[i].status);
        scripted_on(&r->server, "GET /no", answer);
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_EDENIED, noes[i].status, 1, noes[i].words);
        assert_words(&q, r->server.url);
        assert_int_equal(q.err.http, noes[i].status);
        assert_false(q.unclear);
        assert_string_equal(mst_json_str(q.answer, "message"), "why");
        assert_took(r, 0, 2000);
        mst_kube_request_fini(&q);
    }
    assert_int_equal(scripted_count(&r->server, "/other"), 0);
}

static void a_401_is_tried_with_new_credentials(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/who", 5000);

    for (int once = 0; once < 2; once++) {
        q.once = once == 1;
        scripted_on(&r->server, "GET /who", "[{\"status\": 401}, " ANSWER "]");
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_OK, 200, 2, NULL);
        mst_kube_request_fini(&q);
    }
    scripted_on(&r->server, "GET /who", "[{\"status\": 401}]");
    rig_run(r, &q);
    assert_outcome(&q, MUSTER_EDENIED, 401, 2, "401 Unauthorized");
    assert_words(&q, "expired");
    assert_took(r, 0, 2000);
    mst_kube_request_fini(&q);
}

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
    assert_took(r, 800, 1500);
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

/* ----------------------------------------------------------------- batches --
 */

static void a_batch_runs_beside_itself(void **state)
{
    enum { N = 100 };
    rig *r = (rig *)*state;
    mst_kube_request q[N];
    bool seen[65536] = {false};
    int ports = 0;
    const cJSON *one;
    cJSON *asked;

    scripted_on(&r->server, "GET /p", "[{\"body\": {}, \"before\": 0.1}]");
    scripted_on(&r->server, "GET /bad", "[{\"status\": 404}]");
    for (int i = 0; i < N; i++)
        q[i] = rig_request("GET", i % 10 == 3 ? "/bad" : "/p", 30000);
    rig_begin(r);
    assert_false(mst_kube_http_run(r->http, q, N));
    rig_end(r);
    for (int i = 0; i < N; i++) {
        assert_outcome(&q[i], i % 10 == 3 ? MUSTER_EDENIED : MUSTER_OK,
                       i % 10 == 3 ? 404 : 200, 1, NULL);
        mst_kube_request_fini(&q[i]);
    }
    /* 90 of 0.1 s, 16 at a time */
    assert_took(r, 90 / MST_KUBE_WIDTH * 100, 4000);
    asked = scripted_asked(&r->server, "GET");
    cJSON_ArrayForEach(one, asked)
    {
        const int64_t port = mst_json_int(one, "port", 0);

        assert_true(port > 0 && port < 65536);
        ports += !seen[port];
        seen[port] = true;
    }
    cJSON_Delete(asked);
    if (ports > MST_KUBE_WIDTH || ports < 2)
        fail_msg("%d connections", ports);
    assert_true(mst_kube_http_run(r->http, NULL, 0));
}

/* -------------------------------------------------------------------- stop --
 */

static void *stop_later(void *arg)
{
    rig *r = (rig *)arg;

    nap_ms(300);
    rig_begin(r);
    mst_kube_http_stop(r->http);
    return NULL;
}

static void stop_ends_all_at_once(void **state)
{
    static const char *const answers[] = {
        "[{\"status\": 0, \"then\": \"hang\"}]", /* in flight */
        "[{\"status\": 503, \"headers\": {\"Retry-After\": 20}}]", /* waits */
    };
    rig *r = (rig *)*state;

    for (size_t k = 0; k < 2; k++) {
        mst_kube_request q[20];
        pthread_t thread;

        scripted_on(&r->server, "GET /stop", answers[k]);
        for (int i = 0; i < 20; i++)
            q[i] = rig_request("GET", "/stop", 60000);
        assert_int_equal(pthread_create(&thread, NULL, stop_later, r), 0);
        assert_false(mst_kube_http_run(r->http, q, 20));
        rig_end(r);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_took(r, 0, 100);
        for (int i = 0; i < 20; i++) {
            assert_outcome(&q[i], MUSTER_ECANCELED, -1, -1, "stopped");
            mst_kube_request_fini(&q[i]);
        }
        /* and later ones do not begin */
        q[0] = rig_request("GET", "/after", 60000);
        rig_run(r, &q[0]);
        assert_outcome(&q[0], MUSTER_ECANCELED, 0, 0, "stopped");
        assert_took(r, 0, 100);
        assert_int_equal(scripted_count(&r->server, "GET /after"), 0);
        rig_new_http(r);
    }
}

/* ------------------------------------------------------------------ others --
 */

static void warnings_are_log_lines(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/warn", 5000);

    scripted_on(&r->server, "GET /warn",
                "[{\"body\": {}, \"headers\": {\"warning\": "
                "[\"299 - \\\"v1 is old\\\"\", \"299 - \\\"so is v2\\\"\"]}}]");
    for (int i = 0; i < 3; i++) {
        rig_run(r, &q);
        assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
        mst_kube_request_fini(&q);
    }
    assert_string_equal(
        r->log.text, "KUBE-WARNING verb=get resource=pods text=\"v1 is old\"\n"
                     "KUBE-WARNING verb=get resource=pods text=\"so is v2\"\n");
}

static void parts_of_a_path_are_escaped(void **state)
{
    char *text = mst_kube_escape("muster/session=a b,\xc3\xa4~-._Z9%");

    (void)state;
    assert_string_equal(text, "muster%2Fsession%3Da%20b%2C%C3%A4~-._Z9%25");
    mst_free(text);
    text = mst_kube_escape("");
    assert_string_equal(text, "");
    mst_free(text);
    mst_alloc_fail_after(1);
    assert_null(mst_kube_escape("x"));
    mst_alloc_fail_after(0);
}

static void without_memory_there_is_an_error(void **state)
{
    rig *r = (rig *)*state;
    int failed = 0;

    scripted_on(&r->server, "GET /p", "[" ANSWER "]");
    for (int n = 1; n < 40; n++) {
        mst_kube_request q[3];
        bool well;

        for (int i = 0; i < 3; i++) {
            q[i] = rig_request("GET", "/p", 5000);
            q[i].text = i == 1;
        }
        mst_alloc_fail_after(n);
        well = mst_kube_http_run(r->http, q, 3);
        mst_alloc_fail_after(0);
        failed += !well;
        for (int i = 0; i < 3; i++) {
            if (q[i].rc != MUSTER_OK &&
                (q[i].err.code != q[i].rc || q[i].err.text[0] == '\0'))
                fail_msg("allocation %d: %d %d %s", n, q[i].rc, q[i].err.code,
                         q[i].err.text);
            assert_true(q[i].rc == MUSTER_OK || q[i].rc == MUSTER_ENOMEM ||
                        q[i].rc == MUSTER_EKUBE);
            mst_kube_request_fini(&q[i]);
        }
        if (n == 39)
            assert_true(well);
    }
    assert_true(failed > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(an_answer_is_an_object),
        rig_test(a_body_is_sent),
        rig_test(a_text_is_cut_where_it_is_too_long),
        rig_test(a_large_answer_is_refused),
        rig_test(bytes_may_come_one_by_one),
        rig_test(a_no_is_final),
        rig_test(a_401_is_tried_with_new_credentials),
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
        rig_test(a_batch_runs_beside_itself),
        rig_test(stop_ends_all_at_once),
        rig_test(warnings_are_log_lines),
        cmocka_unit_test(parts_of_a_path_are_escaped),
        rig_test(without_memory_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
