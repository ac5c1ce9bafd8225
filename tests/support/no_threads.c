#include "no_threads.h"

#include <errno.h>
#include <pthread.h>

atomic_bool no_threads;

/* The linker puts it before the one of the system. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *arg), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *arg), void *arg)
{
    return atomic_load(&no_threads)
               ? EAGAIN
               : __real_pthread_create(thread, attr, fn, arg);
}
