/* spawn.h - one child process with its descriptors. */
#ifndef MST_SPAWN_H
#define MST_SPAWN_H

#include <sys/types.h>

#include <muster/error.h>

typedef struct mst_child {
    pid_t pid;
    int pidfd;     /* readable once it has ended          */
    int line;      /* our end of the SOCK_SEQPACKET pair  */
    int output[2]; /* our ends of its stdout and stderr  */
} mst_child;

/* Start `path` with arguments and environment, in a process group of its own,
 * with default signals, and nothing of ours open but 0..3.
 *
 * Errors:  MUSTER_ESYS   with errno; nothing was started
 */
muster_err mst_spawn(const char *path, char *const argv[], char *const envp[],
                     mst_child *child, muster_error *err);

/* Close our descriptors. */
void mst_child_close(mst_child *child);

#endif
