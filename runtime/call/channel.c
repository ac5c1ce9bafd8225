/* channel.c - channels as a program or a handler sees them; the same on the
 * manager and on a worker. */
#include "call/channel.h"

#include <string.h>

#include <muster/muster.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fail.h"

static muster_err check(const char *name, muster_error *err)
{
    const size_t n = name != NULL ? strlen(name) : 0;

    if (n < 1 || n > MST_CHANNEL_NAME)
        return mst_fail(err, MUSTER_EINVAL,
                        "a channel's name has 1 to %u bytes", MST_CHANNEL_NAME);
    return MUSTER_OK;
}

muster_err muster_channel_open(muster *m, const char *name, uint32_t capacity,
                               muster_error *err)
{
    unsigned char body[4 + MST_CHANNEL_NAME];
    mst_writer w = mst_writer_of(body, sizeof(body));
    muster_err rc = check(name, err);

    if (rc != MUSTER_OK)
        return rc;
    if (capacity == 0)
        return mst_fail(err, MUSTER_EINVAL,
                        "channel %.64s: a capacity is at least 1", name);
    mst_write_u32(&w, capacity);
    mst_write_bytes(&w, name, strlen(name));
    return muster_call(m, 0, MST_CHANNEL_OPEN, body, mst_written(&w),
                       MUSTER_FOREVER, NULL, err);
}

muster_err muster_channel_put(muster *m, const char *name, const void *data,
                              size_t len, int64_t timeout_ms, muster_error *err)
{
    MST_AUTO(mst_drop) unsigned char *body = NULL;
    muster_err rc = check(name, err);
    size_t at;

    if (rc != MUSTER_OK)
        return rc;
    if (data == NULL && len > 0)
        return mst_fail(err, MUSTER_EINVAL, "no item, but %zu bytes of it",
                        len);
    at = strlen(name) + 1;
    body = len <= SIZE_MAX - at ? mst_alloc(at + len) : NULL;
    if (body == NULL)
        return mst_fail(err, MUSTER_ENOMEM, "an item of %zu bytes", len);
    memcpy(body, name, at);
    if (len > 0)
        memcpy(body + at, data, len);
    return muster_call(m, 0, MST_CHANNEL_PUT, body, at + len, timeout_ms, NULL,
                       err);
}

muster_err muster_channel_take(muster *m, const char *name, int64_t timeout_ms,
                               muster_reply **reply, muster_error *err)
{
    muster_err rc = check(name, err);

    if (rc != MUSTER_OK)
        return rc;
    return muster_call(m, 0, MST_CHANNEL_TAKE, name, strlen(name), timeout_ms,
                       reply, err);
}

muster_err muster_channel_close(muster *m, const char *name, muster_error *err)
{
    muster_err rc = check(name, err);

    if (rc != MUSTER_OK)
        return rc;
    return muster_call(m, 0, MST_CHANNEL_CLOSE, name, strlen(name),
                       MUSTER_FOREVER, NULL, err);
}
