#include "cli/plot.h"

#include <math.h>

/* One plot, in SVG's units. */
#define WIDTH 560.0
#define HEIGHT 400.0
#define LEFT 74.0
#define RIGHT 30.0
#define TOP 34.0
#define BOTTOM 52.0
#define HEAD 34.0   /* above the plots */
#define ENTRY 170.0 /* of the legend */
#define ROW 20.0

/* What is drawn, in powers: of two on x, of ten on y. */
typedef struct frame {
    double left, top;
    double x0, x1, y0, y1;
} frame;

/* Colours that differ in lightness too; others on dark ground. */
static const char style[] =
    "<style>"
    ".mp{--paper:#fff;--ink:#1a1a1a;--grid:#d8d8d8;--c0:#0b62c4;--c1:#c2410c;--"
    "c2:#15803d;"
    "--c3:#a21caf;--c4:#8a6100;--c5:#0e7490;--c6:#be123c;--c7:#57534e;"
    "font:13px system-ui,sans-serif;max-width:100%;height:auto}"
    ".mp text{fill:var(--ink)}.mp .h{font-weight:600;font-size:15px}"
    ".mp .g{stroke:var(--grid);stroke-width:1}"
    ".mp .l{fill:none;stroke-width:2;stroke-linejoin:round}"
    "@media(prefers-color-scheme:dark){.mp{--paper:#17191c;--ink:#ececec;--"
    "grid:#4a4a4a;"
    "--c0:#6cb2ff;--c1:#ff9b61;--c2:#5fd38a;--c3:#f099fb;--c4:#e5bd4f;"
    "--c5:#58d3ea;--c6:#ff8ba2;--c7:#c0b8b2}}"
    "</style>\n";

void mst_plot_text(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '>')
            fputs("&gt;", to);
        else if (*text == '"')
            fputs("&quot;", to);
        else
            putc(*text, to);
    }
}

const char *mst_size_text(size_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (bytes >= 1024 && bytes % 1024 == 0 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, size, "%zu %s", bytes, units[unit]);
    return text;
}

