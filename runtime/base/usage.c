#include "base/usage.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* Limits from here on are none: version 1 says "no limit" by a huge number. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* ------------------------------------------------- where the group is -- */

static FILE *open_of(const char *proc, const char *name)
{
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof(path), "%s/%s", proc, name);

    return n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
}

/* Is `word` one of the words of a list with commas? */
static bool listed(const char *list, size_t len, const char *word)
{
    const size_t want = strlen(word);

    while (len > 0) {
        const char *comma = memchr(list, ',', len);
        const size_t n = comma != NULL ? (size_t)(comma - list) : len;

        if (n == want && memcmp(list, word, n) == 0)
            return true;
        if (comma == NULL)
            break;
        list += n + 1;
        len -= n + 1;
    }
    return false;
}

/* The path of a process within its hierarchy: the version 1 line that has the
 * controller wins, since only one of the two can have it. */
static bool own_path(const char *proc, const char *controller, char *path,
                     size_t bytes, bool *v1)
{
    FILE *file = open_of(proc, "cgroup");
    char *line = NULL;
    size_t room = 0, n;
    bool found = false;

    *v1 = false;
    while (file != NULL && !*v1 && getline(&line, &room, file) > 0) {
        const char *list = strchr(line, ':');
        const char *at = list != NULL ? strchr(++list, ':') : NULL;
        bool mine;

        if (at == NULL)
            continue;
        mine = listed(list, (size_t)(at - list), controller);
        if (!mine && at != list)
            continue;
        line[strcspn(line, "\n")] = '\0';
        n = strlen(++at);
        if (n >= bytes)
            continue;
        memcpy(path, at, n + 1);
        *v1 = mine;
        found = true;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

/* \040 and the like of mountinfo, in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; to++) {
        unsigned value = 0;
        int i = 0;

        if (*at == '\\')
            for (i = 1; i < 4 && at[i] >= '0' && at[i] <= '7'; i++)
                value = 8 * value + (unsigned)(at[i] - '0');
        if (i == 4) {
            *to = (char)value;
            at += 4;
        } else {
            *to = *at++;
        }
    }
    *to = '\0';
}

/* One line: "36 35 98:0 /root /mount options - type source superoptions". */
static bool is_mount(char *line, const char *controller, bool v1, char **root,
                     char **mount)
{
    char *word, *next = NULL, *type, *super;
    char *words[6] = {NULL};
    char *dash = strstr(line, " - ");

    if (dash == NULL)
        return false;
    *dash = '\0';
    word = strtok_r(line, " ", &next);
    for (int i = 0; i < 6 && word != NULL; i++) {
        words[i] = word;
        word = strtok_r(NULL, " ", &next);
    }
    type = strtok_r(dash + 3, " \n", &next);
    (void)strtok_r(NULL, " \n", &next);
    super = strtok_r(NULL, " \n", &next);
    if (words[5] == NULL || type == NULL || super == NULL ||
        strcmp(type, v1 ? "cgroup" : "cgroup2") != 0 ||
        (v1 && !listed(super, strlen(super), controller)))
        return false;
    *root = words[3];
    *mount = words[4];
    unescape(*root);
    unescape(*mount);
    return true;
}

/* `path` as it is seen below a mount of `root`: in a container the mount may
 * begin at our group, and a path that is not below it is the mount itself. */
static const char *below(const char *path, const char *root)
{
    const size_t n = strlen(root);

    if (strcmp(path, "/") == 0 || strncmp(path, "/..", 3) == 0)
        return "";
    if (strcmp(root, "/") == 0)
        return path;
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0')
               ? path + n
               : "";
}

static bool join(char *dir, size_t bytes, const char *mount, const char *path)
{
    const int n = snprintf(dir, bytes, "%s%s", mount, path);

    return n > 0 && (size_t)n < bytes && access(dir, F_OK) == 0;
}

bool mst_group_find(const char *proc, const char *here, const char *controller,
                    char *dir, size_t bytes, size_t *mount_len, bool *v1)
{
    char path[PATH_MAX];
    char *line = NULL, *root, *mount;
    size_t room = 0;
    bool found = false;
    FILE *file;

    if (!own_path(proc, controller, path, sizeof(path), v1))
        return false;
    file = open_of(here, "mountinfo");
    while (file != NULL && !found && getline(&line, &room, file) > 0) {
        if (!is_mount(line, controller, *v1, &root, &mount))
            continue;
        *mount_len = strlen(mount);
        found = join(dir, bytes, mount, below(path, root)) ||
                join(dir, bytes, mount, "");
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

/* ------------------------------------------------------------- reading -- */

static int open_in(const char *dir, const char *name)
{
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

    return n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC)
                                             : -1;
}

/* The file from its beginning, terminated; false: nothing. */
static bool look(int fd, char *text, size_t bytes)
{
    const ssize_t n = fd >= 0 ? pread(fd, text, bytes - 1, 0) : -1;

    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint64_t number(const char *text)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);

    return end != text ? value : MST_UNKNOWN;
}

/* Of "name value" lines. */
static uint64_t field(const char *text, const char *name)
{
    const size_t n = strlen(name);

    for (; text != NULL; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (strncmp(text, name, n) == 0 && text[n] == ' ')
            return number(text + n);
    }
    return MST_UNKNOWN;
}

static uint64_t read_limit(int fd)
{
    char text[64];
    uint64_t limit;

    if (!look(fd, text, sizeof(text)))
        return MST_UNKNOWN;
    if (strncmp(text, "max", 3) == 0)
        return 0;
    limit = number(text);
    return limit != MST_UNKNOWN && limit >= NO_LIMIT ? 0 : limit;
}

static uint64_t read_rss(const mst_meter *m)
{
    char text[256];
    const char *second;
    uint64_t pages;

    if (!look(m->statm, text, sizeof(text)))
        return MST_UNKNOWN;
    second = strchr(text, ' ');
    pages = second != NULL ? number(second) : MST_UNKNOWN;
    return pages < MST_UNKNOWN / m->page_bytes ? pages * m->page_bytes
                                               : MST_UNKNOWN;
}

uint64_t mst_meter_oom_kills(const mst_meter *m)
{
    char text[512];

    return look(m->oom, text, sizeof(text)) ? field(text, "oom_kill")
                                            : MST_UNKNOWN;
}

void mst_meter_read(const mst_meter *m, mst_usage *u)
{
    char text[1024];

    u->rss = read_rss(m);
    u->memory =
        look(m->memory, text, sizeof(text)) ? number(text) : MST_UNKNOWN;
    u->limit = read_limit(m->limit);
    if (u->memory == MST_UNKNOWN) {
        u->memory = u->rss;
        u->limit = 0;
    }
    u->oom_kills = mst_meter_oom_kills(m);
    u->throttled = u->throttled_us = MST_UNKNOWN;
    if (!look(m->cpu, text, sizeof(text)))
        return;
    u->throttled = field(text, "nr_throttled");
    u->throttled_us =
        field(text, m->cpu_v1 ? "throttled_time" : "throttled_usec");
    if (m->cpu_v1 && u->throttled_us != MST_UNKNOWN)
        u->throttled_us /= 1000;
}

/* ------------------------------------------------------- open and close -- */

/* The nearest group upwards that has a limit, or the first that counts. */
static void open_memory(mst_meter *m, char *dir, size_t mount)
{
    const char *current = m->v1 ? "memory.usage_in_bytes" : "memory.current";
    const char *max = m->v1 ? "memory.limit_in_bytes" : "memory.max";

    for (;;) {
        const int memory = open_in(dir, current);
        const int limit = memory >= 0 ? open_in(dir, max) : -1;
        const bool limited = limit >= 0 && read_limit(limit) > 0 &&
                             read_limit(limit) != MST_UNKNOWN;
        char *slash = strrchr(dir, '/');

        if (memory >= 0 && (m->memory < 0 || limited)) {
            mst_drop_fd(&m->memory);
            mst_drop_fd(&m->limit);
            m->memory = memory;
            m->limit = limit;
        } else {
            if (memory >= 0)
                close(memory);
            if (limit >= 0)
                close(limit);
        }
        if (limited || slash == NULL || (size_t)(slash - dir) < mount)
            return;
        *slash = '\0';
    }
}

static const char *oom_file(const mst_meter *m)
{
    return m->v1 ? "memory.oom_control" : "memory.events";
}

void mst_meter_open_oom(mst_meter *m, const char *proc, const char *here)
{
    char dir[PATH_MAX];
    size_t mount;

    *m = (mst_meter)MST_METER_NONE;
    if (mst_group_find(proc, here, "memory", dir, sizeof(dir), &mount, &m->v1))
        m->oom = open_in(dir, oom_file(m));
}

void mst_meter_open(mst_meter *m, const char *proc, const char *here)
{
    char dir[PATH_MAX];
    size_t mount;

    *m = (mst_meter)MST_METER_NONE;
    m->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    m->statm = open_in(proc, "statm");
    if (mst_group_find(proc, here, "memory", dir, sizeof(dir), &mount,
                       &m->v1)) {
        m->oom = open_in(dir, oom_file(m));
        open_memory(m, dir, mount);
    }
    if (mst_group_find(proc, here, "cpu", dir, sizeof(dir), &mount, &m->cpu_v1))
        m->cpu = open_in(dir, "cpu.stat");
}

void mst_meter_close(mst_meter *m)
{
    mst_drop_fd(&m->memory);
    mst_drop_fd(&m->limit);
    mst_drop_fd(&m->oom);
    mst_drop_fd(&m->cpu);
    mst_drop_fd(&m->statm);
    *m = (mst_meter)MST_METER_NONE;
}

bool mst_meter_shared(const char *proc, const char *other)
{
    FILE *files[2] = {open_of(proc, "cgroup"), open_of(other, "cgroup")};
    bool same = files[0] != NULL && files[1] != NULL;
    int a = 0;

    while (same && a != EOF) {
        a = getc(files[0]);
        same = a == getc(files[1]);
    }
    for (int i = 0; i < 2; i++)
        if (files[i] != NULL)
            fclose(files[i]);
    return same;
}

char *mst_bytes_text(uint64_t bytes, char text[16])
{
    static const char *const units[] = {"Ki", "Mi", "Gi", "Ti"};
    double value = (double)bytes / 1024;
    int unit = 0;

    while (value >= 1024 && unit < 3) {
        value /= 1024;
        unit++;
    }
    if (unit >= 2 && value < 100 && bytes % (UINT64_C(1) << 30) != 0)
        snprintf(text, 16, "%.1f%s", value, units[unit]);
    else
        snprintf(text, 16, "%.0f%s", value, units[unit]);
    return text;
}
