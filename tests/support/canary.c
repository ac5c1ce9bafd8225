/* canary.c - a module that nobody may load: it leaves a trace. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void sing(void)
{
    const int fd = open(CANARY_TRACE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    printf("canary\n");
    fflush(stdout);
    if (fd >= 0)
        close(fd);
}
