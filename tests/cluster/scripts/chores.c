/* chores.c - what the tests on a cluster have workers do.
 *
 *   where              is_k8s, and the host name of each worker
 *   twice              one more worker by a second launch, then as `where`
 *   heed               have each worker run until it is cancelled
 *   eat MIB            have worker 1 use so much memory, then ask the others
 *   end HOW            have worker 1 end by itself: segv, abort, exit N; then
 *                      ask the others
 *   map N MS           N items of MS milliseconds each; how many are done,
 *                      each second, and at last who did them
 *   nap MS             have each worker sleep once
 *   die                end the manager as SIGKILL does
 *   read PATH          the words of a file on each worker, or why not
 *   spread MIB N       N broadcasts of so much, and how many answers show that
 *                      every byte was there
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

#define MAX_RANK 256

/* ------------------------------------------------------------ on workers -- */

static int where(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char host[256];

    (void)in;
    (void)len;
    if (gethostname(host, sizeof(host)) != 0)
        return muster_fail(ctx, errno, "gethostname");
    printf("hello from %s\n", host);
    return muster_out_printf(out, "%s", host);
}
MUSTER_HANDLER(where);

/* Until `ms` have passed or nobody waits for us any more. */
static int sleep_ms(const muster_ctx *ctx, long ms)
{
    const struct timespec tick = {0, 10000000};

    for (long slept = 0; ms < 0 || slept < ms; slept += 10) {
        if (muster_ctx_canceled(ctx))
            return ECANCELED;
        nanosleep(&tick, NULL);
    }
    return 0;
}

static int nap(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    long ms = 0;

    if (len != sizeof(ms))
        return muster_fail(ctx, EPROTO, "want a long, got %zu bytes", len);
    memcpy(&ms, in, len);
    if (sleep_ms(ctx, ms) != 0)
        return muster_fail(ctx, ECANCELED, "cancelled");
    return muster_out_printf(out, "%u", muster_ctx_rank(ctx));
}
MUSTER_HANDLER(nap);

static int eat(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    long mib = 0;
    char *all;

    if (len != sizeof(mib))
        return muster_fail(ctx, EPROTO, "want a long, got %zu bytes", len);
    memcpy(&mib, in, len);
    all = malloc((size_t)mib << 20);
    if (all == NULL)
        return muster_fail(ctx, ENOMEM, "no %ld MiB", mib);
    memset(all, 1, (size_t)mib << 20);
    /* read it, so that the compiler has to write it */
    mib += (unsigned char)all[(size_t)mib << 19];
    free(all);
    return muster_out_printf(out, "%ld", mib);
}
MUSTER_HANDLER(eat);

static int end(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const char *how = (const char *)in; /* with its NUL */

    (void)out;
    if (len == 0 || how[len - 1] != '\0')
        return muster_fail(ctx, EPROTO, "want a string");
    fprintf(stderr, "my last words\n");
    fflush(stderr);
    if (strcmp(how, "segv") == 0) {
        /* past our signal handler: what was printed has to be on its way */
        poll(NULL, 0, 100);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    } else if (strcmp(how, "abort") == 0) {
        abort();
    }
    exit((int)strtol(how, NULL, 10));
}
MUSTER_HANDLER(end);

static int read_file(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    const char *path = (const char *)in;
    char text[4096];
    FILE *file;
    size_t n;

    if (len == 0 || path[len - 1] != '\0')
        return muster_fail(ctx, EPROTO, "want a string");
    file = fopen(path, "re");
    if (file == NULL)
        return muster_fail(ctx, errno, "%s: %s", path, strerror(errno));
    n = fread(text, 1, sizeof(text), file);
    fclose(file);
    return muster_out_write(out, text, n);
}
MUSTER_HANDLER(read_file);

static uint64_t digest_of(const unsigned char *bytes, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) + len;

    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return h;
}

static int digest(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_printf(out, "%" PRIx64, digest_of(in, len));
}
MUSTER_HANDLER(digest);

/* -------------------------------------------------------- on the manager -- */

static int failed(const char *what, const muster_error *err)
{
    fprintf(stderr, "chores: %s: %s (%s)\n", what, err->text,
            muster_strerror(err->code));
    return EXIT_FAILURE;
}

/* A broadcast, each answer on a line of its own. */
static int ask_all(muster *m, const char *name, const void *body, size_t len)
{
    muster_results *results = NULL;
    muster_error err;
    const muster_err rc = muster_broadcast(m, NULL, name, body, len,
                                           MUSTER_FOREVER, &results, &err);

    for (size_t i = 0; results != NULL && i < results->n; i++) {
        const muster_result *r = &results->items[i];

        printf("%s %u: %s\n", name, r->rank,
               r->code == MUSTER_OK ? (const char *)r->data : r->text);
    }
    muster_results_destroy(&results);
    return rc == MUSTER_OK ? 0 : failed(name, &err);
}

static int tell_where(muster *m)
{
    printf("is_k8s: %s\n", muster_is_k8s() ? "true" : "false");
    printf("session: %s\n", muster_session(m));
    printf("size: %u\n", muster_size(m));
    return ask_all(m, "where", NULL, 0);
}

static int twice(muster *m)
{
    muster_error err;
    uint32_t nready = 0;

    if (muster_launch(m, 1, 1, &nready, &err) != MUSTER_OK)
        return failed("second launch", &err);
    return tell_where(m);
}

