#include "launch/kube/reach.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"

typedef struct reach {
    CURLcode code;
    const char *part; /* of libcurl's words; NULL: any */
    bool final;
    bool sourced; /* the source comes behind */
    const char *why;
} reach;

/* The first that fits. */
static const reach reaches[] = {
    {CURLE_PEER_FAILED_VERIFICATION, "self-signed", true, true,
     "its certificate is self-signed, or signed by an unknown authority; "
     "check certificate-authority in"},
    {CURLE_PEER_FAILED_VERIFICATION, "self signed", true, true,
     "its certificate is self-signed, or signed by an unknown authority; "
     "check certificate-authority in"},
    {CURLE_PEER_FAILED_VERIFICATION, "local issuer", true, true,
     "its certificate is signed by an unknown authority; check "
     "certificate-authority in"},
    {CURLE_PEER_FAILED_VERIFICATION, "expired", true, false,
     "its certificate has expired; renew it, or check the clocks"},
    {CURLE_PEER_FAILED_VERIFICATION, "not yet valid", true, false,
     "its certificate is not yet valid; check the clocks"},
    {CURLE_PEER_FAILED_VERIFICATION, "subject name", true, true,
     "its certificate is for other names; use one of them as the address, or "
     "set tls-server-name in"},
    {CURLE_PEER_FAILED_VERIFICATION, "signature", true, true,
     "its certificate is signed by an unknown authority of the same name; "
     "check certificate-authority in"},
    {CURLE_PEER_FAILED_VERIFICATION, NULL, true, true,
     "its certificate is not trusted; check certificate-authority in"},
    {CURLE_SSL_CACERT_BADFILE, NULL, true, true,
     "certificate-authority is no certificate (PEM) in"},
    {CURLE_SSL_CERTPROBLEM, NULL, true, true,
     "the client certificate or its key is no PEM, or they do not belong "
     "together, or the key has a passphrase, in"},
    {CURLE_SSL_CONNECT_ERROR, "wrong version", true, true,
     "it does not speak TLS; is its address http:// instead of https:// in"},
    {CURLE_SSL_CONNECT_ERROR, "alert", true, true,
     "it refused the TLS handshake; check the client certificate in"},
    {CURLE_RECV_ERROR, "alert", true, true,
     "it refused our client certificate, or wants one; check the user in"},
    /* it may just be ending: that passes */
    {CURLE_SEND_ERROR, "SSL", false, true,
     "it ended the TLS connection: it ends itself, or refused our client "
     "certificate, or wants one; check the user in"},
    {CURLE_URL_MALFORMAT, NULL, true, true, "its address makes no sense in"},
    {CURLE_UNSUPPORTED_PROTOCOL, "HTTP/0.9", false, false,
     "its answer is no HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, NULL, true, true,
     "its address is neither https:// nor http:// in"},
    {CURLE_COULDNT_RESOLVE_HOST, NULL, false, true,
     "its name is not known to DNS; is it right in"},
    {CURLE_COULDNT_RESOLVE_PROXY, NULL, false, true,
     "the name of the proxy is not known to DNS; is it right in"},
    {CURLE_COULDNT_CONNECT, "refused", false, true,
     "connection refused; does it run, and is its address right in"},
    {CURLE_OPERATION_TIMEDOUT, "no connection", false, true,
     "no connection in time; is its address right, and the way there open, in"},
    {CURLE_OPERATION_TIMEDOUT, NULL, false, false, "no answer in time"},
    {CURLE_GOT_NOTHING, NULL, false, false, "it hung up without an answer"},
    {CURLE_PARTIAL_FILE, NULL, false, false, "its answer ended early"},
    {CURLE_FILESIZE_EXCEEDED, NULL, true, false, "its answer is too long"},
    {CURLE_BAD_CONTENT_ENCODING, NULL, true, false,
     "its answer makes no sense"},
};

static const reach *find(CURLcode code, const char *words)
{
    for (size_t i = 0; i < sizeof(reaches) / sizeof(*reaches); i++)
        if (reaches[i].code == code &&
            (reaches[i].part == NULL ||
             strcasestr(words, reaches[i].part) != NULL))
            return &reaches[i];
    return NULL;
}

bool mst_reach_again(CURLcode code, const char *words)
{
    const reach *r = find(code, words);

    return r == NULL || !r->final;
}

static void say(char *text, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(char *text, size_t bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mst_sentence(text, bytes, format, args);
    va_end(args);
}

void mst_reach_why(CURLcode code, const char *words, const char *source,
                   char *text, size_t bytes)
{
    const reach *r = find(code, words);

    if (r == NULL)
        say(text, bytes, "%s",
            words[0] != '\0' ? words : curl_easy_strerror(code));
    else if (r->sourced)
        say(text, bytes, "%s %.120s", r->why, source);
    else
        say(text, bytes, "%s", r->why);
}
