/* print.c - ready-made: the sink of worker output, the list of workers. */
#include <stdio.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/tame.h"

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

static void print_one(const muster_info *w, FILE *to)
{
    char pid[24] = "-", silent[24] = "-";

    if (w->pid > 0)
        snprintf(pid, sizeof(pid), "%lld", (long long)w->pid);
    if (w->silent_ms >= 0)
        snprintf(silent, sizeof(silent), "%.1f", (double)w->silent_ms / 1000);
    fprintf(to, "%6u  %-8s %8s %6u %7s  %s%s%s\n", w->rank,
            muster_state_name(w->state), pid, w->calls, silent, w->name,
            w->verdict[0] != '\0' ? "  " : "", w->verdict);
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
    fprintf(to, "%6s  %-8s %8s %6s %7s  %s\n", "RANK", "STATE", "PID", "CALLS",
            "SILENT", "NAME");
    for (size_t i = 0; i < n && i < most; i++)
        print_one(&infos[i], to);
    fflush(to);
    funlockfile(to);
    return ferror(to) == 0;
}
