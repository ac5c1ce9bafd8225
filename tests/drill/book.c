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

/* With the lock. */
static void lost(book *b, book_worker *w)
{
    const double now = book_now();
    const double took = now - w->fault_ms;
    const double stalled = b->stalled_ms - w->stalled_ms;

    atomic_fetch_add(&b->nlost, 1);
    w->troubled = true;
    if (w->killed)
        add_span(&b->noticed_kill, stalled < took ? took - stalled : 0);
    else if (w->stopped)
        add_span(&b->noticed_stop, took);
    b->lost_ms[b->lost_last++ % BOOK_RANKS] =
        w->killed || w->stopped ? w->fault_ms : now;
}

/* With the lock. */
static void ready(book *b, book_worker *w)
{
    const double now = book_now();

    b->nready++;
    if (w->cut)
        add_span(&b->back, now - w->fault_ms);
    else if (b->lost_first != b->lost_last)
        add_span(&b->replaced, now - b->lost_ms[b->lost_first++ % BOOK_RANKS]);
    w->cut = false;
}

void book_event(book *b, const muster_event *e)
{
    book_worker *w;

    if (e->rank >= BOOK_RANKS)
        return;
    book_news(b, "worker %u: %s -> %s %.120s", e->rank,
              muster_state_name(e->from), muster_state_name(e->to), e->text);
    pthread_mutex_lock(&b->lock);
    w = &b->workers[e->rank];
    if (w->state == MUSTER_READY && --b->nready == 0)
        atomic_fetch_add(&b->none_ready, 1);
    b->nalive += !w->seen;
    w->seen = true;
    if (alive(w->state) && !alive(e->to) && b->nalive > 0)
        b->nalive--;
    if (e->to == MUSTER_CUT) {
        b->ncut++;
        w->cut = true;
        w->troubled = true;
        w->fault_ms = book_now();
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

void book_log(book *b, const char *id, const char *text)
{
    if (strcmp(id, "POST-FAILED") != 0 && strncmp(id, "WORKER-", 7) != 0)
        book_news(b, "%s %.120s", id, text);
}

void book_fault(book *b, fault_kind kind, uint32_t rank, const char *words)
{
    const double now = book_now();

    book_news(b, "FAULT %s%s%.0u %s", fault_name(kind),
              rank > 0 ? " worker " : "", rank, words);
    pthread_mutex_lock(&b->lock);
    b->faults[kind]++;
    if (rank > 0 && rank < BOOK_RANKS) {
        b->workers[rank].killed = kind == FAULT_KILL;
        b->workers[rank].stopped = kind == FAULT_STOP;
        b->workers[rank].fault_ms = now;
        b->workers[rank].stalled_ms = b->stalled_ms;
    }
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

bool book_troubled(book *b, uint32_t rank)
{
    bool yes;

    pthread_mutex_lock(&b->lock);
    yes = rank < BOOK_RANKS && b->workers[rank].troubled;
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
