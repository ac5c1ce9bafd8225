#include "report.h"

#include <stdio.h>

static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_member(const char *name, const char *text)
{
    print_string(name);
    putchar(':');
    print_string(text);
    putchar(',');
}

static void print_machine(const bench_report *report)
{
    const bench_machine *m = report->machine;

    printf("\"machine\":{");
    print_member("cpu", m->cpu);
    print_member("kernel", m->kernel);
    print_member("muster", m->muster);
    print_member("build", m->build);
    print_member("libzmq", m->libzmq);
    print_member("libsodium", m->libsodium);
    print_member("openmpi", m->mpi);
    printf("\"cores\":%ld,\"load\":%.2f},", m->cores, m->load);
    printf("\"rounds\":%d,\"quick\":%s,", report->rounds,
           report->quick ? "true" : "false");
}

/* One side of one metric. */
static void print_side(const bench_outcome *outcome, bench_side side, size_t i)
{
    const bench_series *series = &outcome->of[side][i];
    double ratio;

    putchar('{');
    print_member("name", bench_side_name(side));
    printf("\"failed\":%s,", outcome->failed[side] ? "true" : "false");
    if (series->n > 0)
        printf("\"median\":%.3f,", series->median);
    else
        printf("\"median\":null,");
    if (side != BENCH_MUSTER && bench_ratio(outcome, side, i, &ratio))
        printf("\"ratio\":%.4f,", ratio);
    printf("\"runs\":[");
    for (size_t k = 0; k < series->n; k++)
        printf("%s%.3f", k > 0 ? "," : "", series->values[k]);
    printf("]}");
}

static void print_goal(const bench_outcome *outcome, size_t i)
{
    char text[64];
    bool reached = false;

    bench_goal_text(&outcome->work->metrics[i], text, sizeof(text));
    if (text[0] == '\0') {
        printf("\"goal\":null,\"reached\":null");
        return;
    }
    print_member("goal", text);
    printf("\"reached\":%s", !bench_goal_reached(outcome, i, &reached) ? "null"
                             : reached                                 ? "true"
                                       : "false");
}

static void print_metric(const bench_outcome *outcome, size_t i, bool quick)
{
    const bench_metric *metric = &outcome->work->metrics[i];
    bool first = true;

    putchar('{');
    print_member("work", outcome->work->name);
    print_member("metric", metric->key);
    print_member("title", quick ? metric->quick_title : metric->title);
    print_member("unit", metric->unit);
    print_member("better", metric->higher ? "higher" : "lower");
    print_member("ratio_is", "muster / peer");
    printf("\"muster\":");
    print_side(outcome, BENCH_MUSTER, i);
    printf(",\"peers\":[");
    for (int side = BENCH_ZMQ; side < BENCH_SIDES; side++) {
        if (!bench_side_tells(outcome->work, (bench_side)side, i) ||
            (outcome->of[side][i].n == 0 && !outcome->failed[side]))
            continue;
        if (!first)
            putchar(',');
        first = false;
        print_side(outcome, (bench_side)side, i);
    }
    printf("],");
    print_goal(outcome, i);
    putchar('}');
}

void bench_report_json(const bench_report *report)
{
    bool first = true;

    putchar('{');
    print_machine(report);
    printf("\"results\":[");
    for (size_t i = 0; i < report->n; i++) {
        for (size_t k = 0; k < BENCH_METRICS_MAX; k++) {
            if (report->outcomes[i].work->metrics[k].key == NULL)
                continue;
            printf("%s\n", first ? "" : ",");
            first = false;
            print_metric(&report->outcomes[i], k, report->quick);
        }
    }
    printf("\n]}\n");
}
