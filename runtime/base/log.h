/* log.h - a log line is a named event: a stable id, then key=value. */
#ifndef MST_LOG_H
#define MST_LOG_H

#include <pthread.h>

#include <muster/muster.h>

typedef struct mst_log {
    pthread_mutex_t lock; /* one line at a time */
    muster_log_fn fn;     /* NULL: silent       */
    void *arg;
    muster_level level;
} mst_log;

/* For lines that a peer can cause as often as it likes: ten a second, then how
 * many more there were. Driver of the loop only. */
typedef struct mst_log_gate {
    int64_t since_ms;
    unsigned n;
} mst_log_gate;

void mst_log_init(mst_log *log, muster_level level, muster_log_fn fn,
                  void *arg);
void mst_log_fini(mst_log *log);
void mst_log_line(mst_log *log, muster_level level, const char *id,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void mst_log_some(mst_log *log, mst_log_gate *gate, muster_level level,
                  const char *id, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
