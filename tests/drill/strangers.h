/* strangers.h - those who come to the manager's port and have no key. */
#ifndef STRANGERS_H
#define STRANGERS_H

#include <stdint.h>

typedef struct strangers strangers;

/* NULL: no. */
strangers *strangers_create(uint16_t port);
void strangers_destroy(strangers **s);

/* A dozen come: nothing said, garbage, half a handshake, a wrong key. They
 * stay until the place is needed for others. What they say is of `random`. */
void strangers_flood(strangers *s, uint64_t random);
/* All go. */
void strangers_leave(strangers *s);

#endif
