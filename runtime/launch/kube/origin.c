#include "launch/kube/origin.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/secret.h"

static void drop_curl_str(char **text)
{
    curl_free(*text);
}

static void drop_curlu(CURLU **url)
{
    curl_url_cleanup(*url);
}

char *mst_origin_join(const char *a, const char *b, const char *c)
{
    const size_t bytes = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = mst_alloc(bytes);

    if (text != NULL)
        snprintf(text, bytes, "%s%s%s", a, b, c);
    return text;
}

/* The certificate is that of another name: the URL has that one, which is what
 * libcurl sends as SNI and verifies, and the connection and the header `Host`
 * go where the server is. */
static muster_err name_it(mst_origin *origin, CURLU *url, const char *name,
                          muster_error *err)
{
    MST_AUTO(drop_curl_str) char *host = NULL;
    MST_AUTO(drop_curl_str) char *port = NULL;
    MST_AUTO(drop_curl_str) char *whole = NULL;
    MST_AUTO(mst_drop) char *to = NULL;
    MST_AUTO(mst_drop) char *from = NULL;

    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
            CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK)
        return mst_fail(err, MUSTER_EKUBE,
                        "tls-server-name \"%s\" in %s is no host name", name,
                        mst_kube_source(origin->access));
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        mst_free(origin->url);
        origin->url = mst_strdup(whole);
    }
    if (port != NULL) {
        to = mst_origin_join(host, ":", port);
        from = mst_origin_join(name, ":", port);
    }
    if (to != NULL && from != NULL) {
        origin->connect_to = mst_origin_join(from, ":", to);
        origin->host = mst_origin_join("Host: ", to, "");
    }
    if (whole == NULL || origin->url == NULL || origin->connect_to == NULL ||
        origin->host == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "the address of the server");
    return MUSTER_OK;
}

muster_err mst_origin_init(mst_origin *origin, mst_kube_access *access,
                           mst_log *log, muster_error *err)
{
    MST_AUTO(drop_curlu) CURLU *url = curl_url();
    const char *server = mst_kube_server(access);
    const char *name = mst_kube_tls_name(access);
    const char *proxy = mst_kube_proxy(access);
    muster_err rc = MUSTER_OK;
    size_t len;

    origin->access = access;
    origin->log = log;
    origin->url = mst_strdup(server);
    /* the proxy is what resolves names, as it is for kubectl */
    if (proxy != NULL && strncasecmp(proxy, "socks5://", 9) == 0)
        origin->proxy = mst_origin_join("socks5h://", proxy + 9, "");
    else
        origin->proxy = mst_strdup(proxy);
    if (url == NULL || origin->url == NULL ||
        (proxy != NULL && origin->proxy == NULL))
        return mst_fail(err, MUSTER_ENOMEM, "a client of the API server");
    if (curl_url_set(url, CURLUPART_URL, server, 0) != CURLUE_OK)
        return mst_fail(err, MUSTER_EKUBE,
                        "the server's address \"%s\" in %s makes no sense",
                        server, mst_kube_source(access));
    if (name != NULL && strncasecmp(server, "https:", 6) == 0)
        rc = name_it(origin, url, name, err);
    if (rc != MUSTER_OK)
        return rc;
    len = strlen(origin->url);
    while (len > 0 && origin->url[len - 1] == '/')
        origin->url[--len] = '\0';
    return MUSTER_OK;
}

void mst_origin_fini(mst_origin *origin)
{
    mst_free(origin->url);
    mst_free(origin->connect_to);
    mst_free(origin->host);
    mst_drop_secret(&origin->proxy); /* a password may be in it */
    *origin = (mst_origin){0};
}
