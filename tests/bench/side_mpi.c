/* bench_mpi - the same work in MPI, started by mpirun. Rank 0 is the manager,
 * every other rank sends back what it gets until an empty message comes. */
#include "bulk.h"
#include "sample.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAG 1

/* MPI's own error handler ends the program: results need no look. */

static void send_to(int rank, const char *body, int len)
{
    MPI_Send(body, len, MPI_BYTE, rank, TAG, MPI_COMM_WORLD);
}

static int recv_from(int rank, char *body)
{
    MPI_Status status;
    int len = 0;

    MPI_Recv(body, BENCH_BODY_BYTES, MPI_BYTE, rank, TAG, MPI_COMM_WORLD,
             &status);
    MPI_Get_count(&status, MPI_BYTE, &len);
    return len;
}

static void worker(void)
{
    char body[BENCH_BODY_BYTES];
    int len;

    while ((len = recv_from(0, body)) > 0)
        send_to(0, body, len);
}

static void call(int rank)
{
    static const char request[BENCH_BODY_BYTES] = "sixty-four bytes";
    char body[BENCH_BODY_BYTES];

    send_to(rank, request, sizeof(request));
    if (recv_from(rank, body) != (int)sizeof(body) ||
        memcmp(body, request, sizeof(body)) != 0)
        bench_die("the answer is not the request");
}

/* One call each; the driver takes the time of mpirun as a whole. */
static void launch(int n)
{
    for (int rank = 1; rank <= n; rank++)
        call(rank);
}

static void pingpong(size_t count, size_t warmup)
{
    double *us = bench_alloc(count, sizeof(*us));

    for (size_t i = 0; i < warmup; i++)
        call(1);
    for (size_t i = 0; i < count; i++) {
        const int64_t start = bench_now_ns();

        call(1);
        us[i] = (double)(bench_now_ns() - start) / 1e3;
    }
    bench_tell_latency(us, count);
    free(us);
}

/* `count` messages and their answers, at most `window` of them on the way. */
static void stream(size_t count, size_t window)
{
    char(*bodies)[BENCH_BODY_BYTES] = bench_alloc(window, sizeof(*bodies));
    char(*answers)[BENCH_BODY_BYTES] = bench_alloc(window, sizeof(*answers));
    MPI_Request *sends = bench_alloc(window, sizeof(MPI_Request));
    MPI_Request *recvs = bench_alloc(window, sizeof(MPI_Request));

    for (size_t i = 0; i < count + window; i++) {
        const size_t slot = i % window;

        if (i >= window && i - window < count) {
            MPI_Wait(&recvs[slot], MPI_STATUS_IGNORE);
            MPI_Wait(&sends[slot], MPI_STATUS_IGNORE);
        }
        if (i >= count)
            continue;
        MPI_Irecv(answers[slot], BENCH_BODY_BYTES, MPI_BYTE, 1, TAG,
                  MPI_COMM_WORLD, &recvs[slot]);
        MPI_Isend(bodies[slot], BENCH_BODY_BYTES, MPI_BYTE, 1, TAG,
                  MPI_COMM_WORLD, &sends[slot]);
    }
    free(recvs);
    free(sends);
    free(answers);
    free(bodies);
}

static void pipeline(size_t count, size_t window)
{
    int64_t start;

    stream(count / 10, window);
    start = bench_now_ns();
    stream(count, window);
    bench_tell("per_s", (double)count * 1e9 / (double)(bench_now_ns() - start));
}

/* ------------------------------------------------------- long payloads -- */

typedef struct bulk {
    int n; /* receivers */
    unsigned char *body, *all;
} bulk;

