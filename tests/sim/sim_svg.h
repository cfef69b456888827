/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_svg.h - a picture of a run: panels one above the other over the same time, each with lines.
 * Owner: the caller. Values are the caller's units; what lies outside a panel is drawn at its edge. */
#ifndef TAS_SIM_SVG_H
#define TAS_SIM_SVG_H

#include <stdio.h>

struct svg {
	FILE *to;
	double top;         /* of the current panel, in pixels */
	double until, high; /* its scales: time in seconds, values */
	unsigned lines;
};

void svg_begin(struct svg *g, FILE *to, const char *title, double until, unsigned panels);
/* The next panel, from 0 to `high`; what: of the values, and their unit. */
void svg_panel(struct svg *g, const char *what, double high);
/* n values, `every` seconds apart; the first at `every`. */
void svg_line(struct svg *g, const char *name, const double *values, unsigned n, double every);
/* A value to compare with. */
void svg_level(struct svg *g, const char *name, double value);
void svg_end(struct svg *g);

#endif
