#include "launch/kube/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/refusal.h"
#include "launch/kube/retry.h"
#include "launch/kube/transfer.h"

#define LOOK_MS 1000 /* at a stream that says nothing */

struct mst_kube_http {
    mst_kube_access *access;
    mst_log *log;
    CURLM *multi;
    atomic_bool stop;
};

static pthread_once_t begun = PTHREAD_ONCE_INIT;
static CURLcode global;

static void begin(void)
{
    global = curl_global_init(CURL_GLOBAL_DEFAULT);
}

muster_err mst_kube_http_create(mst_kube_access *access, mst_log *log,
                                mst_kube_http **out, muster_error *err)
{
    mst_kube_http *http = mst_calloc(1, sizeof(*http));

    pthread_once(&begun, begin);
    if (http != NULL && global == CURLE_OK)
        http->multi = curl_multi_init();
    if (http == NULL || http->multi == NULL) {
        mst_free(http);
        return mst_fail(err, MUSTER_ENOMEM, "an HTTP client");
    }
    http->access = access;
    http->log = log;
    atomic_init(&http->stop, false);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)MST_KUBE_WIDTH);
    *out = http;
    return MUSTER_OK;
}

void mst_kube_http_destroy(mst_kube_http **httpp)
{
    mst_kube_http *http = *httpp;

    *httpp = NULL;
    if (http == NULL)
        return;
    curl_multi_cleanup(http->multi);
    mst_free(http);
}

void mst_kube_http_stop(mst_kube_http *http)
{
    atomic_store(&http->stop, true);
    (void)curl_multi_wakeup(http->multi);
}

void mst_kube_request_fini(mst_kube_request *r)
{
    mst_drop_json(&r->answer);
    r->answer = NULL;
    mst_free(r->said);
    r->said = NULL;
}

/* "create pods in namespace n" */
static const char *words_of(const mst_kube_request *r, char words[200])
{
    snprintf(words, 200, "%s %.60s%s%.60s in namespace %.63s", r->what.verb,
             r->what.resource, r->what.name != NULL ? " " : "",
             r->what.name != NULL ? r->what.name : "", r->what.ns);
    return words;
}

/* ------------------------------------------------------------- outcomes -- */

static void over(mst_transfer *t, muster_err rc)
{
    t->request->rc = rc;
    t->over = true;
}

static void not_reached(mst_kube_http *http, mst_transfer *t, const char *why)
{
    mst_kube_request *r = t->request;
    char words[200];

    mst_fail(&r->err, MUSTER_ENOSERVER, "%s: %.100s was not reached%s: %.150s",
             words_of(r, words), mst_kube_server(http->access),
             r->tries > 1 ? ", nor when tried again" : "", why);
    r->err.http = r->status;
    over(t, MUSTER_ENOSERVER);
}

static void refused(mst_transfer *t)
{
    mst_kube_request *r = t->request;

    over(t, mst_refusal_error(&r->what, r->status, r->answer, &r->err));
}

/* Later, when there is time for it. */
static bool again(mst_transfer *t, int64_t after_ms)
{
    const int64_t at =
        mst_now_ms() + mst_retry_delay_ms(t->request->tries, after_ms);

    if (t->request->once || at >= t->request->until_ms)
        return false;
    mst_drop_json(&t->request->answer);
    t->request->answer = NULL;
    t->at_ms = at;
    return true;
}

static int64_t retry_after_ms(const mst_transfer *t)
{
    curl_off_t seconds = 0;

    if (curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &seconds) !=
            CURLE_OK ||
        seconds <= 0)
        return -1;
    return (int64_t)seconds * 1000;
}

