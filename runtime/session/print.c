/* print.c - the ready-made sink of worker output. */
#include <stdio.h>

#include <muster/muster.h>

void muster_print_output(void *arg, uint32_t rank, int stream, const char *line,
                         size_t len)
{
    FILE *to = stream == 2 ? stderr : stdout;

    (void)arg;
    flockfile(to);
    fprintf(to, "From worker %u:\t", rank);
    fwrite(line, 1, len, to);
    putc('\n', to);
    fflush(to);
    funlockfile(to);
}
