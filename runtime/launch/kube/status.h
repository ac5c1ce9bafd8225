/* status.h - what a Pod's status says, in our words. Pure.
 *
 * A worker's Pod is judged by its container "worker", never by a sidecar.
 * Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle.
 */
#ifndef MST_KUBE_STATUS_H
#define MST_KUBE_STATUS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mst_pod_phase {
    MST_POD_CREATED,       /* accepted; nothing more is known                */
    MST_POD_UNSCHEDULABLE, /* no node takes it; text: why                    */
    MST_POD_SCHEDULED,     /* a node has it                                  */
    MST_POD_PULLING,       /* its image is being pulled, or pulled again; known
                              from 1.29 on, or once a pull has failed        */
    MST_POD_CREATING,      /* volumes, network, container                    */
    MST_POD_RUNNING,       /* its container runs                             */
    MST_POD_ENDED,         /* its container has ended, for whatever reason   */
    MST_POD_HOPELESS,      /* it will never run: bad image name, no image,
                              bad container configuration                    */
    MST_POD_GONE           /* the object was deleted; for callers, not read  */
} mst_pod_phase;

#define MST_STATUS_TEXT 384
#define MST_REASON_INIT "InitContainerFailed" /* ours: Kubernetes has none */

typedef struct mst_pod_status {
    mst_pod_phase phase;
    char text[MST_STATUS_TEXT]; /* more words, one line, may be "" */
    char node[128];
    char reason[64];  /* of the end: "OOMKilled", "Evicted", ...; or "" */
    int exit_status;  /* ENDED: of the container, or -1 */
    int exit_signal;  /* or 0; 128+N of a shell counts as N */
    bool oom;         /* the memory limit was hit, also by a child */
    bool deleting;    /* deletionTimestamp is set */
    bool disrupted;   /* DisruptionTarget: eviction, preemption, drain */
    bool unreachable; /* its node is not heard of; never of an ended one */
    bool pull_error;  /* ErrImagePull: the last try to pull its image failed */
    char memory[32];  /* limit of the container, or "" */
} mst_pod_status;

/* Never fails: what has the wrong type counts as absent. */
void mst_pod_status_read(const cJSON *pod, mst_pod_status *status);

/* The verdict, one sentence without the worker's name: "was OOMKilled",
 * "was evicted: The node was low on resource: memory", "exited with status 7",
 * "was deleted by someone", "its node n2 is not heard of".
 *
 *   deleted   the watch said DELETED, and it was not we who did it
 */
void mst_pod_verdict(const mst_pod_status *status, bool deleted, char *text,
                     size_t bytes);

/* "pulling image", "unschedulable: ...": of one that is not ready. */
void mst_pod_waits(const mst_pod_status *status, char *text, size_t bytes);

#endif
