/* rig.h - a runtime with real workers for one test, and all it reported.
 *
 *     rig *r = rig_up(2);                       a manager, two workers
 *
 *     assert_code(rig_call(r, 1, "nap", "500", 50), MUSTER_ETIMEOUT, r->err);
 *     rig_alive(r);                             all others still answer
 *     rig_down(&r);                             and it ends in time
 *
 * Every wait has an end; nothing sleeps. Functions that say "asserts" fail the
 * running cmocka test and belong on its thread. A test that fails leaves its
 * rig behind for rig_teardown.
 */
#ifndef RIG_H
#define RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include <cmocka.h>

#include <muster/muster.h>

#if defined(__SANITIZE_ADDRESS__)
#define RIG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define RIG_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RIG_TSAN 1
#endif
#endif
#ifndef RIG_ASAN
#define RIG_ASAN 0
#endif
#ifndef RIG_TSAN
#define RIG_TSAN 0
#endif

/* How much longer everything may take here, and how much less is asked for. */
#ifndef RIG_VALGRIND /* told by the preset */
#define RIG_VALGRIND 0
#endif
#define RIG_SLOW (RIG_TSAN || RIG_VALGRIND ? 8 : RIG_ASAN ? 4 : 1)

#define RIG_WAIT_MS (INT64_C(10000) * (RIG_SLOW > 1 ? 2 : 1))
#define RIG_MIB ((size_t)1 << 20)

typedef struct rig_event {
    STAILQ_ENTRY(rig_event) link;
    muster_event event; /* its text is a copy */
    char text[MUSTER_ERROR_TEXT];
} rig_event;

typedef struct rig_line {
    STAILQ_ENTRY(rig_line) link;
    uint32_t rank;
    int stream;
    bool taken;
    size_t len;
    char text[]; /* one zero byte after it */
} rig_line;

typedef struct rig_log {
    STAILQ_ENTRY(rig_log) link;
    char id[64], text[512];
} rig_log;

typedef struct rig {
    muster *m;
    muster_error err; /* of the last rig_call           */
    char *answer;     /* of the last rig_call, a string */
    int64_t grace_ms;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    STAILQ_HEAD(, rig_event) events;
    STAILQ_HEAD(, rig_line) lines;
    STAILQ_HEAD(, rig_log) logs;
} rig;

/* ------------------------------------------------------------- up, down -- */

/* The worker of this build and short timeouts: 10 s for calls and heartbeats,
 * half a second of grace. */
muster_options rig_options(void);

/* Opened, recording; no worker yet. NULL: rig_options(). Asserts. */
rig *rig_open(const muster_options *options);

/* n workers that are ready and have loaded handlers.c. Asserts. */
rig *rig_up(uint32_t n);
rig *rig_up_with(const muster_options *options, uint32_t n);

/* Launch n more. Asserts. */
void rig_launch(rig *r, uint32_t n);

/* Close, within the grace and 1.5 s. Asserts. */
void rig_down(rig **r);

/* For cmocka_unit_test_teardown: closes what a failed test left open. */
int rig_teardown(void **state);

/* ---------------------------------------------------------------- calls -- */

/* A call with a string, its outcome in r->err and r->answer. */
muster_err rig_call(rig *r, uint32_t rank, const char *name, const char *body,
                    int64_t timeout_ms);

/* A started call with a string and the options' deadline. Asserts. */
muster_future *rig_start(rig *r, uint32_t rank, const char *name,
                         const char *body);

/* Wait for the outcome and give the future back; fills r->err. Asserts that
 * it comes within RIG_WAIT_MS. */
muster_err rig_result(rig *r, muster_future **future);

/* Every ready worker answers, and there are `n` of them. Asserts. */
void rig_alive(rig *r, uint32_t n);

/* The process of a worker. Asserts that it has one. */
pid_t rig_pid(rig *r, uint32_t rank);

/* SIGSTOP, and each of its threads stands still. SIGCONT lets it go on. */
void rig_stop(pid_t pid);

/* A line of its status that says KiB, as "VmHWM". Asserts. */
long rig_status_kib(pid_t pid, const char *line);

/* Its memory that is there, in KiB. Asserts. */
long rig_resident_kib(pid_t pid);

/* Descriptors of a process, or of this one, that are open. Asserts. */
int rig_descriptors_of(pid_t pid);
int rig_descriptors(void);

/* ----------------------------------------------------- what was reported -- */

/* The first event of a worker that led to this state; NULL: none in time. */
const rig_event *rig_event_to(rig *r, uint32_t rank, muster_state to,
                              int64_t timeout_ms);

/* The first line that begins so and was not returned before. Rank 0: any. */
const rig_line *rig_take_line(rig *r, uint32_t rank, const char *begins,
                              int64_t timeout_ms);

/* A log line with this id and these words. */
bool rig_logged(rig *r, const char *id, const char *words, int64_t timeout_ms);

/* Wait until fn is true; fn runs with the lock held, after each report. */
bool rig_wait(rig *r, bool (*fn)(rig *r, void *arg), void *arg,
              int64_t timeout_ms);

/* ----------------------------------------------------------- assertions -- */

int64_t rig_now_ms(void);

/* Both codes by name, and the text, when they differ. */
#define assert_code(got, want, err)                                            \
    rig_assert_code(got, want, (err).text, __FILE__, __LINE__)
void rig_assert_code(muster_err got, muster_err want, const char *text,
                     const char *file, int line);

/* The text has all of these words. */
#define assert_words(text, ...)                                                \
    rig_assert_words(text, (const char *const[]){__VA_ARGS__, NULL}, __FILE__, \
                     __LINE__)
void rig_assert_words(const char *text, const char *const *words,
                      const char *file, int line);

/* No more than limit_ms since began_ms, times RIG_SLOW, and times how many want
 * each processor when they are more than one; says how long. */
#define assert_within(what, began_ms, limit_ms)                                \
    rig_assert_within(what, began_ms, limit_ms, __FILE__, __LINE__)
void rig_assert_within(const char *what, int64_t began_ms, int64_t limit_ms,
                       const char *file, int line);

#define rig_test(fn) cmocka_unit_test_teardown(fn, rig_teardown)

#endif
