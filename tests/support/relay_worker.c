/* relay_worker.c - a worker whose way to the manager is the address in RELAY:
 * changes the cookie and becomes the worker in RELAY_WORKER. The inherited
 * socket stays open, so the manager still sees it end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char cookie[4096], path[64];
    const char *relay = getenv("RELAY"), *worker = getenv("RELAY_WORKER");
    const ssize_t n = recv(3, cookie, sizeof(cookie) - 1, 0);
    const int fd = memfd_create("cookie", 0);
    char *at, *end;

    if (n <= 0 || fd < 0 || relay == NULL || worker == NULL ||
        fchmod(fd, 0600) != 0)
        return EXIT_FAILURE;
    cookie[n] = '\0';
    at = strstr(cookie, "\nmanager tcp://");
    end = at != NULL ? strchr(at + 1, '\n') : NULL;
    if (end == NULL)
        return EXIT_FAILURE;
    dprintf(fd, "%.*s\nmanager %s%s", (int)(at - cookie), cookie, relay, end);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    execl(worker, "muster-worker", "--cookie", path, (char *)NULL);
    return EXIT_FAILURE;
}
