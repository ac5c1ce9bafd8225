#include "launch/kube/transfer.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"

#define CONNECT_MS 10000L
#define TEXT_BYTES 65536 /* of an error's body, to look at */

/* -------------------------------------------------------------- answers -- */

static bool has_room(mst_transfer *t, size_t more)
{
    size_t room = t->room > 0 ? t->room : 1024;
    char *body;

    while (room < t->used + more + 1)
        room *= 2;
    if (room == t->room)
        return true;
    body = mst_realloc(t->body, room);
    if (body == NULL) {
        t->no_memory = true;
        return false;
    }
    t->body = body;
    t->room = room;
    return true;
}

static size_t keep(mst_transfer *t, const char *data, size_t len, size_t most)
{
    size_t fits = len;

    if (len > most - t->used) {
        if (!t->request->text && t->take == NULL) {
            t->too_big = true;
            return 0;
        }
        t->truncated = true;
        fits = most - t->used;
    }
    if (!has_room(t, fits))
        return 0;
    memcpy(t->body + t->used, data, fits);
    t->used += fits;
    t->body[t->used] = '\0';
    return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    mst_transfer *t = (mst_transfer *)arg;
    long status = 0;

    (void)one; /* is 1 */
    t->heard_ms = mst_now_ms();
    if (t->take == NULL)
        return keep(t, data, len, t->most);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return keep(t, data, len, TEXT_BYTES);
    if (t->take(t->arg, data, len))
        return len;
    t->enough = true;
    return 0;
}

/* Warning: 299 - "what it is about" */
static void warn(mst_transfer *t, const char *line, size_t len)
{
    const char *from = memchr(line, '"', len);
    const char *to =
        from != NULL ? memchr(from + 1, '"', (size_t)(line + len - from - 1))
                     : NULL;

    if (to == NULL)
        return;
    mst_log_line(t->log, MUSTER_LOG_WARN, "KUBE-WARNING",
                 "verb=%s resource=%s text=%.*s", t->request->what.verb,
                 t->request->what.resource, (int)(to - from - 1), from + 1);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    mst_transfer *t = (mst_transfer *)arg;

    (void)one;
    if (len > 8 && strncasecmp(line, "warning:", 8) == 0 &&
        !t->request->warned) {
        t->request->warned = true; /* not at each try */
        warn(t, line, len);
    }
    return len;
}

/* --------------------------------------------------------------- asking -- */

static bool add_header(mst_transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);

    if (more != NULL)
        t->headers = more;
    return more != NULL;
}

static bool add_headers(mst_transfer *t)
{
    char *line = NULL;
    bool good = add_header(t, t->request->text ? "Accept: text/plain, */*"
                                               : "Accept: application/json") &&
                add_header(t, "Expect:") &&
                (t->request->body == NULL ||
                 add_header(t, "Content-Type: application/json"));

    if (good && t->auth.token != NULL) {
        const int n =
            asprintf(&line, "Authorization: Bearer %s", t->auth.token);

        good = n >= 0 && add_header(t, line);
        if (n >= 0) {
            sodium_memzero(line, (size_t)n);
            free(line);
        }
    }
    return good;
}

static struct curl_blob blob_of(const char *text)
{
    return (struct curl_blob){(void *)(uintptr_t)text, strlen(text),
                              CURL_BLOB_COPY};
}

/* A server that has another name in its certificate: ask for that name, at the
 * address that is known. */
static bool set_name(mst_transfer *t, const mst_kube_access *access)
{
    const char *server = mst_kube_server(access);
    const char *name = mst_kube_tls_name(access);
    const char *host = strstr(server, "://");
    const char *port;
    struct curl_slist *to;
    char *text = NULL;

    if (name == NULL || host == NULL) {
        if (asprintf(&t->url, "%s%s", server, t->request->path) >= 0)
            return true;
        t->url = NULL;
        return false;
    }
    host += 3;
    port = strrchr(host, ':');
    if (port != NULL && strchr(port, ']') != NULL)
        port = NULL; /* of an IPv6 address */
    if (asprintf(&text, "%s:%s:%.*s:%s", name, port != NULL ? port + 1 : "443",
                 port != NULL ? (int)(port - host) : (int)strlen(host), host,
                 port != NULL ? port + 1 : "443") < 0)
        return false;
    to = curl_slist_append(NULL, text);
    free(text);
    if (to == NULL)
        return false;
    curl_slist_free_all(t->connect_to);
    t->connect_to = to;
    curl_easy_setopt(t->curl, CURLOPT_CONNECT_TO, to);
    if (asprintf(&t->url, "https://%s:%s%s", name,
                 port != NULL ? port + 1 : "443", t->request->path) >= 0)
        return true;
    t->url = NULL;
    return false;
}

