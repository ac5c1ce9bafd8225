/* muster_bench - muster beside its peers, in one run on one machine.
 *
 * Each side of each work is a program of its own that prints its numbers.
 * This one starts them in turns, so that a noisy moment hits all of them,
 * ends what takes too long, and compares medians.
 */
#include "machine.h"
#include "report.h"
#include "run.h"
#include "sample.h"
#include "work.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3

typedef struct settings {
    int rounds; /* 0 = the default */
    bool quick;
    bool json;
    bool mpi;
    const char *page;       /* NULL = none */
    const bench_work *only; /* NULL = all */
} settings;

static void help(void)
{
    const bench_work *works;
    size_t n;

    puts("usage: muster_bench [OPTION]...\n"
         "Measure muster beside bare libzmq and, where it is installed, "
         "Open MPI.\n"
         "\n"
         "  --rounds R   how often each side does each work; 3, with --quick "
         "1;\n"
         "               blobs, which takes long, is done once, and only when\n"
         "               it is named\n"
         "  --quick      tiny counts: shows that it runs, not how fast\n"
         "  --only NAME  one work only\n"
         "  --no-mpi     leave Open MPI out\n"
         "  --page FILE  write a page with plots and tables, HTML in one file\n"
         "  --json       print one JSON object, no table\n"
         "  --help       this\n"
         "\n"
         "MUSTER_WORKER may name another worker program. The exit status is 1\n"
         "when a run failed and 2 for a wrong option, never for being slow.\n"
         "\n"
         "works:");
    works = bench_works(&n);
    for (size_t i = 0; i < n; i++)
        printf("  %-12s %s\n", works[i].name, works[i].metrics[0].title);
}

static _Noreturn void refuse(const char *why, const char *what)
{
    fprintf(stderr, "muster_bench: %s%s; see --help\n", why, what);
    exit(2);
}

static int rounds_of(const char *text)
{
    char *end = NULL;
    const long rounds = strtol(text, &end, 10);

    if (end == text || *end != '\0' || rounds < 1 || rounds > BENCH_ROUNDS_MAX)
        refuse("--rounds wants 1 .. 100, not ", text);
    return (int)rounds;
}

static settings parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"only", required_argument, NULL, 'o'},
        {"quick", no_argument, NULL, 'q'},
        {"page", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},
        {"no-mpi", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    settings set = {.mpi = true};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            set.rounds = rounds_of(optarg);
        else if (option == 'q')
            set.quick = true;
        else if (option == 'j')
            set.json = true;
        else if (option == 'p')
            set.page = optarg;
        else if (option == 'm')
            set.mpi = false;
        else if (option == 'o' && (set.only = bench_work_named(optarg)) == NULL)
            refuse("no such work: ", optarg);
        else if (option == 'h') {
            help();
            exit(EXIT_SUCCESS);
        } else if (option == '?')
            refuse("wrong option", "");
    }
    if (optind < argc)
        refuse("unexpected: ", argv[optind]);
    if (set.rounds == 0)
        set.rounds = set.quick ? 1 : ROUNDS;
    return set;
}

static bool takes_part(const settings *set, const bench_work *work,
                       bench_side side, int round)
{
    const bool mpi = side == BENCH_MPI_TCP || side == BENCH_MPI_SHM;

    if (!work->has[side] || !bench_side_built(side))
        return false;
    if (mpi && (!set->mpi || (work->mpi_once && round > 0)))
        return false;
    return true;
}

/* Read one number; a program under mpirun leaves the wall time to us. */
static bool number_of(const bench_run *run, const bench_metric *metric,
                      bench_side side, double *value)
{
    if (bench_run_number(run, metric->key, value))
        return true;
    if ((side != BENCH_MPI_TCP && side != BENCH_MPI_SHM) ||
        strcmp(metric->key, "wall_ms") != 0)
        return false;
    *value = run->wall_ms;
    return true;
}

/* One side does the work once. One failure is enough for it. */
static void take_turn(const settings *set, bench_outcome *outcome,
                      bench_side side)
{
    const bench_work *work = outcome->work;
    bench_command command;
    bench_run run;
    bool good;

    bench_command_of(work, side, set->quick, &command);
    good = bench_run_program(command.argv, work->limit_s, &run);
    for (size_t i = 0; good && i < BENCH_METRICS_MAX; i++) {
        bench_series *series = &outcome->of[side][i];

        if (!bench_side_tells(work, side, i))
            continue;
        good = number_of(&run, &work->metrics[i], side,
                         &series->values[series->n]);
        if (good)
            series->n++;
        else if (work->by_size && set->quick && i > 0)
            good = true; /* the larger ones */
        else
            snprintf(run.why, sizeof(run.why), "it printed no %s",
                     work->metrics[i].key);
    }
    if (good)
        return;
    outcome->failed[side] = true;
    fprintf(stderr, "muster_bench: %s, %s: %s\n", work->name,
            bench_side_name(side), run.why);
}

static void measure(const settings *set, bench_outcome *outcome)
{
    const int rounds = outcome->work->once ? 1 : set->rounds;

    for (int round = 0; round < rounds; round++) {
        fprintf(stderr, "muster_bench: %s, round %d of %d\n",
                outcome->work->name, round + 1, rounds);
        for (int turn = 0; turn < BENCH_SIDES; turn++) {
            const bench_side side = (bench_side)((turn + round) % BENCH_SIDES);

            if (takes_part(set, outcome->work, side, round) &&
                !outcome->failed[side])
                take_turn(set, outcome, side);
        }
    }
}

/* Sorts the values. True: no side has failed. */
static bool conclude(bench_outcome *outcome)
{
    bool good = true;

    for (int side = 0; side < BENCH_SIDES; side++) {
        good = good && !outcome->failed[side];
        for (size_t i = 0; i < BENCH_METRICS_MAX; i++) {
            bench_series *series = &outcome->of[side][i];

            if (series->n > 0)
                series->median = bench_quantile(series->values, series->n, 0.5);
        }
    }
    return good;
}

int main(int argc, char **argv)
{
    const settings set = parse(argc, argv);
    size_t nworks, n = 0;
    const bench_work *works = bench_works(&nworks);
    bench_outcome *outcomes = bench_alloc(nworks, sizeof(*outcomes));
    bench_machine machine;
    bench_report report;
    bool good = true;

    bench_machine_look(&machine);
    for (size_t i = 0; i < nworks; i++) {
        if (set.only != NULL ? set.only != &works[i]
                             : works[i].apart && !set.quick)
            continue;
        outcomes[n].work = &works[i];
        measure(&set, &outcomes[n]);
        good = conclude(&outcomes[n]) && good;
        n++;
    }
    report = (bench_report){&machine, outcomes, n, set.rounds, set.quick};
    if (set.json)
        bench_report_json(&report);
    else
        bench_report_table(&report);
    if (set.page != NULL && !bench_report_page(&report, set.page))
        good = false;
    free(outcomes);
    if (fflush(stdout) != 0)
        bench_die("cannot write the report");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
