/* bench_zmq - what bare libzmq needs for the work that muster does. */
#include "bare.h"
#include "bulk.h"
#include "bulk_zmq.h"
#include "rss.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What muster_map lets a quick worker have. */
#define MAP_WINDOW 128

static const char request[BENCH_BODY_BYTES] = "sixty-four bytes";

static void want_len(size_t len, size_t want)
{
    if (len != want)
        bench_die("got %zu bytes, want %zu", len, want);
}

/* Start n children, call each once, end all; wall time of everything. */
static void launch(size_t n)
{
    pid_t *children = bench_alloc(n, sizeof(*children));
    bare_id *ids = bench_alloc(n, sizeof(*ids));
    const int64_t start = bench_now_ns();
    char body[BENCH_BODY_BYTES];
    size_t len, answers = 0;
    bare b;

    bare_open(&b);
    for (size_t i = 0; i < n; i++)
        children[i] = bare_spawn(&b);
    while (answers < n) {
        bare_recv(&b, &ids[answers], body, &len, true);
        if (len == 1) {
            bare_send(&b, &ids[answers], request, sizeof(request));
            continue;
        }
        want_len(len, sizeof(request));
        answers++;
    }
    for (size_t i = 0; i < n; i++)
        bare_send(&b, &ids[i], "", 0);
    for (size_t i = 0; i < n; i++)
        bare_reap(children[i]);
    bench_tell("wall_ms", (double)(bench_now_ns() - start) / 1e6);
    bare_close(&b);
    free(ids);
    free(children);
}

/* One child that has said hello. */
static pid_t one_child(bare *b, bare_id *id)
{
    char body[BENCH_BODY_BYTES];
    size_t len;
    pid_t child;

    bare_open(b);
    child = bare_spawn(b);
    bare_recv(b, id, body, &len, true);
    want_len(len, 1);
    return child;
}

static void end_child(bare *b, const bare_id *id, pid_t child)
{
    bare_send(b, id, "", 0);
    bare_reap(child);
    bare_close(b);
}

static void call(bare *b, const bare_id *id)
{
    char body[BENCH_BODY_BYTES];
    bare_id from;
    size_t len;

    bare_send(b, id, request, sizeof(request));
    bare_recv(b, &from, body, &len, true);
    want_len(len, sizeof(request));
    if (memcmp(body, request, len) != 0)
        bench_die("the answer is not the request");
}

static void pingpong(size_t count, size_t warmup)
{
    double *us = bench_alloc(count, sizeof(*us));
    bare b;
    bare_id id;
    const pid_t child = one_child(&b, &id);

    for (size_t i = 0; i < warmup; i++)
        call(&b, &id);
    for (size_t i = 0; i < count; i++) {
        const int64_t start = bench_now_ns();

        call(&b, &id);
        us[i] = (double)(bench_now_ns() - start) / 1e3;
    }
    bench_tell_latency(us, count);
    end_child(&b, &id, child);
    free(us);
}

/* `count` messages and their answers, at most `window` of them on the way. */
static void stream(bare *b, const bare_id *id, size_t count, size_t window)
{
    char body[BENCH_BODY_BYTES];
    size_t len, sent = 0, done = 0;
    bare_id from;

    while (done < count) {
        for (; sent < count && sent - done < window; sent++)
            bare_send(b, id, request, sizeof(request));
        bare_recv(b, &from, body, &len, true);
        do {
            want_len(len, sizeof(request));
            done++;
        } while (done < sent && bare_recv(b, &from, body, &len, false));
    }
}