static void set_tls(mst_transfer *t, const mst_kube_access *access)
{
    const long verify = mst_kube_insecure(access) ? 0 : 1;
    struct curl_blob blob;

    curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYPEER, verify);
    curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYHOST, 2 * verify);
    if (mst_kube_ca(access) != NULL) {
        blob = blob_of(mst_kube_ca(access));
        curl_easy_setopt(t->curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (t->auth.cert != NULL && t->auth.key != NULL) {
        blob = blob_of(t->auth.cert);
        curl_easy_setopt(t->curl, CURLOPT_SSLCERTTYPE, "PEM");
        curl_easy_setopt(t->curl, CURLOPT_SSLCERT_BLOB, &blob);
        blob = blob_of(t->auth.key);
        curl_easy_setopt(t->curl, CURLOPT_SSLKEYTYPE, "PEM");
        curl_easy_setopt(t->curl, CURLOPT_SSLKEY_BLOB, &blob);
    }
}

static void set_request(mst_transfer *t)
{
    const mst_kube_request *r = t->request;

    curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, r->method);
    if (r->body != NULL) {
        curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)strlen(r->body));
    }
    if (t->take == NULL) {
        int64_t left = r->until_ms - mst_now_ms();

        /* a try takes its share, so that another can follow */
        left = left > 2 * MST_KUBE_TRY_MS ? MST_KUBE_TRY_MS
               : left > 1                 ? left
                                          : 1;
        curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, (long)left);
    }
}

static void set_all(mst_transfer *t, const mst_kube_access *access)
{
    CURL *c = t->curl;

    curl_easy_setopt(c, CURLOPT_URL, t->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    if (t->auth.user != NULL) {
        curl_easy_setopt(c, CURLOPT_USERNAME, t->auth.user);
        curl_easy_setopt(c, CURLOPT_PASSWORD,
                         t->auth.password != NULL ? t->auth.password : "");
    }
    if (mst_kube_proxy(access) != NULL)
        curl_easy_setopt(c, CURLOPT_PROXY, mst_kube_proxy(access));
    set_tls(t, access);
    set_request(t);
}

muster_err mst_transfer_prepare(mst_transfer *t, mst_kube_access *access,
                                muster_error *err)
{
    muster_err rc;

    mst_transfer_clear(t);
    if (t->curl == NULL)
        t->curl = curl_easy_init();
    if (t->curl == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a request");
    curl_easy_reset(t->curl);
    rc = mst_kube_auth_get(access, t->renewed, &t->auth, err);
    if (rc != MUSTER_OK)
        return rc;
    if (!set_name(t, access) || !add_headers(t))
        return mst_fail(err, MUSTER_ENOMEM, "a request");
    t->most = t->request->most_bytes > 0 ? t->request->most_bytes
                                         : MST_KUBE_BODY_BYTES;
    t->heard_ms = mst_now_ms();
    set_all(t, access);
    return MUSTER_OK;
}

static void wipe_headers(mst_transfer *t)
{
    for (struct curl_slist *one = t->headers; one != NULL; one = one->next)
        sodium_memzero(one->data, strlen(one->data));
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

void mst_transfer_clear(mst_transfer *t)
{
    mst_kube_auth_fini(&t->auth);
    wipe_headers(t);
    curl_slist_free_all(t->connect_to);
    t->connect_to = NULL;
    free(t->url);
    t->url = NULL;
    mst_free(t->body);
    t->body = NULL;
    t->used = t->room = 0;
    t->too_big = t->no_memory = t->truncated = t->enough = false;
    t->why[0] = '\0';
}
