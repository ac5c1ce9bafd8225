/* plan.h - which fault comes when: made beforehand, from the seed alone. */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_KILL,      /* SIGKILL to a worker                              */
    FAULT_PAUSE,     /* SIGSTOP, and SIGCONT within the heartbeat time   */
    FAULT_STOP,      /* SIGSTOP for longer than that                     */
    FAULT_DRAIN,     /* SIGTERM to a worker                              */
    FAULT_CUT,       /* one connection is reset                          */
    FAULT_CUT_ALL,   /* all of them at once                              */
    FAULT_CUT_LATER, /* all of them, after so many bytes: in a message   */
    FAULT_GARBLE,    /* one byte of what is forwarded next is flipped    */
    FAULT_FREEZE,    /* nothing is forwarded for a moment                */
    FAULT_FLOOD,     /* strangers at the manager's port                  */
    FAULT_DELETE,    /* kubectl delete pod: SIGTERM, and its grace       */
    FAULT_FORCE,     /* the same with grace 0                            */
    FAULT_NODE,      /* one node has no network for a while              */
    FAULT_API,       /* the API server is killed, and started later      */
    FAULTS
} fault_kind;

typedef struct fault {
    int64_t at_ms; /* from the begin */
    fault_kind kind;
    uint32_t target; /* index, modulo how many there are   */
    uint32_t amount; /* 0 .. 999: how long, how many bytes */
} fault;

const char *fault_name(fault_kind kind);

/* A stream of numbers; the state is the whole of it. */
uint64_t plan_next(uint64_t *state);
uint32_t plan_below(uint64_t *state, uint32_t n);

/* Such faults are made where the workers are children, or Pods. */
bool plan_has(fault_kind kind, bool pods);

/* n faults, one each `every_ms` or so. NULL: no memory. free() it. */
fault *plan_create(uint64_t seed, int64_t every_ms, size_t n, bool pods);

#endif
