#include "launch/kube/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"

#define FIRST_BYTES 4096u
#define SHELF_BYTES 65536u

void mst_drop_secret(char **text)
{
    if (*text != NULL)
        sodium_memzero(*text, strlen(*text));
    mst_free(*text);
    *text = NULL;
}

void mst_drop_guarded(char **text)
{
    sodium_free(*text); /* wipes; NULL is fine */
    *text = NULL;
}

bool mst_secret_guard(char **texts[], size_t n)
{
    char *guarded[MST_SECRETS_GUARDED] = {NULL};
    bool well = n <= MST_SECRETS_GUARDED && sodium_init() >= 0;

    for (size_t i = 0; i < n && well; i++) {
        const size_t bytes = *texts[i] != NULL ? strlen(*texts[i]) + 1 : 0;

        if (bytes == 0)
            continue;
        guarded[i] = sodium_malloc(bytes);
        well = guarded[i] != NULL;
        if (well)
            memcpy(guarded[i], *texts[i], bytes);
    }
    for (size_t i = 0; i < n && i < MST_SECRETS_GUARDED; i++) {
        if (well) {
            mst_drop_secret(texts[i]);
            *texts[i] = guarded[i];
        } else {
            mst_drop_guarded(&guarded[i]);
        }
    }
    return well;
}

struct mst_shelf {
    size_t used;
    size_t texts; /* that are on it */
    _Alignas(16) unsigned char bytes[];
};

typedef struct shelved {
    mst_shelf *shelf;
    char text[];
} shelved;

static mst_shelf *shelf_create(void)
{
    mst_shelf *shelf = sodium_init() >= 0 ? sodium_malloc(SHELF_BYTES) : NULL;

    if (shelf != NULL)
        *shelf = (mst_shelf){0, 0};
    return shelf;
}

char *mst_shelf_put(mst_shelf **shelf, const char *text, size_t len)
{
    const size_t room = (sizeof(shelved) + len + 1 + 15) / 16 * 16;
    shelved *at;

    if (len > MST_SHELF_TEXT)
        return NULL;
    if (*shelf == NULL ||
        SHELF_BYTES - sizeof(mst_shelf) - (*shelf)->used < room) {
        mst_shelf *empty = shelf_create();

        if (empty == NULL)
            return NULL;
        *shelf = empty; /* the last one goes with its texts */
    }
    at = (shelved *)((*shelf)->bytes + (*shelf)->used);
    at->shelf = *shelf;
    memcpy(at->text, text, len);
    at->text[len] = '\0';
    (*shelf)->used += room;
    (*shelf)->texts++;
    return at->text;
}

void mst_shelf_drop(mst_shelf **shelf, char **text)
{
    mst_shelf *of;

    if (*text == NULL)
        return;
    of = MST_OF(shelved, text, *text)->shelf;
    sodium_memzero(*text, strlen(*text));
    *text = NULL;
    if (--of->texts > 0)
        return;
    if (of == *shelf)
        *shelf = NULL;
    sodium_free(of);
}

static void wipe(cJSON *json)
{
    cJSON *item;

    if (cJSON_IsString(json) && json->valuestring != NULL)
        sodium_memzero(json->valuestring, strlen(json->valuestring));
    cJSON_ArrayForEach(item, json)
    {
        wipe(item);
    }
}

void mst_drop_secret_json(cJSON **json)
{
    wipe(*json);
    cJSON_Delete(*json);
    *json = NULL;
}

bool mst_secret_grow(char **text, size_t len, size_t bytes)
{
    char *larger = mst_alloc(bytes);

    if (larger == NULL)
        return false;
    if (*text != NULL) {
        memcpy(larger, *text, len);
        sodium_memzero(*text, len);
        mst_free(*text);
    }
    *text = larger;
    return true;
}

/* Reads to the end. *text has FIRST_BYTES; *len says how much there is in it,
 * also on failure. */
static muster_err read_all(int fd, const char *path, size_t most, char **text,
                           size_t *len, muster_error *err)
{
    size_t bytes = FIRST_BYTES;

    for (;;) {
        ssize_t n;

        if (*len + 1 >= bytes) {
            bytes *= 2;
            if (!mst_secret_grow(text, *len, bytes))
                return mst_fail(err, MUSTER_ENOMEM, "no memory for %s", path);
        }
        n = read(fd, *text + *len, bytes - 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mst_fail_sys(err, errno, "cannot read %s", path);
        if (n == 0)
            return MUSTER_OK;
        *len += (size_t)n;
        if (*len > most)
            return mst_fail(err, MUSTER_EINVAL, "%s has more than %zu bytes",
                            path, most);
    }
}

muster_err mst_secret_read(const char *path, size_t most, char **text,
                           size_t *len, muster_error *err)
{
    MST_AUTO(mst_drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *all;
    size_t n = 0;
    muster_err rc;

    if (fd < 0)
        return mst_fail_sys(err, errno, "cannot read %s", path);
    all = mst_alloc(FIRST_BYTES);
    if (all == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "no memory for %s", path);
    rc = read_all(fd, path, most, &all, &n, err);
    if (rc == MUSTER_OK && len == NULL && memchr(all, '\0', n) != NULL)
        rc = mst_fail(err, MUSTER_EINVAL, "%s is no text", path);
    if (rc != MUSTER_OK) {
        sodium_memzero(all, n);
        mst_free(all);
        return rc;
    }
    all[n] = '\0';
    *text = all;
    if (len != NULL)
        *len = n;
    return MUSTER_OK;
}

muster_err mst_secret_decode(const char *base64, char **text)
{
    const size_t len = strlen(base64), most = len / 4 * 3 + 3;
    char *bytes = mst_alloc(most + 1);
    size_t n = 0;

    if (bytes == NULL)
        return MUSTER_ENOMEM;
    if (sodium_base642bin((unsigned char *)bytes, most, base64, len, " \t\r\n",
                          &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        memchr(bytes, '\0', n) != NULL) {
        sodium_memzero(bytes, most);
        mst_free(bytes);
        return MUSTER_EINVAL;
    }
    bytes[n] = '\0';
    *text = bytes;
    return MUSTER_OK;
}

char *mst_secret_trim(char *text)
{
    const size_t skip = strspn(text, " \t\r\n"), all = strlen(text);
    size_t len = all - skip;

    memmove(text, text + skip, len + 1);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    sodium_memzero(text + len, all - len);
    return text;
}
