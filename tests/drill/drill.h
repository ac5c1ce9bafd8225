/* drill.h - one drill: its parts, and how they are set up. */
#ifndef DRILL_H
#define DRILL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <muster/muster.h>

#include "book.h"
#include "foe.h"
#include "report.h"
#include "traffic.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 4
#elif defined(__SANITIZE_THREAD__)
#define SLOW 8
#else
#define SLOW 1
#endif

typedef struct drill {
    uint64_t seed;
    double seconds;
    int64_t every_ms;
    uint32_t nworkers;
    bool json, quiet, on_cluster;
    FILE *log;
    muster *m;
    book *book;
    traffic traffic;
    foe foe;
    cluster cluster;
    char cells_env[64], relay_env[64], worker_env[512];
    report report;
} drill;

/* All of these end the process when they cannot do it: with 2 for bad
 * arguments, otherwise with 3. */
void drill_options(drill *d, int argc, char **argv);
/* The plan, the book, memory that workers count in; the alarm. */
void drill_prepare(drill *d);
/* The runtime, with all its workers ready. */
void drill_open(drill *d);

void drill_die(const char *what, const char *why) __attribute__((noreturn));

#endif
