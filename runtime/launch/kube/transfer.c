#include "launch/kube/transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/secret.h"

#define UNACKED_MS 20000 /* then a peer that does not answer TCP is gone */

/* --------------------------------------------------------- what comes in -- */

static long status_of(mst_transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool store(mst_transfer *t, const char *data, size_t len)
{
    if (len > t->most - t->used) {
        t->cut = t->request->text && status_of(t) == 200;
        t->too_long = !t->cut;
        len = t->most - t->used;
    }
    if (t->used + len > t->room) {
        size_t room = t->room > 0 ? t->room : 8192;

        while (room < t->used + len)
            room *= 2;
        if (!mst_secret_grow(&t->data, t->used, room)) {
            t->no_memory = true;
            return false;
        }
        t->room = room;
    }
    if (len > 0)
        memcpy(t->data + t->used, data, len);
    t->used += len;
    return !t->cut && !t->too_long;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    mst_transfer *t = (mst_transfer *)arg;

    (void)one;
    t->heard_ms = mst_now_ms();
    if (t->take == NULL || status_of(t) != 200)
        return store(t, data, len) ? len : 0;
    if (t->take(t->take_arg, data, len))
        return len;
    t->enough = true;
    return 0;
}

static void tell_warning(void *arg, const char *text)
{
    const mst_transfer *t = (const mst_transfer *)arg;

    mst_log_line(t->origin->log, MUSTER_LOG_WARN, "KUBE-WARNING",
                 "verb=%s resource=%s text=\"%s\"", t->request->what.verb,
                 t->request->what.resource, text);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    static const char warning[] = "warning:";
    const size_t skip = sizeof(warning) - 1;
    mst_transfer *t = (mst_transfer *)arg;
    const bool ends = len <= 2 && (line[0] == '\r' || line[0] == '\n');

    (void)one;
    t->heard_ms = mst_now_ms();
    if (len > skip && strncasecmp(line, warning, skip) == 0)
        mst_warnings_take(&t->origin->warnings, line + skip, len - skip,
                          tell_warning, t);
    if (!ends || t->take == NULL || t->began || status_of(t) != 200)
        return len;
    t->began = true;
    if (t->take(t->take_arg, "", 0))
        return len;
    t->enough = true;
    return 0;
}

/* The connection is there, and the request goes out now. */
static int on_send(void *arg, char *to, char *from, int to_port, int from_port)
{
    mst_transfer *t = (mst_transfer *)arg;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    t->heard_ms = mst_now_ms();
    if (t->sent > 0 && t->request->once &&
        strcmp(t->request->method, "POST") == 0)
        return CURL_PREREQFUNC_ABORT;
    t->sent++;
    return CURL_PREREQFUNC_OK;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const unsigned int ms = UNACKED_MS;

    (void)arg;
    (void)purpose;
    /* without it a peer that is gone is noticed later */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    return CURL_SOCKOPT_OK;
}

/* ---------------------------------------------------------- what is set -- */

/* Nothing in it ends the header. */
static bool is_sendable(const char *secret)
{
    for (; *secret != '\0'; secret++)
        if ((unsigned char)*secret < 0x20 || *secret == 0x7f)
            return false;
    return true;
}

static muster_err basic(mst_transfer *t, muster_error *err)
{
    static const char begin[] = "Authorization: Basic ";
    const char *password = t->auth.password != NULL ? t->auth.password : "";
    MST_AUTO(mst_drop_secret)
    char *pair = mst_origin_join(t->auth.user, ":", password);
    const size_t len = pair != NULL ? strlen(pair) : 0;
    const size_t bytes =
        sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);

    t->authorization = mst_alloc(sizeof(begin) + bytes);
    if (pair == NULL || t->authorization == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "credentials");
    memcpy(t->authorization, begin, sizeof(begin));
    sodium_bin2base64(t->authorization + sizeof(begin) - 1, bytes,
                      (const unsigned char *)pair, len,
                      sodium_base64_VARIANT_ORIGINAL);
    return MUSTER_OK;
}

static muster_err authorize(mst_transfer *t, muster_error *err)
{
    if (t->auth.token != NULL) {
        if (!is_sendable(t->auth.token))
            return mst_fail(err, MUSTER_EKUBE,
                            "the token of %s has a line end or another "
                            "control character in it",
                            mst_kube_source(t->origin->access));
        t->authorization =
            mst_origin_join("Authorization: Bearer ", t->auth.token, "");
        if (t->authorization == NULL)
            return mst_fail(err, MUSTER_ENOMEM, "credentials");
    } else if (t->auth.user != NULL) {
        return basic(t, err);
    }
    return MUSTER_OK;
}

