/* print.c - ready-made: the sink of worker output, the list of workers. */
#include <stdio.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/tame.h"
#include "base/usage.h"

void muster_print_output(void *arg, uint32_t rank, int stream, const char *line,
                         size_t len)
{
    FILE *to = stream == 2 ? stderr : stdout;

    (void)arg;
    flockfile(to);
    fprintf(to, "From worker %u:\t", rank);
    mst_tame_print(to, line, len);
    putc('\n', to);
    fflush(to);
    funlockfile(to);
}

/* "498Mi/512Mi", where it has a limit of its own; else what it uses itself. */
static void memory_text(const muster_health *h, char *text, size_t bytes)
{
    const bool limited =
        h->memory_limit_bytes != 0 && h->memory_limit_bytes != MUSTER_UNKNOWN;
    const uint64_t used = limited ? h->memory_bytes : h->rss_bytes;
    char a[16], b[16];

    if (h->age_ms < 0 || used == MUSTER_UNKNOWN)
        return;
    snprintf(text, bytes, "%s%s%s", mst_bytes_text(used, a), limited ? "/" : "",
             limited ? mst_bytes_text(h->memory_limit_bytes, b) : "");
}

static void print_one(const muster_info *w, FILE *to)
{
    const bool over = w->state == MUSTER_GONE || w->state == MUSTER_LOST;
    char pid[24] = "-", silent[24] = "-", memory[40] = "-", in[112] = "";

    if (w->pid > 0)
        snprintf(pid, sizeof(pid), "%lld", (long long)w->pid);
    if (w->silent_ms >= 0)
        snprintf(silent, sizeof(silent), "%.1f", (double)w->silent_ms / 1000);
    memory_text(&w->health, memory, sizeof(memory));
    if (!over && w->health.handler[0] != '\0')
        snprintf(in, sizeof(in), "  in %s for %.1f s", w->health.handler,
                 (double)(w->health.handler_ms + w->health.age_ms) / 1000);
    fprintf(to, "%6u  %-8s %8s %6u %7s %12s  %s%s%s%s\n", w->rank,
            muster_state_name(w->state), pid, w->calls, silent, memory, w->name,
            in, w->verdict[0] != '\0' ? "  " : "", w->verdict);
}

bool muster_print_list(muster *m, FILE *to)
{
    MST_AUTO(mst_drop) muster_info *infos = NULL;
    size_t n = muster_list(m, NULL, 0), most = n;

    infos = mst_calloc(n > 0 ? n : 1, sizeof(*infos));
    if (infos == NULL)
        return false;
    n = muster_list(m, infos, most);
    flockfile(to);
    fprintf(to, "%6s  %-8s %8s %6s %7s %12s  %s\n", "RANK", "STATE", "PID",
            "CALLS", "SILENT", "MEMORY", "NAME");
    for (size_t i = 0; i < n && i < most; i++)
        print_one(&infos[i], to);
    fflush(to);
    funlockfile(to);
    return ferror(to) == 0;
}
