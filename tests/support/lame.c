#include "lame.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

muster_options lame_options(lame *l, const char *which, const char *what)
{
    muster_options o = rig_options();

    strcpy(l->dir, "/tmp/lame.XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    snprintf(l->variables[0], sizeof(l->variables[0]), "LAME_DIR=%s", l->dir);
    snprintf(l->variables[1], sizeof(l->variables[1]), "LAME=%s", which);
    snprintf(l->variables[2], sizeof(l->variables[2]), "LAME_DO=%s", what);
    for (int i = 0; i < 3; i++)
        l->env[i] = l->variables[i];
    l->env[3] = NULL;
    o.worker = RIG_LAME_WORKER;
    o.env = l->env;
    return o;
}

void lame_forget(const lame *l)
{
    DIR *dir = opendir(l->dir);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    if (dir != NULL)
        closedir(dir);
    rmdir(l->dir);
}
