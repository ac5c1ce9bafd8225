/* relay.h - a TCP relay between workers and their manager, with a tap. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct relay relay;

/* Listens on 127.0.0.1 and forwards to `port` there. NULL: no. */
relay *relay_create(uint16_t port);
/* The same, listening on another address of this machine. */
relay *relay_create_at(const char *address, uint16_t port);
void relay_destroy(relay **r);

uint16_t relay_port(const relay *r);

/* Close every connection there is; new ones are forwarded. */
void relay_cut(relay *r);

/* Close one: the `which`th that is open, modulo how many are. */
void relay_cut_one(relay *r, unsigned which);

/* Flip one bit of what is forwarded next. */
void relay_garble(relay *r);

/* Mark the next message of a worker as one of several parts: what CURVE does
 * not seal. */
void relay_mark(relay *r);

/* Take a whole message that CURVE sealed out of its connection, no other: what
 * comes behind `after` more of the workers, or else of the manager. */
void relay_delete(relay *r, bool of_worker, unsigned after);

/* How many were taken out so far. */
int relay_deleted(relay *r);

/* Forward nothing, close nothing, until thawed. */
void relay_freeze(relay *r);
void relay_thaw(relay *r);

/* The same with those that are open now, for good; new ones are forwarded. */
void relay_stick(relay *r);

/* Close every connection, and at once each that comes, until released. */
void relay_hold(relay *r);
void relay_release(relay *r);

/* Cut once, when exactly so many more bytes were forwarded; 0: not. */
void relay_cut_after(relay *r, uint64_t bytes);

/* What goes to those who connected passes through this hand, which may change
 * it: what is in *bytes of their `connection`th connection, from 1 on, is
 * forwarded when it returns, and has to stay until then. It runs on the relay's
 * thread. */
typedef struct relay_bytes {
    const char *at;
    size_t len;
} relay_bytes;
typedef enum relay_then {
    RELAY_GO_ON,
    RELAY_CLOSE, /* that connection */
    RELAY_FREEZE /* all of them, as relay_freeze */
} relay_then;
typedef relay_then relay_hand(void *arg, int connection, relay_bytes *bytes);
void relay_by_hand(relay *r, relay_hand *hand, void *arg);

/* How many pairs of connections are open. */
int relay_open(relay *r);

/* How many connections came so far. */
int relay_connections(relay *r);

/* A port of the loopback address that is free now, and that the kernel does not
 * give to connections meanwhile; 0: none. For a manager behind a relay, which
 * is set up before it. */
uint16_t relay_free_port(void);

#endif
