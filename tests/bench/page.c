/* page.c - the numbers as one page. */
#include "report.h"
#include "sample.h"

#include "cli/plot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>muster beside its peers</title>\n"
    "<style>:root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.2rem .7rem;border-bottom:1px solid #8886;text-align:right}"
    "th:first-child,td:first-child{text-align:left}td.t{text-align:left}"
    ".x{overflow-x:auto}</style>\n";

static void cell(FILE *to, const char *text)
{
    fputs("<td>", to);
    mst_plot_text(to, text);
    fputs("</td>", to);
}

static void put_machine(FILE *to, const bench_report *r)
{
    const bench_machine *m = r->machine;

    fputs("<h1>muster beside its peers</h1>\n<p>", to);
    mst_plot_text(to, m->cpu);
    fprintf(to,
            ", %ld cores, %s, load %.2f at the start. muster %s (%s build), "
            "libzmq %s, libsodium %s, %s%s. Medians of %d rounds, the sides "
            "taking turns.%s</p>\n",
            m->cores, m->kernel, m->load, m->muster, m->build, m->libzmq,
            m->libsodium, m->mpi[0] != '\0' ? "Open MPI " : "no Open MPI",
            m->mpi, r->rounds,
            r->quick ? " Quick: the numbers mean nothing." : "");
    fputs("<p>Clocks: a broadcast runs from before the first byte is sent "
          "until the sender has the sum of every receiver, which has read "
          "every byte. A gather runs from the request until every byte of all "
          "answers was read; they are written anew each time. A call runs "
          "until its answer is there. Raw TCP, libzmq NULL and Open MPI do not "
          "encrypt.</p>\n",
          to);
}

static void put_aims(FILE *to, const bench_report *r)
{
    size_t n;
    const bench_aim *aims = bench_aims(&n);
    double ratio;

    fputs("<h2>Goals</h2>\n<div class=\"x\"><table><tr><th>goal</th><th>of"
          "</th><th>ratio</th><th>wanted</th><th>reached</th></tr>\n",
          to);
    for (size_t i = 0; i < n; i++) {
        const bench_aim *a = &aims[i];
        const bool known = bench_aim_ratio(a, r->outcomes, r->n, &ratio);

        fputs("<tr>", to);
        cell(to, a->title);
        fprintf(to, "<td>%s / %s</td>", bench_side_name(a->side),
                bench_side_name(a->peer));
        if (known)
            fprintf(to, "<td>%.2f</td>", ratio);
        else
            fputs("<td>-</td>", to);
        fprintf(to, "<td>%s %.2f</td><td>%s</td></tr>\n",
                a->least ? "&ge;" : "&le;", a->limit,
                !known ? "not measured"
                : (a->least ? ratio >= a->limit : ratio <= a->limit) ? "yes"
                                                                     : "no");
    }
    fputs("</table></div>\n", to);
}

/* Size against time and against bytes of all receivers a second. */
static void put_plot(FILE *to, const bench_outcome *o, bool quick)
{
    mst_point times[BENCH_SIDES][BENCH_METRICS_MAX];
    mst_point rates[BENCH_SIDES][BENCH_METRICS_MAX];
    mst_line time_lines[BENCH_SIDES], rate_lines[BENCH_SIDES];
    const size_t nreceivers =
        bench_count(quick ? o->work->quick_args[1] : o->work->args[1], 1000);
    char note[64];
    size_t nlines = 0;

    for (int side = 0; side < BENCH_SIDES; side++) {
        size_t n = 0;

        for (size_t k = 0; k < BENCH_METRICS_MAX; k++) {
            const bench_series *s = &o->of[side][k];
            const double bytes = (double)((size_t)64 << (2 * k));

            if (s->n == 0 || o->failed[side])
                continue;
            times[side][n] = (mst_point){bytes, s->median};
            rates[side][n++] =
                (mst_point){bytes, bytes * (double)nreceivers / s->median};
        }
        if (n == 0)
            continue;
        time_lines[nlines] =
            (mst_line){bench_side_name((bench_side)side), times[side], n};
        rate_lines[nlines++] =
            (mst_line){bench_side_name((bench_side)side), rates[side], n};
    }
    snprintf(note, sizeof(note), "%zu receivers on this machine%s", nreceivers,
             quick ? ", quick" : "");
    mst_plot_write(to, o->work->name, note,
                   (const mst_plot[]){
                       {"time", "microseconds, median", time_lines, nlines},
                       {"bandwidth, all together", "MB/s", rate_lines, nlines}},
                   2);
}

static void put_metric(FILE *to, const bench_outcome *o, size_t k, bool quick)
{
    const bench_metric *metric = &o->work->metrics[k];

    fputs("<tr>", to);
    cell(to, quick ? metric->quick_title : metric->title);
    fprintf(to, "<td class=\"t\">%s</td>", metric->unit);
    for (int side = 0; side < BENCH_SIDES; side++) {
        double ratio;

        if (o->failed[side])
            fputs("<td>failed</td>", to);
        else if (o->of[side][k].n == 0)
            fputs("<td></td>", to);
        else if (side != BENCH_MUSTER &&
                 bench_ratio(o, (bench_side)side, k, &ratio))
            fprintf(to, "<td>%.1f (%.2f x)</td>", o->of[side][k].median, ratio);
        else
            fprintf(to, "<td>%.1f</td>", o->of[side][k].median);
    }
    fputs("</tr>\n", to);
}

static void put_table(FILE *to, const bench_report *r)
{
    fputs("<h2>All medians</h2>\n<p>In brackets: muster / peer.</p>\n"
          "<div class=\"x\"><table><tr><th>work</th><th>unit</th>",
          to);
    for (int side = 0; side < BENCH_SIDES; side++)
        fprintf(to, "<th>%s</th>", bench_side_name((bench_side)side));
    fputs("</tr>\n", to);
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < BENCH_METRICS_MAX; k++)
            if (r->outcomes[i].work->metrics[k].key != NULL)
                put_metric(to, &r->outcomes[i], k, r->quick);
    fputs("</table></div>\n</html>\n", to);
}

bool bench_report_page(const bench_report *report, const char *path)
{
    FILE *to = fopen(path, "we");
    bool good = to != NULL;

    if (good) {
        fputs(head, to);
        put_machine(to, report);
        put_aims(to, report);
        for (size_t i = 0; i < report->n; i++)
            if (report->outcomes[i].work->by_size)
                put_plot(to, &report->outcomes[i], report->quick);
        put_table(to, report);
        good = ferror(to) == 0;
        good = fclose(to) == 0 && good;
    }
    if (!good)
        fprintf(stderr, "muster_bench: cannot write %s: %s\n", path,
                strerror(errno));
    return good;
}
