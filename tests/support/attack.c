#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "link/socket.h"

#define HANDSHAKE_MS 60000
#define LOOK_MS 10

/* ------------------------------------------- a true handshake, recorded -- */

/* Bytes of one side for the other, and into a file unless that is -1. */
static bool copy(int from, int to, int record)
{
    char bytes[4096];
    const ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    return send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n &&
           (record < 0 || write(record, bytes, (size_t)n) == n);
}

/* The event comes some time after the last byte. */
static bool pass_until_done(void *monitor, int client, int server, int file)
{
    uint16_t event = 0;
    int32_t value;

    for (int i = 0; i < HANDSHAKE_MS / LOOK_MS; i++) {
        struct pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};

        if (poll(both, 2, LOOK_MS) < 0 || !copy(client, server, file) ||
            !copy(server, client, -1))
            return false;
        while (mst_socket_event(monitor, &event, &value))
            if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
                return true;
    }
    return false;
}

/* The dealer connects to `front`, and we to the port. */
static bool record_to(const attack *a, void *zmq, void *dealer,
                      const mst_pair *self, int front, int file)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(at);
    void *monitor = NULL;
    int client = -1;
    bool done = false;
    muster_error err;
    char where[64];

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(front, (struct sockaddr *)&at, len) != 0 ||
        listen(front, 1) != 0 ||
        getsockname(front, (struct sockaddr *)&at, &len) != 0)
        goto out;
    snprintf(where, sizeof(where), "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    if (mst_socket_tune(dealer, 0, &err) != MUSTER_OK ||
        mst_socket_trust(dealer, self, a->key, &err) != MUSTER_OK ||
        mst_socket_monitor(zmq, dealer, "inproc://recorded", &monitor, &err) !=
            MUSTER_OK ||
        zmq_connect(dealer, where) != 0)
        goto out;
    at.sin_port = htons(a->port);
    if (poll(&(struct pollfd){front, POLLIN, 0}, 1, HANDSHAKE_MS) != 1)
        goto out;
    /* cppcheck-suppress nullPointer */
    client = accept4(front, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0 || connect(server, (struct sockaddr *)&at, len) != 0)
        goto out;
    done = pass_until_done(monitor, client, server, file);
out:
    if (monitor != NULL)
        zmq_close(monitor);
    if (client >= 0)
        close(client);
    close(server);
    return done;
}

bool attack_record(const attack *a, const mst_pair *self)
{
    const int file =
        open(a->handshake, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const int front = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    void *zmq = zmq_ctx_new(), *dealer = zmq_socket(zmq, ZMQ_DEALER);
    const bool done = file >= 0 && front >= 0 && dealer != NULL &&
                      record_to(a, zmq, dealer, self, front, file);

    zmq_close(dealer);
    zmq_ctx_term(zmq);
    close(front);
    return close(file) == 0 && done;
}

/* --------------------------------------------------------- the attackers -- */

bool attack_begin(attack *a, double seconds)
{
    char port[8], rate[16], time_s[16], hold[16], key[2 * MST_KEY_BYTES + 1];
    int line[2];

    snprintf(port, sizeof(port), "%u", a->port);
    snprintf(rate, sizeof(rate), "%u", a->rate);
    snprintf(time_s, sizeof(time_s), "%.1f", seconds);
    snprintf(hold, sizeof(hold), "%u", a->hold);
    sodium_bin2hex(key, sizeof(key), a->key, MST_KEY_BYTES);
    if (pipe2(line, O_CLOEXEC) != 0)
        return false;
    a->pid = fork();
    if (a->pid == 0) {
        dup2(line[1], STDOUT_FILENO);
        execl(a->program, "attacker", port, rate, time_s, hold, key,
              a->handshake, (char *)NULL);
        _exit(99);
    }
    close(line[1]);
    a->said = line[0];
    if (a->pid < 0)
        close(a->said);
    return a->pid > 0;
}

bool attack_end(attack *a, char line[512], double *cpu_s)
{
    struct rusage use;
    const ssize_t n = read(a->said, line, 511);
    int status = -1;

    line[n > 0 ? n : 0] = '\0';
    close(a->said);
    if (wait4(a->pid, &status, 0, &use) != a->pid)
        return false;
    *cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
             (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    return status == 0 && strstr(line, " accepted 0\n") != NULL;
}
