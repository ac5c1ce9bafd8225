/* asking.h - a call of one of our handlers' own, between asking.c, which the
 * loop runs, and future.c, which handlers see. */
#ifndef MST_ASKING_H
#define MST_ASKING_H

#include "worker.h"

struct muster_future {
    mst_cmd start, cancel;
    mst_await await;
    mst_out out;
    mst_incoming *in; /* its result, while that comes apart; or NULL */
    mst_payload *payload;
    muster *m;
    atomic_uint refs; /* the handler's; the call's; cancel's */
    atomic_bool canceling;
    uint64_t id;           /* 0: not pending */
    uint64_t by;           /* the call whose handler it is */
    const muster_ctx *ctx; /* its; until the call has begun */
    uint32_t target;
    uint16_t depth;
    bool post, taken;
    bool late; /* its time was over before there was room for it */
    int64_t until_ms;
    size_t bytes;   /* of the request */
    mst_task *heir; /* whose result this becomes, or NULL */
    /* the outcome */
    muster_error error;
    void *data;
    size_t len;
    uint32_t rank;
    size_t name_len;
    char name[];
};

void mst_future_unref(muster_future *f);

/* On the loop, with `start` or `cancel` of a future: the call begins; the
 * handler that made it does not want it any more. */
void mst_future_begin(mst_cmd *cmd, void *worker);
void mst_future_cancel(mst_cmd *cmd, void *worker);

#endif
