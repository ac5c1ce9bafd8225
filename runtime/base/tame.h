/* tame.h - text of others, made fit to be shown: what a worker, a Pod or a
 * server says must not move the cursor, clear the screen or set a title. */
#ifndef MST_TAME_H
#define MST_TAME_H

#include <stddef.h>
#include <stdio.h>

/* In place, for sentences: control characters, those of C1 too, become spaces,
 * and each byte that is not of a UTF-8 character a question mark. */
void mst_tame(char *text);

/* One line without its end. A terminal gets colours (SGR sequences) and
 * tabs; other control characters are shown as ^X, other bytes as U+FFFD. What
 * is no terminal gets every byte as it is. */
void mst_tame_print(FILE *to, const char *line, size_t len);

#endif
