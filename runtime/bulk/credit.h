/* credit.h - how many payload bytes may be under way to one peer. Pure.
 *
 * The sender starts with a window and pays for each record; the receiver
 * gives back what it has dealt with, in lumps of an eighth of the window. What
 * is held back is always less than that, so a sender can never starve.
 */
#ifndef MST_CREDIT_H
#define MST_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mst_credit {
    uint32_t window;
    uint32_t left; /* may be sent                       */
    uint32_t due;  /* dealt with and not given back yet */
} mst_credit;

static inline void mst_credit_init(mst_credit *c, uint32_t window)
{
    *c = (mst_credit){window, window, 0};
}

static inline void mst_credit_pay(mst_credit *c, uint32_t cost)
{
    c->left = cost < c->left ? c->left - cost : 0;
}

/* False: the peer gives more than it ever got; it does not play by the rules.
 */
static inline bool mst_credit_get(mst_credit *c, uint32_t bytes)
{
    if (bytes > c->window - c->left)
        return false;
    c->left += bytes;
    return true;
}

/* Receiver: `cost` is dealt with; returns what to give back now, or 0. */
static inline uint32_t mst_credit_earn(mst_credit *c, uint32_t cost)
{
    uint32_t give = 0;

    c->due += cost;
    if (c->due >= c->window / 8) {
        give = c->due;
        c->due = 0;
    }
    return give;
}

#endif
