/* launch.c - one launch of Pods, measured.
 *
 *     bench_kube_launch N NAMESPACE IMAGE ADDRESS
 *
 * Prints one JSON object: "launch_ms" is from before muster_launch to its
 * return, when all N workers are ready; "start_ms" has for each worker the time
 * from its start, as /proc says inside (see started.c), to its event READY
 * here. Both clocks are the machine's: its containers share the kernel.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include <muster/muster.h>

#define MOST 256

static _Atomic int64_t ready_ms[MOST];

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_event(void *arg, const muster_event *event)
{
    (void)arg;
    if (event->to == MUSTER_READY && event->rank < MOST)
        atomic_store(&ready_ms[event->rank], now_ms(CLOCK_BOOTTIME));
}

static void on_log(void *arg, muster_level level, const char *id,
                   const char *text)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "bench_kube_launch: %s %s\n", id, text);
}

/* Ten of them are to fit on two small nodes. */
static int ask_little(void *arg, uint32_t rank, cJSON *pod)
{
    cJSON *worker = cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetObjectItem(pod, "spec"), "containers"), 0);
    cJSON *requests = cJSON_GetObjectItem(
        cJSON_GetObjectItem(worker, "resources"), "requests");

    (void)arg;
    (void)rank;
    return cJSON_ReplaceItemInObject(requests, "cpu", cJSON_CreateString("50m"))
               ? 0
               : -1;
}

static int failed(const char *what, const muster_error *err)
{
    fprintf(stderr, "bench_kube_launch: %s: %s\n", what, err->text);
    return EXIT_FAILURE;
}

static int print_starts(muster *m)
{
    muster_results *results = NULL;
    muster_error err;

    if (muster_module_ship(m, BENCH_KUBE_STARTED, &err) != MUSTER_OK ||
        muster_broadcast(m, NULL, "started", NULL, 0, 10000, &results, &err) !=
            MUSTER_OK) {
        muster_results_destroy(&results);
        return failed("started", &err);
    }
    for (size_t i = 0; i < results->n; i++) {
        const muster_result *r = &results->items[i];
        const int64_t began = strtoll((const char *)r->data, NULL, 10);

        printf("%s%" PRId64, i > 0 ? ", " : "",
               r->rank < MOST ? atomic_load(&ready_ms[r->rank]) - began : -1);
    }
    muster_results_destroy(&results);
    return 0;
}

static int measure(muster *m, uint32_t n)
{
    const int64_t from = now_ms(CLOCK_MONOTONIC);
    muster_error err;
    int status;

    if (muster_launch(m, n, n, NULL, &err) != MUSTER_OK)
        return failed("launch", &err);
    printf("{\"launch_ms\": %" PRId64 ", \"start_ms\": [",
           now_ms(CLOCK_MONOTONIC) - from);
    status = print_starts(m);
    printf("]}\n");
    return status;
}

int main(int argc, char **argv)
{
    muster_options o = MUSTER_OPTIONS_INIT;
    muster_kube_options k = MUSTER_KUBE_OPTIONS_INIT;
    muster *m = NULL;
    muster_error err;
    int status;

    if (argc != 5) {
        fprintf(stderr, "usage: %s N NAMESPACE IMAGE ADDRESS\n", argv[0]);
        return 2;
    }
    k.namespace_ = argv[2];
    k.image = argv[3];
    k.pull_policy = "Never";
    k.cpu = "1"; /* a lower limit would measure how it is throttled */
    k.configure = ask_little;
    k.memory = "64Mi";
    o.launcher = MUSTER_LAUNCHER_K8S;
    o.kube = &k;
    o.advertise = argv[4];
    o.on_event = on_event;
    o.on_log = on_log;
    if (muster_open(&o, &m, &err) != MUSTER_OK)
        return failed("open", &err);
    status = measure(m, (uint32_t)strtoul(argv[1], NULL, 10));
    muster_close(&m);
    return status;
}
