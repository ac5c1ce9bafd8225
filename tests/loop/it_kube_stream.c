/* it_kube_stream.c - an answer that does not end: its bytes, and its ends. */
#include "kube_rig.h"

#define HANG ", \"then\": \"hang\"}"

typedef struct taken {
    char text[1024];
    size_t used;
    int calls, most; /* false at call `most` */
} taken;

static bool take(void *arg, const char *data, size_t len)
{
    taken *t = (taken *)arg;

    if (t->calls == 0)
        assert_int_equal(len, 0); /* it has begun */
    assert_true(t->used + len < sizeof(t->text));
    memcpy(t->text + t->used, data, len);
    t->used += len;
    t->text[t->used] = '\0';
    return ++t->calls != t->most;
}

static muster_err stream(rig *r, mst_kube_request *q, taken *t,
                         int64_t quiet_ms)
{
    muster_err rc;

    *t = (taken){.most = t->most};
    rig_begin(r);
    rc = mst_kube_http_stream(r->http, q, quiet_ms, take, t);
    rig_end(r);
    assert_int_equal(rc, q->rc);
    return rc;
}

static void a_stream_ends_with_the_server(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/s", 20000);
    taken t = {.most = 0};

    scripted_on(&r->server, "/s",
                "[{\"chunks\": [\"one \", \"two \", \"three\"]}, "
                "{\"chunks\": [\"one \", \"two \", \"three\"], \"split\": 1}, "
                "{\"chunks\": []}]");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stream(r, &q, &t, 10000), MUSTER_OK);
        assert_string_equal(t.text, "one two three");
        assert_outcome(&q, MUSTER_OK, 200, 1, NULL);
    }
    assert_int_equal(stream(r, &q, &t, 10000), MUSTER_OK);
    assert_int_equal(t.calls, 1);
}

static void who_has_enough_ends_a_stream(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/s", 20000);
    taken t = {.most = 1};

    scripted_on(&r->server, "/s",
                "[{\"chunks\": [\"one \", \"two \"], \"pause\": 0.2" HANG "]");
    for (t.most = 1; t.most < 4; t.most++) {
        assert_int_equal(stream(r, &q, &t, 10000), MUSTER_OK);
        assert_int_equal(t.calls, t.most);
        assert_took(r, 0, 1000);
    }
    assert_string_equal(t.text, "one two ");
}

static void a_stream_that_is_no_stream_has_its_answer(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/s", 20000);
    taken t = {.most = 0};

    scripted_on(&r->server, "/s",
                "[{\"status\": 410, \"body\": {\"kind\": \"Status\", "
                "\"message\": \"too old\"}}, {\"status\": 401}, {\"status\": "
                "401}, {\"status\": 503, \"headers\": {\"Retry-After\": 7}}]");
    assert_int_equal(stream(r, &q, &t, 10000), MUSTER_EDENIED);
    assert_outcome(&q, MUSTER_EDENIED, 410, 1, "410 Gone: too old");
    assert_string_equal(mst_json_str(q.answer, "message"), "too old");
    mst_kube_request_fini(&q);
    assert_int_equal(stream(r, &q, &t, 10000), MUSTER_EDENIED);
    assert_outcome(&q, MUSTER_EDENIED, 401, 2, "401");
    assert_int_equal(stream(r, &q, &t, 10000), MUSTER_EDENIED);
    assert_outcome(&q, MUSTER_EDENIED, 503, 1, "503");
    assert_int_equal(q.retry_after_ms, 7000);
    assert_int_equal(t.calls, 0);
}

static void a_quiet_stream_ends(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/s", 60000);
    taken t = {.most = 0};

    scripted_on(&r->server, "/s", "[{\"chunks\": [\"one\"]" HANG "]");
    assert_int_equal(stream(r, &q, &t, 600), MUSTER_ETIMEOUT);
    assert_string_equal(t.text, "one");
    assert_took(r, 580, 1200);
    /* before it has begun, it is the server that is not there */
    scripted_on(&r->server, "/s", "[{\"status\": 0, \"then\": \"hang\"}]");
    assert_int_equal(stream(r, &q, &t, 600), MUSTER_ENOSERVER);
    assert_took(r, 580, 1200);
    /* what is not quiet goes on */
    scripted_on(&r->server, "/s",
                "[{\"chunks\": [\"1\", \"2\", \"3\", \"4\"], \"pause\": 0.4}]");
    assert_int_equal(stream(r, &q, &t, 1000 * SCRIPTED_SLOW), MUSTER_OK);
    assert_string_equal(t.text, "1234");
    assert_took(r, 1500, 2500);
}

static void a_stream_that_breaks_says_so(void **state)
{
    rig *r = (rig *)*state;
    mst_kube_request q = rig_request("GET", "/s", 20000);
    taken t = {.most = 0};

    scripted_on(&r->server, "/s",
                "[{\"chunks\": [\"one\"], \"then\": \"cut\"}, "
                "{\"chunks\": [\"one\"], \"pause\": 0.1, \"then\": "
                "\"reset\"}]");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stream(r, &q, &t, 10000), MUSTER_ENOSERVER);
        assert_outcome(&q, MUSTER_ENOSERVER, 200, 1, NULL);
        assert_took(r, 0, 1000);
    }
    assert_string_equal(t.text, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_stream_ends_with_the_server),
        rig_test(who_has_enough_ends_a_stream),
        rig_test(a_stream_that_is_no_stream_has_its_answer),
        rig_test(a_quiet_stream_ends),
        rig_test(a_stream_that_breaks_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
