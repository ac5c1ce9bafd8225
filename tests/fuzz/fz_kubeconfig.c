/* fz_kubeconfig.c - a kubeconfig is refused with words, or says all that is
 * needed. No plugin of it is run. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "launch/kube/access.h"

static void check(const mst_kube_access *a)
{
    const char *server = mst_kube_server(a);
    const char *ca = mst_kube_ca(a);

    must(strncmp(server, "http", 4) == 0);
    must(server[strcspn(server, "\r\n ")] == '\0');
    must(server[strlen(server) - 1] != '/');
    must(mst_kube_namespace(a)[0] != '\0');
    must(mst_kube_source(a) != NULL && !mst_kube_in_pod(a));
    must(ca == NULL || !mst_kube_insecure(a));
    must(ca == NULL || strstr(ca, "-----BEGIN ") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    mst_kube_access *a = NULL;
    muster_error err = {0};
    muster_err rc;

    if (fd < 0)
        fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, 0) == 0 &&
         pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rc = mst_kube_access_open(
        &(mst_kube_where){.kubeconfig = path, .account_dir = "/dev/null"}, &a,
        &err);
    must((rc == MUSTER_OK) == (a != NULL));
    if (rc == MUSTER_OK)
        check(a);
    else
        must(rc == MUSTER_EKUBE && err.code == rc && err.text[0] != '\0');
    mst_kube_access_close(&a);
    return 0;
}
