/* plot.h - size against time and size against bandwidth, as SVG.
 *
 * Both axes are logarithmic: powers of ten, and powers of two that people call
 * KiB and MiB. One <svg> element with its own style, without scripts, fonts or
 * links, which reads on light and on dark ground.
 */
#ifndef MST_CLI_PLOT_H
#define MST_CLI_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* So many colours there are; further lines repeat them, dashed. */
#define MST_PLOT_COLOURS 8

typedef struct mst_point {
    double x; /* bytes, > 0 */
    double y; /* > 0; points that are not are left out */
} mst_point;

typedef struct mst_line {
    const char *name;
    const mst_point *points; /* by x */
    size_t n;
} mst_line;

typedef struct mst_plot {
    const char *title;
    const char *y_title; /* with its unit */
    const mst_line *lines;
    size_t n;
} mst_plot;

/* Write plots beside each other as one <svg>.
 *
 *   title   of the whole, and what a screen reader says
 *   note    one line under the plots; may be ""
 *
 * Success: true. False: `to` has an error.
 */
bool mst_plot_write(FILE *to, const char *title, const char *note,
                    const mst_plot *plots, size_t n);

/* "64 B", "4 KiB", "64 MiB": as the plots and tables have it. */
const char *mst_size_text(size_t bytes, char *text, size_t size);

/* Write text as it must be inside of HTML and SVG. */
void mst_plot_text(FILE *to, const char *text);

#endif
