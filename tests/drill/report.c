#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include <cjson/cJSON.h>

typedef struct named_spans {
    const char *name, *words;
    spans *s;
} named_spans;

#define SPANS 6

static void all_spans(book *b, named_spans *all)
{
    const named_spans them[SPANS] = {
        {"noticed_killed", "killed, noticed", &b->noticed_kill},
        {"noticed_silent", "silent, noticed", &b->noticed_stop},
        {"replaced", "fault to replacement ready", &b->replaced},
        {"replaced_at_once", "  of the killed, not held back", &b->at_once},
        {"back", "cut to ready again", &b->back},
        {"next_good", "fault to the next good result", &b->next_good},
    };

    for (int i = 0; i < SPANS; i++)
        all[i] = them[i];
}

static void print_text(const report *r, book *b, traffic *t)
{
    named_spans all[SPANS];

    printf("drill of %.1f s, seed %" PRIu64 ", %u workers, heartbeat %" PRId64
           " ms\n\n  faults      ",
           r->seconds, r->seed, r->nworkers, r->heartbeat_ms);
    for (int i = 0; i < FAULTS; i++)
        if (plan_has((fault_kind)i, r->pods))
            printf(" %s %" PRIu64, fault_name((fault_kind)i), b->faults[i]);
    printf("\n  workers      %u lost, %u cut, %u replaced, %u came back\n",
           atomic_load(&b->nlost), b->ncut, b->replaced.n, b->back.n);
    printf("\n  %-30s %10s %8s %8s\n", "work", "right", "lost", "refused");
    for (int i = 0; i < WORKS; i++)
        printf("  %-30s %10llu %8llu %8llu\n", traffic_name((traffic_work)i),
               atomic_load(&t->done[i]), atomic_load(&t->lost[i]),
               atomic_load(&t->refused[i]));
    printf("\n  %-30s %8s %9s %9s %9s\n", "ms", "times", "p50", "p99", "max");
    all_spans(b, all);
    for (int i = 0; i < SPANS; i++)
        printf("  %-30s %8u %9.1f %9.1f %9.1f\n", all[i].words, all[i].s->n,
               spans_at(all[i].s, 0.5), spans_at(all[i].s, 0.99),
               spans_at(all[i].s, 1));
    printf("  others had this machine for %.0f ms; killed is without them%s\n",
           b->stalled_ms,
           b->stalled_ms > r->seconds * 1e3 / 40 ? ", and not judged" : "");
    printf("\n  descriptors  %d before, %d when all were ready, %d at the end "
           "(%d pairs in the relay), %d after\n",
           r->fds_before, r->fds_full, r->fds_last, r->relayed, r->fds_after);
    printf("  memory       %" PRId64
           " KiB resident when all were ready, %" PRId64 " KiB at the end",
           r->kib_first, r->kib_last);
    if (r->in_use_first >= 0)
        printf("; %" PRId64 " and %" PRId64 " KiB in use", r->in_use_first,
               r->in_use_last);
    puts("");
    printf("  processes    %d left\n", r->orphans);
    if (r->pods)
        printf("  cluster      %d Pods and Secrets left\n", r->left);
}

static void print_json(const report *r, book *b, traffic *t)
{
    cJSON *top = cJSON_CreateObject();
    cJSON *faults = cJSON_AddObjectToObject(top, "faults");
    cJSON *work = cJSON_AddObjectToObject(top, "work");
    cJSON *times = cJSON_AddObjectToObject(top, "ms");
    named_spans all[SPANS];
    char *text;

    cJSON_AddNumberToObject(top, "seed", (double)r->seed);
    cJSON_AddNumberToObject(top, "seconds", r->seconds);
    cJSON_AddNumberToObject(top, "workers_lost", atomic_load(&b->nlost));
    cJSON_AddNumberToObject(top, "workers_cut", b->ncut);
    for (int i = 0; i < FAULTS; i++)
        if (plan_has((fault_kind)i, r->pods))
            cJSON_AddNumberToObject(faults, fault_name((fault_kind)i),
                                    (double)b->faults[i]);
    for (int i = 0; i < WORKS; i++) {
        cJSON *one =
            cJSON_AddObjectToObject(work, traffic_name((traffic_work)i));

        cJSON_AddNumberToObject(one, "right", (double)atomic_load(&t->done[i]));
        cJSON_AddNumberToObject(one, "lost", (double)atomic_load(&t->lost[i]));
        cJSON_AddNumberToObject(one, "refused",
                                (double)atomic_load(&t->refused[i]));
    }
    all_spans(b, all);
    for (int i = 0; i < SPANS; i++) {
        cJSON *one = cJSON_AddObjectToObject(times, all[i].name);

        cJSON_AddNumberToObject(one, "times", all[i].s->n);
        cJSON_AddNumberToObject(one, "p50", spans_at(all[i].s, 0.5));
        cJSON_AddNumberToObject(one, "p99", spans_at(all[i].s, 0.99));
        cJSON_AddNumberToObject(one, "max", spans_at(all[i].s, 1));
    }
    cJSON_AddNumberToObject(top, "descriptors_before", r->fds_before);
    cJSON_AddNumberToObject(top, "descriptors_after", r->fds_after);
    cJSON_AddNumberToObject(top, "kib_in_use_first", (double)r->in_use_first);
    cJSON_AddNumberToObject(top, "kib_in_use_last", (double)r->in_use_last);
    cJSON_AddNumberToObject(top, "orphans", r->orphans);
    if (r->pods)
        cJSON_AddNumberToObject(top, "left", r->left);
    cJSON_AddNumberToObject(top, "wrong", atomic_load(&b->nfailed));
    text = cJSON_Print(top);
    if (text != NULL)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(top);
}

static void print_wrong(const report *r, book *b)
{
    const unsigned n = atomic_load(&b->nfailed);

    fprintf(stderr, "\nwhat happened last:\n");
    book_print_news(b, stderr);
    fprintf(stderr, "\n%u wrong, seed %" PRIu64 ":\n", n, r->seed);
    for (unsigned i = 0; i < n && i < sizeof(b->failed) / sizeof(b->failed[0]);
         i++)
        fprintf(stderr, "  %s\n", b->failed[i]);
    fprintf(stderr, "again: %s\n", r->command);
}

void report_print(const report *r, book *b, traffic *t, bool json)
{
    if (json)
        print_json(r, b, t);
    else
        print_text(r, b, t);
    fflush(stdout);
    if (atomic_load(&b->nfailed) > 0)
        print_wrong(r, b);
    else if (!json)
        printf("\nnothing lost, nothing twice\n");
}
