/* tries.h - what becomes of a request after each try: its end, or the next
 * one and when. */
#ifndef MST_KUBE_TRIES_H
#define MST_KUBE_TRIES_H

#include "launch/kube/transfer.h"

#define MST_TRIES_FIRST_MS 100 /* backoff, before jitter, doubles up to */
#define MST_TRIES_MOST_MS 5000
#define MST_TRIES_SENSELESS                                                    \
    3 /* answers that make no sense, then it is over                           \
       */

typedef enum mst_tries_state {
    MST_TRIES_WAIT, /* until due_ms */
    MST_TRIES_RUN,
    MST_TRIES_DONE
} mst_tries_state;

typedef struct mst_tries {
    mst_kube_request *request;
    mst_tries_state state;
    int64_t began_ms, due_ms;
    int backoffs, senseless;
    unsigned generation; /* of the credentials that the last try showed */
    bool renew;          /* a 401: the next one shows new ones          */
    bool renewed;
    bool unclear; /* a try of it may have been done */
} mst_tries;

/* A try has ended: with `code` of libcurl, and what is in the transfer. */
void mst_tries_settle(mst_tries *t, mst_transfer *transfer, CURLcode code);

/* It is over without an answer: cancelled, no credentials, no memory. The
 * words of the request go in front of those in request->err. */
void mst_tries_end(mst_tries *t, const mst_origin *origin, muster_err rc);

/* The delay before try `n` (from 0), with jitter; pure but for that. */
int64_t mst_tries_delay_ms(int n);

#endif
