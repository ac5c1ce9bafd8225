#include "launch/kube/own.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "launch/kube/calls.h"
#include "launch/kube/json.h"

#define ADDRESS_MS 5000 /* after which the server should know it */
#define AGAIN_MS 200

void mst_own_name(char name[HOST_NAME_MAX + 1])
{
    const char *said = getenv("MUSTER_POD_NAME");

    if (said != NULL && said[0] != '\0') {
        snprintf(name, HOST_NAME_MAX + 1, "%s", said);
        return;
    }
    if (gethostname(name, HOST_NAME_MAX + 1) != 0)
        name[0] = '\0';
    name[HOST_NAME_MAX] = '\0';
}

/* --------------------------------------------------------- our addresses -- */

/* One that others may reach: not loopback, not link-local. */
static bool is_global(const struct ifaddrs *one)
{
    struct sockaddr_in6 six;

    if (one->ifa_addr == NULL || (one->ifa_flags & IFF_LOOPBACK) != 0)
        return false;
    if (one->ifa_addr->sa_family != AF_INET6)
        return one->ifa_addr->sa_family == AF_INET;
    memcpy(&six, one->ifa_addr, sizeof(six));
    return !IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr);
}

static bool to_text(const struct ifaddrs *one, char text[NI_MAXHOST])
{
    sa_family_t family;
    socklen_t len;

    if (one->ifa_addr == NULL)
        return false;
    family = one->ifa_addr->sa_family;
    len = family == AF_INET6 ? sizeof(struct sockaddr_in6)
                             : sizeof(struct sockaddr_in);
    return (family == AF_INET || family == AF_INET6) &&
           getnameinfo(one->ifa_addr, len, text, NI_MAXHOST, NULL, 0,
                       NI_NUMERICHOST) == 0;
}

/* Is it one of ours? NULL: then the only one we have, into `only`. */
static bool has_address(const char *address, char only[MST_OWN_ADDRESS])
{
    struct ifaddrs *all = NULL;
    char text[NI_MAXHOST];
    bool found = false;
    int n = 0;

    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (!to_text(one, text))
            continue;
        found = found || (address != NULL && strcmp(text, address) == 0);
        if (address == NULL && is_global(one) && n++ == 0)
            snprintf(only, MST_OWN_ADDRESS, "%.63s", text);
    }
    freeifaddrs(all);
    if (address == NULL && n != 1)
        only[0] = '\0';
    return found;
}

/* ------------------------------------------------------------- our mounts --
 */

static void close_file(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

/* The kubelet mounts /etc/hosts and the like from .../pods/<UID>/... */
static bool has_mount_of(const char *uid)
{
    MST_AUTO(close_file) FILE *file = fopen("/proc/self/mountinfo", "re");
    char dir[80], line[4096];

    if (file == NULL || uid == NULL || uid[0] == '\0')
        return false;
    snprintf(dir, sizeof(dir), "/pods/%.64s/", uid);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, dir) != NULL)
            return true;
    return false;
}

/* ------------------------------------------------------------------ whole --
 */

muster_err mst_own_pod(mst_kube_http *http, const char *ns, const char *name,
                       cJSON **pod, bool *ours, char address[MST_OWN_ADDRESS],
                       muster_error *err)
{
    const struct timespec again = {0, AGAIN_MS * 1000000L};
    const int64_t until_ms = mst_until_ms(ADDRESS_MS);

    for (;;) {
        MST_AUTO(mst_drop_json) cJSON *its = NULL;
        muster_err rc = mst_calls_get_pod(http, ns, name, &its, err);
        const char *said;

        if (rc != MUSTER_OK)
            return rc;
        said = mst_json_str(its, "status.podIP");
        *ours = has_address(said, address) ||
                has_mount_of(mst_json_str(its, "metadata.uid"));
        if (said != NULL)
            snprintf(address, MST_OWN_ADDRESS, "%.63s", said);
        if (*ours || said != NULL || mst_now_ms() >= until_ms) {
            *pod = MST_MOVE(its);
            return MUSTER_OK;
        }
        nanosleep(&again, NULL);
    }
}
