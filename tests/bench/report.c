#include "report.h"

#include <math.h>
#include <stdio.h>

static void print_machine(const bench_report *report)
{
    const bench_machine *m = report->machine;

    printf("machine   %s, %ld cores, %s, load %.2f at the start\n", m->cpu,
           m->cores, m->kernel, m->load);
    printf("software  muster %s (%s build), libzmq %s, libsodium %s, "
           "%s%s\n",
           m->muster, m->build[0] != '\0' ? m->build : "plain", m->libzmq,
           m->libsodium, m->mpi[0] != '\0' ? "Open MPI " : "no Open MPI",
           m->mpi);
    printf("numbers   medians of %d round%s, the sides taking turns; ratio is "
           "muster / peer\n",
           report->rounds, report->rounds == 1 ? "" : "s");
    for (size_t i = 0; report->rounds > 1 && i < report->n; i++)
        if (report->outcomes[i].work->once)
            printf("          %s takes long: 1 round\n",
                   report->outcomes[i].work->name);
    if (report->quick)
        puts("          quick: counts are tiny, the numbers mean nothing");
    printf("\n%-32s %-4s %10s  %-16s %10s %8s  %-6s  %-27s %s\n", "work",
           "unit", "muster", "peer", "its median", "ratio", "better", "goal",
           "reached");
}

/* Enough for a ratio as well as for a rate. */
static int decimals(double value)
{
    if (fabs(value) < 10)
        return 2;
    return fabs(value) < 1000 ? 1 : 0;
}

static void print_number(const bench_series *series, bool failed)
{
    const double value = series->median;

    if (failed || series->n == 0)
        printf(" %10s", failed ? "failed" : "-");
    else
        printf(" %10.*f", decimals(value), value);
}

/* A growth may be 0 or less: it has no ratio. */
static void print_ratio(const bench_outcome *outcome, bench_side side, size_t i)
{
    double ratio;

    if (bench_ratio(outcome, side, i, &ratio))
        printf(" %6.2f x", ratio);
    else
        printf(" %8s", "-");
}

static void print_goal(const bench_outcome *outcome, size_t metric)
{
    char text[64];
    bool reached = false;

    bench_goal_text(&outcome->work->metrics[metric], text, sizeof(text));
    if (text[0] == '\0')
        return;
    printf("  %-27s %s", text,
           !bench_goal_reached(outcome, metric, &reached) ? "unknown"
           : reached                                      ? "yes"
                                                          : "no");
}

static void print_metric(const bench_outcome *outcome, size_t i, bool quick)
{
    const bench_metric *metric = &outcome->work->metrics[i];
    const bench_series *ours = &outcome->of[BENCH_MUSTER][i];

    for (int side = BENCH_ZMQ; side < BENCH_SIDES; side++) {
        const bool tells = bench_side_tells(outcome->work, (bench_side)side, i);
        const bench_series *theirs = &outcome->of[side][i];

        if (side != BENCH_ZMQ &&
            (!tells || (theirs->n == 0 && !outcome->failed[side])))
            continue;
        if (side == BENCH_ZMQ) {
            printf("%-32s %-4s", quick ? metric->quick_title : metric->title,
                   metric->unit);
            print_number(ours, outcome->failed[BENCH_MUSTER]);
        } else {
            printf("%-32s %-4s %10s", "", "", "");
        }
        printf("  %-16s", tells ? bench_side_name((bench_side)side) : "-");
        print_number(theirs, tells && outcome->failed[side]);
        print_ratio(outcome, (bench_side)side, i);
        if (side == BENCH_ZMQ) {
            printf("  %s", metric->higher ? "higher" : "lower ");
            print_goal(outcome, i);
        }
        putchar('\n');
    }
}

/* The goals that compare other sides, and these at a glance. */
static void print_aims(const bench_report *report)
{
    size_t n;
    const bench_aim *aims = bench_aims(&n);
    double ratio;

    printf("\n%-44s %-30s %8s  %-8s %s\n", "goal", "of", "ratio", "wanted",
           "reached");
    for (size_t i = 0; i < n; i++) {
        const bench_aim *aim = &aims[i];
        const bool known =
            bench_aim_ratio(aim, report->outcomes, report->n, &ratio);
        char of[64];

        snprintf(of, sizeof(of), "%s / %s", bench_side_name(aim->side),
                 bench_side_name(aim->peer));
        printf("%-44s %-30s ", aim->title, of);
        if (known)
            printf("%6.2f x", ratio);
        else
            printf("%8s", "-");
        printf("  %s %.2f  %s\n", aim->least ? ">=" : "<=", aim->limit,
               !known ? "unknown"
               : (aim->least ? ratio >= aim->limit : ratio <= aim->limit)
                   ? "yes"
                   : "no");
    }
    puts("\nA broadcast ends when every receiver has read every byte and the "
         "sender knows;\na gather when every byte of all answers was read.");
}

void bench_report_table(const bench_report *report)
{
    print_machine(report);
    for (size_t i = 0; i < report->n; i++)
        for (size_t k = 0; k < BENCH_METRICS_MAX; k++)
            if (report->outcomes[i].work->metrics[k].key != NULL)
                print_metric(&report->outcomes[i], k, report->quick);
    print_aims(report);
}
