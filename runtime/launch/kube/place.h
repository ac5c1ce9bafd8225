/* place.h - the inside of an access: where the server is and who we are to it.
 * access.c fills it, auth.c reads it. */
#ifndef MST_KUBE_PLACE_H
#define MST_KUBE_PLACE_H

#include <pthread.h>

#include "launch/kube/access.h"
#include "launch/kube/grant.h"
#include "launch/kube/plugin.h"

#define MST_PLACE_BYTES (1u << 20) /* of a token or PEM file */

struct mst_kube_access {
    pthread_mutex_t lock; /* several clients ask for credentials */
    char *server, *ns, *own_ns, *source, *ca, *tls_name, *proxy;
    bool in_pod, insecure;
    /* the user; of a pair of text and file the text wins */
    char *token, *token_file, *user, *password;
    char *cert, *cert_file, *key, *key_file;
    mst_plugin *plugin;
    mst_grant grant; /* the plugin's last; it is there when it has an end */
};

/* `text` itself, with what stands around the words wiped away. */
char *mst_place_trimmed(char *text);

/* A file that must be there. MUSTER_EKUBE, MUSTER_ENOMEM. */
muster_err mst_place_read(const char *path, char **text, muster_error *err);

/* MUSTER_EKUBE: there is no PEM in it. */
muster_err mst_place_pem(const char *text, const char *what, muster_error *err);
muster_err mst_place_no_memory(muster_error *err);

#endif
