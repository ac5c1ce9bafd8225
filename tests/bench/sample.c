#include "sample.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double q)
{
    const double place = q * (double)(n - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < n ? below + 1 : below;

    qsort(values, n, sizeof(*values), by_value);
    return values[below] +
           (place - (double)below) * (values[above] - values[below]);
}

void bench_tell(const char *name, double value)
{
    printf("%s %.3f\n", name, value);
    fflush(stdout);
}

void bench_tell_latency(double *us, size_t n)
{
    bench_tell("p50_us", bench_quantile(us, n, 0.50));
    bench_tell("p99_us", bench_quantile(us, n, 0.99));
}

size_t bench_count(const char *text, size_t max)
{
    char *end = NULL;
    unsigned long long n;

    errno = 0;
    n = text == NULL ? 0 : strtoull(text, &end, 10);
    if (errno != 0 || n == 0 || n > max || *end != '\0')
        bench_die("want a count of 1 .. %zu, got '%s'", max,
                  text == NULL ? "" : text);
    return (size_t)n;
}

void *bench_alloc(size_t n, size_t size)
{
    void *memory = calloc(n, size);

    if (memory == NULL)
        bench_die("no memory for %zu times %zu bytes", n, size);
    return memory;
}

_Noreturn void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}
