/* box.c - what a worker said of itself while it lived: its black box. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "session/session.h"

void mst_box_heard(mst_member *w, const mst_record *r)
{
    mst_box *b = &w->box;
    size_t n = r->text.len;

    if (n >= sizeof(b->handler))
        n = sizeof(b->handler) - 1;
    b->at_ms = mst_now_ms();
    b->usage = r->usage;
    b->running = r->running;
    b->id = r->id;
    b->running_ms = r->running_ms < INT64_MAX / 2 ? (int64_t)r->running_ms : 0;
    memcpy(b->handler, r->text.at, n);
    b->handler[n] = '\0';
}

void mst_box_fill(const mst_member *w, muster_health *h)
{
    const mst_box *b = &w->box;

    *h = (muster_health){.age_ms = -1,
                         .memory_bytes = MUSTER_UNKNOWN,
                         .memory_limit_bytes = MUSTER_UNKNOWN,
                         .rss_bytes = MUSTER_UNKNOWN,
                         .oom_kills = MUSTER_UNKNOWN,
                         .throttled = MUSTER_UNKNOWN,
                         .throttled_us = MUSTER_UNKNOWN};
    if (b->at_ms == 0)
        return;
    h->age_ms = mst_now_ms() - b->at_ms;
    h->memory_bytes = b->usage.memory;
    h->memory_limit_bytes = b->usage.limit;
    h->rss_bytes = b->usage.rss;
    h->oom_kills = b->usage.oom_kills;
    h->throttled = b->usage.throttled;
    h->throttled_us = b->usage.throttled_us;
    h->handlers = b->running;
    h->handler_ms = b->running_ms;
    memcpy(h->handler, b->handler, sizeof(h->handler));
}

int64_t mst_box_ran_ms(const mst_member *w, uint64_t id)
{
    const int64_t end = w->gone_ms > 0    ? w->gone_ms
                        : w->ended_ms > 0 ? w->ended_ms
                                          : mst_now_ms();

    if (w->box.at_ms == 0 || w->box.id == 0 || id != w->box.id)
        return -1;
    return w->box.running_ms + (end > w->box.at_ms ? end - w->box.at_ms : 0);
}

char *mst_box_words(const mst_member *w, char *text, size_t bytes)
{
    const mst_box *b = &w->box;
    const bool limited = b->usage.memory != MST_UNKNOWN &&
                         b->usage.limit != 0 && b->usage.limit != MST_UNKNOWN;
    const uint64_t memory_used = limited ? b->usage.memory : b->usage.rss;
    char handler[128] = "", memory[64] = "", used[16], limit[16];

    text[0] = '\0';
    if (b->at_ms == 0)
        return text;
    if (b->handler[0] != '\0')
        snprintf(handler, sizeof(handler), "handler %s ran for %.1f s",
                 b->handler, (double)b->running_ms / 1000);
    if (memory_used != MST_UNKNOWN)
        snprintf(memory, sizeof(memory), "%smemory %s%s%s",
                 handler[0] != '\0' ? ", " : "",
                 mst_bytes_text(memory_used, used), limited ? " of " : "",
                 limited ? mst_bytes_text(b->usage.limit, limit) : "");
    if (handler[0] != '\0' || memory[0] != '\0')
        snprintf(text, bytes, "; when last heard, %s%s", handler, memory);
    return text;
}

char *mst_box_memory(const mst_member *w, char *text, size_t bytes)
{
    const mst_usage *u = &w->box.usage;
    const bool heard = w->box.at_ms != 0 && u->memory != MST_UNKNOWN;
    char used[16], own[16] = "";
    const char *limit = w->limit;

    if (limit == NULL && heard && u->limit != 0 && u->limit != MST_UNKNOWN)
        limit = mst_bytes_text(u->limit, own);
    text[0] = '\0';
    if (limit != NULL || heard)
        snprintf(text, bytes, "; %s%s%s%s%s", limit != NULL ? "limit " : "",
                 limit != NULL ? limit : "", limit != NULL && heard ? ", " : "",
                 heard ? "last seen " : "",
                 heard ? mst_bytes_text(u->memory, used) : "");
    return text;
}