/* A 2xx. What changes something has changed it, whatever the answer says. */
static void succeeded(mst_kube_http *http, mst_transfer *t)
{
    mst_kube_request *r = t->request;
    const bool get = strcmp(r->method, "GET") == 0;

    r->unclear = false;
    if (r->text) {
        r->said = t->body;
        r->said_len = t->used;
        t->body = NULL;
        if (r->said == NULL)
            r->said = mst_calloc(1, 1);
        over(t, r->said != NULL ? MUSTER_OK
                                : mst_fail(&r->err, MUSTER_ENOMEM, "a text"));
        return;
    }
    if (r->answer != NULL || !get) {
        over(t, MUSTER_OK);
        return;
    }
    if (!again(t, -1))
        not_reached(http, t, "its answer is no JSON object");
}

static bool exists_already(const mst_kube_request *r)
{
    const char *reason = mst_json_str(r->answer, "reason");

    return r->status == 409 && r->ours && reason != NULL &&
           strcmp(reason, "AlreadyExists") == 0;
}

static void answered(mst_kube_http *http, mst_transfer *t)
{
    mst_kube_request *r = t->request;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &r->status);
    if (t->take != NULL && r->status == 200) {
        over(t, MUSTER_OK);
        return;
    }
    if (t->body != NULL && (!r->text || r->status >= 300)) {
        r->answer = mst_json_parse(t->body, t->used);
        if (r->answer != NULL && !cJSON_IsObject(r->answer)) {
            cJSON_Delete(r->answer);
            r->answer = NULL;
        }
    }
    if (r->status >= 200 && r->status < 300) {
        succeeded(http, t);
    } else if (exists_already(r)) {
        r->unclear = false;
        over(t, MUSTER_OK); /* libcurl tries again by itself, too */
    } else if (r->status == 401 && !t->renewed && !r->once) {
        t->renewed = true;
        t->at_ms = mst_now_ms();
        mst_drop_json(&r->answer);
        r->answer = NULL;
    } else if (!mst_retry_status(r->status) || !again(t, retry_after_ms(t))) {
        refused(t);
    }
}

static bool is_final(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return true;
    default:
        return false;
    }
}

/* What to do about a certificate, behind what is wrong with it. */
static const char *advice(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return "; certificate-authority of the kubeconfig is not the one that "
               "signed the server's certificate, or the server is another";
    case CURLE_SSL_CERTPROBLEM:
        return "; the kubeconfig's client certificate or key is wrong";
    default:
        return "";
    }
}

static void broke(mst_kube_http *http, mst_transfer *t, CURLcode code)
{
    mst_kube_request *r = t->request;
    curl_off_t sent_us = 0;
    char why[CURL_ERROR_SIZE + 160];

    curl_easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
    if (strcmp(r->method, "GET") != 0 && sent_us > 0)
        r->unclear = true;
    if (code == CURLE_OUT_OF_MEMORY || t->no_memory) {
        over(t, mst_fail(&r->err, MUSTER_ENOMEM, "a request"));
        return;
    }
    if (t->too_big)
        snprintf(why, sizeof(why), "its answer is larger than %zu bytes",
                 t->most);
    else
        snprintf(why, sizeof(why), "%s%s",
                 t->why[0] != '\0' ? t->why : curl_easy_strerror(code),
                 advice(code));
    if (t->too_big || is_final(code) || !again(t, -1))
        not_reached(http, t, why);
}

/* ------------------------------------------------------------------ run -- */

static void start(mst_kube_http *http, mst_transfer *t)
{
    mst_kube_request *r = t->request;
    const muster_err rc = mst_transfer_prepare(t, http->access, &r->err);

    if (rc != MUSTER_OK) {
        over(t, rc);
        return;
    }
    r->tries++;
    r->status = 0;
    if (curl_multi_add_handle(http->multi, t->curl) == CURLM_OK)
        t->running = true;
    else
        over(t, mst_fail(&r->err, MUSTER_ENOMEM, "a request"));
}

static void stop(mst_kube_http *http, mst_transfer *t)
{
    if (t->running) {
        curl_multi_remove_handle(http->multi, t->curl);
        t->running = false;
        if (strcmp(t->request->method, "GET") != 0)
            t->request->unclear = true;
    }
    if (!t->over)
        over(t, mst_fail(&t->request->err, MUSTER_ECANCELED,
                         "requests were stopped"));
}

