/* records.c - what workers say, and to whom it goes. */
#include <stdio.h>

#include "base/alloc.h"
#include "session/session.h"

static void on_bye(mst_member *w, const mst_record *r)
{
    char why[MUSTER_ERROR_TEXT];

    snprintf(why, sizeof(why), "%.*s", (int)r->text.len, r->text.at);
    mst_log_line(&w->m->log, MUSTER_LOG_INFO, "WORKER-BYE", "rank=%u why=%s",
                 w->rank, why);
    if (w->unseen || (w->late && r->code == MUSTER_OK))
        mst_link_over(w, r->code == MUSTER_OK ? 0 : -1, why);
    else if (!w->late && r->code != MUSTER_OK && w->why_note == NULL)
        w->why_note = mst_strdup(why); /* its link may end before it does */
    else if (w->late) {
        if (w->why_note == NULL)
            w->why_note = mst_strdup(why);
        w->m->launcher->end(w->m->launcher, w->rank, w->incarnation,
                            MST_END_ASK);
    }
}

void mst_record_heard(mst_member *w, const mst_record *r)
{
    switch (r->kind) {
    case MST_RESULT:
        mst_call_result(w, r);
        break;
    case MST_CHUNK:
        mst_call_chunk(w, r);
        break;
    case MST_CALL:
        mst_errand_call(w, r);
        break;
    case MST_CANCEL:
        mst_errand_cancel(w, r);
        break;
    case MST_ABORT:
        if ((r->id & MST_ID_WORKER) != 0)
            mst_errand_abort(w, r);
        else
            mst_call_abort(w, r);
        break;
    case MST_GOT:
    case MST_AGAIN:
    case MST_NOBULK:
    case MST_RELAY:
        if (!mst_bulking_record(w, r))
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u broke the protocol: %s of what was "
                             "never sent",
                             w->rank, mst_kind_name(r->kind));
        break;
    case MST_CREDIT:
        if (mst_lane_credit(&w->lane, r))
            mst_link_dirty(w);
        else
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u broke the protocol: more credit than "
                             "it had",
                             w->rank);
        break;
    case MST_ACK:
        if (!mst_lane_ack(&w->lane, r->got))
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u broke the protocol: it has got what "
                             "was never sent",
                             w->rank);
        break;
    case MST_BYE:
        on_bye(w, r);
        break;
    case MST_OUTPUT:
        if (!mst_tell_printed(w, r->mode == 2 ? 2 : 1, r->body.at, r->body.len))
            mst_member_event(w, MST_EV_FAILED,
                             "worker %u broke the protocol: more output than "
                             "it may send",
                             w->rank);
        break;
    case MST_DRAIN:
        mst_drain(w, true, NULL);
        break;
    case MST_HEARTBEAT:
        if ((r->flags & MST_FLAG_FIGURES) != 0)
            mst_box_heard(w, r);
        break;
    default:
        mst_member_event(w, MST_EV_FAILED,
                         "worker %u broke the protocol: %s is not its to send",
                         w->rank, mst_kind_name(r->kind));
        break;
    }
}
