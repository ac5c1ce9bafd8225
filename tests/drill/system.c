#include "system.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/large.h"
#include "base/sanitized.h"

int system_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -1; /* its own */

    if (dir == NULL)
        return -1;
    for (const struct dirent *one; (one = readdir(dir)) != NULL;)
        n += one->d_name[0] != '.';
    closedir(dir);
    return n;
}

int64_t system_memory_kib(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    int64_t kib = -1;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoll(line + 8, NULL, 10);
    if (f != NULL)
        fclose(f);
    return kib;
}

int64_t system_in_use_kib(void)
{
#if MST_SANITIZED
    return -1; /* their malloc does not say */
#else
    const struct mallinfo2 all = mallinfo2();

    /* what is kept for the next large payload is not in use */
    return (int64_t)((all.uordblks + all.hblkhd - mst_large_kept()) / 1024);
#endif
}

/* `bytes` of the word are looked for: one more makes it the whole. */
static int has_word(const char *pid, const char *word, size_t bytes)
{
    char path[300], env[16384];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, env, sizeof(env));
    close(fd);
    return n > 0 && memmem(env, (size_t)n, word, bytes) != NULL;
}

int system_processes(const char *word)
{
    DIR *dir = opendir("/proc");
    int n = 0;

    for (const struct dirent *one; dir != NULL && (one = readdir(dir)) != NULL;)
        if (strtol(one->d_name, NULL, 10) > 0 &&
            strtol(one->d_name, NULL, 10) != getpid())
            n += has_word(one->d_name, word, strlen(word));
    if (dir != NULL)
        closedir(dir);
    return n;
}

static bool is_named(const char *pid, const char *name)
{
    char path[300], line[64] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    if (fgets(line, sizeof(line), f) != NULL)
        line[strcspn(line, "\n")] = '\0';
    fclose(f);
    return strcmp(line, name) == 0;
}

pid_t system_process(const char *name, const char *word)
{
    DIR *dir = opendir("/proc");
    pid_t pid = 0;

    for (const struct dirent *one; dir != NULL && (one = readdir(dir)) != NULL;)
        if (strtol(one->d_name, NULL, 10) > 0 && is_named(one->d_name, name) &&
            has_word(one->d_name, word, strlen(word) + 1))
            pid = (pid_t)strtol(one->d_name, NULL, 10);
    if (dir != NULL)
        closedir(dir);
    return pid;
}
