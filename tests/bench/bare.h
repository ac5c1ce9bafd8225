/* bare.h - libzmq and nothing else: the floor muster is compared with.
 *
 * A ROUTER and its children, which are this program again, each with one
 * DEALER. CURVE on both, no ZAP: any key is let in. A child connects, says
 * hello with one byte, sends every message back as it is, and ends when an
 * empty one comes.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct bare {
    void *zmq;
    void *socket;
    char endpoint[64];
    char key[41];     /* the server's public key, Z85; "-": NULL, not CURVE */
    const char *mode; /* of the children that are started: "child" sends all
                         back, "read" reads and sends the sum, "fill" sends as
                         many bytes as are asked for, "big" sends back what is
                         long */
} bare;

/* What ROUTER calls a connection. */
typedef struct bare_id {
    unsigned char bytes[16];
    size_t len;
} bare_id;

/* NULL instead of CURVE, for what is opened from here on. */
void bare_use_null(void);

/* Listen on a free port of 127.0.0.1. Ends the program on failure, as all of
 * these do; children of a program that ended are killed by the kernel. */
void bare_open(bare *b);
void bare_close(bare *b);

/* Start a child and do not wait for it. */
pid_t bare_spawn(const bare *b);

/* Wait until a child has ended; anything but exit status 0 is a failure. */
void bare_reap(pid_t child);

/* Send to a child. len 0 tells it to end. */
void bare_send(bare *b, const bare_id *to, const void *body, size_t len);

/* Take the next message, at most BENCH_BODY_BYTES long.
 *
 *   block   wait for it
 *
 * Success: true, *len is set. False: there is none now.
 */
bool bare_recv(bare *b, bare_id *from, void *body, size_t *len, bool block);

/* Be a child: `PROGRAM MODE ENDPOINT KEY PARENT`. Returns the exit status. */
int bare_child(const char *mode, const char *endpoint, const char *key,
               const char *parent);

#endif