/* Tell all what size comes next; 0: that was all. No clock runs. */
static size_t agree(size_t size)
{
    uint64_t bytes = size;

    MPI_Bcast(&bytes, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    return bytes;
}

static int64_t broadcast_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    uint64_t sum = bench_read(b->body, agree(size)), sums[1024];
    const int64_t start = bench_now_ns();
    int64_t took;

    MPI_Bcast(b->body, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
    MPI_Gather(&sum, 1, MPI_UINT64_T, sums, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    took = bench_now_ns() - start;
    for (int i = 1; i <= b->n; i++)
        if (sums[i] != sum)
            bench_die("rank %d has not read what was sent", i);
    return took;
}

static int64_t gather_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    int64_t start;
    char go = 1;

    agree(size);
    start = bench_now_ns();
    MPI_Bcast(&go, 1, MPI_BYTE, 0, MPI_COMM_WORLD);
    MPI_Gather(MPI_IN_PLACE, (int)size, MPI_BYTE, b->all, (int)size, MPI_BYTE,
               0, MPI_COMM_WORLD);
    for (int i = 1; i <= b->n; i++)
        bench_want_filled(b->all + (size_t)i * size, size);
    return bench_now_ns() - start;
}

static int64_t call_once(void *arg, size_t size)
{
    bulk *b = (bulk *)arg;
    int64_t start, took;

    agree(size);
    start = bench_now_ns();
    MPI_Send(b->body, (int)size, MPI_BYTE, 1, TAG, MPI_COMM_WORLD);
    MPI_Recv(b->all, (int)size, MPI_BYTE, 1, TAG, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    took = bench_now_ns() - start;
    if (memcmp(b->all, b->body, size) != 0)
        bench_die("the answer is not the request");
    return took;
}

static bool is_bulk(const char *mode)
{
    return strcmp(mode, "broadcast") == 0 || strcmp(mode, "gather") == 0 ||
           strcmp(mode, "calls") == 0;
}

static void bulk_worker(const char *mode)
{
    unsigned char *body = bench_alloc(BENCH_LARGEST, 1);
    uint64_t sum;
    size_t size;
    char go;

    while ((size = agree(0)) > 0) {
        if (strcmp(mode, "broadcast") == 0) {
            MPI_Bcast(body, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
            sum = bench_read(body, size);
            MPI_Gather(&sum, 1, MPI_UINT64_T, NULL, 1, MPI_UINT64_T, 0,
                       MPI_COMM_WORLD);
        } else if (strcmp(mode, "gather") == 0) {
            MPI_Bcast(&go, 1, MPI_BYTE, 0, MPI_COMM_WORLD);
            memset(body, BENCH_FILL, size);
            MPI_Gather(body, (int)size, MPI_BYTE, NULL, 0, MPI_BYTE, 0,
                       MPI_COMM_WORLD);
        } else {
            MPI_Recv(body, (int)size, MPI_BYTE, 0, TAG, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
            MPI_Send(body, (int)size, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
        }
    }
    free(body);
}

static void bulk_manager(int n, const char *mode, size_t count)
{
    bulk b = {n, bench_payload(BENCH_LARGEST), NULL};

    b.all = bench_alloc((size_t)n + 1, BENCH_LARGEST);
    if (n >= 1024)
        bench_die("too many ranks");
    if (strcmp(mode, "broadcast") == 0)
        bench_each_size(count, broadcast_once, &b);
    else if (strcmp(mode, "gather") == 0)
        bench_each_size(count, gather_once, &b);
    else
        bench_long_calls(count, call_once, &b);
    agree(0);
    free(b.all);
    free(b.body);
}

static void manager(int n, int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (n < 1)
        bench_die("needs at least two ranks");
    if (strcmp(mode, "launch") == 0 && argc == 3)
        launch(n);
    else if (strcmp(mode, "pingpong") == 0 && argc == 4)
        pingpong(bench_count(argv[2], 10000000),
                 bench_count(argv[3], 10000000));
    else if (strcmp(mode, "pipeline") == 0 && argc == 4)
        pipeline(bench_count(argv[2], 100000000),
                 bench_count(argv[3], 1000000));
    else
        bench_die("usage: mpirun -n N bench_mpi launch N | "
                  "pingpong COUNT WARMUP | pipeline COUNT WINDOW");
    for (int rank = 1; rank <= n; rank++)
        send_to(rank, "", 0);
}

int main(int argc, char **argv)
{
    int rank = 0, size = 0;

    alarm(BENCH_ALARM_S);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 2 && is_bulk(argv[1]))
        rank == 0 ? bulk_manager(size - 1, argv[1],
                                 bench_count(argv[argc - 1], BENCH_LARGEST))
                  : bulk_worker(argv[1]);
    else if (rank == 0)
        manager(size - 1, argc, argv);
    else
        worker();
    MPI_Finalize();
    return EXIT_SUCCESS;
}
