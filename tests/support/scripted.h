/* scripted.h - an API server that answers what a test says (scripted.py), and
 * access to it by a kubeconfig. Everything asserts by itself. */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "launch/kube/access.h"

#if defined(__SANITIZE_THREAD__)
#define SCRIPTED_SLOW 8
#elif defined(__SANITIZE_ADDRESS__)
#define SCRIPTED_SLOW 4
#else
#define SCRIPTED_SLOW 1
#endif

typedef struct scripted {
    pid_t pid;
    FILE *to, *from;
    int port;
    char dir[64]; /* a directory of its own: certificates, kubeconfig */
    char url[64];
} scripted;

/* Start it with these arguments, NULL at the end; "--tls" gets its directory.
 * down ends it, and removes the directory. */
void scripted_up(scripted *s, const char *const *args);
void scripted_down(scripted *s);

/* What requests with `on` in "METHOD path" get: JSON, a list of answers. */
void scripted_on(scripted *s, const char *on, const char *answers);

/* The requests with `what` in them; the caller's, cJSON_Delete. */
cJSON *scripted_asked(scripted *s, const char *what);
int scripted_count(scripted *s, const char *what);
void scripted_forget(scripted *s);

/* Access to it, as user "tester" in namespace "demo".
 *
 *   server, cluster, user   YAML of the kubeconfig: NULL: its address, "" and
 *                           "token: t0ken"; one flow mapping's inside
 */
mst_kube_access *scripted_access(scripted *s, const char *server,
                                 const char *cluster, const char *user);

/* A log that keeps what was said. */
typedef struct scripted_log {
    mst_log log;
    char text[8192];
    size_t used;
} scripted_log;

void scripted_log_init(scripted_log *log);
void scripted_log_fini(scripted_log *log);

#endif
