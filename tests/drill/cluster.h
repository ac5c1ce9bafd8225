/* cluster.h - the project's own cluster, as the drill uses and harms it:
 * through kubectl and $MUSTER_CLUSTER, tests/cluster/cluster.sh.
 *
 * Thread: one at a time. */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <muster/muster.h>

typedef struct cluster {
    char ns[64];
    char counts[64]; /* a file here, and a path in each Pod: where workers
                        count what they ran; "": none yet */
    FILE *log;       /* what the commands say; NULL: nowhere */
    muster_kube_options kube;
    bool away, cut; /* the API server; the second node */
} cluster;

/* A namespace of our own. False: why is said. */
bool cluster_begin(cluster *c, FILE *log, char *why, size_t bytes);
/* The options for workers there. */
void cluster_options(cluster *c, muster_options *o);

/* kubectl delete; `at_once` with grace 0. False: it did not. */
bool cluster_delete(const cluster *c, const char *pod, bool at_once);
/* The worker's process in that Pod, as this machine sees it; 0: none. */
pid_t cluster_pid(const char *pod);
/* The second node has no network until it is healed. */
bool cluster_cut(cluster *c);
void cluster_heal(cluster *c);
bool cluster_is_cut_off(const cluster *c, const char *node);
/* The API server is killed, and started again. */
bool cluster_kill_api(cluster *c);
void cluster_start_api(cluster *c);

/* Worker Pods and cookie Secrets that are there; -1: nobody knows. */
int cluster_left(const cluster *c);
/* Undoes all of it. */
void cluster_end(cluster *c);

#endif
