/* book.h - what happened, what was wrong, and how long things took.
 * Thread: any, everywhere. */
#ifndef BOOK_H
#define BOOK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <muster/muster.h>

#include "plan.h"
#include "work.h"

#define BOOK_RANKS 1024
#define BOOK_WORKERS 65536
#define BOOK_NEWS 60
#define BOOK_SPANS 65536

/* Times taken, in milliseconds. */
typedef struct spans {
    uint32_t n;
    float ms[BOOK_SPANS];
} spans;

/* One incarnation of one rank. */
typedef struct book_worker {
    uint32_t rank, incarnation;
    struct book_worker *before; /* whose successor it is; NULL: nobody's */
    muster_state state;
    bool lost, killed, stopped, drained;
    double fault_ms;   /* when it was killed, stopped or told to drain */
    double stalled_ms; /* book.stalled_ms then                         */
    double ready_ms, lost_ms, cut_ms; /* the last time; 0: never */
    double wait_ms; /* it was held back for so long, before it was started */
} book_worker;

typedef struct book {
    pthread_mutex_t lock;
    double began_ms;
    atomic_bool heard;                 /* losses count */
    book_worker workers[BOOK_WORKERS]; /* as they came */
    uint32_t nworkers;
    book_worker *latest[BOOK_RANKS];
    double stalled_ms; /* for so long this machine let nobody run */
    uint32_t nready, nalive, ncut;
    atomic_uint nlost;
    uint64_t faults[FAULTS];
    spans noticed_kill, noticed_stop, replaced, at_once, back, next_good;
    double waiting_good[64]; /* faults that wait for a good result */
    atomic_uint nwaiting;
    char news[BOOK_NEWS][200]; /* a ring */
    uint32_t nnews;
    FILE *log; /* all the news go there; may be NULL */
    atomic_uint nfailed;
    char failed[8][600];
    _Atomic uint8_t *said; /* lines of each id */
} book;

double book_now(void);
bool book_init(book *b);
void book_fini(book *b);

/* Something is wrong: the drill has failed. */
void book_wrong(book *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void book_news(book *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For the log only. */
void book_note(book *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void book_event(book *b, const muster_event *e);
void book_line(book *b, uint32_t rank, const char *line, size_t len);
void book_log(book *b, muster_level level, const char *id, const char *text);

/* A fault is about to be made; rank 0: of nobody by name. */
void book_fault(book *b, fault_kind kind, uint32_t rank, uint32_t incarnation,
                const char *words);
/* The same to a worker, that was one of several. */
void book_befalls(book *b, fault_kind kind, uint32_t rank,
                  uint32_t incarnation);
/* A sleep of this process was so much longer than it asked for. What others
 * on this machine take is no delay of ours. */
void book_stalled(book *b, double ms);
/* A result was right. */
void book_good(book *b);
/* For how long it has been ready, since it was for the first time; 0: not. */
double book_age_ms(book *b, uint32_t rank, uint32_t incarnation);
/* It was lost. */
bool book_lost(book *b, uint32_t rank, uint32_t incarnation);
/* It was lost or drained: it may not have begun what it was asked for. */
bool book_left(book *b, uint32_t rank, uint32_t incarnation);
void book_state(book *b, uint32_t *nready, uint32_t *nalive);

/* p in 0 .. 1; sorts. 0 when there are none. */
double spans_at(spans *s, double p);

void book_print_news(book *b, FILE *to);

#endif
