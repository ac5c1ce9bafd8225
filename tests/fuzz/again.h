/* again.h - what decodes must encode again to the same record. */
#ifndef AGAIN_H
#define AGAIN_H

#include "fuzz.h"
#include "link/wire.h"

static inline void same_span(mst_span a, mst_span b)
{
    must(a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0));
}

static inline void encode_again(const mst_record *r)
{
    const size_t room =
        MST_WIRE_FIELDS + r->text.len + r->side.build.len + r->body.len;
    unsigned char *bytes = malloc(room);
    mst_writer w = mst_writer_of(bytes, room);
    mst_reader reader;
    mst_record back;

    must(bytes != NULL);
    mst_wire_put(&w, r);
    must(w.ok);
    reader = mst_reader_of(bytes, mst_written(&w));
    must(mst_wire_get(&reader, &back) == MUSTER_OK && reader.left == 0);
    must(back.kind == r->kind && back.flags == r->flags && back.id == r->id);
    must(back.total == r->total && back.offset == r->offset);
    must(back.credit == r->credit && back.mode == r->mode);
    must(back.got == r->got && back.turn == r->turn);
    must(back.code == r->code && back.remote == r->remote);
    must(back.remaining_ms == r->remaining_ms && back.size == r->size);
    must(back.peer == r->peer && back.depth == r->depth);
    must(back.signal_ms == r->signal_ms && back.end_ms == r->end_ms);
    must(back.index == r->index && back.count == r->count);
    must(back.rank == r->rank && back.incarnation == r->incarnation);
    must(back.threads == r->threads && back.grace_ms == r->grace_ms);
    must(back.heartbeat_ms == r->heartbeat_ms);
    must(back.instance == r->instance && back.pid == r->pid);
    must(memcmp(back.session, r->session, sizeof(r->session)) == 0);
    must(back.side.wire == r->side.wire && back.side.word == r->side.word);
    must(back.side.order == r->side.order);
    must(memcmp(&back.usage, &r->usage, sizeof(r->usage)) == 0);
    must(back.running == r->running && back.running_ms == r->running_ms);
    same_span(back.text, r->text);
    same_span(back.body, r->body);
    same_span(back.side.build, r->side.build);
    free(bytes);
}

/* A record of another wire version is read only so far; it cannot be written
 * again. */
static inline int is_ours(const mst_record *r)
{
    return (r->kind != MST_HELLO && r->kind != MST_WELCOME &&
            r->kind != MST_REFUSE) ||
           r->side.wire == MST_WIRE_VERSION;
}

#endif
