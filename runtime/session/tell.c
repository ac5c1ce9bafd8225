/* tell.c - events and output lines on their way to the program. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "session/session.h"

typedef struct event_notice {
    mst_notice notice;
    muster_event event;
    muster_info info;
    char text[MUSTER_ERROR_TEXT];
} event_notice;

typedef struct line_notice {
    mst_notice notice;
    uint32_t rank;
    int stream;
    size_t len;
    char line[];
} line_notice;

static void run_event(mst_notice *notice, void *arg)
{
    event_notice *n = MST_OF(event_notice, notice, notice);
    muster *m = (muster *)arg;

    n->event.text = n->text;
    n->event.info = &n->info;
    m->options.on_event(m->options.arg, &n->event);
    mst_free(n);
}

static void run_line(mst_notice *notice, void *arg)
{
    line_notice *n = MST_OF(line_notice, notice, notice);
    muster *m = (muster *)arg;

    m->options.on_output(m->options.arg, n->rank, n->stream, n->line, n->len);
    mst_free(n);
}

static void post(muster *m, mst_notice *notice)
{
    bool full;

    if (mst_notify_post(&m->notify, notice, &full) != MUSTER_OK) {
        mst_log_line(&m->log, MUSTER_LOG_ERROR, "NOTICE-DROPPED",
                     "no thread for callbacks");
        mst_free(notice);
    } else if (full && m->launcher != NULL) {
        m->output_full = true;
        m->launcher->flow(m->launcher, false);
    }
}

void mst_tell_event(mst_member *w, muster_state from, const char *text)
{
    struct timespec wall;
    event_notice *n;

    if (w->m->options.on_event == NULL)
        return;
    n = mst_calloc(1, sizeof(*n));
    if (n == NULL) {
        mst_log_line(&w->m->log, MUSTER_LOG_ERROR, "EVENT-DROPPED",
                     "rank=%u state=%s: no memory", w->rank,
                     muster_state_name(w->state));
        return;
    }
    n->notice.run = run_event;
    n->notice.bytes = sizeof(*n);
    clock_gettime(CLOCK_REALTIME, &wall);
    n->event = (muster_event){
        .rank = w->rank,
        .incarnation = w->incarnation,
        .from = from,
        .to = w->state,
        .code = w->state == MUSTER_LOST ? MUSTER_ELOST : MUSTER_OK,
        .mono_ms = mst_now_ms(),
        .time_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000};
    mst_member_fill(w, &n->info);
    strncpy(n->text, text, sizeof(n->text) - 1);
    post(w->m, &n->notice);
}

void mst_tell_output(mst_member *w, int stream, const char *line, size_t len)
{
    line_notice *n;

    if (w->m->options.on_output == NULL)
        return;
    n = mst_alloc(sizeof(*n) + len);
    if (n == NULL) {
        mst_log_line(&w->m->log, MUSTER_LOG_ERROR, "OUTPUT-DROPPED",
                     "rank=%u bytes=%zu: no memory", w->rank, len);
        return;
    }
    n->notice.run = run_line;
    n->notice.bytes = sizeof(*n) + len;
    n->rank = w->rank;
    n->stream = stream;
    n->len = len;
    memcpy(n->line, line, len);
    post(w->m, &n->notice);
}

/* ------------------------------------------ what comes by a connection -- */

#define OWE_MOST (MST_WIRE_OUTPUT / 8)

static void say_taken(mst_member *w)
{
    const mst_record taken = {.kind = MST_TAKEN, .credit = w->owed};

    if (!w->bound || w->owed == 0)
        return;
    w->owed = 0;
    mst_lane_put(&w->lane, &taken);
    mst_link_dirty(w);
}

static void on_stdout(void *arg, const char *line, size_t len)
{
    mst_tell_output((mst_member *)arg, 1, line, len);
}

static void on_stderr(void *arg, const char *line, size_t len)
{
    mst_tell_output((mst_member *)arg, 2, line, len);
}

bool mst_tell_printed(mst_member *w, int stream, const char *data, size_t len)
{
    if (len > MST_WIRE_OUTPUT - w->owed)
        return false;
    w->owed += (uint32_t)len;
    if (!w->m->launcher->reads_output)
        mst_lines_feed(&w->lines[stream - 1], data, len,
                       stream == 1 ? on_stdout : on_stderr, w);
    if (!w->m->output_full && w->owed >= OWE_MOST)
        say_taken(w);
    return true;
}

void mst_tell_printed_end(mst_member *w)
{
    w->owed = 0;
    mst_lines_end(&w->lines[0], on_stdout, w);
    mst_lines_end(&w->lines[1], on_stderr, w);
}

void mst_tell_resume(muster *m)
{
    mst_member *w;

    m->output_full = false;
    if (m->launcher != NULL)
        m->launcher->flow(m->launcher, true);
    TAILQ_FOREACH (w, &m->all, of_all)
        say_taken(w);
}
