/* addresses.c - what workers connect to: it stands in their cookies. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fail.h"
#include "session/session.h"

#define ADVERTISE_BYTES 65

static void drop_interfaces(struct ifaddrs **all)
{
    if (*all != NULL)
        freeifaddrs(*all);
}

/* ":41235" of "tcp://[::1]:41235". */
static const char *port_of(const char *endpoint)
{
    return strrchr(endpoint, ':');
}

static void add(mst_cookie *cookie, const char *host, const char *port)
{
    const bool six = strchr(host, ':') != NULL;

    if (cookie->naddresses == MST_COOKIE_ADDRESSES)
        return;
    snprintf(cookie->addresses[cookie->naddresses++],
             sizeof(cookie->addresses[0]), "tcp://%s%s%s%s", six ? "[" : "",
             host, six ? "]" : "", port);
}

/* One that others may reach: not loopback, not link-local. */
static const char *host_of(const struct ifaddrs *one, bool six,
                           char host[INET6_ADDRSTRLEN])
{
    if (one->ifa_addr == NULL || (one->ifa_flags & IFF_UP) == 0 ||
        (one->ifa_flags & IFF_LOOPBACK) != 0)
        return NULL;
    if (one->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, one->ifa_addr, sizeof(in));
        return inet_ntop(AF_INET, &in.sin_addr, host, INET6_ADDRSTRLEN);
    }
    if (six && one->ifa_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, one->ifa_addr, sizeof(in));
        if (!IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr))
            return inet_ntop(AF_INET6, &in.sin6_addr, host, INET6_ADDRSTRLEN);
    }
    return NULL;
}

/* All that this machine has, and loopback last where somebody may be here. */
static muster_err add_all(mst_cookie *cookie, bool six, bool here,
                          const char *port, muster_error *err)
{
    MST_AUTO(drop_interfaces) struct ifaddrs *all = NULL;
    char host[INET6_ADDRSTRLEN];

    if (getifaddrs(&all) != 0)
        return mst_fail_sys(err, errno, "the addresses of this machine");
    for (const struct ifaddrs *one = all;
         one != NULL && cookie->naddresses + 1 < MST_COOKIE_ADDRESSES;
         one = one->ifa_next)
        if (host_of(one, six, host) != NULL)
            add(cookie, host, port);
    if (here || cookie->naddresses == 0)
        add(cookie, six ? "::1" : "127.0.0.1", port);
    return MUSTER_OK;
}

/* HOST, HOST:PORT, [V6]:PORT or V6, taken apart; port is "" or ":PORT". False:
 * it is none of these. */
static bool take_apart(const char *text, char host[ADVERTISE_BYTES],
                       char port[8])
{
    const bool bracket = text[0] == '[';
    const char *from = bracket ? text + 1 : text;
    const char *colon = strrchr(text, ':');
    size_t len = strlen(from);
    unsigned long number;
    char *end;

    port[0] = '\0';
    if (bracket) {
        len = strcspn(from, "]");
        if (from[len] == '\0' ||
            (from[len + 1] != '\0' && from[len + 1] != ':'))
            return false;
        colon = from[len + 1] == ':' ? from + len + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        len = (size_t)(colon - from);
    } else {
        colon = NULL; /* none, or all of them an IPv6 address's */
    }
    if (colon != NULL) {
        number = strtoul(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || number == 0 ||
            number > 65535)
            return false;
        snprintf(port, 8, ":%lu", number);
    }
    if (len == 0 || len >= ADVERTISE_BYTES)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    return strpbrk(host, " \t\n/[]") == NULL;
}

/* Does this machine have it? */
static bool is_here(const char *address)
{
    MST_AUTO(drop_interfaces) struct ifaddrs *all = NULL;
    char host[INET6_ADDRSTRLEN];

    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        if (host_of(one, true, host) != NULL && strcmp(host, address) == 0)
            return true;
    return false;
}

const char *mst_listen(const muster *m, const muster_options *o)
{
    char host[ADVERTISE_BYTES], port[8];

    if (o->listen != NULL)
        return o->listen;
    if (m->launcher->listen != NULL)
        return m->launcher->listen;
    /* outside the cluster: the address that Pods reach, when it is ours, and
     * not that of some router before us */
    if (o->advertise == NULL || !take_apart(o->advertise, host, port))
        return "0.0.0.0";
    if (port[0] == '\0' && is_here(host))
        return o->advertise;
    return strchr(host, ':') != NULL ? "::" : "0.0.0.0";
}

muster_err mst_addresses(muster *m, const char *advertise, muster_error *err)
{
    const char *bound = m->hub.endpoint;
    const char *port = port_of(bound);
    const bool four = strncmp(bound, "tcp://0.0.0.0:", 14) == 0;
    const bool six = strncmp(bound, "tcp://[::]:", 11) == 0;
    mst_cookie *cookie = &m->cookie;
    char host[ADVERTISE_BYTES], other[8];

    memcpy(cookie->session, m->session, sizeof(cookie->session));
    memcpy(cookie->manager_key, mst_root_manager(m->root)->public_key,
           sizeof(cookie->manager_key));
    if (advertise != NULL && !take_apart(advertise, host, other))
        return mst_fail(err, MUSTER_EINVAL,
                        "advertise must be ADDRESS or ADDRESS:PORT, not "
                        "\"%.64s\"",
                        advertise);
    if (advertise != NULL) {
        add(cookie, host, other[0] != '\0' ? other : port);
        return MUSTER_OK;
    }
    if (four || six)
        return add_all(cookie, six, strcmp(m->launcher->name, "k8s") != 0, port,
                       err);
    snprintf(cookie->addresses[0], sizeof(cookie->addresses[0]), "%s", bound);
    cookie->naddresses = 1;
    return MUSTER_OK;
}
