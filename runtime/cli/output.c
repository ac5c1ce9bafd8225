#include "cli/output.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/tame.h"

bool mst_output_begin(mst_output *output, const mst_run_options *o)
{
    *output = (mst_output){
        .mode = o->output, .timestamps = o->timestamps, .dir = o->output_dir};
    if (o->output != MST_OUTPUT_DIR || mkdir(o->output_dir, 0777) == 0 ||
        errno == EEXIST)
        return true;
    fprintf(stderr, "muster run: cannot make the directory %s: %s\n",
            o->output_dir, strerror(errno));
    return false;
}

static bool make_room(mst_output *output, uint32_t rank)
{
    const uint32_t room = 2 * rank + 16;
    FILE **files;

    if (rank < output->room)
        return true;
    files = mst_realloc(output->files, room * sizeof(FILE *));
    if (files == NULL)
        return false;
    memset(files + output->room, 0, (room - output->room) * sizeof(FILE *));
    output->files = files;
    output->room = room;
    return true;
}

/* Once: the rest of the run goes on, tagged. */
static void complain(mst_output *output, uint32_t rank, int why)
{
    fprintf(stderr,
            "muster run: cannot write %s/worker-%u.log: %s; output goes to the "
            "terminal from here on\n",
            output->dir, rank, strerror(why));
    output->mode = MST_OUTPUT_TAG;
    output->failed = true;
}

static FILE *file_of(mst_output *output, uint32_t rank)
{
    char path[PATH_MAX];
    FILE *file = NULL;

    errno = ENOMEM;
    if (make_room(output, rank))
        file = output->files[rank];
    else
        complain(output, rank, errno);
    if (file != NULL || output->mode != MST_OUTPUT_DIR)
        return file;
    snprintf(path, sizeof(path), "%s/worker-%u.log", output->dir, rank);
    file = fopen(path, "we");
    if (file == NULL)
        complain(output, rank, errno);
    output->files[rank] = file;
    return file;
}

/* As ISO 8601 has it, in UTC: a run is read on other machines, too. */
static void put_time(FILE *to)
{
    struct timespec now;
    struct tm parts;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    fprintf(to, "%s.%03ldZ ", text, now.tv_nsec / 1000000);
}

static bool put_line(FILE *to, const mst_output *output, bool tag,
                     uint32_t rank, const char *line, size_t len)
{
    flockfile(to);
    if (output->timestamps)
        put_time(to);
    if (tag)
        fprintf(to, "From worker %u:\t", rank);
    mst_tame_print(to, line, len);
    putc('\n', to);
    fflush(to);
    funlockfile(to);
    return ferror(to) == 0;
}

void mst_output_line(void *arg, uint32_t rank, int stream, const char *line,
                     size_t len)
{
    mst_output *output = (mst_output *)arg;

    if (output->mode == MST_OUTPUT_NONE)
        return;
    if (output->mode == MST_OUTPUT_DIR) {
        FILE *file = file_of(output, rank);

        if (file != NULL && put_line(file, output, false, rank, line, len))
            return;
        if (file != NULL)
            complain(output, rank, errno);
    }
    put_line(stream == 2 ? stderr : stdout, output,
             output->mode == MST_OUTPUT_TAG, rank, line, len);
}

bool mst_output_finish(mst_output *output)
{
    for (uint32_t rank = 0; rank < output->room; rank++)
        if (output->files[rank] != NULL && fclose(output->files[rank]) != 0 &&
            !output->failed)
            complain(output, rank, errno);
    mst_free(output->files);
    output->files = NULL;
    return !output->failed;
}
