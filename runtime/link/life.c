#include "link/life.h"

/* Entry 0 keeps the state: nothing ever goes back to MUSTER_ASKED. */
static const muster_state next[MST_LIFE_STATES][MST_LIFE_EVENTS] = {
    [MUSTER_ASKED] = {[MST_EV_STARTED] = MUSTER_BOOTING,
                      [MST_EV_HELLO] = MUSTER_JOINING, /* may come first */
                      [MST_EV_STOP] = MUSTER_LEAVING,
                      [MST_EV_ENDED_OK] = MUSTER_LOST,
                      [MST_EV_ENDED] = MUSTER_LOST,
                      [MST_EV_FAILED] = MUSTER_LOST},
    [MUSTER_BOOTING] = {[MST_EV_HELLO] = MUSTER_JOINING,
                        [MST_EV_STOP] = MUSTER_LEAVING,
                        [MST_EV_ENDED_OK] = MUSTER_LOST,
                        [MST_EV_ENDED] = MUSTER_LOST,
                        [MST_EV_FAILED] = MUSTER_LOST},
    [MUSTER_JOINING] = {[MST_EV_LOADED] = MUSTER_READY,
                        [MST_EV_CUT] = MUSTER_CUT,
                        [MST_EV_STOP] = MUSTER_LEAVING,
                        [MST_EV_ENDED_OK] = MUSTER_LOST,
                        [MST_EV_ENDED] = MUSTER_LOST,
                        [MST_EV_FAILED] = MUSTER_LOST},
    [MUSTER_READY] = {[MST_EV_CUT] = MUSTER_CUT,
                      [MST_EV_STOP] = MUSTER_LEAVING,
                      [MST_EV_ENDED_OK] = MUSTER_LOST,
                      [MST_EV_ENDED] = MUSTER_LOST,
                      [MST_EV_FAILED] = MUSTER_LOST},
    [MUSTER_CUT] = {[MST_EV_HELLO] = MUSTER_JOINING,
                    [MST_EV_RESUMED] = MUSTER_READY,
                    [MST_EV_STOP] = MUSTER_LEAVING,
                    [MST_EV_ENDED_OK] = MUSTER_LOST,
                    [MST_EV_ENDED] = MUSTER_LOST,
                    [MST_EV_FAILED] = MUSTER_LOST},
    [MUSTER_LEAVING] = {[MST_EV_ENDED_OK] = MUSTER_GONE,
                        [MST_EV_ENDED] = MUSTER_LOST,
                        [MST_EV_FAILED] = MUSTER_LOST},
};

static const char *const names[MST_LIFE_STATES] = {
    [MUSTER_ASKED] = "asked",     [MUSTER_BOOTING] = "booting",
    [MUSTER_JOINING] = "joining", [MUSTER_READY] = "ready",
    [MUSTER_CUT] = "cut",         [MUSTER_LEAVING] = "leaving",
    [MUSTER_GONE] = "gone",       [MUSTER_LOST] = "lost",
};

muster_state mst_life_next(muster_state state, mst_life_event event)
{
    const muster_state to = next[state][event];

    return to == MUSTER_ASKED ? state : to;
}

const char *muster_state_name(muster_state state)
{
    if ((unsigned)state >= MST_LIFE_STATES)
        return "unknown";
    return names[state];
}
