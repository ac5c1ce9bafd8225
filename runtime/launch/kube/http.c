#include "launch/kube/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "launch/kube/secret.h"
#include "launch/kube/transfer.h"
#include "launch/kube/tries.h"

#define QUIET_LEAST_MS 1000 /* of a try, however little time there is */

struct mst_kube_http {
    mst_origin origin;
    CURLM *multi;
    mst_transfer slots[MST_KUBE_WIDTH];
    unsigned generation; /* of the credentials */
    atomic_bool stopped;
};

/* What runs now. */
typedef struct batch {
    mst_kube_http *http;
    mst_tries *tries;
    size_t n, left;
    size_t first; /* all before it are done */
} batch;

/* -------------------------------------------------------- create, destroy --
 */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode libcurl = CURLE_FAILED_INIT;

static void begin_libraries(void)
{
    /* sodium for jitter and base64; both are never ended: the program may use
     * them, too */
    if (sodium_init() >= 0)
        libcurl = curl_global_init(CURL_GLOBAL_DEFAULT);
}

muster_err mst_kube_http_create(mst_kube_access *access, mst_log *log,
                                mst_kube_http **http, muster_error *err)
{
    mst_kube_http *h;
    muster_err rc;

    pthread_once(&once, begin_libraries);
    if (libcurl != CURLE_OK)
        return mst_fail(err, MUSTER_ENOTSUP, "libcurl does not start: %s",
                        curl_easy_strerror(libcurl));
    h = mst_calloc(1, sizeof(*h));
    if (h == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "a client of the API server");
    atomic_init(&h->stopped, false);
    for (size_t i = 0; i < MST_KUBE_WIDTH; i++)
        h->slots[i].origin = &h->origin;
    h->multi = curl_multi_init();
    rc = h->multi != NULL
             ? mst_origin_init(&h->origin, access, log, err)
             : mst_fail(err, MUSTER_ENOMEM, "a client of the API server");
    if (rc != MUSTER_OK) {
        mst_kube_http_destroy(&h);
        return rc;
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)MST_KUBE_WIDTH);
    if (mst_kube_insecure(access))
        mst_log_line(log, MUSTER_LOG_WARN, "KUBE-INSECURE",
                     "server=%s source=\"%s\" certificates are not verified",
                     mst_kube_server(access), mst_kube_source(access));
    *http = h;
    return MUSTER_OK;
}

void mst_kube_http_destroy(mst_kube_http **http)
{
    mst_kube_http *h = *http;

    if (h == NULL)
        return;
    for (size_t i = 0; i < MST_KUBE_WIDTH; i++)
        mst_transfer_fini(&h->slots[i]);
    curl_multi_cleanup(h->multi);
    mst_origin_fini(&h->origin);
    mst_free(h);
    *http = NULL;
}

void mst_kube_http_stop(mst_kube_http *http)
{
    atomic_store(&http->stopped, true);
    curl_multi_wakeup(http->multi);
}

/* --------------------------------------------------------------- SIGPIPE --
 * Under some releases of libcurl, OpenSSL writes without MSG_NOSIGNAL. */

typedef struct pipe_mask {
    sigset_t old;
    bool pending; /* before us: it stays */
} pipe_mask;

static void block_sigpipe(pipe_mask *mask)
{
    sigset_t set;

    sigpending(&set);
    mask->pending = sigismember(&set, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &mask->old);
}

static void restore_sigpipe(const pipe_mask *mask)
{
    const struct timespec now = {0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!mask->pending)
        while (sigtimedwait(&set, NULL, &now) == SIGPIPE)
            continue;
    pthread_sigmask(SIG_SETMASK, &mask->old, NULL);
}

/* --------------------------------------------------------------- a batch --
 */

static muster_err get_auth(mst_kube_http *http, mst_tries *t,
                           mst_kube_auth *auth, muster_error *err)
{
    const bool renew = t->renew && t->generation == http->generation;
    const mst_patience patience = {t->request->until_ms, &http->stopped};
    const muster_err rc =
        mst_kube_auth_get(http->origin.access, renew, &patience, auth, err);

    if (rc == MUSTER_OK && renew)
        http->generation++;
    t->generation = http->generation;
    t->renew = false;
    return rc;
}

