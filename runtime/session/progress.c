/* progress.c - the ready-made progress of a map. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <muster/muster.h>

#include "base/clock.h"

#define BAR 40
#define SPARSE_MS 10000 /* between lines that go into a pipe */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t next_line_ms;

static void draw(size_t done, size_t total)
{
    const size_t filled = total > 0 ? done * BAR / total : 0;

    if (total == 0) {
        fprintf(stderr, "\r%zu done", done);
        return;
    }
    fprintf(stderr, "\r[%.*s%*s] %3zu%% %zu/%zu", (int)filled,
            "########################################", (int)(BAR - filled), "",
            done * 100 / total, done, total);
    if (done == total)
        putc('\n', stderr);
}

static void say(size_t done, size_t total)
{
    if (total == 0)
        fprintf(stderr, "%zu done\n", done);
    else
        fprintf(stderr, "%zu of %zu done\n", done, total);
}

void muster_progress(void *arg, size_t done, size_t total)
{
    const int64_t now = mst_now_ms();

    (void)arg;
    pthread_mutex_lock(&lock);
    if (isatty(STDERR_FILENO)) {
        draw(done, total);
    } else if (now >= next_line_ms && done != total) {
        if (next_line_ms != 0) /* what is over soon needs no word */
            say(done, total);
        next_line_ms = now + SPARSE_MS;
    }
    pthread_mutex_unlock(&lock);
}
