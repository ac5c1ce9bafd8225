/* lame.h - workers that do not come up as they should.
 *
 *     lame l;
 *     muster_options o = lame_options(&l, "1 2", "exit 9");
 *
 * Of the workers that are started with these options the first two end with
 * status 9 before they connect; the others are as always. One at a time.
 */
#ifndef LAME_H
#define LAME_H

#include "rig.h"

typedef struct lame {
    char dir[32];
    char variables[3][80];
    const char *env[4];
} lame;

/* rig_options(), with o.worker and o.env set. Asserts.
 *
 *   which  one word for each worker that fails
 *   what   the shell command it runs instead
 */
muster_options lame_options(lame *l, const char *which, const char *what);

/* When all are started. */
void lame_forget(const lame *l);

#endif
