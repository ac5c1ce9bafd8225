/* report.h - the figures of a drill, for people or as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "book.h"
#include "traffic.h"

typedef struct report {
    uint64_t seed;
    bool pods;
    double seconds;
    uint32_t nworkers;
    int64_t heartbeat_ms;
    int relayed; /* pairs open in the relay at the end */
    int fds_before, fds_full, fds_last, fds_after; /* -1: not known */
    int64_t kib_first, kib_last;                   /* resident */
    int64_t in_use_first, in_use_last; /* KiB, while nothing was to do */
    int orphans;
    int left;            /* Pods and Secrets; -1: not known */
    const char *command; /* what repeats it */
} report;

void report_print(const report *r, book *b, traffic *t, bool json);

#endif
