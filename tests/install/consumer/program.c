/* A program with a main of its own: program MODULE [WORKER].
 *
 * Starts two workers, of the program WORKER when it is given, ships MODULE to
 * them and does the exercise. */
#include <stdio.h>

#include "exercise.h"

enum { NWORKERS = 2, CALL_MS = 20000 };

static int ask_own(muster *m)
{
    muster_reply *reply = NULL;
    muster_error err;

    if (muster_call(m, MUSTER_ANY, "own", "", 0, CALL_MS, &reply, &err) !=
        MUSTER_OK)
        return complain("own", &err);
    printf("own: %.*s\n", (int)reply->len, (const char *)reply->data);
    muster_reply_destroy(&reply);
    return 0;
}

static int work(muster *m, const char *module, int own)
{
    muster_error err;
    uint32_t nready = 0;

    if (muster_launch(m, NWORKERS, 0, &nready, &err) != MUSTER_OK)
        return complain("launch", &err);
    if (muster_module_ship(m, module, &err) != MUSTER_OK)
        return complain("ship", &err);
    if (own && ask_own(m) != 0)
        return 1;
    return exercise(m);
}

int main(int argc, char **argv)
{
    muster_options options = MUSTER_OPTIONS_INIT;
    muster_error err;
    muster *m = NULL;
    int status;

    if (argc < 2) {
        fprintf(stderr, "usage: %s MODULE [WORKER]\n", argv[0]);
        return 2;
    }
    options.launcher = MUSTER_LAUNCHER_LOCAL;
    options.pending_timeout_ms = CALL_MS;
    options.on_output = muster_print_output;
    if (argc > 2)
        options.worker = argv[2];
    if (muster_open(&options, &m, &err) != MUSTER_OK)
        return complain("open", &err);
    status = work(m, argv[1], argc > 2);
    muster_close(&m);
    return status;
}
