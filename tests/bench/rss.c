#include "rss.h"

#include "sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SETTLE_MS 200

long bench_rss_kib(int64_t pid)
{
    char path[64] = "/proc/self/status";
    char line[256];
    long kib = -1;
    FILE *status;

    if (pid != 0)
        snprintf(path, sizeof(path), "/proc/%" PRId64 "/status", pid);
    status = fopen(path, "re");
    if (status == NULL)
        return -1;
    while (kib < 0 && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(status);
    return kib;
}

double bench_idle_rss_kib(int64_t pid)
{
    const struct timespec moment = {0, SETTLE_MS * 1000000L};
    long kib;

    nanosleep(&moment, NULL);
    kib = bench_rss_kib(pid);
    if (kib <= 0)
        bench_die("process %" PRId64 " has no VmRSS", pid);
    return (double)kib;
}