/* One that has ended is out of the slot, and of the count. */
static void leave(batch *b, mst_transfer *slot)
{
    const mst_tries *t = (const mst_tries *)slot->owner;

    curl_multi_remove_handle(b->http->multi, slot->easy);
    mst_transfer_end(slot);
    if (t->state == MST_TRIES_DONE)
        b->left--;
}

static void settle(batch *b, mst_transfer *slot, CURLcode code)
{
    mst_tries_settle((mst_tries *)slot->owner, slot, code);
    leave(b, slot);
}

static int64_t quiet_of(const mst_kube_request *request)
{
    const int64_t half = (request->until_ms - mst_now_ms()) / 2;

    if (request->quiet_ms > 0)
        return request->quiet_ms;
    if (request->once || half >= MST_KUBE_QUIET_MS)
        return MST_KUBE_QUIET_MS;
    return half > QUIET_LEAST_MS ? half : QUIET_LEAST_MS;
}

static void begin(batch *b, mst_tries *t, mst_transfer *slot, mst_take_fn take,
                  void *arg)
{
    mst_kube_http *http = b->http;
    muster_error *err = &t->request->err;
    mst_kube_auth auth = {0};
    muster_err rc = get_auth(http, t, &auth, err);

    slot->quiet_ms = quiet_of(t->request);
    slot->owner = t;
    slot->take = take;
    slot->take_arg = arg;
    if (rc == MUSTER_OK)
        rc = mst_transfer_begin(slot, t->request, &auth, err);
    if (rc == MUSTER_OK &&
        curl_multi_add_handle(http->multi, slot->easy) != CURLM_OK)
        rc = mst_fail(err, MUSTER_ENOMEM, "a request");
    if (rc != MUSTER_OK) {
        mst_tries_end(t, &http->origin, rc);
        b->left--;
        mst_transfer_end(slot);
        return;
    }
    t->state = MST_TRIES_RUN;
}

/* Give free slots to those that are due; says when the next one is. */
static int64_t begin_due(batch *b, mst_take_fn take, void *arg)
{
    const int64_t now = mst_now_ms();
    int64_t next = MST_NEVER;
    size_t slot = 0;

    while (b->first < b->n && b->tries[b->first].state == MST_TRIES_DONE)
        b->first++;
    for (size_t i = b->first; i < b->n; i++) {
        mst_tries *t = &b->tries[i];

        if (t->state != MST_TRIES_WAIT)
            continue;
        if (t->due_ms > now) {
            next = t->due_ms < next ? t->due_ms : next;
            continue;
        }
        while (slot < MST_KUBE_WIDTH && b->http->slots[slot].request != NULL)
            slot++;
        if (slot == MST_KUBE_WIDTH || atomic_load(&b->http->stopped))
            break;
        begin(b, t, &b->http->slots[slot], take, arg);
    }
    return next;
}

/* End those whose time is over, or that are quiet; says when the next is. */
static int64_t expire(batch *b)
{
    const int64_t now = mst_now_ms();
    int64_t next = MST_NEVER;

    for (size_t i = 0; i < MST_KUBE_WIDTH; i++) {
        mst_transfer *slot = &b->http->slots[i];
        const mst_kube_request *request = slot->request;
        int64_t at;

        if (request == NULL)
            continue;
        at = slot->heard_ms + slot->quiet_ms;
        if (request->until_ms < at)
            at = request->until_ms;
        if (at <= now)
            settle(b, slot, CURLE_OPERATION_TIMEDOUT);
        next = at < next ? at : next;
    }
    return next;
}

