/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_main.h - the command line of every program that runs seeds.
 *
 *	PROGRAM                             its seeds, and one of them twice; many more if $CHECK_LONG
 *	PROGRAM --seeds A..B [--quiet]      those
 *	PROGRAM --seed N [--trace]          one; with every frame
 *	PROGRAM --hashes                    the first few, whose hashes go into tests/sim/hashes.txt
 *
 * Returns 0 if every seed kept to the oracles, the run twice was the same twice, its seeds had the hashes of
 * that file (sim_hashes.h), and what was sent again at random loss is at most 1.5 times what was lost.
 * Whoever changes what goes over the wire, or what a seed draws, renews the file: `ninja -C build hashes`
 * does it for all programs. */
#ifndef TAS_SIM_MAIN_H
#define TAS_SIM_MAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/sim_draw.h"

struct sim_program {
	const char *hashes; /* its name in hashes.txt; NULL: none */
	uint64_t seeds, long_seeds;
	bool hostile;
	enum draw_other other;
};

int sim_main(int argc, char **argv, const struct sim_program *p);

#endif
