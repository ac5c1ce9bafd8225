/* main.c - muster_worker_main: options and the cookie. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "base/first.h"
#include "crash.h"
#include "worker.h"

#define COOKIE_WAIT_MS 30000

static const char help[] =
    "Usage: muster-worker --cookie FILE\n"
    "       muster-worker --fd N\n"
    "       MUSTER_COOKIE=... muster-worker\n"
    "Connect back to a muster manager and run the calls it sends.\n"
    "\n"
    "  -c, --cookie FILE   read the cookie from FILE; others must not be able\n"
    "                      to read it\n"
    "      --fd N          read it from the inherited socket N and end when\n"
    "                      its other end does (the local launcher does this)\n"
    "\n"
    "Without either, the cookie itself is in MUSTER_COOKIE, which is wiped at "
    "once;\n"
    "whoever can see the environment has seen it.\n"
    "\n"
    "  -h, --help          show this\n"
    "      --version       show the version\n"
    "\n"
    "Exit status: 0 told to end; 64 usage; 65 bad cookie; 69 manager not\n"
    "reachable; 70 internal; 75 manager silent; 76 refused by the manager;\n"
    "77 told to end, or interrupted, but a handler did not return; 128+N "
    "ended\n"
    "by signal N.\n";

typedef struct options {
    int fd;
    const char *file;
    char *text; /* of the environment */
} options;

static int usage(const char *what)
{
    fprintf(stderr, "muster-worker: %s; see muster-worker --help\n", what);
    return MST_EXIT_USAGE;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {
        {"cookie", required_argument, NULL, 'c'},
        {"fd", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    char *end;
    long n;
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->file = optarg;
            break;
        case 'f':
            n = strtol(optarg, &end, 10);
            if (*optarg == '\0' || *end != '\0' || n < 0 || n > INT_MAX)
                return usage("--fd wants the number of a descriptor");
            o->fd = (int)n;
            break;
        case 'h':
            return fputs(help, stdout) < 0 || fflush(stdout) != 0;
        case 'V':
            return printf("muster-worker %s\n", MUSTER_VERSION) < 0 ||
                   fflush(stdout) != 0;
        default:
            return usage("unknown option, or one without its value");
        }
    }
    if (optind < argc)
        return usage("no arguments are expected");
    if (o->file == NULL && o->fd < 0)
        o->text = getenv("MUSTER_COOKIE");
    if ((o->file != NULL) + (o->fd >= 0) + (o->text != NULL) != 1)
        return usage("give the cookie by --cookie FILE or --fd N");
    return -1;
}

static muster_err receive(int fd, char *text, size_t *len, muster_error *err)
{
    struct pollfd ready = {fd, POLLIN, 0};
    ssize_t n;

    if (poll(&ready, 1, COOKIE_WAIT_MS) != 1)
        return mst_fail(err, MUSTER_EPROTO,
                        "no cookie came through descriptor %d", fd);
    n = recv(fd, text, MST_COOKIE_BYTES, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return mst_fail_sys(err, errno, "descriptor %d", fd);
    *len = (size_t)n;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return MUSTER_OK;
}

static muster_err read_file(const char *path, char *text, size_t *len,
                            muster_error *err)
{
    MST_AUTO(mst_drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    ssize_t n;

    if (fd < 0 || fstat(fd, &info) != 0)
        return mst_fail_sys(err, errno, "cannot read the cookie %s", path);
    if ((info.st_mode & S_IRWXO) != 0)
        return mst_fail(err, MUSTER_EINVAL,
                        "%s is open to everybody; chmod o= it, and take a new "
                        "cookie",
                        path);
    do
        n = read(fd, text, MST_COOKIE_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return mst_fail_sys(err, errno, "cannot read the cookie %s", path);
    *len = (size_t)n;
    return MUSTER_OK;
}

/* Whoever could read it there cannot any more. */
static muster_err take_from_environment(char *from, char *text, size_t *len,
                                        muster_error *err)
{
    const size_t n = strlen(from);

    if (n > MST_COOKIE_BYTES)
        return mst_fail(err, MUSTER_EPROTO, "MUSTER_COOKIE is too long");
    memcpy(text, from, n);
    *len = n;
    sodium_memzero(from, n);
    (void)unsetenv("MUSTER_COOKIE");
    return MUSTER_OK;
}

static muster_err get_cookie(const options *o, mst_cookie *cookie,
                             muster_error *err)
{
    char text[MST_COOKIE_BYTES];
    size_t len = 0;
    muster_err rc = o->fd >= 0 ? receive(o->fd, text, &len, err)
                    : o->text != NULL
                        ? take_from_environment(o->text, text, &len, err)
                        : read_file(o->file, text, &len, err);

    if (rc == MUSTER_OK) {
        rc = mst_cookie_parse(text, len, cookie, err);
        if (rc != MUSTER_OK)
            mst_because(err, rc, "the cookie");
    }
    sodium_memzero(text, sizeof(text));
    return rc;
}

int muster_worker_main(int argc, char **argv)
{
    options o = {-1, NULL, NULL};
    mst_worker *w;
    muster_error err;
    int status = parse(argc, argv, &o);

    if (status >= 0)
        return status;
    mst_first();
    if (sodium_init() < 0)
        return MST_EXIT_INTERNAL;
    w = sodium_malloc(sizeof(*w)); /* it holds the secret key */
    if (w == NULL) {
        fprintf(stderr, "muster-worker: no locked memory for the cookie\n");
        return MST_EXIT_INTERNAL;
    }
    memset(w, 0, sizeof(*w));
    w->line_fd = o.fd;
    mst_crash_install(o.fd);
    if (get_cookie(&o, &w->cookie, &err) != MUSTER_OK) {
        mst_note_why(err.text);
        sodium_free(w);
        return MST_EXIT_COOKIE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    status = mst_worker_run(w);
    sodium_free(w);
    return status;
}