static double x_of(const frame *f, double x)
{
    return f->left + LEFT +
           (log2(x) - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const frame *f, double y)
{
    return f->top + HEIGHT - BOTTOM -
           (log10(y) - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

/* Whole powers around all points; something even if there is none. */
static void measure(frame *f, const mst_plot *plot)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;

    for (size_t i = 0; i < plot->n; i++)
        for (size_t k = 0; k < plot->lines[i].n; k++) {
            const mst_point *p = &plot->lines[i].points[k];

            if (!(p->x > 0) || !(p->y > 0))
                continue;
            x0 = fmin(x0, log2(p->x));
            x1 = fmax(x1, log2(p->x));
            y0 = fmin(y0, log10(p->y));
            y1 = fmax(y1, log10(p->y));
        }
    f->x0 = isfinite(x0) ? floor(x0) : 0;
    f->x1 = isfinite(x1) ? fmax(ceil(x1), f->x0 + 1) : 10;
    f->y0 = isfinite(y0) ? floor(y0) : 0;
    f->y1 = isfinite(y1) ? fmax(ceil(y1), f->y0 + 1) : 1;
}

static void text_at(FILE *to, double x, double y, const char *attributes,
                    const char *text)
{
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    mst_plot_text(to, text);
    fputs("</text>\n", to);
}

static void grid_line(FILE *to, double x1, double y1, double x2, double y2)
{
    fprintf(to,
            "<line class=\"g\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
            "y2=\"%.1f\"/>\n",
            x1, y1, x2, y2);
}

static void draw_axes(FILE *to, const frame *f, const mst_plot *plot)
{
    const double bottom = f->top + HEIGHT - BOTTOM;
    const double right = f->left + WIDTH - RIGHT;
    char text[160];

    for (int p = (int)f->x0; p <= (int)f->x1; p += 2) {
        const double x = x_of(f, exp2(p));

        grid_line(to, x, f->top + TOP, x, bottom);
        mst_size_text((size_t)1 << (unsigned)p, text, sizeof(text));
        if ((p - (int)f->x0) % 4 == 0)
            text_at(to, x, bottom + 18, "text-anchor=\"middle\"", text);
    }
    for (int p = (int)f->y0; p <= (int)f->y1; p++) {
        const double y = y_of(f, pow(10, p));

        grid_line(to, f->left + LEFT, y, right, y);
        if (p >= -2 && p <= 5)
            snprintf(text, sizeof(text), "%.*f", p < 0 ? -p : 0, pow(10, p));
        else
            snprintf(text, sizeof(text), "1e%d", p);
        text_at(to, f->left + LEFT - 8, y + 4, "text-anchor=\"end\"", text);
    }
    text_at(to, (f->left + LEFT + right) / 2, bottom + 38,
            "text-anchor=\"middle\"", "bytes of payload");
    text_at(to, (f->left + LEFT + right) / 2, f->top + 20,
            "class=\"h\" text-anchor=\"middle\"", plot->title);
    snprintf(text, sizeof(text),
             "text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"",
             f->left + 16, f->top + HEIGHT / 2);
    text_at(to, f->left + 16, f->top + HEIGHT / 2, text, plot->y_title);
}

static const char *dash_of(size_t i)
{
    return i < MST_PLOT_COLOURS ? "" : " stroke-dasharray=\"6 4\"";
}

static void draw_line(FILE *to, const frame *f, const mst_line *line, size_t i)
{
    const size_t colour = i % MST_PLOT_COLOURS;

    fprintf(to,
            "<polyline class=\"l\" style=\"stroke:var(--c%zu)\"%s points=\"",
            colour, dash_of(i));
    for (size_t k = 0; k < line->n; k++)
        if (line->points[k].x > 0 && line->points[k].y > 0)
            fprintf(to, "%.1f,%.1f ", x_of(f, line->points[k].x),
                    y_of(f, line->points[k].y));
    fputs("\"/>\n", to);
    for (size_t k = 0; k < line->n; k++)
        if (line->points[k].x > 0 && line->points[k].y > 0)
            fprintf(to,
                    "<circle style=\"fill:var(--c%zu)\" cx=\"%.1f\" "
                    "cy=\"%.1f\" r=\"3\"/>\n",
                    colour, x_of(f, line->points[k].x),
                    y_of(f, line->points[k].y));
}

static size_t legend_columns(double width)
{
    return (size_t)((width - 2 * RIGHT) / ENTRY);
}

/* Names of the lines of the first plot; the others have the same. */
static void draw_legend(FILE *to, const mst_plot *plot, double width,
                        double top)
{
    const size_t columns = legend_columns(width);

    for (size_t i = 0; i < plot->n; i++) {
        const double x = LEFT + (double)(i % columns) * ENTRY;
        const size_t row = i / columns;
        const double y = top + (double)row * ROW;

        fprintf(to,
                "<line class=\"l\" style=\"stroke:var(--c%zu)\"%s x1=\"%.1f\" "
                "y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                i % MST_PLOT_COLOURS, dash_of(i), x, y - 4, x + 22, y - 4);
        text_at(to, x + 28, y, "", plot->lines[i].name);
    }
}

bool mst_plot_write(FILE *to, const char *title, const char *note,
                    const mst_plot *plots, size_t n)
{
    const double width = WIDTH * (double)n;
    const size_t columns = legend_columns(width);
    const size_t rows = (plots[0].n + columns - 1) / columns;
    const double height = HEAD + HEIGHT + ((double)rows + 2) * ROW;
    frame f;

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"mp\" "
            "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "role=\"img\">\n<title>",
            width, height, width, height);
    mst_plot_text(to, title);
    fprintf(to,
            "</title>\n%s<rect width=\"100%%\" height=\"100%%\" "
            "style=\"fill:var(--paper)\"/>\n",
            style);
    text_at(to, RIGHT, 22, "class=\"h\"", title);
    for (size_t i = 0; i < n; i++) {
        f.left = WIDTH * (double)i;
        f.top = HEAD;
        measure(&f, &plots[i]);
        draw_axes(to, &f, &plots[i]);
        for (size_t k = 0; k < plots[i].n; k++)
            draw_line(to, &f, &plots[i].lines[k], k);
    }
    draw_legend(to, &plots[0], width, HEAD + HEIGHT + ROW);
    text_at(to, RIGHT, height - 12, "", note);
    fputs("</svg>\n", to);
    return ferror(to) == 0;
}
