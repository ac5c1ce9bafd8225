#include "traffic.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINES 3
#define FUTURES 200
#define POSTS 50
#define ITEMS_MAX 1500
#define BIG ((size_t)3 << 20)

/* What an id stands for, and how it came out. */
enum { JOB_NONE, JOB_ONCE, JOB_ONCE_OK, JOB_POST, JOB_ITEM_OK, JOB_LINES_OK };

const char *traffic_name(traffic_work work)
{
    static const char *const names[WORKS] = {
        "calls",      "futures", "posts", "map items",
        "broadcasts", "through", "lines", "blobs"};

    return names[work];
}

static uint64_t new_ids(traffic *t, uint64_t n, uint8_t kind)
{
    const uint64_t id = atomic_fetch_add(&t->next_id, n);

    for (uint64_t i = id; i < id + n; i++)
        atomic_store(&t->kinds[i % JOBS], kind);
    return id;
}

static void doing(driver *d, const char *what)
{
    atomic_store(&d->since_ms, (int64_t)book_now());
    atomic_store(&d->doing, what);
}

static uint64_t count_of(const traffic *t, uint64_t id)
{
    return cell_count(atomic_load(&t->cells[id % JOBS]));
}

static uint32_t some_rank(driver *d)
{
    uint32_t ranks[256];
    size_t n;

    if (plan_below(&d->random, 3) == 0)
        return MUSTER_ANY;
    n = muster_ranks(d->t->m, ranks, 256);
    if (n == 0)
        return MUSTER_ANY;
    return ranks[plan_below(&d->random, (uint32_t)(n < 256 ? n : 256))];
}

/* An answer of job `id`, and the right one. */
static bool right(traffic *t, const char *what, uint64_t id, uint64_t sum,
                  const void *data, size_t len)
{
    answer a = {0};

    if (data != NULL && len == sizeof(a))
        memcpy(&a, data, sizeof(a));
    if (len == sizeof(a) && a.id == id && a.sum == sum) {
        book_good(t->book);
        return true;
    }
    book_wrong(t->book,
               "%s: job %" PRIu64 " answered %zu bytes, id %" PRIu64
               ", sum %" PRIx64 ", not %" PRIx64,
               what, id, len, a.id, a.sum, sum);
    return false;
}

/* A job that must run once, if at all. */
static void judge(traffic *t, traffic_work work, uint64_t id, uint64_t sum,
                  muster_err rc, const void *data, size_t len, const char *text)
{
    const char *what = traffic_name(work);
    const uint64_t ran = t->cells != NULL ? count_of(t, id) : rc == MUSTER_OK;

    switch (rc) {
    case MUSTER_OK:
        atomic_store(&t->kinds[id % JOBS],
                     work == WORK_LINES ? JOB_LINES_OK : JOB_ONCE_OK);
        if (work != WORK_THROUGH && ran != 1)
            book_wrong(t->book, "%s: job %" PRIu64 " ran %" PRIu64 " times",
                       what, id, ran);
        if (right(t, what, id + (work == WORK_THROUGH), sum, data, len))
            atomic_fetch_add(&t->done[work], 1);
        break;
    case MUSTER_ELOST:
        atomic_fetch_add(&t->lost[work], 1);
        if (text[0] == '\0')
            book_wrong(t->book, "%s: job %" PRIu64 " lost without a verdict",
                       what, id);
        break;
    case MUSTER_EWORKER:
        atomic_fetch_add(&t->refused[work], 1);
        if (ran != 0)
            book_wrong(t->book, "%s: job %" PRIu64 " ran, and yet: %s", what,
                       id, text);
        break;
    default:
        book_wrong(t->book, "%s: job %" PRIu64 ": %s: %s", what, id,
                   muster_strerror(rc), text);
    }
}

static void *body_of(const job *j, const void *payload, size_t len)
{
    unsigned char *body = malloc(sizeof(*j) + len + 1);

    if (body == NULL)
        abort();
    memcpy(body, j, sizeof(*j));
    if (len > 0)
        memcpy(body + sizeof(*j), payload, len);
    return body;
}

