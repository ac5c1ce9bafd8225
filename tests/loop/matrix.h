/* matrix.h - the operations of it_matrix, and the troubles they get into. */
#ifndef MATRIX_H
#define MATRIX_H

#include <stdatomic.h>

#include "rig.h"

typedef enum trouble {
    KILLED,  /* worker 1, by SIGKILL */
    STOPPED, /* worker 1, and continued */
    CUT,     /* all links; they are resumed */
    FAILS,   /* the handler */
    CANCEL,
    DEADLINE,
    CLOSE, /* by another thread */
    TROUBLES
} trouble;

typedef struct cell {
    rig *r;    /* NULL: closed */
    muster *m; /* its; for the thread of the operation */
    trouble what;
    int64_t timeout_ms;
    char body[16]; /* for `step` */
    pid_t pid;     /* of worker 1 */
    muster_err rc;
    muster_error err;
    const struct operation *op;
} cell;

typedef struct operation {
    const char *name;
    muster_err (*run)(cell *c);
    /* What has to be so before. */
    void (*prepare)(cell *c);
    /* After the trouble, for what nothing else ends. */
    void (*relieve)(cell *c);
    muster_err ends[TROUBLES];
    bool still; /* worker 1 stands still from before it begins */
    bool quiet; /* nobody says "begun" */
    bool here;  /* a handler of this process is its end */
} operation;

/* Handlers of this process that have begun. */
extern atomic_int matrix_begun;

extern const operation matrix_operations[];
extern const size_t matrix_count;

#endif
