/* traffic.h - threads that give the workers jobs with known answers, and look
 * whether each ends once, as it may. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <muster/muster.h>

#include "book.h"

#define TRAFFIC_THREADS 6

typedef enum traffic_work {
    WORK_CALLS,
    WORK_FUTURES,
    WORK_POSTS,
    WORK_MAP_ITEMS,
    WORK_BROADCASTS,
    WORK_THROUGH,
    WORK_LINES,
    WORK_BLOBS,
    WORKS
} traffic_work;

typedef struct traffic traffic;

typedef struct driver {
    traffic *t;
    pthread_t thread;
    uint64_t random;
    _Atomic(const char *) doing; /* for the report of one that is stuck */
    _Atomic int64_t since_ms;
} driver;

struct traffic {
    muster *m;
    book *book;
    job_cell *cells;  /* NULL: workers are elsewhere, nothing is counted */
    int64_t limit_ms; /* no call may take longer */
    atomic_bool stop;
    _Atomic uint64_t next_id;
    atomic_ullong done[WORKS], lost[WORKS], refused[WORKS];
    _Atomic uint8_t *kinds;   /* of each id, see traffic.c */
    _Atomic uint32_t *posted; /* of each post: to whom     */
    driver drivers[TRAFFIC_THREADS];
    int ndrivers;
};

bool traffic_start(traffic *t, uint64_t seed);
/* Ends the threads; each finishes what it began. */
void traffic_join(traffic *t);
/* One that does the same for too long is a wrong. Called now and then. */
void traffic_watch(traffic *t);
/* After muster_close: what did each job come to, all in all? */
void traffic_audit(traffic *t);

const char *traffic_name(traffic_work work);

#endif
