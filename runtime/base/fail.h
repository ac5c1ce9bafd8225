/* fail.h - filling a muster_error. All accept err == NULL. */
#ifndef MST_FAIL_H
#define MST_FAIL_H

#include <stdarg.h>
#include <stddef.h>

#include <muster/error.h>

/* Set code and text; returns code. */
muster_err mst_fail(muster_error *err, muster_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* MUSTER_ESYS with `sys` and its words after the text; returns MUSTER_ESYS. */
muster_err mst_fail_sys(muster_error *err, int sys, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put a few words and ": " in front of the text; returns code. */
muster_err mst_because(muster_error *err, muster_err code, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* vsnprintf that cuts at a whole UTF-8 character and turns control characters
 * into spaces, so that a text is always one readable line. */
void mst_sentence(char *text, size_t bytes, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
