#include "base/log.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/fail.h"

#define GATE_MS 1000
#define GATE_LINES 10

void mst_log_init(mst_log *log, muster_level level, muster_log_fn fn, void *arg)
{
    pthread_mutex_init(&log->lock, NULL);
    log->fn = fn;
    log->arg = arg;
    log->level = level;
}

void mst_log_fini(mst_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

__attribute__((format(printf, 4, 0))) static void
write_line(mst_log *log, muster_level level, const char *id, const char *format,
           va_list args)
{
    char text[512];

    if (log->fn == NULL || level > log->level)
        return;
    mst_sentence(text, sizeof(text), format, args);
    pthread_mutex_lock(&log->lock);
    log->fn(log->arg, level, id, text);
    pthread_mutex_unlock(&log->lock);
}

void mst_log_line(mst_log *log, muster_level level, const char *id,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(log, level, id, format, args);
    va_end(args);
}

void mst_log_some(mst_log *log, mst_log_gate *gate, muster_level level,
                  const char *id, const char *format, ...)
{
    const int64_t now = mst_now_ms();
    va_list args;

    if (now - gate->since_ms >= GATE_MS) {
        if (gate->n > GATE_LINES)
            mst_log_line(log, level, "NOT-LOGGED", "lines=%u in ms=%lld",
                         gate->n - GATE_LINES,
                         (long long)(now - gate->since_ms));
        *gate = (mst_log_gate){now, 0};
    }
    if (++gate->n > GATE_LINES)
        return;
    va_start(args, format);
    write_line(log, level, id, format, args);
    va_end(args);
}
