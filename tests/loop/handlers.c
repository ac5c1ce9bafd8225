/* handlers.c - what the tests have workers do. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/worker.h>

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* The request is a string: the runtime puts no zero behind it. */
static const char *text_of(const void *in, size_t len, char text[256])
{
    if (len > 255)
        len = 255;
    memcpy(text, in, len);
    text[len] = '\0';
    return text;
}

static long number_of(const void *in, size_t len)
{
    char text[256];

    return strtol(text_of(in, len, text), NULL, 10);
}

/* For tests that wait until a handler runs. */
static void say(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

/* --------------------------------------------------------- well-behaved -- */

static int echo(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    return muster_out_write(out, in, len);
}
MUSTER_HANDLER(echo);

static int add(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    int64_t pair[2];

    if (len != sizeof(pair))
        return muster_fail(ctx, 1, "want 16 bytes, got %zu", len);
    memcpy(pair, in, len);
    pair[0] += pair[1];
    return muster_out_write(out, pair, sizeof(pair[0]));
}
MUSTER_HANDLER(add);

/* "500": after so many milliseconds. */
static int nap(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    say("begun");
    sleep_ms(number_of(in, len));
    return muster_out_printf(out, "slept");
}
MUSTER_HANDLER(nap);

/* Is this the thread that main runs on? */
static int on_main(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_printf(out, "%s", gettid() == getpid() ? "yes" : "no");
}
MUSTER_HANDLER(on_main);

/* "42 no such file": fails so. */
static int fail(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[256];
    char *words;
    const long code = strtol(text_of(in, len, text), &words, 10);

    muster_out_printf(out, "this is not to be seen");
    if (*words == '\0')
        return (int)code;
    return muster_fail(ctx, (int)code, "%s", words + 1);
}
MUSTER_HANDLER(fail);

/* "2 4": fails on those ranks. */
static int fail_on(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[256];
    char *at = (char *)(uintptr_t)text_of(in, len, text);

    while (*at != '\0') {
        char *end;

        if (strtoul(at, &end, 10) == muster_ctx_rank(ctx))
            return muster_fail(ctx, 30 + (int)muster_ctx_rank(ctx),
                               "rank %u fails", muster_ctx_rank(ctx));
        if (end == at)
            break;
        at = end;
    }
    return muster_out_printf(out, "%u is well", muster_ctx_rank(ctx));
}
MUSTER_HANDLER(fail_on);

/* "rank incarnation size index count session remaining". */
static int who(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const int64_t left = muster_ctx_remaining_ms(ctx);

    (void)in;
    (void)len;
    return muster_out_printf(out, "%u %u %u %u %u %s %" PRId64,
                             muster_ctx_rank(ctx), muster_ctx_incarnation(ctx),
                             muster_ctx_size(ctx), muster_ctx_index(ctx),
                             muster_ctx_count(ctx), muster_ctx_session(ctx),
                             left == INT64_MAX ? -1 : left);
}
MUSTER_HANDLER(who);

static int pid(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_printf(out, "%d", (int)getpid());
}
MUSTER_HANDLER(pid);

/* -------------------------------------------------------- state of its own */

static atomic_int counter;
static char noted[4096];

static int start(muster_ctx *ctx)
{
    counter = 100 * (int)muster_ctx_rank(ctx);
    return 0;
}
MUSTER_MODULE_INIT(start);

static void finish(void)
{
    printf("module ended at %d\n", counter);
}
MUSTER_MODULE_FINI(finish);

/* 100 * rank + how often it was called. */
static int count(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_printf(out, "%d", ++counter);
}
MUSTER_HANDLER(count);

/* Appends the request to what was noted. */
static int note(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const size_t used = strlen(noted);

    (void)out;
    if (len > sizeof(noted) - used - 1)
        return muster_fail(ctx, 1, "full");
    memcpy(noted + used, in, len);
    return 0;
}
MUSTER_HANDLER(note);

static int notes(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    return muster_out_write(out, noted, strlen(noted));
}
MUSTER_HANDLER(notes);

/* ------------------------------------------------------------------ large */

static uint64_t fnv(const unsigned char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* "length checksum" of the request. */
static int checksum(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    (void)ctx;
    return muster_out_printf(out, "%zu %016" PRIx64, len, fnv(in, len));
}
MUSTER_HANDLER(checksum);

/* "1000": so many bytes, byte i is 7 * i + i / 256. */
static int big(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const size_t n = (size_t)number_of(in, len);
    unsigned char *data = muster_out_reserve(out, n);

    if (data == NULL)
        return muster_fail(ctx, 1, "no memory for %zu bytes", n);
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(7 * i + i / 256);
    say("made");
    return 0;
}
MUSTER_HANDLER(big);

/* ----------------------------------------------------------------- output */

/* "3": "line 0" .. "line 2" on standard output, "note 0" .. on the other. */
static int lines(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const long n = number_of(in, len);

    (void)ctx;
    (void)out;
    for (long i = 0; i < n; i++) {
        printf("line %ld\n", i);
        fprintf(stderr, "note %ld\n", i);
    }
    return 0;
}
MUSTER_HANDLER(lines);

/* "5000": so many bytes without a newline, byte i is i * 31, 10 becomes 11. */
static int junk(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const long n = number_of(in, len);

    (void)ctx;
    (void)out;
    for (long i = 0; i < n; i++) {
        const int c = (unsigned char)(i * 31);

        putchar(c == '\n' ? c + 1 : c);
    }
    return 0;
}
MUSTER_HANDLER(junk);

/* -------------------------------------------------------------------- bad */

static volatile uintptr_t nowhere = 8;

static int crash(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    return *(volatile int *)nowhere;
}
MUSTER_HANDLER(crash);

static volatile long deepest = LONG_MAX;

/* As deep as it goes; what it returns keeps the compiler from a loop. */
__attribute__((noinline)) static int deeper(volatile char *above, long depth)
{
    volatile char room[4096];

    room[0] = above[0];
    return depth < deepest ? deeper(room, depth + 1) + room[0] : 0;
}

static int overflow(muster_ctx *ctx, const void *in, size_t len,
                    muster_out *out)
{
    volatile char first[1] = {1};

    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    return deeper(first, 0);
}
MUSTER_HANDLER(overflow);

static int give_up(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    abort();
}
MUSTER_HANDLER(give_up);

/* "7": ends the process with that status. */
static int leave(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)out;
    exit((int)number_of(in, len));
}
MUSTER_HANDLER(leave);

/* Does not look at the cancellation. */
static int never(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    say("begun");
    while (deepest > 0)
        pause();
    return 0;
}
MUSTER_HANDLER(never);

/* It ends by itself at its deadline, too: a race with the caller's. Fails when
 * there is a request. */
static int until_canceled(muster_ctx *ctx, const void *in, size_t len,
                          muster_out *out)
{
    (void)in;
    (void)out;
    say("begun");
    while (!muster_ctx_canceled(ctx))
        sleep_ms(1);
    say("canceled");
    return len > 0;
}
MUSTER_HANDLER(until_canceled);

static char *kept; /* the last of what hog took */

/* "64": so many MiB, one after the other, each touched; and stays. */
static int hog(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const size_t n = (size_t)number_of(in, len);

    (void)out;
    say("begun");
    for (size_t i = 0; i < n && !muster_ctx_canceled(ctx); i++) {
        char *bytes = malloc((size_t)1 << 20);

        if (bytes == NULL)
            return muster_fail(ctx, 1, "no memory after %zu MiB", i);
        memset(bytes, 1 + (int)i, (size_t)1 << 20);
        *(char *volatile *)&kept = bytes;
        sleep_ms(8);
    }
    return 0;
}
MUSTER_HANDLER(hog);

/* The same, and late: the caller's deadline is always first. */
static int past_deadline(muster_ctx *ctx, const void *in, size_t len,
                         muster_out *out)
{
    const int rc = until_canceled(ctx, in, len, out);

    sleep_ms(300);
    return rc;
}
MUSTER_HANDLER(past_deadline);
