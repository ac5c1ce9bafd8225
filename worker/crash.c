#include "crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "call/executor.h"
#include "output.h"

static int line_fd = -1;

/* Async-signal-safe. */
static void note(char kind, const char *text, uint64_t id)
{
    char bytes[320];
    mst_writer w = mst_writer_of(bytes, sizeof(bytes));
    size_t len = strlen(text);

    if (len > sizeof(bytes) - 16)
        len = sizeof(bytes) - 16;
    mst_write_u8(&w, (uint8_t)kind);
    mst_write_u64(&w, id);
    mst_write_bytes(&w, text, len);
    if (line_fd >= 0)
        (void)send(line_fd, bytes, mst_written(&w),
                   MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* nobody is there to be told */
}

static void crashed(int sig)
{
    uint64_t id;
    const char *handler = mst_executor_here(&id);

    if (handler != NULL) {
        note(MST_NOTE_HANDLER, handler, id);
        if (line_fd < 0) {
            say("muster-worker: crashed in handler ");
            say(handler);
            say("\n");
        }
    }
    mst_output_rescue();
    raise(sig); /* SA_RESETHAND: the default now, so the status is true */
}

static void exited(int status, void *arg)
{
    uint64_t id;
    const char *handler = mst_executor_here(&id);

    (void)arg;
    if (handler == NULL)
        return;
    note(MST_NOTE_HANDLER, handler, id);
    fflush(NULL);
    mst_output_rescue();
    _exit(status); /* other threads still run; end here */
}

static _Thread_local char room[16384];
static _Thread_local stack_t before;

void mst_crash_stack(void)
{
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};

    sigaltstack(&stack, &before);
}

void mst_crash_unstack(void)
{
    sigaltstack(&before, NULL);
}

void mst_crash_install(int line)
{
    static const int signals[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                  SIGILL,  SIGABRT, SIGSYS};
    struct sigaction action = {.sa_handler = crashed,
                               .sa_flags =
                                   SA_ONSTACK | (int)SA_RESETHAND | SA_NODEFER};

    line_fd = line;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    on_exit(exited, NULL);
    mst_crash_stack();
}

void mst_note_why(const char *sentence)
{
    note(MST_NOTE_WHY, sentence, 0);
    if (line_fd < 0)
        fprintf(stderr, "muster-worker: %s\n", sentence);
}
