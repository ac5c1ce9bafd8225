/* it_kube_http.c - requests to the API server: their answers, batches, and
 * their end. */
#include "kube_rig.h"

#include <pthread.h>

#include "base/alloc.h"

#define ANSWER "{\"body\": {\"kind\": \"Pod\"}}"

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

    rig_nap(300);
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
        rig_test(a_batch_runs_beside_itself),
        rig_test(stop_ends_all_at_once),
        rig_test(warnings_are_log_lines),
        cmocka_unit_test(parts_of_a_path_are_escaped),
        rig_test(without_memory_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
