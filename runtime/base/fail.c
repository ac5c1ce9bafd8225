#include "base/fail.h"

#include <stdio.h>
#include <string.h>

#include "base/tame.h"

static const char *const names[MUSTER_ERRORS] = {
    [MUSTER_OK] = "success",
    [MUSTER_EINVAL] = "invalid argument",
    [MUSTER_ENOMEM] = "out of memory",
    [MUSTER_ESYS] = "system call failed",
    [MUSTER_EADDR] = "cannot listen there",
    [MUSTER_ECLOSED] = "runtime closed",
    [MUSTER_ETIMEOUT] = "deadline passed",
    [MUSTER_ECANCELED] = "cancelled",
    [MUSTER_ELOST] = "worker lost",
    [MUSTER_EREMOTE] = "handler failed",
    [MUSTER_ENOHANDLER] = "no such handler",
    [MUSTER_EWORKER] = "no such worker",
    [MUSTER_EQUORUM] = "too few workers",
    [MUSTER_EMODULE] = "module not loaded",
    [MUSTER_EPROTO] = "protocol error",
    [MUSTER_EREFUSED] = "refused",
    [MUSTER_EPARTIAL] = "some workers failed",
    [MUSTER_ENOTMANAGER] = "not on the manager",
    [MUSTER_ENOTSUP] = "not supported",
    [MUSTER_EDEPTH] = "calls nested too deeply",
    [MUSTER_EEXIST] = "name is taken",
    [MUSTER_ENOENT] = "no such name",
    [MUSTER_EEND] = "channel is closed",
    [MUSTER_EKUBE] = "Kubernetes configuration",
    [MUSTER_ENOSERVER] = "API server not reached",
    [MUSTER_EDENIED] = "API server said no",
};

const char *muster_strerror(muster_err code)
{
    if ((unsigned)code >= MUSTER_ERRORS || names[code] == NULL)
        return "unknown error";
    return names[code];
}

const char *muster_version(void)
{
    return MUSTER_VERSION;
}

/* Length of `text` without a UTF-8 character that was cut at its end. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t back = 0;

    while (back < 3 && back < len &&
           ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < len) {
        const unsigned char lead = (unsigned char)text[len - 1 - back];
        const size_t want = lead >= 0xf0   ? 4
                            : lead >= 0xe0 ? 3
                            : lead >= 0xc0 ? 2
                                           : 1;
        if (want > back + 1)
            return len - 1 - back;
    }
    return len;
}

void mst_sentence(char *text, size_t bytes, const char *format, va_list args)
{
    int n = vsnprintf(text, bytes, format, args);

    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= bytes)
        text[whole_characters(text, bytes - 1)] = '\0';
    mst_tame(text);
}

static void clear(muster_error *err, muster_err code)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
}

muster_err mst_fail(muster_error *err, muster_err code, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return code;
    clear(err, code);
    va_start(args, format);
    mst_sentence(err->text, sizeof(err->text), format, args);
    va_end(args);
    return code;
}

muster_err mst_fail_sys(muster_error *err, int sys, const char *format, ...)
{
    va_list args;
    size_t len;

    if (err == NULL)
        return MUSTER_ESYS;
    clear(err, MUSTER_ESYS);
    err->sys = sys;
    va_start(args, format);
    mst_sentence(err->text, sizeof(err->text), format, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s",
             strerrordesc_np(sys) != NULL ? strerrordesc_np(sys) : "error");
    return MUSTER_ESYS;
}

muster_err mst_because(muster_error *err, muster_err code, const char *format,
                       ...)
{
    char old[MUSTER_ERROR_TEXT];
    va_list args;
    size_t len;

    if (err == NULL)
        return code;
    memcpy(old, err->text, sizeof(old));
    err->code = code;
    va_start(args, format);
    mst_sentence(err->text, sizeof(err->text), format, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %.*s",
             (int)(sizeof(err->text) - len), old);
    err->text[whole_characters(err->text, strlen(err->text))] = '\0';
    return code;
}
