/* find.c - where muster-worker is. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "launch/local.h"

static bool try_beside(const char *file, const char *dir, char *path)
{
    const char *slash = strrchr(file, '/');

    if (slash == NULL)
        return false;
    return snprintf(path, PATH_MAX, "%.*s/%smuster-worker", (int)(slash - file),
                    file, dir) < PATH_MAX &&
           access(path, X_OK) == 0;
}

static bool find_beside_us(char *path)
{
    char self[PATH_MAX] = "", library[PATH_MAX] = "";
    Dl_info info;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n > 0)
        self[n] = '\0';
    if (dladdr((void *)find_beside_us, &info) != 0 && info.dli_fname != NULL &&
        realpath(info.dli_fname, library) != NULL &&
        (try_beside(library, "", path) ||
         try_beside(library, "../bin/", path) ||
         try_beside(library, "../../bin/", path)))
        return true;
    return try_beside(self, "", path) || try_beside(self, "../bin/", path);
}

static bool find_in_path(char *path)
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        const char *end = strchrnul(at, ':');

        if (end > at &&
            snprintf(path, PATH_MAX, "%.*s/muster-worker", (int)(end - at),
                     at) < PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
        at = *end == ':' ? end + 1 : end;
    }
    return false;
}

muster_err mst_local_find(const char *asked, char *path, muster_error *err)
{
    const char *source = "the options";

    if (asked == NULL) {
        asked = getenv("MUSTER_WORKER");
        source = "MUSTER_WORKER";
    }
    if (asked != NULL && asked[0] != '\0') {
        if (strlen(asked) < PATH_MAX && access(asked, X_OK) == 0) {
            memcpy(path, asked, strlen(asked) + 1);
            return MUSTER_OK;
        }
        return mst_fail(err, MUSTER_EINVAL,
                        "the worker program %s (from %s) cannot be run: %s",
                        asked, source, strerrordesc_np(errno));
    }
    if (find_beside_us(path) || find_in_path(path))
        return MUSTER_OK;
    return mst_fail(err, MUSTER_EINVAL,
                    "muster-worker is not installed beside muster or in PATH; "
                    "set MUSTER_WORKER to its path");
}