static void set_headers(mst_transfer *t)
{
    /* libcurl takes char *, and changes nothing */
    static char accept[] = "Accept: application/json";
    static char any[] = "Accept: */*";
    static char json[] = "Content-Type: application/json";
    static char expect[] = "Expect:";
    char *lines[] = {
        t->request->text ? any : accept,
        t->request->body != NULL ? json : NULL,
        t->request->body != NULL ? expect : NULL,
        t->authorization,
        t->origin->host,
    };
    struct curl_slist *last = NULL;

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (lines[i] == NULL)
            continue;
        t->headers[i] = (struct curl_slist){.data = lines[i], .next = NULL};
        if (last != NULL)
            last->next = &t->headers[i];
        last = &t->headers[i];
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static CURLcode set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)pem,
                             .len = strlen(pem),
                             .flags = CURL_BLOB_NOCOPY};

    return curl_easy_setopt(easy, option, &blob);
}

static bool set_tls(mst_transfer *t)
{
    CURL *easy = t->easy;
    mst_kube_access *access = t->origin->access;
    const char *ca = mst_kube_ca(access);
    const bool insecure = mst_kube_insecure(access);
    CURLcode rc = CURLE_OK;

    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    /* a key with a passphrase fails, instead of asking on a terminal */
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    if (ca != NULL) {
        /* only this one: the system's are not trusted beside it */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        rc = set_blob(easy, CURLOPT_CAINFO_BLOB, ca);
    }
    if (rc == CURLE_OK && t->auth.cert != NULL)
        rc = set_blob(easy, CURLOPT_SSLCERT_BLOB, t->auth.cert);
    if (rc == CURLE_OK && t->auth.key != NULL)
        rc = set_blob(easy, CURLOPT_SSLKEY_BLOB, t->auth.key);
    return rc == CURLE_OK;
}

static bool set_connection(mst_transfer *t)
{
    CURL *easy = t->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)MST_KUBE_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* a name that does not resolve holds up nobody who stops */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    if (t->origin->proxy != NULL) {
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
        if (curl_easy_setopt(easy, CURLOPT_PROXY, t->origin->proxy) != CURLE_OK)
            return false;
    }
    if (t->origin->connect_to != NULL) {
        t->connect_to = (struct curl_slist){t->origin->connect_to, NULL};
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, &t->connect_to);
    }
    return true;
}

static bool set_request(mst_transfer *t)
{
    CURL *easy = t->easy;
    const mst_kube_request *request = t->request;
    bool well;

    well =
        curl_easy_setopt(easy, CURLOPT_URL, t->url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION) ==
            CURLE_OK &&
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                         CURLPROTO_HTTP | CURLPROTO_HTTPS) == CURLE_OK;
#endif
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->words);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    if (request->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)strlen(request->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    return well && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
                                    request->method) == CURLE_OK;
}

muster_err mst_transfer_begin(mst_transfer *t, mst_kube_request *request,
                              mst_kube_auth *auth, muster_error *err)
{
    muster_err rc;

    t->request = request;
    t->auth = *auth;
    *auth = (mst_kube_auth){0};
    t->most =
        request->most_bytes > 0 ? request->most_bytes : MST_KUBE_BODY_BYTES;
    t->heard_ms = mst_now_ms();
    if (t->easy == NULL)
        t->easy = curl_easy_init();
    t->url = mst_origin_join(t->origin->url, request->path, "");
    if (t->easy == NULL || t->url == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a request");
    rc = authorize(t, err);
    if (rc != MUSTER_OK)
        return rc;
    if (!set_connection(t) || !set_tls(t) || !set_request(t))
        return mst_fail(err, MUSTER_ENOMEM, "a request");
    set_headers(t);
    return MUSTER_OK;
}

void mst_transfer_end(mst_transfer *t)
{
    mst_origin *origin = t->origin;
    CURL *easy = t->easy;

    if (easy != NULL)
        curl_easy_reset(easy);
    mst_kube_auth_fini(&t->auth);
    mst_drop_secret(&t->authorization);
    mst_free(t->url);
    if (t->data != NULL) /* a Secret comes back as it was sent */
        sodium_memzero(t->data, t->used);
    mst_free(t->data);
    *t = (mst_transfer){.easy = easy, .origin = origin};
}

void mst_transfer_fini(mst_transfer *t)
{
    mst_transfer_end(t);
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
}
