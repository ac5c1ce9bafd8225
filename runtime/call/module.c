#include "call/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "call/registry.h"

typedef struct loaded {
    struct loaded *next;
    char *name;
    unsigned char hash[crypto_generichash_BYTES];
} loaded;

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static loaded *modules;

#if __SIZEOF_POINTER__ == 8
#define OUR_CLASS ELFCLASS64
#else
#define OUR_CLASS ELFCLASS32
#endif
#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#elif defined(__i386__)
#define OUR_MACHINE EM_386
#elif defined(__arm__)
#define OUR_MACHINE EM_ARM
#else
#error "name this machine's ELF number here"
#endif

static bool segments_inside(const ElfW(Ehdr) * head, const unsigned char *data,
                            size_t len)
{
    const size_t each = sizeof(ElfW(Phdr));

    if (head->e_phentsize != each || head->e_phoff > len ||
        head->e_phnum > (len - head->e_phoff) / each)
        return false;
    for (size_t i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) segment;

        memcpy(&segment, data + head->e_phoff + i * each, each);
        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC)
            continue;
        if (segment.p_offset > len || segment.p_filesz > len - segment.p_offset)
            return false;
    }
    return head->e_phnum > 0;
}

muster_err mst_module_check(const void *data, size_t len, const char *name,
                            muster_error *err)
{
    ElfW(Ehdr) head;

    if (data == NULL || len < sizeof(head) ||
        memcmp(data, ELFMAG, SELFMAG) != 0)
        return mst_fail(err, MUSTER_EMODULE,
                        "%s is not a shared object; build it with "
                        "cc -shared -fPIC",
                        name);
    memcpy(&head, data, sizeof(head));
    if (head.e_ident[EI_CLASS] != OUR_CLASS || head.e_machine != OUR_MACHINE)
        return mst_fail(err, MUSTER_EMODULE,
                        "%s was built for another processor (ELF machine %u, "
                        "this is %u)",
                        name, head.e_machine, OUR_MACHINE);
    if (head.e_type != ET_DYN)
        return mst_fail(err, MUSTER_EMODULE,
                        "%s is not a shared object (ELF type %u); build it "
                        "with cc -shared -fPIC",
                        name, head.e_type);
    if (!segments_inside(&head, data, len))
        return mst_fail(err, MUSTER_EMODULE,
                        "%s is cut off: %zu bytes do not hold all of it", name,
                        len);
    return MUSTER_OK;
}

static muster_err read_all(int fd, size_t size, const char *path, void **data,
                           size_t *len, muster_error *err)
{
    unsigned char *bytes = mst_alloc(size);
    size_t have = 0;

    if (bytes == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "read %s", path);
    while (have < size) {
        const ssize_t n = read(fd, bytes + have, size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    *data = bytes;
    *len = have;
    return MUSTER_OK;
}

muster_err mst_module_read(const char *path, void **data, size_t *len,
                           muster_error *err)
{
    /* a pipe would not be opened before somebody writes */
    MST_AUTO(mst_drop_fd)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    muster_err rc;

    *data = NULL;
    if (fd < 0 || fstat(fd, &info) != 0)
        return mst_fail(err, MUSTER_EMODULE, "cannot read %s: %s", path,
                        strerrordesc_np(errno));
    if (!S_ISREG(info.st_mode))
        return mst_fail(err, MUSTER_EMODULE, "%s is not a file", path);
    rc = read_all(fd, (size_t)info.st_size, path, data, len, err);
    if (rc == MUSTER_OK)
        rc = mst_module_check(*data, *len, path, err);
    if (rc != MUSTER_OK) {
        mst_free(*data);
        *data = NULL;
    }
    return rc;
}

/* With `loading`: dlopen, and take its handlers in or leave nothing behind. */
static muster_err open_and_collect(const char *file, const char *name,
                                   muster_ctx *ctx, void **handle,
                                   muster_error *err)
{
    void *opened;
    muster_err rc;

    mst_registry_discard();
    opened = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (opened == NULL) {
        const char *why = dlerror();

        mst_registry_discard();
        return mst_fail(err, MUSTER_EMODULE, "cannot load %s: %s", name,
                        why != NULL ? why : "unknown");
    }
    rc = mst_registry_collect(name, ctx, err);
    if (rc != MUSTER_OK)
        dlclose(opened);
    else if (handle != NULL)
        *handle = opened;
    return rc;
}

muster_err mst_module_open(const char *path, muster_ctx *ctx, void **handle,
                           muster_error *err)
{
    char file[4096];
    muster_err rc;

    /* dlopen looks only for names without a slash in its own folders */
    snprintf(file, sizeof(file), "%s%s",
             ctx == NULL && strchr(path, '/') == NULL ? "./" : "", path);
    pthread_mutex_lock(&loading);
    rc = open_and_collect(file, path, ctx, handle, err);
    pthread_mutex_unlock(&loading);
    return rc;
}

/* A descriptor with these bytes. It stays open for good: dlopen knows a
 * library by its path, and /proc/self/fd/N would otherwise name another one
 * later. */
static int memory_file(const char *name, const void *data, size_t len)
{
    const char *at = (const char *)data;
    int fd = memfd_create(name, MFD_CLOEXEC);

    while (fd >= 0 && len > 0) {
        const ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return -1;
        }
        at += n;
        len -= (size_t)n;
    }
    return fd;
}

static muster_err load_new(const char *name, const void *data, size_t len,
                           muster_ctx *ctx, loaded *entry, muster_error *err)
{
    char path[64];
    int fd;
    muster_err rc = mst_module_check(data, len, name, err);

    if (rc != MUSTER_OK)
        return rc;
    fd = memory_file(name, data, len);
    if (fd < 0)
        return mst_fail_sys(err, errno, "memory for module %s", name);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rc = open_and_collect(path, name, ctx, NULL, err);
    if (rc != MUSTER_OK)
        return rc;
    entry->next = modules;
    modules = entry;
    return MUSTER_OK;
}

muster_err mst_module_load(const char *name, const void *data, size_t len,
                           muster_ctx *ctx, muster_error *err)
{
    loaded *entry = mst_calloc(1, sizeof(*entry));
    loaded *old;
    muster_err rc = MUSTER_OK;

    if (entry != NULL)
        entry->name = mst_strdup(name);
    if (entry == NULL || entry->name == NULL) {
        mst_free(entry);
        return mst_fail(err, MUSTER_ENOMEM, "load %s", name);
    }
    crypto_generichash(entry->hash, sizeof(entry->hash), data, len, NULL, 0);
    pthread_mutex_lock(&loading);
    for (old = modules; old != NULL && strcmp(old->name, name) != 0;)
        old = old->next;
    if (old == NULL)
        rc = load_new(name, data, len, ctx, entry, err);
    else if (memcmp(old->hash, entry->hash, sizeof(entry->hash)) != 0)
        rc = mst_fail(err, MUSTER_EMODULE,
                      "another build of %s is loaded already; ship it under "
                      "another name or start new workers",
                      name);
    pthread_mutex_unlock(&loading);
    if (rc != MUSTER_OK || old != NULL) {
        mst_free(entry->name);
        mst_free(entry);
    }
    return rc;
}