static size_t some_length(driver *d)
{
    const uint32_t what = plan_below(&d->random, 200);

    if (what == 0)
        return BIG;
    return what < 40 ? plan_below(&d->random, 65536) : 0;
}

static unsigned char *noise(driver *d, size_t len)
{
    unsigned char *bytes = malloc(len + 1);
    uint64_t state = plan_next(&d->random);

    if (bytes == NULL)
        abort();
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(plan_next(&state) >> 56);
    return bytes;
}

static void call_one(driver *d)
{
    traffic *t = d->t;
    const size_t len = some_length(d);
    const job j = {new_ids(t, 1, JOB_ONCE), 0, plan_below(&d->random, 3000)};
    const bool sad = plan_below(&d->random, 10) == 0;
    unsigned char *payload = noise(d, len);
    void *body = body_of(&j, payload, len);
    muster_reply *r = NULL;
    muster_error err = {0};
    muster_err rc;
    char want[64];

    doing(d, "call");
    rc = muster_call(t->m, some_rank(d), sad ? "sad" : "twist", body,
                     sizeof(j) + len, t->limit_ms, &r, &err);
    if (sad && rc == MUSTER_EREMOTE) {
        snprintf(want, sizeof(want), "sad %" PRIu64, j.id);
        if (err.remote != 7 || strstr(err.text, want) == NULL)
            book_wrong(t->book, "job %" PRIu64 " failed with %d: %s", j.id,
                       err.remote, err.text);
        atomic_store(&t->kinds[j.id % JOBS], JOB_ONCE_OK);
        atomic_fetch_add(&t->done[WORK_CALLS], 1);
    } else if (sad && rc == MUSTER_OK) {
        book_wrong(t->book, "job %" PRIu64 " should have failed", j.id);
    } else {
        judge(t, WORK_CALLS, j.id, job_sum(j.id, payload, len), rc,
              r != NULL ? r->data : NULL, r != NULL ? r->len : 0, err.text);
    }
    muster_reply_destroy(&r);
    free(payload);
    free(body);
}

