/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_svg.h"

#include "include/base/compiler.h"

enum { WIDTH = 720, PANEL = 180, LEFT = 60, RIGHT = 110, ABOVE = 34, GAP = 34, TICKS = 4 };

static const char *const colour[] = { "#1b6ca8", "#c8553d", "#3a7d44", "#8a5a9e", "#b8860b", "#555555" };

static double x_of(const struct svg *g, double at_s)
{
	return LEFT + at_s / g->until * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct svg *g, double value)
{
	double part = value / g->high;

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return g->top + PANEL * (1 - part);
}

void svg_begin(struct svg *g, FILE *to, const char *title, double until, unsigned panels)
{
	unsigned height = ABOVE + panels * (PANEL + GAP);

	*g = (struct svg){ .to = to, .until = until, .top = ABOVE - PANEL - GAP };
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" font-family=\"sans-serif\" "
		"font-size=\"11\">\n<rect width=\"%d\" height=\"%u\" fill=\"white\"/>\n"
		"<text x=\"%d\" y=\"18\" font-size=\"13\">%s</text>\n",
		WIDTH, height, WIDTH, height, LEFT, title);
}

void svg_panel(struct svg *g, const char *what, double high)
{
	g->top += PANEL + GAP;
	g->high = high > 0 ? high : 1;
	g->lines = 0;
	fprintf(g->to, "<text x=\"%d\" y=\"%.0f\">%s</text>\n", LEFT, g->top - 4, what);
	for (unsigned i = 0; i <= TICKS; i++) {
		double value = g->high * i / TICKS, at_s = g->until * i / TICKS;

		fprintf(g->to, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, y_of(g, value),
			WIDTH - RIGHT);
		fprintf(g->to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", LEFT - 5,
			y_of(g, value) + 4, value);
		fprintf(g->to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.4g s</text>\n",
			x_of(g, at_s), g->top + PANEL + 13, at_s);
	}
}

static void legend(struct svg *g, const char *name, const char *paint)
{
	fprintf(g->to, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n", WIDTH - RIGHT + 6,
		g->top + 12 + 15 * g->lines, paint, name);
	g->lines++;
}

void svg_line(struct svg *g, const char *name, const double *values, unsigned n, double every)
{
	const char *paint = colour[g->lines % ARRAY_LEN(colour)];

	fprintf(g->to, "<polyline fill=\"none\" stroke=\"%s\" points=\"", paint);
	for (unsigned i = 0; i < n; i++)
		fprintf(g->to, "%.1f,%.1f ", x_of(g, (i + 1) * every), y_of(g, values[i]));
	fprintf(g->to, "\"/>\n");
	legend(g, name, paint);
}

void svg_level(struct svg *g, const char *name, double value)
{
	fprintf(g->to, "<path d=\"M%d %.1fH%d\" stroke=\"black\" stroke-dasharray=\"4 3\"/>\n", LEFT,
		y_of(g, value), WIDTH - RIGHT);
	legend(g, name, "black");
}

void svg_end(struct svg *g) { fprintf(g->to, "</svg>\n"); }
