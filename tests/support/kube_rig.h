/* kube_rig.h - a client and its scripted server, for the tests of the client.
 */
#ifndef KUBE_RIG_H
#define KUBE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "launch/kube/http.h"
#include "launch/kube/json.h"
#include "scripted.h"

typedef struct rig {
    scripted server;
    scripted_log log;
    mst_kube_access *access;
    mst_kube_http *http;
    int64_t began_ms, took_ms;
} rig;

/* A plain HTTP server and a client of it, for each test. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define rig_test(fn)                                                           \
    cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

/* The same with another server and user; see scripted_up, scripted_access. */
void rig_up(rig *r, const char *const *args, const char *server,
            const char *cluster, const char *user);
void rig_down(rig *r);

void rig_new_http(rig *r);
/* A client of a port where nobody listens; it is held by what is returned. */
int rig_closed_port(rig *r);

mst_kube_request rig_request(const char *method, const char *path,
                             int64_t timeout_ms);
void rig_begin(rig *r); /* of the time that is taken */
void rig_end(rig *r);
void rig_run(rig *r, mst_kube_request *request);

/* For what has no event to wait for. */
void rig_nap(int64_t ms);

/* -1 and NULL: any. No error has the token in it. */
#define assert_outcome(request, rc, status, tries, words)                      \
    rig_assert_outcome(request, rc, status, tries, words, __FILE__, __LINE__)
#define assert_words(request, words)                                           \
    rig_assert_words(request, words, __FILE__, __LINE__)
void rig_assert_outcome(const mst_kube_request *request, muster_err rc,
                        long status, int tries, const char *words,
                        const char *file, int line);
void rig_assert_words(const mst_kube_request *request, const char *words,
                      const char *file, int line);

/* At least, and at most (times SCRIPTED_SLOW, and a second for the machine's
 * other work). */
#define assert_took(r, least_ms, most_ms)                                      \
    rig_assert_took(r, least_ms, most_ms, __FILE__, __LINE__)
void rig_assert_took(const rig *r, int64_t least_ms, int64_t most_ms,
                     const char *file, int line);

#endif
