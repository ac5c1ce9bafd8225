#include "book.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

double book_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool book_init(book *b)
{
    void *at = mmap(NULL, JOBS, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    pthread_mutex_init(&b->lock, NULL);
    b->began_ms = book_now();
    if (at == MAP_FAILED)
        return false;
    b->said = at;
    return true;
}

void book_fini(book *b)
{
    pthread_mutex_destroy(&b->lock);
    munmap((void *)b->said, JOBS);
}

static void add_news(book *b, const char *format, va_list args)
{
    char *line = b->news[b->nnews++ % BOOK_NEWS];
    const int n = snprintf(line, sizeof(b->news[0]), "%9.3f s  ",
                           (book_now() - b->began_ms) / 1e3);

    vsnprintf(line + n, sizeof(b->news[0]) - (size_t)n, format, args);
    if (b->log != NULL)
        fprintf(b->log, "%s\n", line);
}

void book_news(book *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pthread_mutex_lock(&b->lock);
    add_news(b, format, args);
    pthread_mutex_unlock(&b->lock);
    va_end(args);
}

void book_note(book *b, const char *format, ...)
{
    va_list args;

    if (b->log == NULL)
        return;
    va_start(args, format);
    pthread_mutex_lock(&b->lock);
    fprintf(b->log, "%9.3f s  ", (book_now() - b->began_ms) / 1e3);
    vfprintf(b->log, format, args);
    fputc('\n', b->log);
    pthread_mutex_unlock(&b->lock);
    va_end(args);
}

void book_wrong(book *b, const char *format, ...)
{
    const unsigned at = atomic_fetch_add(&b->nfailed, 1);
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (at < sizeof(b->failed) / sizeof(b->failed[0]))
        memcpy(b->failed[at], text, sizeof(text));
    book_news(b, "WRONG: %.150s", text);
}

void book_print_news(book *b, FILE *to)
{
    const uint32_t n = b->nnews < BOOK_NEWS ? b->nnews : BOOK_NEWS;

    for (uint32_t i = b->nnews - n; i != b->nnews; i++)
        fprintf(to, "  %s\n", b->news[i % BOOK_NEWS]);
}

static void add_span(spans *s, double ms)
{
    if (s->n < BOOK_SPANS)
        s->ms[s->n++] = (float)ms;
}

static int by_length(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

double spans_at(spans *s, double p)
{
    uint32_t at;

    if (s->n == 0)
        return 0;
    qsort(s->ms, s->n, sizeof(s->ms[0]), by_length);
    at = (uint32_t)(p * s->n);
    return (double)s->ms[at < s->n ? at : s->n - 1];
}

static bool alive(muster_state state)
{
    return state != MUSTER_GONE && state != MUSTER_LOST;
}

/* With the lock: this incarnation's page, a new one when it has none. NULL:
 * there is no more room. */
static book_worker *page_of(book *b, uint32_t rank, uint32_t incarnation)
{
    book_worker *w;

    if (rank >= BOOK_RANKS)
        return NULL;
    for (w = b->latest[rank]; w != NULL; w = w->before)
        if (w->incarnation == incarnation)
            return w;
    if (b->nworkers == BOOK_WORKERS)
        return NULL;
    w = &b->workers[b->nworkers++];
    *w = (book_worker){.rank = rank,
                       .incarnation = incarnation,
                       .before = b->latest[rank],
                       .state = MUSTER_ASKED};
    b->latest[rank] = w;
    b->nalive++;
    return w;
}

/* With the lock. */
static void lost(book *b, book_worker *w)
{
    const double now = book_now();
    const double took = now - w->fault_ms;
    const double stalled = b->stalled_ms - w->stalled_ms;

    atomic_fetch_add(&b->nlost, 1);
    w->lost = true;
    w->lost_ms = now;
    if (w->killed)
        add_span(&b->noticed_kill, stalled < took ? took - stalled : 0);
    else if (w->stopped)
        add_span(&b->noticed_stop,
                 now - (w->cut_ms > w->fault_ms ? w->cut_ms : w->fault_ms));
}

/* With the lock. */
static void ready(book *b, book_worker *w)
{
    const book_worker *old = w->before;
    const double now = book_now();
    double took;

    b->nready++;
    if (w->state == MUSTER_CUT || w->cut_ms > 0) {
        add_span(&b->back, now - w->cut_ms);
    } else if (old != NULL) {
        took = now - (old->fault_ms > 0 ? old->fault_ms : old->lost_ms);
        add_span(&b->replaced, took);
        if (old->killed && w->wait_ms == 0)
            add_span(&b->at_once, took);
    }
    w->cut_ms = 0;
    if (w->ready_ms == 0)
        w->ready_ms = now;
}

void book_event(book *b, const muster_event *e)
{
    book_worker *w;

    book_news(b, "worker %u.%u: %s -> %s %.120s", e->rank, e->incarnation,
              muster_state_name(e->from), muster_state_name(e->to), e->text);
    pthread_mutex_lock(&b->lock);
    w = page_of(b, e->rank, e->incarnation);
    if (w == NULL) {
        pthread_mutex_unlock(&b->lock);
        return;
    }
    if (w->state == MUSTER_READY)
        b->nready--;
    if (alive(w->state) && !alive(e->to))
        b->nalive--;
    if (e->to == MUSTER_CUT) {
        b->ncut++;
        w->cut_ms = book_now();
    }
    if (e->to == MUSTER_READY)
        ready(b, w);
    if (e->to == MUSTER_LOST && atomic_load(&b->heard))
        lost(b, w);
    w->state = e->to;
    pthread_mutex_unlock(&b->lock);
}

void book_line(book *b, uint32_t rank, const char *line, size_t len)
{
    char text[64], *end;
    uint64_t id, at;

    if (len < 8 || len >= sizeof(text) || memcmp(line, "drill ", 6) != 0) {
        book_wrong(b, "worker %u printed a line of no job: %.*s", rank,
                   (int)(len < 200 ? len : 200), line);
        return;
    }
    memcpy(text, line, len);
    text[len] = '\0';
    id = strtoull(text + 6, &end, 10);
    at = strtoull(end, &end, 10);
    if (*end != '\0' || atomic_fetch_add(&b->said[id % JOBS], 1) != at)
        book_wrong(b,
                   "worker %u: line %" PRIu64 " of job %" PRIu64
                   " came twice or out of order: %s",
                   rank, at, id, text);
}

/* The number behind `name` in a line of the log; 0: there is none. */
static double number_in(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at != NULL ? strtod(at + strlen(name), NULL) : 0;
}

/* It is told before the successor's first event. */
static void replaced(book *b, const char *text)
{
    book_worker *w;

    pthread_mutex_lock(&b->lock);
    w = page_of(b, (uint32_t)number_in(text, "rank="),
                (uint32_t)number_in(text, "incarnation="));
    if (w != NULL)
        w->wait_ms = number_in(text, "wait_ms=");
    pthread_mutex_unlock(&b->lock);
}

void book_log(book *b, muster_level level, const char *id, const char *text)
{
    if (strcmp(id, "REPLACE") == 0)
        replaced(b, text);
    if (level <= MUSTER_LOG_WARN && strcmp(id, "POST-FAILED") != 0 &&
        strncmp(id, "WORKER-", 7) != 0)
        book_news(b, "%s %.120s", id, text);
    else
        book_note(b, "%s %.120s", id, text);
}

/* With the lock. */
static void befalls(book *b, fault_kind kind, book_worker *w)
{
    w->killed = kind == FAULT_KILL || kind == FAULT_FORCE;
    w->stopped = kind == FAULT_STOP;
    w->drained = w->drained || kind == FAULT_DRAIN || kind == FAULT_DELETE;
    if (w->killed || w->stopped || w->drained)
        w->fault_ms = book_now();
    w->stalled_ms = b->stalled_ms;
}

void book_befalls(book *b, fault_kind kind, uint32_t rank, uint32_t incarnation)
{
    book_worker *w;

    pthread_mutex_lock(&b->lock);
    w = page_of(b, rank, incarnation);
    if (w != NULL)
        befalls(b, kind, w);
    pthread_mutex_unlock(&b->lock);
}

void book_fault(book *b, fault_kind kind, uint32_t rank, uint32_t incarnation,
                const char *words)
{
    const double now = book_now();
    book_worker *w;

    book_news(b, "FAULT %s%s%.0u %s", fault_name(kind),
              rank > 0 ? " worker " : "", rank, words);
    pthread_mutex_lock(&b->lock);
    b->faults[kind]++;
    w = rank > 0 ? page_of(b, rank, incarnation) : NULL;
    if (w != NULL)
        befalls(b, kind, w);
    if (kind != FAULT_FLOOD && atomic_load(&b->nwaiting) < 64)
        b->waiting_good[atomic_fetch_add(&b->nwaiting, 1)] = now;
    pthread_mutex_unlock(&b->lock);
}

void book_stalled(book *b, double ms)
{
    pthread_mutex_lock(&b->lock);
    b->stalled_ms += ms;
    pthread_mutex_unlock(&b->lock);
}

void book_good(book *b)
{
    const double now = book_now();

    if (atomic_load(&b->nwaiting) == 0)
        return;
    pthread_mutex_lock(&b->lock);
    for (unsigned i = 0; i < atomic_load(&b->nwaiting); i++)
        add_span(&b->next_good, now - b->waiting_good[i]);
    atomic_store(&b->nwaiting, 0);
    pthread_mutex_unlock(&b->lock);
}

/* With the lock. NULL: nothing is known of it. */
static const book_worker *known(const book *b, uint32_t rank,
                                uint32_t incarnation)
{
    const book_worker *w = rank < BOOK_RANKS ? b->latest[rank] : NULL;

    while (w != NULL && w->incarnation != incarnation)
        w = w->before;
    return w;
}

double book_age_ms(book *b, uint32_t rank, uint32_t incarnation)
{
    const book_worker *w;
    double age;

    pthread_mutex_lock(&b->lock);
    w = known(b, rank, incarnation);
    age = w != NULL && w->ready_ms > 0 ? book_now() - w->ready_ms : 0;
    pthread_mutex_unlock(&b->lock);
    return age;
}

bool book_lost(book *b, uint32_t rank, uint32_t incarnation)
{
    const book_worker *w;
    bool yes;

    pthread_mutex_lock(&b->lock);
    w = known(b, rank, incarnation);
    yes = w != NULL && w->lost;
    pthread_mutex_unlock(&b->lock);
    return yes;
}

bool book_left(book *b, uint32_t rank, uint32_t incarnation)
{
    const book_worker *w;
    bool yes;

    pthread_mutex_lock(&b->lock);
    w = known(b, rank, incarnation);
    yes = w != NULL && (w->lost || w->drained);
    pthread_mutex_unlock(&b->lock);
    return yes;
}

void book_state(book *b, uint32_t *nready, uint32_t *nalive)
{
    pthread_mutex_lock(&b->lock);
    *nready = b->nready;
    *nalive = b->nalive;
    pthread_mutex_unlock(&b->lock);
}
