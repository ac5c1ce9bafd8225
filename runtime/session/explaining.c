/* explaining.c - how far a launch is, in one line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "session/session.h"

#define GROUPS 6 /* different reasons to wait; more are counted as others */
#define TEXT_BYTES 1024

typedef struct launch_notice {
    mst_notice notice;
    muster_launch_state state;
    char text[TEXT_BYTES];
} launch_notice;

typedef struct groups {
    const char *what[GROUPS];
    uint32_t n[GROUPS], used, others;
} groups;

static void run_launch(mst_notice *notice, void *arg)
{
    launch_notice *n = MST_OF(launch_notice, notice, notice);
    muster *m = (muster *)arg;

    n->state.text = n->text;
    m->options.on_launch(m->options.arg, &n->state);
    mst_free(n);
}

static void put(char *text, size_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(char *text, size_t *at, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text + *at, TEXT_BYTES - *at, format, args);
    va_end(args);
    if (n > 0)
        *at += (size_t)n < TEXT_BYTES - *at ? (size_t)n : TEXT_BYTES - *at - 1;
}

static void count(groups *g, const char *what)
{
    uint32_t i = 0;

    while (i < g->used && strcmp(g->what[i], what) != 0)
        i++;
    if (i == GROUPS) {
        g->others++;
        return;
    }
    if (i == g->used)
        g->what[g->used++] = what;
    g->n[i]++;
}

static void sum(const muster *m, uint32_t first, uint32_t n,
                muster_launch_state *state, groups *g)
{
    for (uint32_t r = first; r < first + n; r++) {
        const mst_member *w = mst_member_get(m, r);

        if (w->state == MUSTER_READY)
            state->ready++;
        else if (mst_life_over(w->state))
            state->lost++;
        else if (w->waits != NULL && w->state < MUSTER_JOINING)
            count(g, w->waits);
        else
            count(g, w->state == MUSTER_JOINING   ? "loading modules"
                     : w->state == MUSTER_BOOTING ? "starting"
                                                  : "waiting to be started");
    }
}

void mst_explain(muster *m, uint32_t first, uint32_t n, bool over)
{
    launch_notice *notice;
    groups g = {0};
    size_t at = 0;
    bool full;

    if (m->options.on_launch == NULL)
        return;
    notice = mst_calloc(1, sizeof(*notice));
    if (notice == NULL)
        return; /* the next one will do */
    notice->notice.run = run_launch;
    notice->notice.bytes = sizeof(*notice);
    notice->state.wanted = n;
    notice->state.over = over;
    sum(m, first, n, &notice->state, &g);
    put(notice->text, &at, "%u/%u ready", notice->state.ready, n);
    if (notice->state.lost > 0)
        put(notice->text, &at, ", %u lost", notice->state.lost);
    for (uint32_t i = 0; i < g.used; i++)
        put(notice->text, &at, ", %u %s", g.n[i], g.what[i]);
    if (g.others > 0)
        put(notice->text, &at, ", %u others", g.others);
    if (mst_notify_post(&m->notify, &notice->notice, &full) != MUSTER_OK)
        mst_free(notice);
}
