/* loading.c - a worker that is new gets all modules and blobs. */
#include <string.h>

#include "base/clock.h"
#include "session/session.h"

static bool is_blob(const mst_shipment *s)
{
    return strcmp(s->builtin, MST_BUILTIN_PUT) == 0;
}

static void load_done(mst_call *call)
{
    mst_member *w = call->member;

    mst_payload_unref(&w->load_body);
    if (call->code == MUSTER_OK && w->loading != NULL && !is_blob(w->loading))
        w->modules = w->loading->serial;
    if (call->code != MUSTER_OK && call->code != MUSTER_ELOST &&
        call->code != MUSTER_ECLOSED)
        mst_member_event(w, MST_EV_FAILED, "worker %u: %s", w->rank,
                         call->text != NULL ? call->text
                                            : muster_strerror(call->code));
    else if (call->code == MUSTER_OK)
        mst_link_loaded(w);
}

/* The next module or blob, in the order they were shipped; after the last,
 * ready. A process that comes back has its modules, but no blobs. */
void mst_link_loaded(mst_member *w)
{
    mst_shipment *next = w->loading == NULL ? TAILQ_FIRST(&w->m->shipments)
                                            : TAILQ_NEXT(w->loading, link);

    while (next != NULL && !is_blob(next) && next->serial <= w->modules)
        next = TAILQ_NEXT(next, link);
    mst_call_fini(&w->load);
    if (next == NULL) {
        mst_member_event(w, MST_EV_LOADED, "ready");
        return;
    }
    w->loading = next;
    w->load_body = mst_payload_ref(next->payload);
    w->load = (mst_call){.payload = w->load_body,
                         .name = next->builtin,
                         .name_len = strlen(next->builtin),
                         .until_ms = MST_NEVER,
                         .count = 1,
                         .done = load_done};
    mst_call_begin_on(w, &w->load);
}
