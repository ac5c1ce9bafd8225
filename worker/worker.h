/* worker.h - the worker process: connection, jobs, and when it ends. */
#ifndef MST_WORKER_H
#define MST_WORKER_H

#include <stdbool.h>

#include "dial.h"
#include "executor.h"
#include "link/loop.h"

/* Exit statuses, after <sysexits.h> where it has a fitting one. */
enum {
    MST_EXIT_OK = 0,
    MST_EXIT_USAGE = 64,    /* options, or no cookie given                   */
    MST_EXIT_COOKIE = 65,   /* the cookie cannot be read                     */
    MST_EXIT_CONNECT = 69,  /* the manager cannot be reached                 */
    MST_EXIT_INTERNAL = 70, /* no memory, no threads                        */
    MST_EXIT_REFUSED = 76,  /* the manager refused us                        */
    MST_EXIT_SILENT = 75,   /* the manager was silent for too long           */
    MST_EXIT_STUCK = 77,    /* told to end, but a handler did not return     */
    MST_EXIT_TERM = 143     /* SIGTERM                                       */
};

typedef enum mst_ending {
    MST_ENDING_NO,
    MST_ENDING_DRAIN, /* finish what there is          */
    MST_ENDING_NOW    /* as soon as handlers return    */
} mst_ending;

typedef struct mst_worker {
    mst_loop loop;
    mst_dial dial;
    mst_executor executor;
    mst_cookie cookie;
    mst_timer tick;
    mst_watch line; /* the inherited socket: its end is the manager's */
    int line_fd;    /* -1: none */
    bool has_executor;
    TAILQ_HEAD(, mst_job) jobs;
    mst_job *incoming; /* its request is not complete yet */
    mst_ending ending;
    int64_t away_ms; /* since when there is no connection */
    int64_t heartbeat_ms, grace_ms;
    bool over;
    int status; /* the exit status, once it is over */
    char why[MUSTER_ERROR_TEXT];
} mst_worker;

/* End with a status and a reason; the first one counts. */
void mst_worker_end(mst_worker *w, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* jobs.c: what the manager sends. */
void mst_worker_record(void *worker, const mst_record *record);
void mst_worker_cut(mst_worker *w); /* the connection ended */
void mst_worker_stop_jobs(mst_worker *w);
void mst_worker_free_jobs(mst_worker *w); /* no thread runs any more */

/* Run until it is over; returns the exit status. */
int mst_worker_run(mst_worker *w);

#endif
