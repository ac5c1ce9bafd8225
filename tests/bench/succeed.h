/* succeed.h - how soon the successor of a dead worker is there. */
#ifndef BENCH_SUCCEED_H
#define BENCH_SUCCEED_H

#include <stddef.h>

/* `count` times: one worker more is launched, which is timed, then killed,
 * and its successor timed from the kill until it is ready. Both are removed
 * again. Tells the medians launch_ms and successor_ms, and their ratio. */
void succeed(size_t count);

#endif
