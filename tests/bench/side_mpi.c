/* bench_mpi - the same work in MPI, started by mpirun. Rank 0 is the manager,
 * every other rank sends back what it gets until an empty message comes. */
#include "sample.h"

#include <mpi.h>
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
    if (rank == 0)
        manager(size - 1, argc, argv);
    else
        worker();
    MPI_Finalize();
    return EXIT_SUCCESS;
}
