/* handlers.c - what the drill's workers do, and count in memory they share. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

#include "work.h"

static job_cell *cells; /* shared, or of this process */

static int start(muster_ctx *ctx)
{
    const char *path = getenv("DRILL_CELLS");
    const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at;

    if (path != NULL && fd < 0)
        return muster_fail(ctx, 1, "cannot open %s", path);
    at = mmap(NULL, JOBS * sizeof(*cells), PROT_READ | PROT_WRITE,
              fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED,
              fd, 0);
    if (fd >= 0)
        close(fd);
    if (at == MAP_FAILED)
        return muster_fail(ctx, 1, "no memory for the counts");
    cells = at;
    return 0;
}
MUSTER_MODULE_INIT(start);

/* The job ran once more, here. */
static void count(const muster_ctx *ctx, const job *j)
{
    uint64_t old = atomic_load(&cells[j->id % JOBS]), now;

    do
        now = cell_more(old, muster_ctx_rank(ctx), muster_ctx_incarnation(ctx));
    while (!atomic_compare_exchange_weak(&cells[j->id % JOBS], &old, now));
}

static void work(const job *j)
{
    const struct timespec t = {0, (long)j->us * 1000};

    if (j->us > 0)
        nanosleep(&t, NULL);
}

static bool take(const void *in, size_t len, job *j)
{
    if (len < sizeof(*j))
        return false;
    memcpy(j, in, sizeof(*j));
    return true;
}

static int reply(const muster_ctx *ctx, const job *j, uint64_t sum,
                 muster_out *out)
{
    const answer a = {j->id, sum, muster_ctx_rank(ctx), muster_ctx_index(ctx)};

    return muster_out_write(out, &a, sizeof(a));
}

static int twist(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    job j;

    if (!take(in, len, &j))
        return muster_fail(ctx, 1, "a job of %zu bytes", len);
    count(ctx, &j);
    work(&j);
    return reply(
        ctx, &j,
        job_sum(j.id, (const unsigned char *)in + sizeof(j), len - sizeof(j)),
        out);
}
MUSTER_HANDLER(twist);

static int sad(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    job j;

    (void)out;
    if (!take(in, len, &j))
        return muster_fail(ctx, 1, "a job of %zu bytes", len);
    count(ctx, &j);
    work(&j);
    return muster_fail(ctx, 7, "sad %llu", (unsigned long long)j.id);
}
MUSTER_HANDLER(sad);

/* Another worker does it: job id + 1. */
static int through(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    muster_reply *r = NULL;
    muster_error err = {0};
    muster_err rc;
    job j, next;

    if (!take(in, len, &j))
        return muster_fail(ctx, 1, "a job of %zu bytes", len);
    count(ctx, &j);
    next = j;
    next.id++;
    rc = muster_call(muster_ctx_muster(ctx), j.rank, "twist", &next,
                     sizeof(next), 0, &r, &err);
    if (rc != MUSTER_OK)
        return muster_fail(ctx, 100 + (int)rc, "%s", err.text);
    rc = muster_out_write(out, r->data, r->len);
    muster_reply_destroy(&r);
    return rc;
}
MUSTER_HANDLER(through);

static int say(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    job j;

    if (!take(in, len, &j))
        return muster_fail(ctx, 1, "a job of %zu bytes", len);
    count(ctx, &j);
    for (uint32_t i = 0; i < j.rank; i++)
        printf("drill %llu %u\n", (unsigned long long)j.id, i);
    return reply(ctx, &j, job_sum(j.id, NULL, 0), out);
}
MUSTER_HANDLER(say);

/* The blob whose name follows the job. */
static int look(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const unsigned char *bytes;
    char name[64] = "";
    size_t n = 0;
    job j;

    if (!take(in, len, &j) || len - sizeof(j) >= sizeof(name))
        return muster_fail(ctx, 1, "a job of %zu bytes", len);
    count(ctx, &j);
    memcpy(name, (const char *)in + sizeof(j), len - sizeof(j));
    bytes = (const unsigned char *)muster_get(ctx, name, &n);
    if (bytes == NULL)
        return muster_fail(ctx, 8, "no blob %s", name);
    return reply(ctx, &j, job_sum(j.id, bytes, n), out);
}
MUSTER_HANDLER(look);