/* True: something has ended. */
static bool hear(mst_kube_http *http)
{
    CURLMsg *message;
    bool some = false;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *private = NULL;
        mst_transfer *t;
        const CURLcode code = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        t = (mst_transfer *)(void *)private;
        curl_multi_remove_handle(http->multi, t->curl);
        t->running = false;
        some = true;
        if (code == CURLE_OK)
            answered(http, t);
        else
            broke(http, t, code);
    }
    return some;
}

/* Start what is due; how long until something else is. -1: all is over. */
static int64_t due(mst_kube_http *http, mst_transfer *all, size_t n)
{
    const int64_t now = mst_now_ms();
    size_t running = 0;
    int64_t wait = -1;

    for (size_t i = 0; i < n; i++)
        running += all[i].running;
    for (size_t i = 0; i < n; i++) {
        mst_transfer *t = &all[i];

        if (!t->over && !t->running && t->at_ms <= now &&
            running < MST_KUBE_WIDTH) {
            start(http, t);
            running += t->running;
        }
        if (t->over)
            continue;
        if (wait < 0 || (!t->running && t->at_ms - now < wait))
            wait = t->running ? LOOK_MS : t->at_ms > now ? t->at_ms - now : 1;
    }
    return wait > LOOK_MS ? LOOK_MS : wait;
}

static void turn(mst_kube_http *http, int64_t wait)
{
    int running;

    /* what has ended is looked at first */
    if (curl_multi_perform(http->multi, &running) == CURLM_OK && !hear(http))
        (void)curl_multi_poll(http->multi, NULL, 0, (int)wait, NULL);
}

bool mst_kube_http_run(mst_kube_http *http, mst_kube_request *requests,
                       size_t n)
{
    mst_transfer *all = mst_calloc(n > 0 ? n : 1, sizeof(*all));
    bool good = true;
    int64_t wait;

    for (size_t i = 0; i < n; i++) {
        requests[i].rc = mst_fail(&requests[i].err, MUSTER_ENOMEM, "a request");
        if (all == NULL)
            continue;
        all[i].request = &requests[i];
        all[i].log = http->log;
    }
    while (all != NULL && (wait = due(http, all, n)) >= 0) {
        if (atomic_load(&http->stop))
            for (size_t i = 0; i < n; i++)
                stop(http, &all[i]);
        else
            turn(http, wait);
    }
    for (size_t i = 0; i < n; i++) {
        good = good && requests[i].rc == MUSTER_OK;
        if (all == NULL)
            continue;
        mst_transfer_clear(&all[i]);
        curl_easy_cleanup(all[i].curl);
    }
    mst_free(all);
    return good;
}

/* --------------------------------------------------------------- stream -- */

muster_err mst_kube_http_stream(
    mst_kube_http *http, mst_kube_request *request, int64_t quiet_ms,
    bool (*take)(void *arg, const char *data, size_t len), void *arg)
{
    mst_transfer t = {
        .request = request, .log = http->log, .take = take, .arg = arg};

    request->once = true;
    start(http, &t);
    while (!t.over) {
        if (atomic_load(&http->stop)) {
            stop(http, &t);
        } else if (mst_now_ms() - t.heard_ms >= quiet_ms) {
            curl_multi_remove_handle(http->multi, t.curl);
            over(&t, MUSTER_OK);
        } else {
            turn(http, LOOK_MS);
        }
        if (t.enough && t.over)
            request->rc = MUSTER_OK; /* it was us who ended it */
    }
    mst_transfer_clear(&t);
    curl_easy_cleanup(t.curl);
    return request->rc;
}

char *mst_kube_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = mst_alloc(3 * strlen(text) + 1);
    size_t n = 0;

    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || strchr("-._~", c) != NULL) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = '\0';
    return out;
}
