/* life.h - one table for a worker's life. Pure: no socket, no clock.
 *
 *   ASKED --started--> BOOTING --hello--> JOINING --loaded--> READY
 *                                         |     ^             |   ^
 *                                        cut  hello          cut resumed
 *                                         v     |             v   |
 *                                         +----------CUT----------+
 *   Whoever was ready when it was cut resumes; one that was joining, or has to
 *   begin anew, says hello.
 *   any live state --told to end--> LEAVING --ended well--> GONE
 *   any live state --ended, silent, late, refused--> LOST
 */
#ifndef MST_LIFE_H
#define MST_LIFE_H

#include <stdbool.h>

#include <muster/muster.h>

typedef enum mst_life_event {
    MST_EV_STARTED,  /* its process or Pod runs                            */
    MST_EV_HELLO,    /* it connected, as who it is, of our version         */
    MST_EV_LOADED,   /* it has all modules                                 */
    MST_EV_RESUMED,  /* it connected again, was ready and nothing is lost  */
    MST_EV_CUT,      /* its connection ended, it may still live            */
    MST_EV_STOP,     /* the manager told it to end                         */
    MST_EV_ENDED_OK, /* its process ended with 0                           */
    MST_EV_ENDED,    /* its process ended otherwise                        */
    MST_EV_FAILED,   /* silent, late, refused, not started, module failed  */
    MST_LIFE_EVENTS
} mst_life_event;

#define MST_LIFE_STATES (MUSTER_LOST + 1)

/* The state after an event; the same state where the event changes nothing. */
muster_state mst_life_next(muster_state state, mst_life_event event);

/* True in GONE and LOST. */
static inline bool mst_life_over(muster_state state)
{
    return state == MUSTER_GONE || state == MUSTER_LOST;
}

#endif
