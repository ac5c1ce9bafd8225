/* ut_refusal.c - what the API server's no means, why it was not reached, and
 * its warnings. */
#include "unit.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include "launch/kube/reach.h"
#include "launch/kube/refusal.h"
#include "launch/kube/warnings.h"

#define STATUS(status, reason, message, more)                                  \
    "{\"kind\":\"Status\",\"code\":" #status ",\"reason\":\"" reason           \
    "\",\"message\":\"" message "\"" more "}"
#define RBAC                                                                   \
    "pods is forbidden: User \\\"system:serviceaccount:demo:sa\\\" cannot "    \
    "create resource \\\"pods\\\" in API group \\\"\\\" in the namespace "     \
    "\\\"demo\\\""

static const struct {
    long status;
    const char *json; /* NULL: the answer is none */
    mst_refusal refusal;
    const char *words[4];
} cases[] = {
    {401,
     STATUS(401, "Unauthorized", "Unauthorized", ""),
     MST_REFUSAL_UNKNOWN_USER,
     {"401 Unauthorized", "not accepted", "expired"}},
    {401, NULL, MST_REFUSAL_UNKNOWN_USER, {"401 Unauthorized", "expired"}},
    {403,
     STATUS(403, "Forbidden", RBAC, ""),
     MST_REFUSAL_RBAC,
     {"User \"system:serviceaccount:demo:sa\" cannot create resource",
      "add to its Role: - {apiGroups: [\"\"], resources: [\"pods\"], "
      "verbs: [\"create\"]}"}},
    {403,
     STATUS(403, "Forbidden",
            "pods \\\"w\\\" is forbidden: exceeded quota: few, requested: "
            "pods=1, used: pods=4, limited: pods=4",
            ""),
     MST_REFUSAL_QUOTA,
     {"exceeded quota: few, requested: pods=1, used: pods=4", "larger quota"}},
    {403,
     STATUS(403, "Forbidden",
            "pods \\\"w\\\" is forbidden: failed quota: q: must specify "
            "limits.cpu for: worker",
            ""),
     MST_REFUSAL_QUOTA,
     {"must specify limits.cpu"}},
    {403,
     STATUS(403, "Forbidden",
            "pods \\\"w\\\" is forbidden: violates PodSecurity "
            "\\\"restricted:latest\\\": runAsNonRoot != true (pod or container "
            "\\\"worker\\\" must set securityContext.runAsNonRoot=true)",
            ""),
     MST_REFUSAL_ADMISSION,
     {"violates PodSecurity \"restricted:latest\": runAsNonRoot != true"}},
    {403,
     STATUS(403, "Forbidden",
            "admission webhook \\\"p.x\\\" denied the request: \\\"root\\\" "
            "cannot be",
            ""),
     MST_REFUSAL_ADMISSION,
     {"admission webhook \"p.x\" denied the request"}},
    {400,
     STATUS(400, "BadRequest",
            "admission webhook \\\"p.x\\\" denied the request: no", ""),
     MST_REFUSAL_ADMISSION,
     {"400 Bad Request: admission webhook"}},
    {403, NULL, MST_REFUSAL_OTHER, {"403 Forbidden", "is a proxy in between"}},
    {404,
     STATUS(404, "NotFound", "namespaces \\\"demo\\\" not found",
            ",\"details\":{\"kind\":\"namespaces\"}"),
     MST_REFUSAL_NOT_FOUND,
     {"namespaces \"demo\" not found", "create the namespace"}},
    {404,
     STATUS(404, "NotFound", "pods \\\"w\\\" not found",
            ",\"details\":{\"kind\":\"pods\"}"),
     MST_REFUSAL_NOT_FOUND,
     {"404 Not Found: pods \"w\" not found"}},
    {404, NULL, MST_REFUSAL_OTHER, {"404 Not Found", "is its address right"}},
    {409,
     STATUS(409, "AlreadyExists", "pods \\\"w\\\" already exists", ""),
     MST_REFUSAL_EXISTS,
     {"409 Conflict: pods \"w\" already exists"}},
    {410,
     STATUS(410, "Expired", "too old resource version: 1 (9)", ""),
     MST_REFUSAL_GONE,
     {"410 Gone: too old resource version"}},
    {413,
     STATUS(413, "RequestEntityTooLarge", "Request entity too large", ""),
     MST_REFUSAL_INVALID,
     {"413 Request Entity Too Large"}},
    {422,
     STATUS(422, "Invalid", "Pod \\\"w\\\" is invalid: many words",
            ",\"details\":{\"causes\":[{\"field\":"
            "\"spec.containers[0].image\"}]}"),
     MST_REFUSAL_INVALID,
     {"422 Invalid: Pod \"w\" is invalid",
      "the field is spec.containers[0].image"}},
    {429,
     STATUS(429, "TooManyRequests", "slow down", ""),
     MST_REFUSAL_BUSY,
     {"429 Too Many Requests: slow down"}},
    {500,
     STATUS(500, "InternalError", "etcd is away", ""),
     MST_REFUSAL_BUSY,
     {"500 Internal Server Error: etcd is away"}},
    {503, NULL, MST_REFUSAL_BUSY, {"503 Service Unavailable"}},
    {302, NULL, MST_REFUSAL_OTHER, {"302 Found", "sends elsewhere"}},
    {418, NULL, MST_REFUSAL_OTHER, {": 418;", "no answer of an API server"}},
    /* wrong types */
    {403, "{\"kind\":7,\"message\":[]}", MST_REFUSAL_OTHER, {"403 Forbidden"}},
    {403,
     "{\"kind\":\"Status\",\"message\":{}}",
     MST_REFUSAL_ADMISSION,
     {"403 Forbidden"}},
    {422,
     "{\"kind\":\"Status\",\"details\":{\"causes\":[7]}}",
     MST_REFUSAL_INVALID,
     {"422 Invalid"}},
    {404, "[]", MST_REFUSAL_OTHER, {"404 Not Found"}},
};

