#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define QUIET_MS 1000 /* a launch that takes no longer needs no word */

void mst_print_log(void *arg, muster_level level, const char *id,
                   const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};

    (void)arg;
    fprintf(stderr, "muster: %s: %s %s\n", levels[level], id, text);
}

void mst_print_event(void *arg, const muster_event *event)
{
    (void)arg;
    if (event->to == MUSTER_BOOTING && strstr(event->text, ".join") != NULL)
        fprintf(stderr, "muster: worker %u: muster-worker --cookie %s\n",
                event->rank, event->text);
}

void mst_print_launch(void *arg, const muster_launch_state *state)
{
    static char last[1024];
    static int64_t begun_ms, said_ms;
    const bool terminal = isatty(STDERR_FILENO);
    const int64_t now = mst_now_ms();

    (void)arg;
    if (begun_ms == 0)
        begun_ms = said_ms = now;
    if (terminal)
        fprintf(stderr, "\r\033[K%s%.*s%s",
                state->over ? "" : "muster: ", state->over ? 0 : 150,
                state->text, state->over ? "" : "\r");
    else if (!state->over && now - said_ms >= QUIET_MS &&
             strcmp(last, state->text) != 0) {
        fprintf(stderr, "muster: %s\n", state->text);
        snprintf(last, sizeof(last), "%s", state->text);
        said_ms = now;
    }
    if (state->over) {
        begun_ms = 0;
        last[0] = '\0';
    }
}
