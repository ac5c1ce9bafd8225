#include "launch/kube/tries.h"

#include <sodium.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/reach.h"
#include "launch/kube/refusal.h"
#include "launch/kube/secret.h"

#define SAY_BYTES 300
#define LEAST_MS 50 /* with less time than that there is no other try */

int64_t mst_tries_delay_ms(int n)
{
    int64_t most = MST_TRIES_MOST_MS;

    if (n < 16 && (MST_TRIES_FIRST_MS << n) < most)
        most = MST_TRIES_FIRST_MS << n;
    return most / 2 + (int64_t)randombytes_uniform((uint32_t)(most / 2 + 1));
}

/* "create pods in namespace n at https://h:6443" */
static const char *say(const mst_tries *t, const mst_origin *origin,
                       char text[SAY_BYTES])
{
    mst_kube_what_say(&t->request->what, mst_kube_server(origin->access), text,
                      SAY_BYTES);
    return text;
}

static void done(mst_tries *t, muster_err rc)
{
    mst_kube_request *request = t->request;

    t->state = MST_TRIES_DONE;
    request->rc = rc;
    /* a refusal tells of the last try only */
    request->unclear = t->unclear && rc != MUSTER_OK;
    request->err.code = rc;
    if (rc == MUSTER_OK)
        request->err = (muster_error){0};
    else if (request->tries > 1)
        mst_because(&request->err, rc, "tried %d times in %.1f s",
                    request->tries,
                    (double)(mst_now_ms() - t->began_ms) / 1000);
}

void mst_tries_end(mst_tries *t, const mst_origin *origin, muster_err rc)
{
    char doing[SAY_BYTES];

    mst_because(&t->request->err, rc, "%s", say(t, origin, doing));
    done(t, rc);
}

/* Try again when there is time, else it ends with rc. */
static void again(mst_tries *t, muster_err rc)
{
    mst_kube_request *request = t->request;
    const int64_t now = mst_now_ms();
    const int64_t left = request->until_ms - now;
    int64_t delay = mst_tries_delay_ms(t->backoffs);

    if (request->retry_after_ms > 0) {
        delay = request->retry_after_ms + delay / 2;
        if (delay >= left)
            delay = left;
    } else if (delay > left - LEAST_MS) {
        delay = left / 2; /* what time there is is used */
    }
    if (request->once || left - delay < LEAST_MS / 2 || left < LEAST_MS) {
        done(t, rc);
        return;
    }
    t->backoffs++;
    t->due_ms = now + delay;
    t->state = MST_TRIES_WAIT;
    mst_drop_secret_json(&request->answer);
}

/* ------------------------------------------------------------- the outcome --
 */

static bool has_reason(const cJSON *answer, const char *reason)
{
    const char *has = mst_json_str(answer, "reason");

    return has != NULL && strcmp(has, reason) == 0;
}

static void refused(mst_tries *t, const mst_transfer *transfer)
{
    mst_kube_request *request = t->request;
    const bool post = strcmp(request->method, "POST") == 0;
    const long status = request->status;

    request->answer = mst_json_parse(transfer->data, transfer->used);
    if (status == 401 && !t->renewed) {
        t->renew = true;
        t->renewed = true;
        t->due_ms = mst_now_ms();
        t->state = MST_TRIES_WAIT;
        mst_drop_secret_json(&request->answer);
        return;
    }
    if (status == 409 && post && (t->unclear || request->ours) &&
        has_reason(request->answer, "AlreadyExists")) {
        done(t, MUSTER_OK);
        return;
    }
    t->unclear = t->unclear || status >= 500;
    mst_refusal_error_at(&request->what,
                         mst_kube_server(transfer->origin->access), status,
                         request->answer, &request->err);
    if (status == 429 || status == 500 || status == 502 || status == 503 ||
        status == 504 ||
        (status == 409 && post && has_reason(request->answer, "Conflict")))
        again(t, MUSTER_EDENIED);
    else
        done(t, MUSTER_EDENIED);
}

/* libcurl does not always say what the system did. */
static const char *words_of(const mst_transfer *transfer, CURLcode code)
{
    long sys = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &sys);
    if (code == CURLE_COULDNT_CONNECT && sys != 0 &&
        strerrordesc_np((int)sys) != NULL)
        return strerrordesc_np((int)sys);
    if (code == CURLE_OPERATION_TIMEDOUT && transfer->sent == 0)
        return "no connection in time";
    return transfer->words;
}