static void each_no_has_its_words(void **state)
{
    const mst_kube_what what = {"create", "pods", "demo", NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cJSON *json = cases[i].json != NULL ? cJSON_Parse(cases[i].json) : NULL;
        muster_error err = {0};

        assert_true(json != NULL || cases[i].json == NULL);
        assert_int_equal(mst_refusal_of(cases[i].status, json),
                         cases[i].refusal);
        assert_int_equal(mst_refusal_error_at(&what, "https://h:6443",
                                              cases[i].status, json, &err),
                         MUSTER_EDENIED);
        assert_int_equal(err.code, MUSTER_EDENIED);
        assert_int_equal(err.http, cases[i].status);
        if (strstr(err.text,
                   "create pods in namespace demo at https://h:6443: ") !=
            err.text)
            fail_msg("%s", err.text);
        for (size_t k = 0; k < 4 && cases[i].words[k] != NULL; k++)
            if (strstr(err.text, cases[i].words[k]) == NULL)
                fail_msg("no \"%s\" in: %s", cases[i].words[k], err.text);
        cJSON_Delete(json);
    }
}

/* However long everything is, the advice is whole. */
static void only_the_servers_words_are_cut(void **state)
{
    char name[300], long_ns[300], server[300], message[3000];
    const mst_kube_what what = {"deletecollection", "pods/log", long_ns, name};
    cJSON *json = cJSON_CreateObject();
    muster_error err = {0};

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(long_ns, 's', sizeof(long_ns) - 1);
    long_ns[sizeof(long_ns) - 1] = '\0';
    memset(server, 'h', sizeof(server) - 1);
    server[sizeof(server) - 1] = '\0';
    snprintf(message, sizeof(message), "User \"x\" cannot");
    for (size_t i = strlen(message); i + 3 < sizeof(message); i += 2)
        memcpy(message + i, " \xc3\xa4", 4);
    cJSON_AddStringToObject(json, "kind", "Status");
    cJSON_AddStringToObject(json, "message", message);
    for (size_t cut = 0; cut < 300; cut++) {
        static const char rule[] =
            "; add to its Role: - {apiGroups: [\"\"], resources: "
            "[\"pods/log\"], verbs: [\"deletecollection\"]}";
        const char *dots;

        mst_refusal_error_at(&what, server + cut, 403, json, &err);
        dots = strstr(err.text, "...");
        assert_non_null(dots);
        assert_string_equal(dots + 3, rule);
        /* no half of a character */
        assert_true(dots[-1] == ' ' || dots[-1] == '\xa4' || dots[-1] == 't');
        assert_true(strlen(err.text) > MUSTER_ERROR_TEXT - 10);
    }
    /* and what fits is not */
    cJSON_ReplaceItemInObject(json, "message",
                              cJSON_CreateString("User \"x\" cannot"));
    mst_refusal_error(&what, 403, json, &err);
    assert_null(strstr(err.text, "..."));
    assert_int_equal(mst_refusal_error(&what, 403, json, NULL), MUSTER_EDENIED);
    cJSON_Delete(json);
}

