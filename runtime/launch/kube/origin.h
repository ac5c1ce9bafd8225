/* origin.h - the server as libcurl wants it: what all requests of a client
 * share. */
#ifndef MST_KUBE_ORIGIN_H
#define MST_KUBE_ORIGIN_H

#include "base/log.h"
#include "launch/kube/access.h"
#include "launch/kube/warnings.h"

typedef struct mst_origin {
    mst_kube_access *access;
    mst_log *log;
    mst_warnings warnings;
    char *url;        /* what the path is put behind                  */
    char *connect_to; /* "name:port:host:port", for a tls-server-name */
    char *host;       /* "Host: host:port", the same                  */
    char *proxy;      /* NULL: the environment's                      */
} mst_origin;

/* Errors: MUSTER_EKUBE  the address or a name makes no sense; MUSTER_ENOMEM
 *         After one, fini is still to be called. */
muster_err mst_origin_init(mst_origin *origin, mst_kube_access *access,
                           mst_log *log, muster_error *err);
void mst_origin_fini(mst_origin *origin);

/* Three texts behind each other. NULL: no memory; mst_free. */
char *mst_origin_join(const char *a, const char *b, const char *c);

#endif