static void end_all(batch *b, muster_err rc, const char *why)
{
    for (size_t i = 0; i < MST_KUBE_WIDTH; i++) {
        mst_transfer *slot = &b->http->slots[i];

        if (slot->request == NULL)
            continue;
        if (slot->sent > 0)
            ((mst_tries *)slot->owner)->unclear = true;
        curl_multi_remove_handle(b->http->multi, slot->easy);
        mst_transfer_end(slot);
    }
    for (size_t i = b->first; i < b->n; i++) {
        if (b->tries[i].state == MST_TRIES_DONE)
            continue;
        mst_fail(&b->tries[i].request->err, rc, "%s", why);
        mst_tries_end(&b->tries[i], &b->http->origin, rc);
    }
    b->left = 0;
}

static void gather(batch *b)
{
    CURLMsg *message;
    int more;

    while ((message = curl_multi_info_read(b->http->multi, &more)) != NULL) {
        const CURLcode code = message->data.result;
        char *slot = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        settle(b, (mst_transfer *)(void *)slot, code);
    }
}

static int wait_ms(int64_t until_ms)
{
    const int64_t left = until_ms - mst_now_ms();

    if (left <= 0)
        return 0;
    return left < 60000 ? (int)left : 60000;
}

static void run(batch *b, mst_take_fn take, void *arg)
{
    while (b->left > 0) {
        int64_t due, over;
        int running;
        CURLMcode rc;

        if (atomic_load(&b->http->stopped)) {
            end_all(b, MUSTER_ECANCELED, "stopped");
            break;
        }
        begin_due(b, take, arg);
        rc = curl_multi_perform(b->http->multi, &running);
        if (rc == CURLM_OK) {
            gather(b);
            due = begin_due(b, take, arg);
            over = expire(b);
            if (b->left > 0)
                rc = curl_multi_poll(b->http->multi, NULL, 0,
                                     wait_ms(due < over ? due : over), NULL);
        }
        if (rc != CURLM_OK)
            end_all(b, MUSTER_ENOMEM, curl_multi_strerror(rc));
    }
}

static void clear_outcome(mst_kube_request *request)
{
    request->rc = MUSTER_OK;
    request->err = (muster_error){0};
    request->status = 0;
    request->tries = 0;
    request->unclear = false;
    request->retry_after_ms = 0;
    request->answer = NULL;
    request->said = NULL;
    request->said_len = 0;
}

static bool run_all(mst_kube_http *http, mst_kube_request *requests, size_t n,
                    mst_take_fn take, void *arg)
{
    batch b = {.http = http, .n = n, .left = n};
    const int64_t now = mst_now_ms();
    bool well = true;
    pipe_mask mask;

    b.tries = mst_calloc(n > 0 ? n : 1, sizeof(*b.tries));
    for (size_t i = 0; i < n; i++) {
        clear_outcome(&requests[i]);
        if (b.tries == NULL)
            requests[i].rc =
                mst_fail(&requests[i].err, MUSTER_ENOMEM, "requests");
        else
            b.tries[i] = (mst_tries){
                .request = &requests[i], .began_ms = now, .due_ms = now};
    }
    block_sigpipe(&mask);
    if (b.tries != NULL)
        run(&b, take, arg);
    restore_sigpipe(&mask);
    mst_free(b.tries);
    for (size_t i = 0; i < n; i++)
        well = well && requests[i].rc == MUSTER_OK;
    return well;
}

/* ---------------------------------------------------------------- in use --
 */

bool mst_kube_http_run(mst_kube_http *http, mst_kube_request *requests,
                       size_t n)
{
    return run_all(http, requests, n, NULL, NULL);
}

muster_err mst_kube_http_stream(
    mst_kube_http *http, mst_kube_request *request, int64_t quiet_ms,
    bool (*take)(void *arg, const char *data, size_t len), void *arg)
{
    request->quiet_ms = quiet_ms;
    request->once = true;
    run_all(http, request, 1, take, arg);
    return request->rc;
}

void mst_kube_request_fini(mst_kube_request *request)
{
    mst_drop_secret_json(&request->answer);
    mst_free(request->said);
    request->said = NULL;
    request->said_len = 0;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
}

char *mst_kube_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = mst_alloc(3 * strlen(text) + 1);
    char *to = escaped;

    for (; escaped != NULL && *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (is_plain(*text)) {
            *to++ = *text;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    if (escaped != NULL)
        *to = '\0';
    return escaped;
}
