#include "plan.h"

#include <stdlib.h>

#include "work.h"

static const struct {
    const char *name;
    uint32_t weight, of_pods;
} kinds[FAULTS] = {
    [FAULT_KILL] = {"kill", 10, 28},
    [FAULT_PAUSE] = {"pause", 22, 12},
    [FAULT_STOP] = {"stop", 3, 6},
    [FAULT_DRAIN] = {"drain", 5, 0},
    [FAULT_CUT] = {"cut", 22, 0},
    [FAULT_CUT_ALL] = {"cut-all", 4, 0},
    [FAULT_CUT_LATER] = {"cut-later", 8, 0},
    [FAULT_GARBLE] = {"garble", 10, 0},
    [FAULT_FREEZE] = {"freeze", 4, 0},
    [FAULT_FLOOD] = {"flood", 12, 0},
    [FAULT_DELETE] = {"delete-pod", 0, 20},
    [FAULT_FORCE] = {"delete-pod-now", 0, 14},
    [FAULT_NODE] = {"cut-node", 0, 10},
    [FAULT_API] = {"kill-api-server", 0, 10},
};

static uint32_t weight(int kind, bool pods)
{
    return pods ? kinds[kind].of_pods : kinds[kind].weight;
}

bool plan_has(fault_kind kind, bool pods)
{
    return weight((int)kind, pods) > 0;
}

const char *fault_name(fault_kind kind)
{
    return kinds[kind].name;
}

uint64_t plan_next(uint64_t *state)
{
    const uint64_t x = job_mix(*state);

    *state += 0x9e3779b97f4a7c15u;
    return x;
}

uint32_t plan_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((plan_next(state) >> 32) * n >> 32);
}

static fault_kind pick(uint64_t *state, bool pods)
{
    uint32_t sum = 0, at;
    int kind = 0;

    for (int i = 0; i < FAULTS; i++)
        sum += weight(i, pods);
    at = plan_below(state, sum);
    while (at >= weight(kind, pods))
        at -= weight(kind++, pods);
    return (fault_kind)kind;
}

fault *plan_create(uint64_t seed, int64_t every_ms, size_t n, bool pods)
{
    fault *plan = calloc(n > 0 ? n : 1, sizeof(*plan));
    uint64_t state = job_mix(seed);

    for (size_t i = 0; plan != NULL && i < n; i++) {
        plan[i].at_ms =
            every_ms * (int64_t)i + plan_below(&state, (uint32_t)every_ms);
        plan[i].kind = pick(&state, pods);
        plan[i].target = (uint32_t)(plan_next(&state) >> 32);
        plan[i].amount = plan_below(&state, 1000);
    }
    return plan;
}
