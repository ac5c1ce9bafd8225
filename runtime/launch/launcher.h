/* launcher.h - how workers come to be. A launcher starts a process or a Pod
 * for (rank, incarnation), hands it the cookie, and reports what it sees. It
 * knows nothing of connections; being ready is not its word to say.
 *
 * All functions and reports: the driver of the loop.
 */
#ifndef MST_LAUNCHER_H
#define MST_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/muster.h>

/* What to start. Borrowed during the call. */
typedef struct mst_start {
    uint32_t rank, incarnation;
    const char *cookie; /* secret text, see cookie.h */
    size_t cookie_len;
} mst_start;

typedef enum mst_report_kind {
    MST_REPORT_STARTED, /* it runs: pid and name are set                     */
    MST_REPORT_OUTPUT,  /* a line it printed                                 */
    MST_REPORT_NOTE,    /* its own last words about why it ends              */
    MST_REPORT_NOTICE,  /* it is going to be ended by others; text: how      */
    MST_REPORT_STATUS,  /* what it waits for, in a few words; "" for nothing */
    MST_REPORT_ENDED    /* it is over, and all its output was reported;
                           unseen: it is given up                            */
} mst_report_kind;

typedef struct mst_report {
    mst_report_kind kind;
    uint32_t rank, incarnation;
    int64_t pid;      /* STARTED                                            */
    const char *name; /* STARTED: "pid 123", a Pod's name, a join file      */
    bool unseen;      /* the launcher does not see how its process ends     */
    bool late;        /* STARTED: it sees it, but late; that it ends well is
                         for itself to say                                  */
    int stream;       /* OUTPUT: 1 or 2                                     */
    const char *text; /* OUTPUT, NOTE, STATUS, NOTICE: not terminated. ENDED:
                         how, or NULL: "was OOMKilled" */
    size_t len;
    const char *last_line; /* ENDED: that it printed, terminated, or NULL */
    int exit_status;    /* ENDED: status, or -1                               */
    int exit_signal;    /* ENDED: signal, or 0                                */
    const char *node;   /* STARTED, STATUS, ENDED: where, terminated; or NULL */
    bool oom;           /* ENDED: it was killed for want of memory          */
    const char *limit;  /* ENDED: of its memory, "512Mi", or NULL           */
    uint64_t oom_kills; /* ENDED: of its control group, ever; or MST_UNKNOWN */
    bool shared;        /* ENDED: that group is ours                        */
} mst_report;

typedef void (*mst_report_fn)(void *arg, const mst_report *report);

typedef enum mst_end {
    MST_END_ASK,  /* SIGTERM; of one that ends by itself: its story is waited
                     for */
    MST_END_KILL, /* SIGKILL, with all it has started */
    MST_END_GONE  /* it ends by itself, and has said so */
} mst_end;

typedef struct mst_launcher {
    const char *name;
    bool reads_output;  /* REPORT_OUTPUT comes: not by the connection, too */
    bool knows_nodes;   /* a worker's own host name is not where it runs */
    int descriptors;    /* of ours, for each worker, with its connection */
    int64_t again_ms;   /* before one that did not live is replaced, and twice
                           that the next time */
    int64_t story_ms;   /* from a process's end until ENDED, usually */
    const char *listen; /* what to bind when nothing is said */
    /* Begin one; reports follow. An error means that nothing was started and
     * none will follow. */
    muster_err (*start)(struct mst_launcher *self, const mst_start *what,
                        muster_error *err);
    /* All that were asked for at this time are begun. May be NULL. */
    void (*commit)(struct mst_launcher *self);
    /* End one; unknown ranks are ignored. ENDED follows. */
    void (*end)(struct mst_launcher *self, uint32_t rank, uint32_t incarnation,
                mst_end how);
    /* It takes calls: what was only for its start can go. May be NULL. */
    void (*ready)(struct mst_launcher *self, uint32_t rank,
                  uint32_t incarnation);
    /* Give it some bytes, with a descriptor that stays the caller's, or -1.
     * False: it did not get them. May be NULL. */
    bool (*pass)(struct mst_launcher *self, uint32_t rank, uint32_t incarnation,
                 const void *bytes, size_t len, int fd);
    /* Output is read or not (a sink that cannot follow). */
    void (*flow)(struct mst_launcher *self, bool read);
    /* Everything is about to end: destroy follows. May be NULL. */
    void (*closing)(struct mst_launcher *self);
    /* Kill what is left without reports, and free. */
    void (*destroy)(struct mst_launcher **self);
} mst_launcher;

#endif
