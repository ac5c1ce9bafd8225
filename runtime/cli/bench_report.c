/* bench_report.c - muster bench: the numbers, for people and programs. */
#include <inttypes.h>

#include "cli/bench.h"
#include "cli/plot.h"

static void line(FILE *to, const char *what, double value, const char *unit)
{
    const int decimals = value < 10 ? 2 : value < 1000 ? 1 : 0;

    fprintf(to, "%-44s %12.*f %s\n", what, decimals, value, unit);
}

/* One cell: the time, and bytes of all workers a second. */
static void cell(FILE *to, const mst_bench_bulk *bulk)
{
    if (bulk->runs == 0)
        fprintf(to, "  %12s %10s", "-", "-");
    else
        fprintf(to, "  %12.1f %10.1f", bulk->median_us, bulk->rate / 1e6);
}

void mst_bench_table(const mst_bench *b, FILE *to)
{
    const mst_machine *m = &b->machine;
    bool left_out = false;
    char text[48];

    fprintf(to, "machine   %s, %ld cores, %s, load %.2f at the start\n", m->cpu,
            m->cores, m->kernel, m->load);
    fprintf(to, "software  muster %s, libzmq %s, libsodium %s\n",
            muster_version(), m->libzmq, m->libsodium);
    fprintf(to, "workers   %" PRIu32 ", launcher %s\n\n", b->nworkers,
            b->launcher);
    line(to, "launch, until the first worker is ready", b->first_s * 1e3, "ms");
    line(to, "launch, until all are ready", b->all_s * 1e3, "ms");
    line(to, "blocking call, 64 B and back, p50", b->p50_us, "us");
    line(to, "blocking call, 64 B and back, p99", b->p99_us, "us");
    line(to, "pipelined calls, 64 B, to one worker", b->pipelined_per_s, "/s");
    snprintf(text, sizeof(text), "map, %zu empty items, 1 a call",
             b->map_items);
    line(to, text, b->map_per_s, "/s");
    snprintf(text, sizeof(text), "map, %zu empty items, in batches",
             b->map_items);
    line(to, text, b->map_batch_per_s, "/s");
    fprintf(to, "\n%-10s  %12s %10s  %12s %10s\n", "size", "broadcast us",
            "MB/s", "gather us", "MB/s");
    for (size_t i = 0; i < MST_BENCH_SIZES; i++) {
        fprintf(to, "%-10s",
                mst_size_text(b->broadcast[i].size, text, sizeof(text)));
        cell(to, &b->broadcast[i]);
        cell(to, &b->gather[i]);
        putc('\n', to);
        left_out =
            left_out || b->broadcast[i].runs == 0 || b->gather[i].runs == 0;
    }
    fputs("\nTimes are medians. A broadcast ends when every worker has read "
          "every byte and its\nanswer is here; a gather, when every byte of "
          "all answers was read here. MB/s: 10^6\nbytes of all workers "
          "together.\n",
          to);
    if (left_out)
        fputs("- was left out: it would have taken too long.\n", to);
    if (b->quick)
        fputs("--quick: the numbers are rough.\n", to);
}

/* ---------------------------------------------------------------- JSON -- */

static void string(FILE *to, const char *name, const char *text)
{
    fprintf(to, "\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            putc(c, to);
    }
    putc('"', to);
}

static void bulk_json(FILE *to, const char *name, const mst_bench_bulk *bulk)
{
    bool first = true;

    fprintf(to, ",\n\"%s\":[", name);
    for (size_t i = 0; i < MST_BENCH_SIZES; i++) {
        if (bulk[i].runs == 0)
            continue;
        fprintf(to,
                "%s\n{\"bytes\":%zu,\"median_us\":%.3f,"
                "\"bytes_per_s\":%.0f,\"runs\":%zu}",
                first ? "" : ",", bulk[i].size, bulk[i].median_us, bulk[i].rate,
                bulk[i].runs);
        first = false;
    }
    fputs("]", to);
}

void mst_bench_json(const mst_bench *b, FILE *to)
{
    const mst_machine *m = &b->machine;

    fputs("{\"schema\":1,\n\"machine\":{", to);
    string(to, "cpu", m->cpu);
    putc(',', to);
    string(to, "kernel", m->kernel);
    fprintf(to, ",\"cores\":%ld,\"load\":%.2f,", m->cores, m->load);
    string(to, "libzmq", m->libzmq);
    putc(',', to);
    string(to, "libsodium", m->libsodium);
    fputs("},\n", to);
    string(to, "muster", muster_version());
    putc(',', to);
    string(to, "launcher", b->launcher);
    fprintf(to, ",\"workers\":%" PRIu32 ",\"quick\":%s,\n", b->nworkers,
            b->quick ? "true" : "false");
    fprintf(to, "\"launch\":{\"first_ready_ms\":%.3f,\"all_ready_ms\":%.3f},\n",
            b->first_s * 1e3, b->all_s * 1e3);
    fprintf(to,
            "\"call\":{\"bytes\":%u,\"p50_us\":%.3f,\"p99_us\":%.3f,"
            "\"calls\":%zu,\"pipelined_per_s\":%.1f},\n",
            MST_BENCH_CALL, b->p50_us, b->p99_us, b->calls, b->pipelined_per_s);
    fprintf(to, "\"map\":{\"items\":%zu,\"per_s\":%.1f,\"batched_per_s\":%.1f}",
            b->map_items, b->map_per_s, b->map_batch_per_s);
    bulk_json(to, "broadcast", b->broadcast);
    bulk_json(to, "gather", b->gather);
    fputs("}\n", to);
}

/* ---------------------------------------------------------------- plot -- */

static size_t points(const mst_bench_bulk *bulk, mst_point *time,
                     mst_point *rate)
{
    size_t n = 0;

    for (size_t i = 0; i < MST_BENCH_SIZES; i++) {
        if (bulk[i].runs == 0)
            continue;
        time[n] = (mst_point){(double)bulk[i].size, bulk[i].median_us};
        rate[n++] = (mst_point){(double)bulk[i].size, bulk[i].rate / 1e6};
    }
    return n;
}

bool mst_bench_plot(const mst_bench *b, FILE *to)
{
    mst_point time[2][MST_BENCH_SIZES], rate[2][MST_BENCH_SIZES];
    const size_t out = points(b->broadcast, time[0], rate[0]);
    const size_t in = points(b->gather, time[1], rate[1]);
    const mst_line times[] = {{"broadcast", time[0], out},
                              {"gather", time[1], in}};
    const mst_line rates[] = {{"broadcast", rate[0], out},
                              {"gather", rate[1], in}};
    const mst_plot plots[] = {
        {"time", "microseconds, median", times, 2},
        {"bandwidth, all workers together", "MB/s", rates, 2}};
    char title[64], note[256];

    snprintf(title, sizeof(title), "muster %s, %" PRIu32 " workers (%s)",
             muster_version(), b->nworkers, b->launcher);
    snprintf(note, sizeof(note),
             "%.80s, %ld cores, %.60s. The clock stops when every receiver "
             "has read every byte.",
             b->machine.cpu, b->machine.cores, b->machine.kernel);
    return mst_plot_write(to, title, note, plots, 2);
}