static void unreached(mst_tries *t, const mst_transfer *transfer, CURLcode code)
{
    mst_kube_request *request = t->request;
    const mst_origin *origin = transfer->origin;
    const char *words = words_of(transfer, code);
    char doing[SAY_BYTES], why[360];

    t->unclear = t->unclear || transfer->sent > 0;
    mst_reach_why(code, words, mst_kube_source(origin->access), why,
                  sizeof(why));
    if (transfer->sent > 0) {
        mst_fail(&request->err, MUSTER_ENOSERVER, "%s: %s",
                 say(t, origin, doing), why);
    } else {
        mst_kube_what_say(&request->what, NULL, doing, sizeof(doing));
        mst_fail(&request->err, MUSTER_ENOSERVER,
                 "%s: %.80s was not reached: %s", doing,
                 mst_kube_server(origin->access), why);
    }
    request->err.http = request->status;
    if (code == CURLE_OPERATION_TIMEDOUT && transfer->began)
        done(t, MUSTER_ETIMEOUT);
    else if (code == CURLE_OUT_OF_MEMORY)
        done(t, MUSTER_ENOMEM);
    else if (mst_reach_again(code, words))
        again(t, MUSTER_ENOSERVER);
    else
        done(t, MUSTER_ENOSERVER);
}

/* A 2xx whose body is not what it should be. */
static void senseless(mst_tries *t, const mst_transfer *transfer)
{
    mst_kube_request *request = t->request;
    char *type = NULL;
    char doing[SAY_BYTES];

    t->unclear = true;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    if (transfer->used == 0)
        mst_fail(&request->err, MUSTER_ENOSERVER,
                 "%s: %ld, but the answer is empty",
                 say(t, transfer->origin, doing), request->status);
    else
        mst_fail(&request->err, MUSTER_ENOSERVER,
                 "%s: %ld, but the answer is no JSON object (%zu bytes of "
                 "%.64s); is a proxy in between?",
                 say(t, transfer->origin, doing), request->status,
                 transfer->used, type != NULL ? type : "an unknown type");
    request->err.http = request->status;
    if (++t->senseless < MST_TRIES_SENSELESS)
        again(t, MUSTER_ENOSERVER);
    else
        done(t, MUSTER_ENOSERVER);
}

static void too_long(mst_tries *t, const mst_transfer *transfer)
{
    char doing[SAY_BYTES];

    t->unclear = true;
    mst_fail(&t->request->err, MUSTER_ENOSERVER,
             "%s: %ld, but the answer is longer than %zu bytes",
             say(t, transfer->origin, doing), t->request->status,
             transfer->most);
    t->request->err.http = t->request->status;
    done(t, MUSTER_ENOSERVER);
}

static void accept_text(mst_tries *t, mst_transfer *transfer)
{
    mst_kube_request *request = t->request;
    char *text = mst_realloc(transfer->data, transfer->used + 1);

    if (text == NULL) {
        mst_fail(&request->err, MUSTER_ENOMEM, "its answer");
        mst_tries_end(t, transfer->origin, MUSTER_ENOMEM);
        return;
    }
    text[transfer->used] = '\0';
    request->said = text;
    request->said_len = transfer->used;
    transfer->data = NULL;
    done(t, MUSTER_OK);
}

static void accepted(mst_tries *t, mst_transfer *transfer)
{
    mst_kube_request *request = t->request;

    if (transfer->take != NULL) {
        done(t, MUSTER_OK);
    } else if (request->text) {
        accept_text(t, transfer);
    } else {
        request->answer = mst_json_parse(transfer->data, transfer->used);
        if (!cJSON_IsObject(request->answer))
            senseless(t, transfer);
        else
            done(t, MUSTER_OK);
    }
}

/* Its time was over in the middle of a try: what an earlier one met says more
 * about why. */
static void cut_off(mst_tries *t, const mst_transfer *transfer)
{
    t->unclear = t->unclear || transfer->sent > 0;
    t->request->status = t->request->err.http;
    done(t, t->request->err.code);
}

void mst_tries_settle(mst_tries *t, mst_transfer *transfer, CURLcode code)
{
    mst_kube_request *request = t->request;
    curl_off_t after_s = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &request->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after_s);
    request->retry_after_ms = after_s > 0 ? (int64_t)after_s * 1000 : 0;
    request->tries += transfer->sent > 1 ? transfer->sent : 1;
    t->unclear = t->unclear || transfer->sent > 1;
    if (transfer->cut || transfer->enough)
        code = CURLE_OK;
    if (transfer->no_memory) {
        mst_fail(&request->err, MUSTER_ENOMEM, "its answer");
        mst_tries_end(t, transfer->origin, MUSTER_ENOMEM);
    } else if (code == CURLE_OPERATION_TIMEDOUT && request->err.code != 0 &&
               mst_now_ms() >= request->until_ms) {
        cut_off(t, transfer);
    } else if (transfer->too_long) {
        too_long(t, transfer);
    } else if (request->status >= 300) {
        refused(t, transfer);
    } else if (code != CURLE_OK) {
        unreached(t, transfer, code);
    } else {
        accepted(t, transfer);
    }
}
