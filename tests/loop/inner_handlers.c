/* inner_handlers.c - handlers that call: the manager, others, themselves. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static void text_of(const void *in, size_t len, char text[512])
{
    if (len > 511)
        len = 511;
    memcpy(text, in, len);
    text[len] = '\0';
}

static uint32_t rank_of(const char *text, char **end)
{
    if (strncmp(text, "any", 3) == 0) {
        *end = (char *)(uintptr_t)text + 3;
        return MUSTER_ANY;
    }
    return (uint32_t)strtoul(text, end, 10);
}

/* How the inner call ended becomes how this one does. */
static int pass_on(muster_ctx *ctx, muster_err rc, const muster_error *err,
                   muster_reply **reply, muster_out *out)
{
    if (rc != MUSTER_OK)
        return muster_fail(ctx, 100 + (int)rc, "%s", err->text);
    muster_out_write(out, (*reply)->data, (*reply)->len);
    muster_reply_destroy(reply);
    return 0;
}

/* "2 echo hello": that call, and its answer. */
static int pass(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[512], name[64], *at;
    muster_reply *reply = NULL;
    muster_error err;
    int n = 0;
    uint32_t rank;
    muster_err rc;

    text_of(in, len, text);
    rank = rank_of(text, &at);
    if (sscanf(at, " %63s%n", name, &n) != 1)
        return muster_fail(ctx, 1, "what to call?");
    at += n;
    if (*at == ' ')
        at++;
    rc = muster_call(muster_ctx_muster(ctx), rank, name, at, strlen(at), 0,
                     &reply, &err);
    return pass_on(ctx, rc, &err, &reply, out);
}
MUSTER_HANDLER(pass);