static void a_reason_says_what_to_do(void **state)
{
    static const struct {
        CURLcode code;
        const char *words, *says;
        bool again;
    } reasons[] = {
        {CURLE_PEER_FAILED_VERIFICATION,
         "SSL certificate problem: unable to get local issuer certificate",
         "signed by an unknown authority; check certificate-authority in SRC",
         false},
        {CURLE_PEER_FAILED_VERIFICATION,
         "SSL certificate problem: certificate has expired", "has expired",
         false},
        {CURLE_PEER_FAILED_VERIFICATION,
         "SSL: no alternative certificate subject name matches target host "
         "name 'x'",
         "for other names; use one of them as the address, or set "
         "tls-server-name in SRC",
         false},
        {CURLE_PEER_FAILED_VERIFICATION, "something new", "not trusted", false},
        {CURLE_SSL_CONNECT_ERROR,
         "error:0A00010B:SSL routines::wrong version number",
         "does not speak TLS", false},
        {CURLE_SSL_CONNECT_ERROR, "Connection reset by peer",
         "Connection reset by peer", true},
        {CURLE_COULDNT_CONNECT, "Connection refused",
         "connection refused; does it run, and is its address right in SRC",
         true},
        {CURLE_COULDNT_RESOLVE_HOST, "", "not known to DNS", true},
        {CURLE_OPERATION_TIMEDOUT, "", "no answer in time", true},
        {CURLE_GOT_NOTHING, "", "hung up", true},
        {CURLE_PARTIAL_FILE, "", "ended early", true},
        {CURLE_RECV_ERROR, "", "Failure when receiving data", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        char text[300];

        mst_reach_why(reasons[i].code, reasons[i].words, "SRC", text,
                      sizeof(text));
        if (strstr(text, reasons[i].says) == NULL)
            fail_msg("no \"%s\" in: %s", reasons[i].says, text);
        assert_int_equal(mst_reach_again(reasons[i].code, reasons[i].words),
                         reasons[i].again);
    }
}

static void join(void *arg, const char *text)
{
    strcat((char *)arg, text);
    strcat((char *)arg, "|");
}

static void a_warning_is_told_once(void **state)
{
    static const char one[] = " 299 - \"v1 Foo is old\"\r\n";
    static const char more[] =
        "299 - \"v1 Foo is old\", 299 x \"say \\\"no\\\"\" \"date\",299 - \"\"";
    static mst_warnings warnings;
    char *text = calloc(1, 65536);

    (void)state;
    mst_warnings_take(&warnings, one, sizeof(one) - 1, join, text);
    mst_warnings_take(&warnings, one, sizeof(one) - 1, join, text);
    mst_warnings_take(&warnings, more, sizeof(more) - 1, join, text);
    mst_warnings_take(&warnings, "299 - \"open", 11, join, text);
    mst_warnings_take(&warnings, "", 0, join, text);
    assert_string_equal(text, "v1 Foo is old|say \"no\"|date|");
    text[0] = '\0';
    for (int i = 0; i < 2 * MST_WARNINGS_MOST; i++) {
        char line[32];
        const int n = snprintf(line, sizeof(line), "299 - \"w%d\"", i);

        mst_warnings_take(&warnings, line, (size_t)n, join, text);
    }
    assert_int_equal(warnings.n, MST_WARNINGS_MOST);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_no_has_its_words),
        cmocka_unit_test(only_the_servers_words_are_cut),
        cmocka_unit_test(a_reason_says_what_to_do),
        cmocka_unit_test(a_warning_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
