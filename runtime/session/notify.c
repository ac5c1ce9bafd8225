#include "session/notify.h"

#define HIGH_BYTES ((size_t)4 << 20)
#define LOW_BYTES ((size_t)1 << 20)

void mst_notify_init(mst_notify *n, void (*drained)(void *arg), void *arg)
{
    *n = (mst_notify){.drained = drained, .arg = arg};
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->more, NULL);
    STAILQ_INIT(&n->queue);
}

static void *thread(void *arg)
{
    mst_notify *n = (mst_notify *)arg;
    mst_notice *notice;
    bool drained;

    pthread_mutex_lock(&n->lock);
    for (;;) {
        while (!n->stop && STAILQ_EMPTY(&n->queue))
            pthread_cond_wait(&n->more, &n->lock);
        notice = STAILQ_FIRST(&n->queue);
        if (notice == NULL)
            break;
        STAILQ_REMOVE_HEAD(&n->queue, link);
        n->bytes -= notice->bytes;
        drained = n->full && n->bytes < LOW_BYTES;
        if (drained)
            n->full = false;
        pthread_mutex_unlock(&n->lock);
        if (drained)
            n->drained(n->arg);
        notice->run(notice, n->arg);
        pthread_mutex_lock(&n->lock);
    }
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* With the lock held. */
static muster_err may_post(mst_notify *n)
{
    if (n->stop)
        return MUSTER_ECLOSED;
    if (!n->started)
        n->started = pthread_create(&n->thread, NULL, thread, n) == 0;
    return n->started ? MUSTER_OK : MUSTER_ENOMEM;
}

muster_err mst_notify_post(mst_notify *n, mst_notice *notice, bool *full)
{
    muster_err rc;

    pthread_mutex_lock(&n->lock);
    rc = may_post(n);
    if (rc == MUSTER_OK) {
        n->bytes += notice->bytes;
        n->full = n->full || n->bytes > HIGH_BYTES;
        STAILQ_INSERT_TAIL(&n->queue, notice, link);
        pthread_cond_signal(&n->more);
    }
    *full = n->full;
    pthread_mutex_unlock(&n->lock);
    return rc;
}

void mst_notify_stop(mst_notify *n)
{
    bool started;

    pthread_mutex_lock(&n->lock);
    n->stop = true;
    started = n->started;
    pthread_cond_signal(&n->more);
    pthread_mutex_unlock(&n->lock);
    if (started)
        pthread_join(n->thread, NULL);
    n->started = false;
}

void mst_notify_fini(mst_notify *n)
{
    pthread_cond_destroy(&n->more);
    pthread_mutex_destroy(&n->lock);
}

bool mst_notify_here(const mst_notify *n)
{
    return n->started && pthread_equal(n->thread, pthread_self());
}
