/* exec.h - one program is run to its end, with limits on time and size. */
#ifndef MST_KUBE_EXEC_H
#define MST_KUBE_EXEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#define MST_EXEC_BYTES (1u << 20) /* of standard output; more is refused */
#define MST_EXEC_SAID 400         /* of standard error; its end is kept */

/* How long somebody would wait. */
typedef struct mst_patience {
    int64_t until_ms;
    const atomic_bool *stopped; /* looked at now and then; NULL: never */
} mst_patience;

bool mst_patience_over(const mst_patience *patience);

typedef struct mst_exec {
    const char *file; /* found by PATH when there is no slash in it      */
    char *const *argv, *const *envp;
    bool terminal; /* it may ask: it stays in our process group and has
                      our standard input, and what it says on standard
                      error is passed on to ours when that is a terminal */
    mst_patience patience;
    /* the outcome */
    char *out; /* terminated; the caller's, mst_drop_secret */
    size_t out_len;
    char said[MST_EXEC_SAID + 1]; /* white space at its ends is cut */
    int status;                   /* as of waitpid */
} mst_exec;

/* Run it, and read what it says until it has ended. Whatever comes of it, no
 * process is left: at a limit it and its process group are killed (with
 * `terminal`, it alone).
 *
 * Success: it ended by itself; whether well, `status` says
 * Errors:  MUSTER_ESYS      it cannot be started; errno in err->sys
 *          MUSTER_ETIMEOUT  it took too long, or was stopped; `said` is set
 *          MUSTER_EKUBE     it wrote too much; `said` is set
 *          MUSTER_ENOMEM
 */
muster_err mst_exec_run(mst_exec *x, muster_error *err);

#endif
