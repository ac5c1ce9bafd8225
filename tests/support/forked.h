/* forked.h - a part of a test in a process of its own, where limits can be set
 * and memory can end without harm to the rest.
 */
#ifndef FORKED_H
#define FORKED_H

#include <stdbool.h>
#include <stdint.h>

/* Run fn in a child and wait for it; asserts that it returned 0 in time. No
 * other thread may run here. What it says goes to standard error.
 *
 *   fn  returns 0: well; its process ends with what it returns
 */
void forked_run(int (*fn)(void *arg), void *arg, int64_t limit_ms);

/* In the child: says what is wrong, with the file's line, and ends it. */
#define forked_check(yes, ...)                                                 \
    forked_check_at(yes, __FILE__, __LINE__, __VA_ARGS__)
void forked_check_at(bool yes, const char *file, int line, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

#endif
