/* knock.h - a worker's way to a bulk stream: connect to the port of the manager
 * or of another worker and show that we have the key (proof.h). Loop thread
 * only. */
#ifndef MST_KNOCK_H
#define MST_KNOCK_H

#include "base/poll.h"
#include "bulk/proof.h"

typedef struct mst_knock {
    mst_poll *poll;
    mst_watch watch;
    int fd; /* -1: nothing is under way */
    bool answered;
    mst_proof_name name;
    const uint8_t *key; /* borrowed */
    uint8_t challenge[MST_PROOF_CHALLENGE];
    uint8_t answer[MST_PROOF_ANSWER];
    uint8_t word[MST_PROOF_MAC];
    size_t have; /* of what is to come */
    /* It is over. fd: the stream, which is the callee's; or -1. */
    void (*done)(void *arg, int fd, const char *why);
    void *arg;
} mst_knock;

/* The fields poll, name, key, done and arg are set; fd and watch.fd are -1.
 *
 *   address   "tcp://127.0.0.1:1234", "tcp://[::1]:1234": where the manager
 *             is; numerical
 *   port      instead of that one's
 *
 * Success: done follows. Errors: MUSTER_EADDR, MUSTER_ESYS */
muster_err mst_knock_start(mst_knock *knock, const char *address, uint16_t port,
                           muster_error *err);
void mst_knock_stop(mst_knock *knock); /* done does not follow */

/* "::1" of "tcp://[::1]:1234". False: it is no such address. */
bool mst_knock_host(const char *address, char *host, size_t bytes);

#endif
