#include "exercise.h"

#include <stdio.h>

enum { CALL_MS = 20000, MAX_WORKERS = 16 };

int complain(const char *what, const muster_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, muster_strerror(err->code),
            err->text);
    return 1;
}

static int greet_each(muster *m)
{
    uint32_t ranks[MAX_WORKERS];
    size_t n = muster_ranks(m, ranks, MAX_WORKERS);

    for (size_t i = 0; i < n && i < MAX_WORKERS; i++) {
        muster_reply *reply = NULL;
        muster_error err;

        if (muster_call(m, ranks[i], "greet", "world", 5, CALL_MS, &reply,
                        &err) != MUSTER_OK)
            return complain("greet", &err);
        printf("call %u: %.*s\n", (unsigned)reply->rank, (int)reply->len,
               (const char *)reply->data);
        muster_reply_destroy(&reply);
    }
    return 0;
}

static int refuse(muster *m)
{
    muster_error err;
    muster_err rc =
        muster_call(m, MUSTER_ANY, "greet", "", 0, CALL_MS, NULL, &err);

    if (rc != MUSTER_EREMOTE)
        return complain("greet nobody", &err);
    printf("refused %d: %s\n", err.remote, err.text);
    return 0;
}

static int ask_all(muster *m)
{
    muster_results *results = NULL;
    muster_error err;

    if (muster_broadcast(m, NULL, "where", "", 0, CALL_MS, &results, &err) !=
        MUSTER_OK) {
        muster_results_destroy(&results);
        return complain("where", &err);
    }
    for (size_t i = 0; i < results->n; i++)
        printf("broadcast %u: %.*s\n", (unsigned)results->items[i].rank,
               (int)results->items[i].len,
               (const char *)results->items[i].data);
    muster_results_destroy(&results);
    return 0;
}

int exercise(muster *m)
{
    printf("%u workers\n", (unsigned)muster_size(m));
    if (greet_each(m) != 0 || refuse(m) != 0 || ask_all(m) != 0)
        return 1;
    return fflush(stdout) == 0 ? 0 : 1;
}