/* "2 echo hello": the same, without waiting. */
static int hand_on(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_future *future = NULL;
    char text[512], name[64], *at;
    muster_error err;
    uint32_t rank;
    int n = 0;

    text_of(in, len, text);
    rank = rank_of(text, &at);
    if (sscanf(at, " %63s%n", name, &n) != 1)
        return muster_fail(ctx, 1, "what to call?");
    at += n;
    if (*at == ' ')
        at++;
    if (muster_call_start(muster_ctx_muster(ctx), rank, name, at, strlen(at), 0,
                          &future, &err) != MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    return muster_out_future(out, &future);
}
MUSTER_HANDLER(hand_on);

/* "2 note hello": the same, and nobody waits. */
static int post_on(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[512], name[64], *at;
    muster_error err;
    uint32_t rank;
    int n = 0;

    (void)out;
    text_of(in, len, text);
    rank = rank_of(text, &at);
    if (sscanf(at, " %63s %n", name, &n) != 1)
        return muster_fail(ctx, 1, "what to call?");
    at += n;
    if (muster_post(muster_ctx_muster(ctx), rank, name, at, strlen(at), &err) !=
        MUSTER_OK)
        return muster_fail(ctx, 1, "%s", err.text);
    return 0;
}
MUSTER_HANDLER(post_on);

/* Any bytes: what the manager says to how many they are. */
static int weigh(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_reply *reply = NULL;
    char text[32];
    muster_error err;
    muster_err rc;

    (void)in;
    snprintf(text, sizeof(text), "%zu", len);
    rc = muster_call(muster_ctx_muster(ctx), 0, "triple", text, strlen(text), 0,
                     &reply, &err);
    return pass_on(ctx, rc, &err, &reply, out);
}
MUSTER_HANDLER(weigh);

/* So many calls of a worker at once; answers how many of them were answered. */
static int crowd(muster_ctx *ctx, uint32_t rank, const char *name,
                 const void *body, size_t len, unsigned long n, muster_out *out)
{
    muster_future **futures = calloc(n, sizeof(muster_future *));
    unsigned long nanswered = 0, nstarted = 0;
    muster_error err = {0};

    while (futures != NULL && nstarted < n &&
           muster_call_start(muster_ctx_muster(ctx), rank, name, body, len, 0,
                             &futures[nstarted], &err) == MUSTER_OK)
        nstarted++;
    for (unsigned long i = 0; i < nstarted; i++) {
        nanswered += muster_future_result(futures[i], NULL, &err) == MUSTER_OK;
        muster_future_destroy(&futures[i]);
    }
    free(futures);
    if (nanswered < n)
        return muster_fail(ctx, 100 + (int)err.code, "%lu of %lu: %s",
                           nanswered, n, err.text);
    return muster_out_printf(out, "%lu", nanswered);
}

/* "n": so many MiB, each to be weighed by the other worker. */
static int many_weigh(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const size_t mib = (size_t)1 << 20;
    void *body = calloc(1, mib);
    char text[512];
    int rc;

    if (body == NULL)
        return muster_fail(ctx, 1, "no memory");
    text_of(in, len, text);
    rc = crowd(ctx, muster_ctx_rank(ctx) % 2 + 1, "weigh", body, mib,
               strtoul(text, NULL, 10), out);
    free(body);
    return rc;
}
MUSTER_HANDLER(many_weigh);

/* "n": so many rings of four. */
static int many_rings(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    char text[512];

    text_of(in, len, text);
    return crowd(ctx, muster_ctx_rank(ctx) % 2 + 1, "ring", "3", 1,
                 strtoul(text, NULL, 10), out);
}
MUSTER_HANDLER(many_rings);

/* As many bytes as it got from rank 0's echo, which are a MiB and more. */
static int big_echo(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    muster_reply *reply = NULL;
    muster_error err;
    muster_err rc =
        muster_call(muster_ctx_muster(ctx), muster_ctx_rank(ctx) == 1 ? 2 : 1,
                    "mirror", in, len, 0, &reply, &err);

    return pass_on(ctx, rc, &err, &reply, out);
}
MUSTER_HANDLER(big_echo);

static int mirror(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(mirror);

/* "n": so many calls of its own worker, all at once; answers how many of them
 * were answered. */
static int many(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[512];

    text_of(in, len, text);
    return crowd(ctx, muster_ctx_rank(ctx), "mirror", "x", 1,
                 strtoul(text, NULL, 10), out);
}
MUSTER_HANDLER(many);

/* "n": calls the next rank of the ring with n - 1, down to 0. */
static int ring(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const uint32_t next = muster_ctx_rank(ctx) % 2 + 1;
    muster_reply *reply = NULL;
    char text[512];
    muster_error err;
    muster_err rc;
    long n;

    text_of(in, len, text);
    n = strtol(text, NULL, 10);
    if (n == 0)
        return muster_out_printf(out, "round");
    snprintf(text, sizeof(text), "%ld", n - 1);
    rc = muster_call(muster_ctx_muster(ctx), next, "ring", text, strlen(text),
                     0, &reply, &err);
    return pass_on(ctx, rc, &err, &reply, out);
}
MUSTER_HANDLER(ring);

static int who_calls(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    (void)in;
    (void)len;
    return muster_out_printf(out, "%u called by %u", muster_ctx_rank(ctx),
                             muster_ctx_caller(ctx));
}
MUSTER_HANDLER(who_calls);

/* "500": says "begun", sleeps or until nobody waits any more. */
static int idle(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[512];
    long left;

    text_of(in, len, text);
    printf("begun\n");
    fflush(stdout);
    for (left = strtol(text, NULL, 10); left > 0; left -= 5) {
        if (muster_ctx_canceled(ctx)) {
            printf("gave up\n");
            return muster_fail(ctx, 1, "gave up");
        }
        sleep_ms(5);
    }
    return muster_out_printf(out, "slept");
}
MUSTER_HANDLER(idle);

/* "n": so many calls at once to the other worker, and the sum of answers. */
static int burst(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const uint32_t other = muster_ctx_rank(ctx) % 2 + 1;
    muster_future *futures[1000];
    char text[512];
    muster_error err;
    long n, i, sum = 0;

    text_of(in, len, text);
    n = strtol(text, NULL, 10);
    for (i = 0; i < n && i < 1000; i++) {
        snprintf(text, sizeof(text), "%ld", i);
        if (muster_call_start(muster_ctx_muster(ctx), other, "mirror", text,
                              strlen(text), 0, &futures[i], &err) != MUSTER_OK)
            return muster_fail(ctx, 1, "%s", err.text);
    }
    for (long left = n; left > 0; left--) {
        const size_t at =
            muster_future_wait_any(futures, (size_t)n, MUSTER_FOREVER);
        muster_reply *reply = NULL;

        if (muster_future_result(futures[at], &reply, &err) != MUSTER_OK)
            return muster_fail(ctx, 1, "%s", err.text);
        sum += strtol(reply->data, NULL, 10);
        muster_reply_destroy(&reply);
        muster_future_destroy(&futures[at]);
    }
    return muster_out_printf(out, "%ld", sum);
}
MUSTER_HANDLER(burst);

/* "name": the first bytes of that blob, and how many there are. */
static int blob(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const char *data;
    char text[512];
    size_t n;

    text_of(in, len, text);
    data = muster_get(ctx, text, &n);
    if (data == NULL)
        return muster_fail(ctx, 2, "no blob %s", text);
    return muster_out_printf(out, "%zu %.*s", n, (int)(n < 100 ? n : 100),
                             data);
}
MUSTER_HANDLER(blob);

/* A line of /proc/self/maps: whether the address is in that mapping; the file,
 * and how it is mapped. */
static bool is_there(const char *line, const void *at, unsigned long *inode,
                     char flags[5])
{
    char *end;
    const uintptr_t from = strtoul(line, &end, 16);
    const uintptr_t to = *end == '-' ? strtoul(end + 1, &end, 16) : 0;

    if ((uintptr_t)at < from || (uintptr_t)at >= to || strlen(end) < 6)
        return false;
    memcpy(flags, end + 1, 4);
    flags[4] = '\0';
    (void)strtoul(end + 6, &end, 16); /* offset */
    (void)strtoul(end, &end, 16);     /* device */
    (void)strtoul(*end == ':' ? end + 1 : end, &end, 16);
    *inode = strtoul(end, &end, 10);
    return true;
}

/* "name": "inode sum flags" of the file that is mapped where the blob is. */
static int blob_place(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    const unsigned char *data;
    char text[512], line[512], flags[5] = "";
    unsigned long inode = 0, sum = 0;
    bool found = false;
    size_t n;
    FILE *maps;

    text_of(in, len, text);
    data = muster_get(ctx, text, &n);
    if (data == NULL)
        return muster_fail(ctx, 2, "no blob %s", text);
    for (size_t i = 0; i < n; i++)
        sum += data[i];
    maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) /* a descriptor may be missing, too */
        return muster_fail(ctx, 2, "no maps");
    while (!found && fgets(line, sizeof(line), maps) != NULL)
        found = is_there(line, data, &inode, flags);
    fclose(maps);
    return muster_out_printf(out, "%lu %lu %s", inode, sum,
                             inode != 0 ? flags : "");
}
MUSTER_HANDLER(blob_place);

/* Takes all descriptors there are, for as long as it lives. */
static int take_descriptors(muster_ctx *ctx, const void *in, size_t len,
                            muster_out *out)
{
    int n = 0;

    (void)ctx;
    (void)in;
    (void)len;
    while (dup(0) >= 0)
        n++;
    return muster_out_printf(out, "%d", n);
}
MUSTER_HANDLER(take_descriptors);

/* "name": gets it, says "begun", waits, reads it again. */
static int hold_blob(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    const char *data, *again;
    char text[512];
    size_t n, m = 0;

    text_of(in, len, text);
    data = muster_get(ctx, text, &n);
    if (data == NULL)
        return muster_fail(ctx, 2, "no blob %s", text);
    printf("begun\n");
    fflush(stdout);
    sleep_ms(300);
    again = muster_get(ctx, text, &m);
    return muster_out_printf(out, "%zu %c %s", n, data[n - 1],
                             again == data && m == n ? "same" : "other");
}
MUSTER_HANDLER(hold_blob);

/* "channel n": puts 0 .. n-1. */
static int produce(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[512], name[64];
    muster_error err;
    char *blank;
    long n;

    text_of(in, len, text);
    blank = strchr(text, ' ');
    if (blank == NULL || blank - text >= (long)sizeof(name))
        return 1;
    *blank = '\0';
    memcpy(name, text, (size_t)(blank - text) + 1);
    n = strtol(blank + 1, NULL, 10);
    for (long i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%ld", i);
        if (muster_channel_put(muster_ctx_muster(ctx), name, text, strlen(text),
                               0, &err) != MUSTER_OK)
            return muster_fail(ctx, 100 + (int)err.code, "%s", err.text);
    }
    return muster_out_printf(out, "%ld", n);
}
MUSTER_HANDLER(produce);

/* "channel": takes until it is closed; how many and their sum. */
static int consume(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_reply *reply = NULL;
    long n = 0, sum = 0;
    muster_error err;
    char name[512];
    muster_err rc;

    text_of(in, len, name);
    while ((rc = muster_channel_take(muster_ctx_muster(ctx), name, 0, &reply,
                                     &err)) == MUSTER_OK) {
        sum += strtol(reply->data, NULL, 10);
        n++;
        muster_reply_destroy(&reply);
    }
    if (rc != MUSTER_EEND)
        return muster_fail(ctx, 100 + (int)rc, "%s", err.text);
    return muster_out_printf(out, "%ld %ld", n, sum);
}
MUSTER_HANDLER(consume);

/* "channel": one item, and it is held back from everybody else. */
static int take_one(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    muster_reply *reply = NULL;
    muster_error err;
    char name[512];
    muster_err rc;

    text_of(in, len, name);
    printf("begun\n");
    fflush(stdout);
    rc = muster_channel_take(muster_ctx_muster(ctx), name, 0, &reply, &err);
    return pass_on(ctx, rc, &err, &reply, out);
}
MUSTER_HANDLER(take_one);

static int crash_now(muster_ctx *ctx, const void *in, size_t len,
                     muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    abort();
}
MUSTER_HANDLER(crash_now);

/* What only a manager can do. */
static int launch_here(muster_ctx *ctx, const void *in, size_t len,
                       muster_out *out)
{
    muster_error err;
    const muster_err rc =
        muster_launch(muster_ctx_muster(ctx), 1, 1, NULL, &err);

    (void)in;
    (void)len;
    return muster_out_printf(out, "%s", muster_strerror(rc));
}
MUSTER_HANDLER(launch_here);

/* Says so and blocks in a system call until a signal ends it; then gives up,
 * or goes on when it was asked to be deaf ("deaf"). The signal is held back
 * until then, so that one that is early is not missed. */
static int blocked(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const bool deaf = len == 4 && memcmp(in, "deaf", 4) == 0;
    sigset_t held, before;

    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    printf("blocked\n");
    fflush(stdout);
    while (ppoll(NULL, 0, NULL, &before) >= 0 || deaf)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return muster_out_printf(
        out, "%s", muster_ctx_canceled(ctx) ? "interrupted" : "not told");
}
MUSTER_HANDLER(blocked);

/* Gives up when it is told. */
static int looks(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    printf("looking\n");
    fflush(stdout);
    while (!muster_ctx_canceled(ctx))
        sleep_ms(1);
    return muster_fail(ctx, 9, "I was told");
}
MUSTER_HANDLER(looks);

/* Calls only after it was told to give up; says how that ended. */
static int too_late(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    muster_error err = {0};

    (void)in;
    (void)len;
    (void)out;
    printf("looking\n");
    fflush(stdout);
    while (!muster_ctx_canceled(ctx))
        sleep_ms(1);
    printf("late: %s\n",
           muster_strerror(muster_call(muster_ctx_muster(ctx), 0, "until_told",
                                       NULL, 0, 0, NULL, &err)));
    return 0;
}
MUSTER_HANDLER(too_late);
