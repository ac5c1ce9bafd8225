/* resume_rig.h - a session whose workers were started by hand, so that their
 * output comes by the link; all links go through a relay, which cuts them. Its
 * calls are items, which the workers count (resume_handlers.c). All of it
 * asserts. */
#ifndef RESUME_RIG_H
#define RESUME_RIG_H

#include <sys/types.h>

#include "relay.h"
#include "resume_handlers.h"
#include "rig.h"

#define RESUME_WORKERS 3

typedef struct resume_rig {
    rig *r;
    relay *way;
    char dir[64], advertise[64];
    pthread_t launch;
    muster_err rc; /* of the launch */
    muster_error err;
    uint32_t n, next_item;
    pid_t pids[RESUME_WORKERS + 1]; /* by rank; 0: it has ended */
} resume_rig;

extern resume_rig at; /* of the test that runs */

/* n workers, at most RESUME_WORKERS. Large payloads go past the relay, by a
 * port of their own, if `bulk` is not "off". */
rig *resume_up(uint32_t n, int64_t heartbeat_ms);
rig *resume_up_with(uint32_t n, int64_t heartbeat_ms, const char *bulk);
void resume_down(void);
int resume_teardown(void **state); /* after a failure, too */

/* Waits for the end of a worker: its exit status, or minus the signal. */
int resume_status(uint32_t rank);

/* The first of n items that are new. */
uint32_t resume_take(uint32_t n);

/* A call of an item with so many bytes, for `back` of them; `target` runs it if
 * the handler is "via". */
void *resume_request(uint32_t item, size_t bytes, uint32_t back,
                     uint32_t target, size_t *len);
void resume_start(uint32_t rank, const char *name, uint32_t item, size_t bytes,
                  uint32_t back, uint32_t target, muster_future **f);
void resume_finish(muster_future **f, uint32_t item, uint32_t back);

/* Each of the items was run once, somewhere. */
void assert_each_once(uint32_t first, uint32_t n);

#endif
