/* started.c - when this worker began, in milliseconds of CLOCK_BOOTTIME: field
 * 22 of /proc/self/stat, in ticks (proc(5)). It is the child that process 1
 * makes before anything else; process 1 itself is older than its program, for
 * the container runtime prepares it and lets it wait. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <muster/worker.h>

static int started(muster_ctx *ctx, const void *in, size_t len, muster_out *out)
{
    char text[1024] = "";
    unsigned long long ticks = 0;
    FILE *stat = fopen("/proc/self/stat", "re");
    const char *at;

    (void)in;
    (void)len;
    if (stat == NULL)
        return muster_fail(ctx, errno, "/proc/self/stat: %s", strerror(errno));
    if (fgets(text, sizeof(text), stat) == NULL)
        text[0] = '\0';
    fclose(stat);
    at = strrchr(text, ')'); /* behind the name, which may have spaces */
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    /* NOLINTNEXTLINE(cert-err34-c): it is the kernel's own number */
    if (at == NULL || sscanf(at, "%llu", &ticks) != 1)
        return muster_fail(ctx, EPROTO, "/proc/self/stat has no start time");
    return muster_out_printf(
        out, "%llu", ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}
MUSTER_HANDLER(started);
