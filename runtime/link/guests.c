#include "link/guests.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

void mst_guests_add(mst_guests *guests, int fd, int64_t until_ms, bool away)
{
    mst_guest *guest;

    if (fd < 0)
        return;
    if (fd >= guests->room) {
        const int room = 2 * fd + 64;
        mst_guest *at =
            mst_realloc(guests->at, (size_t)room * sizeof(*guests->at));

        if (at == NULL)
            return;
        memset(at + guests->room, 0,
               (size_t)(room - guests->room) * sizeof(*at));
        guests->at = at;
        guests->room = room;
    }
    guest = &guests->at[fd];
    guests->n += guest->until_ms == 0;
    *guest = (mst_guest){until_ms, away};
    if (guests->n == 1 || until_ms < guests->next_ms)
        guests->next_ms = until_ms;
}

bool mst_guests_away(const mst_guests *guests, int fd)
{
    return fd >= 0 && fd < guests->room && guests->at[fd].until_ms != 0 &&
           guests->at[fd].away;
}

void mst_guests_remove(mst_guests *guests, int fd)
{
    if (fd < 0 || fd >= guests->room || guests->at[fd].until_ms == 0)
        return;
    guests->at[fd] = (mst_guest){0, false};
    guests->n--;
}

static bool is_ours(int fd, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } here = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(here);

    if (getsockname(fd, &here.any, &len) != 0)
        return false;
    return (here.any.sa_family == AF_INET &&
            ntohs(here.four.sin_port) == port) ||
           (here.any.sa_family == AF_INET6 &&
            ntohs(here.six.sin6_port) == port);
}

/* libzmq may have closed it, and the number may be another's: look at the
 * socket itself. */
static void end(int fd, uint16_t port)
{
    const int held = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    /* none is left: then the number itself has to do */
    const int which = held < 0 && errno == EMFILE ? fd : held;

    if (which >= 0 && is_ours(which, port))
        (void)shutdown(which, SHUT_RDWR);
    if (held >= 0)
        close(held);
}

size_t mst_guests_expire(mst_guests *guests, int64_t now_ms,
                         bool (*keep)(void *arg, int fd), void *arg)
{
    size_t ended = 0;

    if (guests->n == 0 || now_ms < guests->next_ms)
        return 0;
    guests->next_ms = MST_NEVER;
    for (int fd = 0; fd < guests->room && guests->n > 0; fd++) {
        const mst_guest *guest = &guests->at[fd];

        if (guest->until_ms > now_ms && guest->until_ms < guests->next_ms)
            guests->next_ms = guest->until_ms;
        if (guest->until_ms == 0 || guest->until_ms > now_ms)
            continue;
        mst_guests_remove(guests, fd);
        if (keep(arg, fd))
            continue;
        end(fd, guests->port);
        ended++;
    }
    return ended;
}

bool mst_guests_evict(mst_guests *guests, bool (*keep)(void *arg, int fd),
                      void *arg)
{
    int first = -1;

    for (int fd = 0; fd < guests->room && guests->n > 0; fd++) {
        const int64_t until_ms = guests->at[fd].until_ms;

        if (until_ms == 0 ||
            (first >= 0 && until_ms >= guests->at[first].until_ms))
            continue;
        if (keep(arg, fd))
            mst_guests_remove(guests, fd);
        else
            first = fd;
    }
    if (first < 0)
        return false;
    mst_guests_remove(guests, first);
    end(first, guests->port);
    return true;
}

void mst_guests_fini(mst_guests *guests)
{
    mst_free(guests->at);
    *guests = (mst_guests){0};
}