static void on_future(void *arg, muster_future *future)
{
    (void)future;
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void some_futures(driver *d)
{
    static _Thread_local atomic_uint ended[FUTURES];
    muster_future *futures[FUTURES];
    traffic *t = d->t;
    const uint64_t id = new_ids(t, FUTURES, JOB_ONCE);
    muster_error err;

    doing(d, "futures");
    for (uint32_t i = 0; i < FUTURES; i++) {
        const job j = {id + i, 0, plan_below(&d->random, 300)};

        atomic_store(&ended[i], 0);
        if (muster_call_start(t->m, some_rank(d), "twist", &j, sizeof(j),
                              t->limit_ms, &futures[i], &err) != MUSTER_OK ||
            muster_future_then(futures[i], on_future, &ended[i]) != MUSTER_OK)
            book_wrong(t->book, "a future could not be: %s", err.text);
    }
    for (uint32_t i = 0; i < FUTURES; i++) {
        muster_reply *r = NULL;
        muster_err rc;

        err = (muster_error){0};
        rc = muster_future_result(futures[i], &r, &err);
        judge(t, WORK_FUTURES, id + i, job_sum(id + i, NULL, 0), rc,
              r != NULL ? r->data : NULL, r != NULL ? r->len : 0, err.text);
        muster_reply_destroy(&r);
    }
    /* the callbacks of what has ended may still be on their way */
    for (int wait = 0; wait < 2; wait++)
        for (uint32_t i = 0; i < FUTURES; i++)
            for (int ms = 0; ms < 10000 && atomic_load(&ended[i]) == 0; ms++)
                poll(NULL, 0, 1);
    for (uint32_t i = 0; i < FUTURES; i++) {
        if (atomic_load(&ended[i]) != 1)
            book_wrong(t->book, "job %" PRIu64 " called back %u times", id + i,
                       atomic_load(&ended[i]));
        muster_future_destroy(&futures[i]);
    }
}

static void some_posts(driver *d)
{
    traffic *t = d->t;
    muster_info info;
    muster_error err;

    doing(d, "posts");
    for (int i = 0; i < POSTS; i++) {
        const uint32_t rank = some_rank(d);
        job j = {0, 0, 0};

        /* a post to who is not ready fails, and only the log has it */
        if (rank == MUSTER_ANY ||
            muster_worker_info(t->m, rank, &info, &err) != MUSTER_OK ||
            info.state != MUSTER_READY)
            continue;
        j.id = new_ids(t, 1, JOB_POST);
        atomic_store(&t->posted[j.id % JOBS], rank << 20 | info.incarnation);
        if (muster_post(t->m, rank, "twist", &j, sizeof(j), &err) != MUSTER_OK)
            book_wrong(t->book, "post: %s", err.text);
        else
            atomic_fetch_add(&t->done[WORK_POSTS], 1);
    }
}

static void through_one(driver *d)
{
    traffic *t = d->t;
    job j = {new_ids(t, 2, JOB_ONCE), 0, plan_below(&d->random, 500)};
    muster_reply *r = NULL;
    muster_error err = {0};
    muster_err rc;

    doing(d, "through");
    j.rank = some_rank(d);
    rc = muster_call(t->m, some_rank(d), "through", &j, sizeof(j), t->limit_ms,
                     &r, &err);
    if (rc == MUSTER_EREMOTE && (err.remote == 100 + MUSTER_ELOST ||
                                 err.remote == 100 + MUSTER_EWORKER))
        atomic_fetch_add(&t->lost[WORK_THROUGH], 1);
    else
        judge(t, WORK_THROUGH, j.id, job_sum(j.id + 1, NULL, 0), rc,
              r != NULL ? r->data : NULL, r != NULL ? r->len : 0, err.text);
    muster_reply_destroy(&r);
}

static void say_some(driver *d)
{
    traffic *t = d->t;
    const job j = {new_ids(t, 1, JOB_ONCE), LINES, 0};
    muster_reply *r = NULL;
    muster_error err = {0};
    muster_err rc;

    doing(d, "lines");
    rc = muster_call(t->m, MUSTER_ANY, "say", &j, sizeof(j), t->limit_ms, &r,
                     &err);
    judge(t, WORK_LINES, j.id, job_sum(j.id, NULL, 0), rc,
          r != NULL ? r->data : NULL, r != NULL ? r->len : 0, err.text);
    muster_reply_destroy(&r);
}

static void look_at_a_blob(driver *d)
{
    traffic *t = d->t;
    const size_t len = 1 + plan_below(&d->random, 300000);
    unsigned char *bytes = noise(d, len);
    char name[32];
    muster_error err = {0};

    snprintf(name, sizeof(name), "blob-%" PRIx64, plan_next(&d->random));
    doing(d, "put");
    if (muster_put(t->m, name, bytes, len, &err) != MUSTER_OK)
        book_wrong(t->book, "put %s: %s", name, err.text);
    for (int i = 0; i < 8; i++) {
        const job j = {new_ids(t, 1, JOB_ONCE), 0, 0};
        void *body = body_of(&j, name, strlen(name));
        muster_reply *r = NULL;
        muster_err rc;

        doing(d, "look at a blob");
        err = (muster_error){0};
        rc = muster_call(t->m, some_rank(d), "look", body,
                         sizeof(j) + strlen(name), t->limit_ms, &r, &err);
        judge(t, WORK_BLOBS, j.id, job_sum(j.id, bytes, len), rc,
              r != NULL ? r->data : NULL, r != NULL ? r->len : 0, err.text);
        muster_reply_destroy(&r);
        free(body);
    }
    doing(d, "drop");
    if (muster_drop(t->m, name, &err) != MUSTER_OK)
        book_wrong(t->book, "drop %s: %s", name, err.text);
    free(bytes);
}

static void judge_items(traffic *t, uint64_t id, size_t n,
                        const muster_results *all)
{
    if (all == NULL || all->n != n) {
        book_wrong(t->book, "a map of %zu items has %zu results", n,
                   all != NULL ? all->n : 0);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const muster_result *one = &all->items[i];

        if (one->code != MUSTER_OK)
            book_wrong(t->book, "map: job %" PRIu64 ": %s", id + i, one->text);
        else if (right(t, "map", id + i, job_sum(id + i, NULL, 0), one->data,
                       one->len))
            atomic_fetch_add(&t->done[WORK_MAP_ITEMS], 1);
        atomic_store(&t->kinds[(id + i) % JOBS], JOB_ITEM_OK);
    }
}

static void map_some(driver *d)
{
    traffic *t = d->t;
    const uint32_t n = 1 + plan_below(&d->random, ITEMS_MAX);
    const uint32_t us = plan_below(&d->random, 1000);
    const uint64_t id = new_ids(t, n, JOB_NONE);
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_item items[ITEMS_MAX];
    job jobs[ITEMS_MAX];
    muster_results *all = NULL;
    muster_error err = {0};
    muster_err rc;

    doing(d, "map");
    for (uint32_t i = 0; i < n; i++) {
        jobs[i] = (job){id + i, 0, us};
        items[i] = (muster_item){&jobs[i], sizeof(jobs[i])};
    }
    o.items = items;
    o.nitems = n;
    o.batch = plan_below(&d->random, 2);
    o.lost_retries = 1000;
    o.timeout_ms = t->limit_ms;
    rc = muster_map(t->m, "twist", &o, &all, &err);
    if (rc == MUSTER_OK)
        judge_items(t, id, n, all);
    else
        book_wrong(t->book, "map of %u items from %" PRIu64 ": %s: %s", n, id,
                   muster_strerror(rc), err.text);
    muster_results_destroy(&all);
}

static void judge_broadcast(traffic *t, uint64_t id, uint64_t sum,
                            const muster_results *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const muster_result *one = &all->items[i];

        if (i > 0 && one->rank <= all->items[i - 1].rank)
            book_wrong(t->book, "broadcast: rank %u after rank %u", one->rank,
                       all->items[i - 1].rank);
        if (one->code == MUSTER_ELOST)
            atomic_fetch_add(&t->lost[WORK_BROADCASTS], 1);
        else if (one->code == MUSTER_EWORKER &&
                 strstr(one->text, "did not begin") != NULL)
            atomic_fetch_add(&t->refused[WORK_BROADCASTS], 1);
        else if (one->code != MUSTER_OK)
            book_wrong(t->book, "broadcast: rank %u: %s", one->rank, one->text);
        else if (right(t, "broadcast", id, sum, one->data, one->len))
            atomic_fetch_add(&t->done[WORK_BROADCASTS], 1);
    }
    if (t->cells != NULL &&
        (count_of(t, id) > all->n || count_of(t, id) < all->n - all->nfailed))
        book_wrong(t->book,
                   "broadcast: job %" PRIu64 " ran %" PRIu64 " times, for %zu "
                   "workers of whom %zu failed",
                   id, count_of(t, id), all->n, all->nfailed);
}

