/* records.c - what the manager says: who we are to it, and whose each record
 * is. */
#include <stdio.h>
#include <stdio_ext.h>

#include "crash.h"
#include "output.h"
#include "worker.h"

/* "size of a pointer", "build": both sides beside each other. */
static void refused(mst_worker *w, const mst_record *r)
{
    const mst_build here = mst_build_here();

    if (r->text.len > 0)
        mst_worker_end(w, MST_EXIT_REFUSED, "refused by the manager: %.*s",
                       (int)r->text.len, r->text.at);
    else
        mst_worker_end(w, MST_EXIT_REFUSED,
                       "manager and worker differ: release %.*s and %.*s, wire "
                       "version %u and %u, pointer bytes %u and %u",
                       (int)r->side.build.len, r->side.build.at,
                       (int)here.build.len, here.build.at, r->side.wire,
                       here.wire, r->side.word, here.word);
}

static void flush_output(void)
{
    if (__fpending(stdout) > 0)
        fflush(stdout);
    if (__fpending(stderr) > 0)
        fflush(stderr);
}

static void on_welcome(mst_worker *w, const mst_record *r)
{
    static const mst_thread_calls calls = {mst_crash_stack, mst_crash_unstack,
                                           flush_output};
    const bool anew = !w->dial.known;
    muster_error err;

    if (r->side.wire != MST_WIRE_VERSION) {
        refused(w, r);
        return;
    }
    w->heartbeat_ms = r->heartbeat_ms;
    w->grace_ms = r->grace_ms;
    if (anew) {
        mst_output_on(w);
        mst_bulking_begin(w, r);
    }
    if (!mst_dial_on(&w->dial, r->got)) {
        mst_worker_broken(w);
        return;
    }
    if (anew)
        mst_worker_drain_say(w);
    if (w->has_executor)
        return;
    w->has_executor = true;
    if (mst_executor_start(&w->executor, &w->loop,
                           r->threads > 0 ? r->threads : 1, &calls,
                           &err) != MUSTER_OK)
        mst_worker_end(w, MST_EXIT_INTERNAL, "%s", err.text);
    mst_worker_tell(w);
    w->due_ms = 0;
    mst_worker_beat(w, &w->tick);
}

static void on_goaway(mst_worker *w, const mst_record *r)
{
    const bool anew = r->code == MUSTER_ENOMEM && w->dial.known;

    if (anew)
        mst_worker_forget(w);
    if (anew || w->dial.state == MST_DIAL_ON || w->dial.state == MST_DIAL_CUT)
        w->dial.state = MST_DIAL_CUT; /* say HELLO again */
    else
        mst_worker_end(w, MST_EXIT_REFUSED, "sent away: %.*s", (int)r->text.len,
                       r->text.at);
}

void mst_worker_record(void *worker, const mst_record *r)
{
    mst_worker *w = (mst_worker *)worker;

    switch (r->kind) {
    case MST_WELCOME:
        on_welcome(w, r);
        break;
    case MST_REFUSE:
        refused(w, r);
        break;
    case MST_GOAWAY:
        on_goaway(w, r);
        break;
    case MST_ACK:
        if (!mst_lane_ack(&w->dial.lane, r->got))
            mst_worker_broken(w);
        break;
    case MST_CALL:
        mst_worker_call(w, r);
        break;
    case MST_RESULT:
        if (!mst_asking_result(w, r))
            mst_worker_broken(w);
        break;
    case MST_CHUNK:
        mst_worker_chunk(w, r);
        break;
    case MST_ABORT:
        mst_worker_abort(w, r);
        break;
    case MST_GOT:
    case MST_AGAIN:
    case MST_NOBULK:
    case MST_RELAY:
        if (!mst_bulking_record(w, r))
            mst_worker_broken(w);
        break;
    case MST_CANCEL:
        mst_worker_cancel(w, r);
        break;
    case MST_CREDIT:
        if (!mst_lane_credit(&w->dial.lane, r))
            mst_worker_end(w, MST_EXIT_REFUSED, "credit that was never used");
        break;
    case MST_TAKEN:
        mst_output_taken(w, r->credit);
        break;
    case MST_STOP:
        w->ending = r->mode == MST_STOP_NOW ? MST_ENDING_NOW : MST_ENDING_DRAIN;
        if (w->ending == MST_ENDING_NOW)
            mst_worker_stop_jobs(w);
        else if (r->mode == MST_STOP_HAND_BACK)
            mst_worker_drain(w, false);
        break;
    case MST_INTERRUPT:
        mst_worker_interrupt(w, r);
        break;
    default: /* HEARTBEAT, and kinds that only a worker sends */
        break;
    }
}
