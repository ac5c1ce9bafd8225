/* fleet.h - the Pods of a session, as three threads see them.
 *
 *     loop   start, end, ready    kube.c    asks for Pods, hears the news
 *     desk   requests             desk.c    creates, deletes, asks for logs
 *     watch  what the server says seen.c    status into news and verdicts
 *
 * One lock guards all of it and is never held during a request or a report.
 * Nothing of a Pod is freed before the fleet is; its place in the lists below
 * needs no memory, so news is never lost for want of it.
 */
#ifndef MST_KUBE_FLEET_H
#define MST_KUBE_FLEET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/poll.h"
#include "launch/kube/http.h"
#include "launch/kube/names.h"
#include "launch/kube/plan.h"
#include "launch/kube/secret.h"
#include "launch/kube/status.h"
#include "launch/kube/watch.h"
#include "launch/launcher.h"

#define MST_VERDICT_TEXT 800
#define MST_LINE_TEXT 128 /* of a last line */

/* The cookies of some Pods that were asked for together. */
typedef struct mst_fleet_secret {
    TAILQ_ENTRY(mst_fleet_secret) link;
    char name[MST_KUBE_LABEL];
    uint32_t waiting; /* Pods that still need it */
    bool closed;      /* no more will */
    bool there;       /* it was created, or may have been */
    bool stays;       /* deleting it failed: once more at the end */
    bool refused;     /* and why */
    muster_error error;
} mst_fleet_secret;

typedef enum mst_fleet_state {
    MST_FLEET_ASKED,    /* not sent yet                       */
    MST_FLEET_CREATING, /* the desk is at it                  */
    MST_FLEET_THERE,    /* created, as far as we know         */
    MST_FLEET_NONE      /* never created, or deleted          */
} mst_fleet_state;

typedef struct mst_fleet_pod {
    TAILQ_ENTRY(mst_fleet_pod) of_all, of_create, of_queue, of_news;
    struct mst_fleet_pod *before; /* the incarnation that it replaces */
    uint32_t rank, incarnation;
    char name[MST_KUBE_LABEL];
    char *cookie; /* on the shelf, until it is in the Secret */
    size_t cookie_len;
    mst_fleet_secret *secret; /* while it needs it */
    mst_fleet_state state;
    mst_pod_status status;
    int pull_errors;
    bool was_pull_error;
    bool unwanted; /* the session has no use for it any more */
    bool ready;    /* it was */
    bool bad;      /* it ended otherwise than it was told: see keep */
    bool ended;    /* its container has */
    bool bye;      /* it said that it ends, as it was told */
    bool leaving;  /* the same, for another reason */
    /* to do at the desk */
    bool in_queue, judge, drop;
    bool stays;   /* deleting it failed: once more at the end */
    bool deleted; /* the server said so, and it was not us */
    /* news for the session */
    bool in_news, started, waits, over, notice;
    bool placed;  /* its node was told */
    bool noticed; /* that others end it: told once */
    bool told;    /* over is told, or about to be: nothing more will be */
    char waits_text[MST_STATUS_TEXT];
    char verdict[MST_VERDICT_TEXT];
    char notice_text[MST_VERDICT_TEXT];
    char last_line[MST_LINE_TEXT];
    int exit_status, exit_signal;
    bool seen; /* the exit is */
} mst_fleet_pod;

typedef TAILQ_HEAD(mst_fleet_pods, mst_fleet_pod) mst_fleet_pods;

typedef struct mst_fleet {
    mst_launcher base; /* first: the launcher is this object */
    mst_plan *plan;
    mst_log *log;
    mst_poll *poll;
    mst_report_fn report;
    void *arg;
    int wake_fd;
    mst_watch wake;
    mst_kube_watch *watch; /* the desk starts it before the first Pod */
    pthread_t desk;
    bool has_desk;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t work;  /* for the desk */
    mst_fleet_pods all, create, queue, news;
    TAILQ_HEAD(mst_fleet_secrets, mst_fleet_secret) secrets;
    mst_shelf *cookies;
    mst_fleet_pod **by_rank; /* the latest incarnation of each */
    uint32_t room;
    uint32_t nsecrets;
    bool closing; /* deletions wait for the end */
    bool stop;
    bool finishing; /* the desk is at its last requests */
    bool cut_off;   /* its client was stopped */
    bool no_logs, no_collection, no_delete; /* refused once, and said */
} mst_fleet;

/* All of these: with the lock held. */
mst_fleet_pod *mst_fleet_find(const mst_fleet *f, uint32_t rank,
                              uint32_t incarnation);
void mst_fleet_queue(mst_fleet *f, mst_fleet_pod *p);
void mst_fleet_news(mst_fleet *f, mst_fleet_pod *p);
/* It is over, in these words or, NULL, in those that are there: told once. */
void mst_fleet_over(mst_fleet *f, mst_fleet_pod *p, const char *verdict);
/* Somebody deletes it, and it has heard of that: the rest of its end tells no
 * more. */
void mst_fleet_look(mst_fleet *f, mst_fleet_pod *p);
/* It needs its Secret no more. */
void mst_fleet_release(mst_fleet *f, mst_fleet_pod *p);
/* Ended and not to be looked at, or to be ended by this. */
bool mst_fleet_keeps(const mst_fleet *f, const mst_fleet_pod *p);

/* The desk's thread, and what the watch calls. */
void *mst_fleet_desk(void *fleet);
extern const mst_kube_watch_calls mst_fleet_seen;

#endif
