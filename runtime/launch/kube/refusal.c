#include "launch/kube/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "launch/kube/json.h"

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
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

static bool is_status(const cJSON *answer)
{
    const char *kind = mst_json_str(answer, "kind");

    return kind != NULL && strcmp(kind, "Status") == 0;
}

/* Of a 403. RBAC and the other authorizers say "User "x" cannot get resource
 * ..."; all else comes from an admission plugin. */
static mst_refusal refusal_forbidden(const char *message)
{
    if (strstr(message, "exceeded quota") != NULL ||
        strstr(message, "failed quota") != NULL)
        return MST_REFUSAL_QUOTA;
    if (strstr(message, "violates PodSecurity") == NULL &&
        strstr(message, "denied the request") == NULL &&
        strstr(message, "\" cannot ") != NULL)
        return MST_REFUSAL_RBAC;
    return MST_REFUSAL_ADMISSION;
}

mst_refusal mst_refusal_of(long status, const cJSON *answer)
{
    const char *message = or_empty(mst_json_str(answer, "message"));

    if (status == 401)
        return MST_REFUSAL_UNKNOWN_USER;
    if (status == 429 || status >= 500)
        return MST_REFUSAL_BUSY;
    if (!is_status(answer))
        return MST_REFUSAL_OTHER;
    if (strstr(message, "denied the request") != NULL)
        return MST_REFUSAL_ADMISSION; /* a webhook chooses its status */
    switch (status) {
    case 403:
        return refusal_forbidden(message);
    case 404:
        return MST_REFUSAL_NOT_FOUND;
    case 409:
        return MST_REFUSAL_EXISTS;
    case 410:
        return MST_REFUSAL_GONE;
    case 400:
    case 413:
    case 422:
        return MST_REFUSAL_INVALID;
    default:
        return MST_REFUSAL_OTHER;
    }
}

void mst_kube_what_say(const mst_kube_what *what, const char *server,
                       char *text, size_t bytes)
{
    say(text, bytes, "%.16s %.32s%s%.64s%s%.63s%s%.80s", or_empty(what->verb),
        or_empty(what->resource), what->name != NULL ? " " : "",
        or_empty(what->name), what->ns != NULL ? " in namespace " : "",
        or_empty(what->ns), server != NULL ? " at " : "", or_empty(server));
}

void mst_refusal_rule(const mst_kube_what *what, char *text, size_t bytes)
{
    say(text, bytes,
        "- {apiGroups: [\"\"], resources: [\"%.32s\"], verbs: [\"%.16s\"]}",
        or_empty(what->resource), or_empty(what->verb));
}

static const char *name_of_status(long status)
{
    static const struct {
        long status;
        const char *name;
    } names[] = {
        {301, " Moved Permanently"},
        {302, " Found"},
        {307, " Temporary Redirect"},
        {308, " Permanent Redirect"},
        {400, " Bad Request"},
        {401, " Unauthorized"},
        {403, " Forbidden"},
        {404, " Not Found"},
        {405, " Method Not Allowed"},
        {407, " Proxy Authentication Required"},
        {409, " Conflict"},
        {410, " Gone"},
        {413, " Request Entity Too Large"},
        {415, " Unsupported Media Type"},
        {422, " Invalid"},
        {429, " Too Many Requests"},
        {500, " Internal Server Error"},
        {502, " Bad Gateway"},
        {503, " Service Unavailable"},
        {504, " Gateway Timeout"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].status == status)
            return names[i].name;
    return "";
}

static bool namespace_is_missing(const cJSON *answer)
{
    const char *kind = mst_json_str(answer, "details.kind");
    const char *message = or_empty(mst_json_str(answer, "message"));

    return (kind != NULL && strcmp(kind, "namespaces") == 0) ||
           strncmp(message, "namespaces \"", 12) == 0;
}

/* What is to be done, with the ": " or "; " in front; or nothing. */
static void advise(const mst_kube_what *what, mst_refusal refusal, long status,
                   const cJSON *answer, char *text, size_t bytes)
{
    char rule[160];
    const char *field;

    text[0] = '\0';
    switch (refusal) {
    case MST_REFUSAL_UNKNOWN_USER:
        say(text, bytes,
            "; the token or certificate is not accepted: expired, revoked, or "
            "of another cluster");
        break;
    case MST_REFUSAL_RBAC:
        mst_refusal_rule(what, rule, sizeof(rule));
        say(text, bytes, "; add to its Role: %s", rule);
        break;
    case MST_REFUSAL_QUOTA:
        say(text, bytes, "; fewer or smaller workers, or a larger quota");
        break;
    case MST_REFUSAL_NOT_FOUND:
        if (namespace_is_missing(answer))
            say(text, bytes, "; create the namespace, or name another one");
        break;
    case MST_REFUSAL_INVALID:
        field = mst_json_str(answer, "details.causes.0.field");
        if (field != NULL && field[0] != '\0')
            say(text, bytes, "; the field is %.80s", field);
        break;
    case MST_REFUSAL_OTHER:
        if (!is_status(answer))
            say(text, bytes, "%s",
                status >= 300 && status < 400
                    ? "; it sends elsewhere: is this the API server, or "
                      "a login page before it?"
                    : "; that is no answer of an API server: is its "
                      "address right, is a proxy in between?");
        break;
    default:
        break;
    }
}

muster_err mst_refusal_error_at(const mst_kube_what *what, const char *server,
                                long status, const cJSON *answer,
                                muster_error *err)
{
    const mst_refusal refusal = mst_refusal_of(status, answer);
    const char *message = or_empty(mst_json_str(answer, "message"));
    char doing[300], begin[340], advice[112], words[MUSTER_ERROR_TEXT];
    size_t room = MUSTER_ERROR_TEXT - 1;
    bool cut;

    if (err == NULL)
        return MUSTER_EDENIED;
    mst_kube_what_say(what, server, doing, sizeof(doing));
    say(begin, sizeof(begin), "%s: %ld%s", doing, status,
        name_of_status(status));
    advise(what, refusal, status, answer, advice, sizeof(advice));
    room -= strlen(begin) + strlen(advice) + 2;
    cut = strlen(message) > room;
    say(words, cut ? room - 3 + 1 : room + 1, "%s", message);
    mst_fail(err, MUSTER_EDENIED, "%s%s%s%s%s", begin,
             words[0] != '\0' ? ": " : "", words, cut ? "..." : "", advice);
    err->http = status;
    return MUSTER_EDENIED;
}

muster_err mst_refusal_error(const mst_kube_what *what, long status,
                             const cJSON *answer, muster_error *err)
{
    return mst_refusal_error_at(what, NULL, status, answer, err);
}
