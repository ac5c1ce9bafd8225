/* drain_handlers.c - what workers run that are drained or replaced. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

static void nap(long ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};

    while (nanosleep(&t, &t) != 0)
        continue;
}

/* Twice the number, after 2 ms. */
static int slow_twice(muster_ctx *ctx, const void *in, size_t len,
                      muster_out *out)
{
    int64_t n = -1;

    (void)ctx;
    if (len == sizeof(n))
        memcpy(&n, in, sizeof(n));
    nap(2);
    n *= 2;
    return muster_out_write(out, &n, sizeof(n));
}
MUSTER_HANDLER(slow_twice);

/* Appends a byte to the file of that name: how often it ran. */
static int mark(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char path[256] = "";
    int fd;

    (void)out;
    memcpy(path, in, len < 255 ? len : 255);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return muster_fail(ctx, 1, "cannot write %s", path);
    close(fd);
    nap(2);
    return 0;
}
MUSTER_HANDLER(mark);

/* "1.2 hello": rank, incarnation and the blob "greeting". */
static int greet(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    size_t n = 0;
    const char *text = muster_get(ctx, "greeting", &n);

    (void)in;
    (void)len;
    if (text == NULL)
        return muster_fail(ctx, 1, "no greeting");
    return muster_out_printf(out, "%u.%u %.*s", muster_ctx_rank(ctx),
                             muster_ctx_incarnation(ctx), (int)n, text);
}
MUSTER_HANDLER(greet);
