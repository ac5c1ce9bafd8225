#include "launch/kube/refusal.h"

#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "launch/kube/json.h"

#define WORDS 220 /* of the server's, at most */

static bool has(const char *text, const char *words)
{
    return text != NULL && strstr(text, words) != NULL;
}

mst_refusal mst_refusal_of(long status, const cJSON *answer)
{
    const char *message = mst_json_str(answer, "message");

    switch (status) {
    case 401:
        return MST_REFUSAL_UNKNOWN_USER;
    case 403:
        if (has(message, "exceeded quota") || has(message, "failed quota"))
            return MST_REFUSAL_QUOTA;
        /* User "..." cannot create resource "pods" in API group "" */
        return message == NULL || has(message, "cannot ")
                   ? MST_REFUSAL_RBAC
                   : MST_REFUSAL_ADMISSION;
    case 404:
        return MST_REFUSAL_NOT_FOUND;
    case 409:
        return MST_REFUSAL_EXISTS;
    case 410:
        return MST_REFUSAL_GONE;
    case 400:
        return has(message, "admission webhook") ? MST_REFUSAL_ADMISSION
                                                 : MST_REFUSAL_INVALID;
    case 413:
    case 422:
        return MST_REFUSAL_INVALID;
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return MST_REFUSAL_BUSY;
    default:
        return MST_REFUSAL_OTHER;
    }
}

void mst_refusal_rule(const mst_kube_what *what, char *text, size_t bytes)
{
    snprintf(text, bytes,
             "{apiGroups: [\"\"], resources: [\"%s\"], verbs: [\"%s\"]}",
             what->resource, what->verb);
}

static const char *name_of(long status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 413:
        return "Too Large";
    case 422:
        return "Unprocessable";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "";
    }
}

/* What to do about it; "" where the server's words say it. */
static void advice(mst_refusal kind, const mst_kube_what *what,
                   const cJSON *answer, char *text, size_t bytes)
{
    char rule[128];
    const char *object = mst_json_str(answer, "details.kind");

    text[0] = '\0';
    switch (kind) {
    case MST_REFUSAL_UNKNOWN_USER:
        snprintf(text, bytes,
                 "; the token or certificate is not accepted: expired, "
                 "revoked, or of another cluster");
        break;
    case MST_REFUSAL_RBAC:
        mst_refusal_rule(what, rule, sizeof(rule));
        snprintf(text, bytes, "; add to its Role: %s", rule);
        break;
    case MST_REFUSAL_QUOTA:
        snprintf(text, bytes, "; fewer or smaller workers, or a larger quota");
        break;
    case MST_REFUSAL_NOT_FOUND:
        if (object != NULL && strcmp(object, "namespaces") == 0)
            snprintf(text, bytes, "; there is no such namespace");
        break;
    case MST_REFUSAL_BUSY:
        snprintf(text, bytes, "; the API server is in trouble");
        break;
    default:
        break;
    }
}

muster_err mst_refusal_error(const mst_kube_what *what, long status,
                             const cJSON *answer, muster_error *err)
{
    const mst_refusal kind = mst_refusal_of(status, answer);
    const char *message = mst_json_str(answer, "message");
    char todo[200];

    advice(kind, what, answer, todo, sizeof(todo));
    mst_fail(err, MUSTER_EDENIED,
             "%s %.40s%s%.63s in namespace %.63s: %ld %s%s%.*s%s", what->verb,
             what->resource, what->name != NULL ? " " : "",
             what->name != NULL ? what->name : "", what->ns, status,
             name_of(status), message != NULL ? ": " : "", WORDS,
             message != NULL ? message : "", todo);
    if (err != NULL)
        err->http = status;
    return MUSTER_EDENIED;
}