static void broadcast_one(driver *d)
{
    traffic *t = d->t;
    const size_t len = some_length(d);
    const job j = {new_ids(t, 1, JOB_NONE), 0, plan_below(&d->random, 1000)};
    unsigned char *payload = noise(d, len);
    void *body = body_of(&j, payload, len);
    muster_results *all = NULL;
    muster_error err = {0};
    muster_err rc;

    doing(d, "broadcast");
    rc = muster_broadcast(t->m, NULL, "twist", body, sizeof(j) + len,
                          t->limit_ms, &all, &err);
    if (rc == MUSTER_OK || rc == MUSTER_EPARTIAL)
        judge_broadcast(t, j.id, job_sum(j.id, payload, len), all);
    else if (rc != MUSTER_EWORKER)
        book_wrong(t->book, "broadcast: %s: %s", muster_strerror(rc), err.text);
    muster_results_destroy(&all);
    free(payload);
    free(body);
}

static void mixed(driver *d)
{
    switch (plan_below(&d->random, 4)) {
    case 0:
        some_posts(d);
        break;
    case 1:
        through_one(d);
        break;
    case 2:
        say_some(d);
        break;
    default:
        call_one(d);
    }
}

static void *drive(void *arg)
{
    static void (*const works[TRAFFIC_THREADS])(driver *) = {
        call_one, some_futures, map_some, broadcast_one, look_at_a_blob, mixed};
    driver *d = (driver *)arg;

    while (!atomic_load(&d->t->stop)) {
        works[d - d->t->drivers](d);
        doing(d, NULL);
        /* leave some of the processor to those who are watched */
        poll(NULL, 0, 2);
    }
    return NULL;
}

