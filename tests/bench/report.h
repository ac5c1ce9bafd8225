/* report.h - the numbers, for people and for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"
#include "work.h"

typedef struct bench_report {
    const bench_machine *machine;
    const bench_outcome *outcomes;
    size_t n;
    int rounds;
    bool quick;
} bench_report;

/* Print a table, or one JSON object, on standard output. */
void bench_report_table(const bench_report *report);
void bench_report_json(const bench_report *report);

/* Write a page with plots and tables: HTML in one file, without scripts.
 * False: it cannot be written, and that was said. */
bool bench_report_page(const bench_report *report, const char *path);

#endif