/* Worker 1 is to be lost by this call; the others answer afterwards. */
static int lose(muster *m, const char *name, const void *body, size_t len)
{
    muster_reply *reply = NULL;
    muster_error err;
    const muster_err rc =
        muster_call(m, 1, name, body, len, 60000, &reply, &err);

    if (rc == MUSTER_OK) {
        printf("%s: it lives, and says %s\n", name, (const char *)reply->data);
        muster_reply_destroy(&reply);
        return EXIT_FAILURE;
    }
    printf("%s: %s: %s\n", name, muster_strerror(rc), err.text);
    if (rc != MUSTER_ELOST)
        return EXIT_FAILURE;
    return tell_where(m);
}

/* A line a second. */
static void tell_done(void *arg, size_t done, size_t total)
{
    time_t *said = (time_t *)arg;

    if (time(NULL) == *said)
        return;
    *said = time(NULL);
    printf("done %zu of %zu\n", done, total);
}

static int map(muster *m, size_t n, long ms)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item *items = calloc(n, sizeof(*items));
    unsigned done[MAX_RANK] = {0};
    time_t said = time(NULL);
    muster_results *results = NULL;
    muster_error err;
    muster_err rc;

    if (items == NULL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < n; i++)
        items[i] = (muster_item){&ms, sizeof(ms)};
    o.items = items;
    o.nitems = n;
    o.progress = tell_done;
    o.arg = &said;
    printf("mapping %zu items\n", n);
    fflush(stdout);
    rc = muster_map(m, "nap", &o, &results, &err);
    free(items);
    for (size_t i = 0; results != NULL && i < results->n; i++)
        if (results->items[i].code == MUSTER_OK)
            done[results->items[i].rank % MAX_RANK]++;
    for (unsigned rank = 0; rank < MAX_RANK; rank++)
        if (done[rank] > 0)
            printf("worker %u did %u\n", rank, done[rank]);
    if (results != NULL)
        printf("mapped %zu, %zu failed\n", results->n, results->nfailed);
    muster_results_destroy(&results);
    return rc == MUSTER_OK ? 0 : failed("map", &err);
}

/* Begin a broadcast and say so, for those who wait for that. */
static int run_all(muster *m, const char *name, long ms)
{
    printf("begun\n");
    fflush(stdout);
    return ask_all(m, name, &ms, sizeof(ms));
}

/* The bytes are others each time. Workers that are lost meanwhile, or drain
 * before they have begun, are no failure, wrong answers are. */
static int spread(muster *m, size_t mib, long times)
{
    const size_t len = mib << 20;
    unsigned char *bytes = malloc(len);
    unsigned verified = 0, lost = 0, wrong = 0;
    uint32_t word = 1;

    if (bytes == NULL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < len; i++)
        bytes[i] =
            (unsigned char)((word = word * 1664525u + 1013904223u) >> 24);
    for (long n = 0; n < times; n++) {
        muster_results *all = NULL;
        muster_error err;
        char want[32];

        bytes[len / 2] = (unsigned char)n;
        snprintf(want, sizeof(want), "%" PRIx64, digest_of(bytes, len));
        if (n == 1)
            printf("spreading\n");
        (void)muster_broadcast(m, NULL, "digest", bytes, len, 60000, &all,
                               &err);
        for (size_t i = 0; all != NULL && i < all->n; i++) {
            const muster_result *r = &all->items[i];
            const bool right =
                r->code == MUSTER_OK && strcmp(r->data, want) == 0;
            const bool gone =
                r->code == MUSTER_ELOST || r->code == MUSTER_EWORKER;

            verified += right;
            lost += gone;
            wrong += !right && !gone;
            if (!right)
                printf("worker %u: %s: %s\n", r->rank, muster_strerror(r->code),
                       r->text);
        }
        wrong += all == NULL;
        muster_results_destroy(&all);
    }
    free(bytes);
    printf("spread %zu MiB %ld times: %u verified, %u lost, %u wrong\n", mib,
           times, verified, lost, wrong);
    return wrong == 0 ? 0 : EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "chores: see the head of chores.c\n");
    return 2;
}

MUSTER_API int muster_main(muster *m, int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *arg = argc > 2 ? argv[2] : "";
    const long number = strtol(arg, NULL, 10);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "where") == 0)
        return tell_where(m);
    if (strcmp(what, "twice") == 0)
        return twice(m);
    if (strcmp(what, "heed") == 0)
        return run_all(m, "nap", -1);
    if (strcmp(what, "nap") == 0)
        return run_all(m, "nap", number);
    if (strcmp(what, "eat") == 0)
        return lose(m, "eat", &number, sizeof(number));
    if (strcmp(what, "end") == 0)
        return lose(m, "end", arg, strlen(arg) + 1);
    if (strcmp(what, "map") == 0 && argc == 4)
        return map(m, (size_t)number, strtol(argv[3], NULL, 10));
    if (strcmp(what, "spread") == 0 && argc == 4 && number > 0)
        return spread(m, (size_t)number, strtol(argv[3], NULL, 10));
    if (strcmp(what, "read") == 0)
        return ask_all(m, "read_file", arg, strlen(arg) + 1);
    if (strcmp(what, "die") == 0) {
        printf("dying\n");
        raise(SIGKILL);
    }
    return usage();
}
