/* error.h - what can go wrong, as one closed list and one value.
 *
 * Every function that can fail returns a muster_err and takes an optional
 * muster_error that it fills on failure only. The value is yours: nothing in
 * it is allocated, nothing in it changes afterwards.
 */
#ifndef MUSTER_ERROR_H
#define MUSTER_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_API __attribute__((visibility("default")))

/* The release this header belongs to. Manager and worker compare it when they
 * meet and refuse each other when it differs. */
#define MUSTER_VERSION "0.1.0"

/* The layout of the records that MUSTER_HANDLER leaves in a module. A module
 * built for another number is refused when it is loaded. */
#define MUSTER_MODULE_ABI 1u

typedef enum muster_err {
    MUSTER_OK = 0,
    MUSTER_EINVAL,     /* an argument or option makes no sense             */
    MUSTER_ENOMEM,     /* no memory for a payload or an object             */
    MUSTER_ESYS,       /* a system call failed; see muster_error.sys       */
    MUSTER_EADDR,      /* cannot listen there: in use, or not ours         */
    MUSTER_ECLOSED,    /* the runtime was closed meanwhile                 */
    MUSTER_ETIMEOUT,   /* the deadline passed first                        */
    MUSTER_ECANCELED,  /* somebody cancelled it                            */
    MUSTER_ELOST,      /* the worker ended, or was cut off for too long    */
    MUSTER_EREMOTE,    /* the handler ran and failed; see muster_error.remote */
    MUSTER_ENOHANDLER, /* no module on that worker has such a handler      */
    MUSTER_EWORKER,  /* there is no ready worker of that rank, or none at all */
    MUSTER_EQUORUM,  /* too few workers came up, or too many were lost   */
    MUSTER_EMODULE,  /* a module is missing, broken or of another version */
    MUSTER_EPROTO,   /* bytes from outside that are not our protocol     */
    MUSTER_EREFUSED, /* the other side is of another version, or unknown */
    MUSTER_EPARTIAL, /* a broadcast failed on some ranks; see its results */
    MUSTER_ENOTMANAGER, /* this function works on the manager only         */
    MUSTER_ENOTSUP,     /* this build cannot do that                        */
    MUSTER_EDEPTH,      /* calls within calls, deeper than MUSTER_DEPTH_MAX */
    MUSTER_EEXIST,      /* another blob or channel has that name           */
    MUSTER_ENOENT,      /* no blob or channel has that name                */
    MUSTER_EEND,        /* the channel was closed and is empty             */
    MUSTER_EKUBE,       /* kubeconfig, image or Pod template wrong or missing */
    MUSTER_ENOSERVER,   /* the Kubernetes API server was not reached          */
    MUSTER_EDENIED,     /* it said no; see muster_error.http                  */
    MUSTER_ERRORS       /* how many there are; not an error                 */
} muster_err;

#define MUSTER_ERROR_TEXT 1024

typedef struct muster_error {
    muster_err code; /* equal to the returned value                       */
    int sys;         /* errno, or 0                                       */
    int remote;      /* what the handler returned, or 0                   */
    long http;       /* status of the Kubernetes API server, or 0         */
    uint32_t rank;   /* the worker it is about, or 0                      */
    char text[MUSTER_ERROR_TEXT]; /* one sentence, no newline              */
} muster_error;

/* The name of a code: "worker lost".
 *
 *   code     any value; one that is not listed gives "unknown error"
 *
 * Thread:  any.
 * Success: a static string, never NULL.
 */
MUSTER_API const char *muster_strerror(muster_err code);

/* The release of the library that is running: "0.1.0".
 *
 * Thread:  any.
 * Success: a static string, never NULL.
 */
MUSTER_API const char *muster_version(void);

#ifdef __cplusplus
}
#endif
#endif
