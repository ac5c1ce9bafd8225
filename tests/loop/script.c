/* script.c - a script for `muster run`, told by its arguments what to do.
 *
 *   status N    return N
 *   size        print how many workers there are
 *   args ...    print the arguments
 *   say         have each worker print
 *   fail        call a handler that fails, and return its code
 *   stuck       have each worker run a handler that never returns
 *   heed        the same with one that looks at its cancellation
 *   crash       crash, here
 *   quit        have worker 1 exit with 7, and print what is said of it
 *   wait        call worker 1 for 10 s, and print what came of it
 *   orphan      leave a process behind; 0 when somebody has waited for it
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <muster/muster.h>
#include <muster/worker.h>

static int say(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    printf("I am %u of %u\n", muster_ctx_rank(ctx), muster_ctx_size(ctx));
    fprintf(stderr, "and complain\n");
    printf("without an end");
    return 0;
}
MUSTER_HANDLER(say);

static int fail(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)in;
    (void)len;
    (void)out;
    return muster_fail(ctx, 41, "as I was told");
}
MUSTER_HANDLER(fail);

static volatile int stay = 1;

static int stuck(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    printf("begun %d\n", (int)getpid());
    while (stay)
        pause();
    return 0;
}
MUSTER_HANDLER(stuck);

static int heed(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const struct timespec ms = {0, 1000000};

    (void)in;
    (void)len;
    (void)out;
    printf("begun %d\n", (int)getpid());
    while (!muster_ctx_canceled(ctx))
        nanosleep(&ms, NULL);
    return 0;
}
MUSTER_HANDLER(heed);

static int quit(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    (void)ctx;
    (void)in;
    (void)len;
    (void)out;
    fprintf(stderr, "these are my last words\n");
    exit(7);
}
MUSTER_HANDLER(quit);

static int nap(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    const struct timespec ms = {0, 1000000};

    (void)in;
    (void)len;
    printf("begun %d\n", (int)getpid());
    fflush(stdout);
    for (int i = 0; i < 10000 && !muster_ctx_canceled(ctx); i++)
        nanosleep(&ms, NULL);
    return muster_out_printf(out, "slept");
}
MUSTER_HANDLER(nap);

/* A call of worker 1, and what came of it. */
static int on_one(muster *m, const char *name)
{
    muster_reply *reply = NULL;
    muster_error err;

    if (muster_call(m, 1, name, NULL, 0, MUSTER_FOREVER, &reply, &err) !=
        MUSTER_OK) {
        printf("%s: %s\n", muster_strerror(err.code), err.text);
        return 0;
    }
    printf("%.*s\n", (int)reply->len, (const char *)reply->data);
    muster_reply_destroy(&reply);
    return 0;
}

/* The handler of this name on all workers. */
static int on_all(muster *m, const char *name)
{
    muster_error err;

    if (muster_broadcast(m, NULL, name, NULL, 0, 0, NULL, &err) == MUSTER_OK)
        return 0;
    fprintf(stderr, "script: %s\n", err.text);
    return err.remote != 0 ? err.remote : 1;
}

/* A process whose parent has ended is given to process 1. */
static int orphan(void)
{
    const struct timespec ms = {0, 1000000};
    int fds[2];
    pid_t child, left = 0;

    if (pipe(fds) != 0)
        return 2;
    child = fork();
    if (child == 0) {
        left = fork();
        if (left == 0)
            _exit(0);
        _exit(write(fds[1], &left, sizeof(left)) == sizeof(left) ? 0 : 1);
    }
    if (child < 0 || waitpid(child, NULL, 0) != child ||
        read(fds[0], &left, sizeof(left)) != sizeof(left))
        return 2;
    for (int i = 0; i < 5000 && kill(left, 0) == 0; i++)
        nanosleep(&ms, NULL);
    return kill(left, 0) == 0;
}

MUSTER_API int muster_main(muster *m, int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "status") == 0)
        return (int)strtol(argv[2], NULL, 10);
    if (strcmp(what, "crash") == 0)
        abort();
    if (strcmp(what, "quit") == 0)
        return on_one(m, "quit");
    if (strcmp(what, "wait") == 0)
        return on_one(m, "nap");
    if (strcmp(what, "orphan") == 0)
        return orphan();
    if (strcmp(what, "size") == 0)
        printf("%u\n", muster_size(m));
    else if (strcmp(what, "args") == 0)
        for (int i = 0; i < argc; i++)
            printf("%s\n", argv[i]);
    else
        return on_all(m, what);
    return 0;
}
