#include "base/log.h"

#include <stdarg.h>

#include "base/fail.h"

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

void mst_log_line(mst_log *log, muster_level level, const char *id,
                  const char *format, ...)
{
    char text[512];
    va_list args;

    if (log->fn == NULL || level > log->level)
        return;
    va_start(args, format);
    mst_sentence(text, sizeof(text), format, args);
    va_end(args);
    pthread_mutex_lock(&log->lock);
    log->fn(log->arg, level, id, text);
    pthread_mutex_unlock(&log->lock);
}
