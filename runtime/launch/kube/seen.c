/* seen.c - what the watch tells, on its thread: status into news, and ends
 * that the desk has to judge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/kube/fleet.h"
#include "launch/kube/json.h"
#include "launch/kube/manifest.h"

#define PULLS 3 /* failures to pull an image: it may be the network's fault */

static uint32_t label(const cJSON *pod, const char *name)
{
    const cJSON *labels = mst_json_object(pod, "metadata.labels");
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, name));

    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static mst_fleet_pod *find(const mst_fleet *f, const cJSON *pod)
{
    return mst_fleet_find(f, label(pod, MST_LABEL_RANK),
                          label(pod, MST_LABEL_INCARNATION));
}

/* Each time that the kubelet has tried anew counts. */
static void count_pulls(mst_fleet_pod *p)
{
    const bool now = p->status.pull_error;

    if (now && !p->was_pull_error && ++p->pull_errors >= PULLS)
        p->status.phase = MST_POD_HOPELESS;
    p->was_pull_error = now;
}

static void tell_waits(mst_fleet *f, mst_fleet_pod *p)
{
    const bool has_node = p->status.node[0] != '\0';
    char text[MST_STATUS_TEXT];

    mst_pod_waits(&p->status, text, sizeof(text));
    /* one that connected waits for nothing, whatever the kubelet has seen yet
     */
    if (p->ready && !p->status.unreachable && !p->status.deleting)
        text[0] = '\0';
    if (p->told ||
        (strcmp(text, p->waits_text) == 0 && (p->placed || !has_node)))
        return;
    p->placed = p->placed || has_node;
    memcpy(p->waits_text, text, sizeof(text));
    p->waits = true;
    mst_fleet_news(f, p);
}

/* Others are about to end it: the session hears of that before the container
 * gets its signal. */
static void tell_notice(mst_fleet *f, mst_fleet_pod *p)
{
    if (p->noticed || p->told || p->unwanted || p->leaving ||
        (!p->status.deleting && !p->status.disrupted))
        return;
    p->noticed = true;
    p->notice = true;
    mst_pod_verdict(&p->status, p->status.deleting, p->notice_text,
                    sizeof(p->notice_text));
    mst_fleet_news(f, p);
}

static void ended(mst_fleet *f, mst_fleet_pod *p)
{
    const bool well = p->status.exit_status == 0 && !p->status.oom &&
                      p->status.phase == MST_POD_ENDED;

    p->ended = p->status.phase == MST_POD_ENDED;
    if (p->told)
        return; /* it was told to end, and the session knows */
    p->seen = p->status.phase == MST_POD_ENDED && p->status.exit_status >= 0;
    p->exit_status = p->status.exit_signal != 0 ? -1 : p->status.exit_status;
    p->exit_signal = p->status.exit_signal;
    p->bad = !well;
    if (well) {
        mst_fleet_over(f, p, "");
        p->drop = true;
    } else {
        p->judge = true;
    }
    mst_fleet_queue(f, p);
}

void mst_fleet_look(mst_fleet *f, mst_fleet_pod *p)
{
    if (!p->leaving || !p->status.deleting || p->told || p->judge)
        return;
    p->deleted = true;
    p->bad = true;
    p->judge = true;
    mst_fleet_queue(f, p);
}

static void on_pod(void *arg, mst_kube_event event, const cJSON *pod)
{
    mst_fleet *f = (mst_fleet *)arg;
    mst_fleet_pod *p;

    pthread_mutex_lock(&f->lock);
    p = find(f, pod);
    if (p != NULL && event == MST_KUBE_DELETED) {
        p->deleted = p->state == MST_FLEET_THERE && !p->unwanted;
        p->state = MST_FLEET_NONE;
        if (!p->told && !p->judge) {
            p->bad = true;
            p->judge = true;
            mst_fleet_queue(f, p);
        }
        mst_fleet_release(f, p);
    } else if (p != NULL && p->state != MST_FLEET_NONE && !p->judge) {
        mst_pod_status_read(pod, &p->status);
        count_pulls(p);
        if (p->status.phase >= MST_POD_ENDED)
            ended(f, p);
        else
            tell_waits(f, p);
        if (p->status.phase < MST_POD_ENDED)
            tell_notice(f, p);
        mst_fleet_look(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

static void on_failed(void *arg, const muster_error *err)
{
    mst_fleet *f = (mst_fleet *)arg;

    mst_log_line(f->log, MUSTER_LOG_WARN, "KUBE-WATCH-REFUSED",
                 "why=%s; workers still connect, but nothing is known of why "
                 "one does not",
                 err->text);
}

/* Those that are not created yet wait for the server. */
static void tell_away(mst_fleet *f, const char *why)
{
    mst_fleet_pod *p;

    pthread_mutex_lock(&f->lock);
    TAILQ_FOREACH (p, &f->all, of_all) {
        if (p->told || p->state > MST_FLEET_CREATING)
            continue;
        snprintf(p->waits_text, sizeof(p->waits_text),
                 "waiting for the API "
                 "server%s%.300s",
                 why[0] != '\0' ? ": " : "", why);
        p->waits = true;
        mst_fleet_news(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

static void on_away(void *arg, bool away, const muster_error *err)
{
    mst_fleet *f = (mst_fleet *)arg;

    tell_away(f, away ? err->text : "");
    if (away)
        mst_log_line(f->log, MUSTER_LOG_WARN, "KUBE-AWAY", "why=%s", err->text);
    else
        mst_log_line(f->log, MUSTER_LOG_WARN, "KUBE-BACK", "server=%s",
                     mst_kube_server(f->plan->access));
}

const mst_kube_watch_calls mst_fleet_seen = {on_pod, on_failed, on_away};
