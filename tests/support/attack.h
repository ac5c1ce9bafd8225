/* attack.h - attacker.c as a process that knocks at a port of 127.0.0.1, and a
 * true handshake for it to replay.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/keys.h"

typedef struct attack {
    const char *program; /* attacker */
    uint16_t port;
    unsigned rate, hold;        /* attempts a second; kept open, at most */
    uint8_t key[MST_KEY_BYTES]; /* the public one of who listens there */
    const char *handshake;      /* a file; empty: half handshakes only */
    pid_t pid;                  /* of the running one */
    int said;                   /* what it prints */
} attack;

/* Connect to the port with the key pair `self`, through this process in the
 * middle, until the handshake is over; a->handshake gets what the client said.
 * False: it did not come to that, within two minutes. */
bool attack_record(const attack *a, const mst_pair *self);

/* Start it, for so long. False: there is no process. */
bool attack_begin(attack *a, double seconds);

/* Wait until it is over.
 *
 *   line     what it printed; "": nothing, it failed
 *   cpu_s    its processor time, in seconds; as it was when that is not known
 *
 * True when it ended well and none of its attempts was accepted.
 */
bool attack_end(attack *a, char line[512], double *cpu_s);

#endif
