/* usage.h - what a process uses: memory and its limit, and what the kernel did
 * about it. From its control group, version 1 or 2, in a container or outside;
 * where there is none, from /proc/self/statm.
 *
 * Opened once; a sample is a few preads and allocates nothing.
 */
#ifndef MST_USAGE_H
#define MST_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MST_UNKNOWN UINT64_MAX

/* Each MST_UNKNOWN when it cannot be known. */
typedef struct mst_usage {
    uint64_t memory;       /* bytes of the group, page cache too; without a
                              group those of rss */
    uint64_t limit;        /* bytes; 0 = none */
    uint64_t rss;          /* bytes of the process itself */
    uint64_t oom_kills;    /* processes of the group, since it was made */
    uint64_t throttled;    /* periods in which its cpu limit held it back */
    uint64_t throttled_us; /* so long in all */
} mst_usage;

typedef struct mst_meter {
    int memory, limit, oom, cpu, statm; /* descriptors, or -1 */
    uint64_t page_bytes;
    bool v1; /* of memory, limit, oom */
    bool cpu_v1;
} mst_meter;

/* Nothing is open. */
#define MST_METER_NONE                                                         \
    {                                                                          \
        -1, -1, -1, -1, -1, 0, false, false                                    \
    }

/* Find the group of a process. What is not there stays unknown.
 *
 *   proc   its directory: "/proc/self", "/proc/4711"
 *   here   that of the one who asks, whose mounts are looked at: "/proc/self"
 */
void mst_meter_open(mst_meter *meter, const char *proc, const char *here);
/* The same, only for mst_meter_oom_kills. */
void mst_meter_open_oom(mst_meter *meter, const char *proc, const char *here);
void mst_meter_close(mst_meter *meter);

void mst_meter_read(const mst_meter *meter, mst_usage *usage);
uint64_t mst_meter_oom_kills(const mst_meter *meter);

/* Are two processes in the same groups? False also when it is not known. */
bool mst_meter_shared(const char *proc, const char *other);

/* The directory of a process's group for "memory" or "cpu".
 *
 *   mount    set to the length of the part that is the mount
 *   v1       set to whether it is of version 1
 *
 * Success: false: none, or no room in `dir`.
 */
bool mst_group_find(const char *proc, const char *here, const char *controller,
                    char *dir, size_t bytes, size_t *mount, bool *v1);

/* "498Mi", "1.5Gi", "900Ki", as Kubernetes writes it. Returns text. */
char *mst_bytes_text(uint64_t bytes, char text[16]);

#endif
