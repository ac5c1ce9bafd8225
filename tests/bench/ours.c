#include "ours.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char ours_request[BENCH_BODY_BYTES] = "sixty-four bytes";

void ours_must(muster_err rc, const muster_error *err, const char *what)
{
    if (rc != MUSTER_OK)
        bench_die("%s: %s: %s", what, muster_strerror(rc), err->text);
}

static const char *bulk; /* NULL: what children of this machine have */

void ours_over_tcp(bool plaintext)
{
    bulk = plaintext ? "plain" : "sealed";
}

static void log_line(void *arg, muster_level level, const char *id,
                     const char *text)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "bench_muster: %s %s\n", id, text);
}

muster *ours_open(muster_options *options)
{
    muster_error err = {0};
    muster *m = NULL;

    options->launcher = MUSTER_LAUNCHER_LOCAL;
    options->worker = getenv("MUSTER_WORKER");
    if (options->worker == NULL)
        options->worker = BENCH_WORKER;
    options->on_log = log_line;
    options->bulk = bulk;
    ours_must(muster_open(options, &m, &err), &err, "open");
    return m;
}

muster *ours_up(uint32_t nworkers)
{
    muster_options options = MUSTER_OPTIONS_INIT;
    muster_error err = {0};
    muster *m = ours_open(&options);

    ours_must(muster_launch(m, nworkers, nworkers, NULL, &err), &err, "launch");
    ours_must(muster_module_ship(m, BENCH_HANDLERS, &err), &err, "ship");
    return m;
}

uint32_t ours_only_rank(muster *m)
{
    uint32_t rank = 0;

    if (muster_ranks(m, &rank, 1) != 1)
        bench_die("there is not one worker");
    return rank;
}

int64_t ours_pid(muster *m, uint32_t rank)
{
    muster_info info;
    muster_error err = {0};

    ours_must(muster_worker_info(m, rank, &info, &err), &err, "worker info");
    if (info.pid <= 0)
        bench_die("worker %" PRIu32 " has no pid", rank);
    return info.pid;
}

static void want_echo(muster_reply **reply)
{
    if ((*reply)->len != sizeof(ours_request) ||
        memcmp((*reply)->data, ours_request, sizeof(ours_request)) != 0)
        bench_die("the answer is not the request");
    muster_reply_destroy(reply);
}

void ours_call(muster *m, uint32_t rank)
{
    muster_reply *reply = NULL;
    muster_error err = {0};

    ours_must(muster_call(m, rank, "echo", ours_request, sizeof(ours_request),
                          MUSTER_DEFAULT_MS, &reply, &err),
              &err, "call");
    want_echo(&reply);
}

void ours_start_call(muster *m, uint32_t rank, muster_future **future)
{
    muster_error err = {0};

    ours_must(muster_call_start(m, rank, "echo", ours_request,
                                sizeof(ours_request), MUSTER_DEFAULT_MS, future,
                                &err),
              &err, "start a call");
}

void ours_finish_call(muster_future **future)
{
    muster_reply *reply = NULL;
    muster_error err = {0};

    ours_must(muster_future_result(*future, &reply, &err), &err, "result");
    want_echo(&reply);
    muster_future_destroy(future);
}