static void pipeline(size_t count, size_t window)
{
    bare b;
    bare_id id;
    const pid_t child = one_child(&b, &id);
    int64_t start;

    stream(&b, &id, count / 10, window);
    start = bench_now_ns();
    stream(&b, &id, count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
    end_child(&b, &id, child);
}

static void worker_rss(void)
{
    bare b;
    bare_id id;
    const pid_t child = one_child(&b, &id);

    call(&b, &id);
    bench_tell("rss_kib", bench_idle_rss_kib(child));
    end_child(&b, &id, child);
}

static void growth(size_t from, size_t to, size_t window)
{
    bare b;
    bare_id id;
    const pid_t child = one_child(&b, &id);
    long before;

    if (to <= from)
        bench_die("%zu is not after %zu", to, from);
    stream(&b, &id, from, window);
    before = bench_rss_kib(0);
    stream(&b, &id, to - from, window);
    bench_tell("growth_kib", (double)(bench_rss_kib(0) - before));
    end_child(&b, &id, child);
}

/* `count` one-byte messages to n children and back: to each at most `window`
 * at a time, and the next one to whoever has answered. (An empty one would
 * tell a child to end.) */
static void spread(bare *b, const bare_id *ids, size_t n, size_t count,
                   size_t window)
{
    char body[BENCH_BODY_BYTES];
    size_t len, sent = 0;
    bare_id from;

    for (; sent < count && sent < n * window; sent++)
        bare_send(b, &ids[sent % n], request, 1);
    for (size_t done = 0; done < count; done++) {
        bare_recv(b, &from, body, &len, true);
        want_len(len, 1);
        if (sent < count) {
            bare_send(b, &from, request, 1);
            sent++;
        }
    }
}

static void map(size_t count, size_t n, size_t window)
{
    pid_t *children = bench_alloc(n, sizeof(*children));
    bare_id *ids = bench_alloc(n, sizeof(*ids));
    char body[BENCH_BODY_BYTES];
    int64_t start;
    size_t len;
    bare b;

    bare_open(&b);
    for (size_t i = 0; i < n; i++)
        children[i] = bare_spawn(&b);
    for (size_t i = 0; i < n; i++) {
        bare_recv(&b, &ids[i], body, &len, true);
        want_len(len, 1);
    }
    spread(&b, ids, n, (count + 9) / 10, window);
    start = bench_now_ns();
    spread(&b, ids, n, count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
    for (size_t i = 0; i < n; i++)
        bare_send(&b, &ids[i], "", 0);
    for (size_t i = 0; i < n; i++)
        bare_reap(children[i]);
    bare_close(&b);
    free(ids);
    free(children);
}

static int usage(void)
{
    fputs("usage: bench_zmq launch N\n"
          "       bench_zmq pingpong COUNT WARMUP\n"
          "       bench_zmq pipeline COUNT WINDOW\n"
          "       bench_zmq worker-rss\n"
          "       bench_zmq growth FROM TO WINDOW\n"
          "       bench_zmq map COUNT NCHILDREN\n"
          "       bench_zmq broadcast|gather NCHILDREN MAX\n"
          "       bench_zmq calls COUNT\n"
          "`null` before these: without CURVE.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if ((strcmp(mode, "child") == 0 || bulk_is_child(mode)) && argc == 5)
        return bare_child(mode, argv[2], argv[3], argv[4]);
    alarm(BENCH_ALARM_S);
    if (strcmp(mode, "null") == 0) {
        bare_use_null();
        argc--;
        argv++;
        mode = argc > 1 ? argv[1] : "";
    }
    if (strcmp(mode, "launch") == 0 && argc == 3)
        launch(bench_count(argv[2], 65535));
    else if (strcmp(mode, "pingpong") == 0 && argc == 4)
        pingpong(bench_count(argv[2], 10000000),
                 bench_count(argv[3], 10000000));
    else if (strcmp(mode, "pipeline") == 0 && argc == 4)
        pipeline(bench_count(argv[2], 100000000),
                 bench_count(argv[3], 1000000));
    else if (strcmp(mode, "worker-rss") == 0 && argc == 2)
        worker_rss();
    else if (strcmp(mode, "growth") == 0 && argc == 5)
        growth(bench_count(argv[2], 100000000), bench_count(argv[3], 100000000),
               bench_count(argv[4], 1000000));
    else if (strcmp(mode, "map") == 0 && argc == 4)
        map(bench_count(argv[2], 10000000), bench_count(argv[3], 65535),
            MAP_WINDOW);
    else if (strcmp(mode, "broadcast") == 0 && argc == 4)
        bulk_broadcast(bench_count(argv[2], 1000),
                       bench_count(argv[3], BENCH_LARGEST));
    else if (strcmp(mode, "gather") == 0 && argc == 4)
        bulk_gather(bench_count(argv[2], 1000),
                    bench_count(argv[3], BENCH_LARGEST));
    else if (strcmp(mode, "calls") == 0 && argc == 3)
        bulk_calls(bench_count(argv[2], 10000));
    else
        return usage();
    return EXIT_SUCCESS;
}
