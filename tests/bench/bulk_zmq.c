#include "bulk_zmq.h"

#include "bare.h"
#include "bulk.h"
#include "sample.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

typedef struct bulk {
    bare b;
    size_t n;
    bare_id *ids;
    pid_t *children;
    unsigned char *body;
} bulk;

static void must(int rc, const char *what)
{
    if (rc == -1)
        bench_die("%s: %s", what, zmq_strerror(errno));
}

static void begin(bulk *k, const char *mode, size_t n, size_t max)
{
    char hello[BENCH_BODY_BYTES];
    size_t len;

    bare_open(&k->b);
    k->b.mode = mode;
    k->n = n;
    k->ids = bench_alloc(n, sizeof(*k->ids));
    k->children = bench_alloc(n, sizeof(*k->children));
    k->body = bench_payload(max);
    for (size_t i = 0; i < n; i++)
        k->children[i] = bare_spawn(&k->b);
    for (size_t i = 0; i < n; i++)
        bare_recv(&k->b, &k->ids[i], hello, &len, true);
}

static void end(bulk *k)
{
    for (size_t i = 0; i < k->n; i++)
        bare_send(&k->b, &k->ids[i], "", 0);
    for (size_t i = 0; i < k->n; i++)
        bare_reap(k->children[i]);
    bare_close(&k->b);
    free(k->body);
    free(k->children);
    free(k->ids);
}

/* The payload to all children, without a copy. */
static void send_body(bulk *k, size_t size)
{
    zmq_msg_t whole, part;

    must(zmq_msg_init_data(&whole, k->body, size, NULL, NULL), "message");
    for (size_t i = 0; i < k->n; i++) {
        must(zmq_msg_init(&part), "message");
        must(zmq_msg_copy(&part, &whole), "message");
        must(zmq_send(k->b.socket, k->ids[i].bytes, k->ids[i].len, ZMQ_SNDMORE),
             "send id");
        must(zmq_msg_send(&part, k->b.socket, 0), "send");
    }
    zmq_msg_close(&whole);
}

/* The next answer, behind its id. */
static void recv_body(bulk *k, zmq_msg_t *message)
{
    unsigned char id[16];

    must(zmq_recv(k->b.socket, id, sizeof(id), 0), "receive");
    must(zmq_msg_init(message), "message");
    must(zmq_msg_recv(message, k->b.socket, 0), "receive body");
}

static int64_t broadcast_once(void *arg, size_t size)
{
    bulk *k = (bulk *)arg;
    const uint64_t want = bench_read(k->body, size);
    const int64_t start = bench_now_ns();
    char body[BENCH_BODY_BYTES];
    bare_id from;
    size_t len;

    send_body(k, size);
    for (size_t i = 0; i < k->n; i++) {
        bare_recv(&k->b, &from, body, &len, true);
        if (len != sizeof(want) || memcmp(body, &want, len) != 0)
            bench_die("a child has not read what was sent");
    }
    return bench_now_ns() - start;
}

static int64_t gather_once(void *arg, size_t size)
{
    bulk *k = (bulk *)arg;
    const uint64_t bytes = size;
    const int64_t start = bench_now_ns();
    zmq_msg_t answer;

    for (size_t i = 0; i < k->n; i++)
        bare_send(&k->b, &k->ids[i], &bytes, sizeof(bytes));
    for (size_t i = 0; i < k->n; i++) {
        recv_body(k, &answer);
        if (zmq_msg_size(&answer) != size)
            bench_die("an answer of %zu bytes", zmq_msg_size(&answer));
        bench_want_filled(zmq_msg_data(&answer), size);
        zmq_msg_close(&answer);
    }
    return bench_now_ns() - start;
}

static int64_t call_once(void *arg, size_t size)
{
    bulk *k = (bulk *)arg;
    const int64_t start = bench_now_ns();
    zmq_msg_t answer;
    int64_t took;

    send_body(k, size);
    recv_body(k, &answer);
    took = bench_now_ns() - start;
    if (zmq_msg_size(&answer) != size ||
        memcmp(zmq_msg_data(&answer), k->body, size) != 0)
        bench_die("the answer is not the request");
    zmq_msg_close(&answer);
    return took;
}

void bulk_broadcast(size_t nchildren, size_t max)
{
    bulk k;

    begin(&k, "read", nchildren, max);
    bench_each_size(max, broadcast_once, &k);
    end(&k);
}

void bulk_gather(size_t nchildren, size_t max)
{
    bulk k;

    begin(&k, "fill", nchildren, max);
    bench_each_size(max, gather_once, &k);
    end(&k);
}

void bulk_calls(size_t count)
{
    bulk k;

    begin(&k, "big", 1, BENCH_CALL_BYTES);
    bench_long_calls(count, call_once, &k);
    end(&k);
}

bool bulk_is_child(const char *mode)
{
    return strcmp(mode, "read") == 0 || strcmp(mode, "fill") == 0 ||
           strcmp(mode, "big") == 0;
}

static void answer_one(void *socket, zmq_msg_t *in, const char *mode)
{
    zmq_msg_t out;
    uint64_t word;

    if (strcmp(mode, "read") == 0) {
        word = bench_read(zmq_msg_data(in), zmq_msg_size(in));
        must(zmq_send(socket, &word, sizeof(word), 0), "send");
    } else if (strcmp(mode, "fill") == 0) {
        if (zmq_msg_size(in) != sizeof(word))
            bench_die("want 8 bytes, got %zu", zmq_msg_size(in));
        memcpy(&word, zmq_msg_data(in), sizeof(word));
        must(zmq_msg_init_size(&out, word), "message");
        memset(zmq_msg_data(&out), BENCH_FILL, word);
        must(zmq_msg_send(&out, socket, 0), "send");
    } else {
        must(zmq_msg_send(in, socket, 0), "send");
    }
}

void bulk_child(void *socket, const char *mode)
{
    zmq_msg_t in;
    bool more = true;

    must(zmq_send(socket, "h", 1, 0), "hello");
    while (more) {
        must(zmq_msg_init(&in), "message");
        must(zmq_msg_recv(&in, socket, 0), "receive");
        more = zmq_msg_size(&in) > 0;
        if (more)
            answer_one(socket, &in, mode);
        zmq_msg_close(&in);
    }
}