bool traffic_start(traffic *t, uint64_t seed)
{
    unsigned char *at = mmap(NULL, 5 * JOBS, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return false;
    t->posted = (_Atomic uint32_t *)(void *)at;
    t->kinds = (_Atomic uint8_t *)(at + 4 * JOBS);
    for (int i = 0; i < TRAFFIC_THREADS; i++) {
        driver *d = &t->drivers[i];

        d->t = t;
        d->random = job_mix(seed + 1000 + (uint64_t)i);
        if (pthread_create(&d->thread, NULL, drive, d) != 0)
            return false;
        t->ndrivers++;
    }
    return true;
}

void traffic_join(traffic *t)
{
    atomic_store(&t->stop, true);
    for (int i = 0; i < t->ndrivers; i++)
        pthread_join(t->drivers[i].thread, NULL);
    t->ndrivers = 0;
}

void traffic_watch(traffic *t)
{
    book_note(t->book, "next job %" PRIu64, atomic_load(&t->next_id));
    for (int i = 0; i < t->ndrivers; i++) {
        driver *d = &t->drivers[i];
        const char *what = atomic_load(&d->doing);
        const int64_t since = atomic_load(&d->since_ms);

        if (what != NULL && (int64_t)book_now() - since > 2 * t->limit_ms) {
            book_wrong(t->book, "%s: has not ended for %" PRId64 " ms", what,
                       (int64_t)book_now() - since);
            doing(d, what);
        }
    }
}

/* One that was lost may have run it before, or even later: on a node that was
 * cut off, when that is healed. */
static bool one_was_lost(traffic *t, uint64_t cell)
{
    return book_lost(t->book, cell_rank(cell, 0), cell_incarnation(cell, 0)) ||
           book_lost(t->book, cell_rank(cell, 1), cell_incarnation(cell, 1));
}

static void ran_often(traffic *t, const char *what, uint64_t id, uint64_t cell)
{
    book_wrong(t->book,
               "%s: job %" PRIu64 " ran %" PRIu64
               " times, first on worker %u.%u, then on %u.%u",
               what, id, cell_count(cell), cell_rank(cell, 0),
               cell_incarnation(cell, 0), cell_rank(cell, 1),
               cell_incarnation(cell, 1));
}

static void audit_one(traffic *t, uint64_t id)
{
    const uint32_t posted = atomic_load(&t->posted[id % JOBS]);
    const uint32_t to = posted >> 20, incarnation = posted & 0xfffff;
    const uint8_t kind = atomic_load(&t->kinds[id % JOBS]);
    const uint64_t cell = atomic_load(&t->cells[id % JOBS]);
    const uint64_t ran = cell_count(cell);

    if (kind == JOB_POST && ran == 0) {
        atomic_fetch_add(&t->lost[WORK_POSTS], 1);
        /* or to its successor, which the book did not know yet */
        if (!book_left(t->book, to, incarnation) &&
            !book_left(t->book, to, incarnation + 1))
            book_wrong(t->book,
                       "post %" PRIu64 " to worker %u.%u, which nothing "
                       "befell, did not run",
                       id, to, incarnation);
    }
    if (kind == JOB_LINES_OK && atomic_load(&t->book->said[id % JOBS]) != LINES)
        book_wrong(t->book, "job %" PRIu64 " printed %d lines; %d came", id,
                   LINES, atomic_load(&t->book->said[id % JOBS]));
    if (kind == JOB_ITEM_OK) {
        if (ran == 0 || (ran > 1 && !one_was_lost(t, cell)))
            ran_often(t, "map", id, cell);
    } else if (kind != JOB_NONE && ran > 1) {
        ran_often(t, "once", id, cell);
    }
}

void traffic_audit(traffic *t)
{
    for (uint64_t id = 0;
         t->cells != NULL && id < atomic_load(&t->next_id) && id < JOBS; id++)
        audit_one(t, id);
}
