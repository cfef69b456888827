/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_hashes.h - the hashes of a few seeds of each program, as tests/sim/hashes.txt has them: "NAME SEED
 * HASH" a line. Every build must come to the same, or something in a run depends on the compiler, its options
 * or the machine; and a change that was not meant to change what goes over the wire did not. */
#ifndef TAS_SIM_HASHES_H
#define TAS_SIM_HASHES_H

#include <stdbool.h>
#include <stdint.h>

enum { HASHES_SEEDS = 8 }; /* from 1 on: each kind of network in each family */

struct sim_hashes {
	const char *name;            /* of the program in the file; NULL: it has no line there */
	uint64_t hash[HASHES_SEEDS]; /* 0: not known */
};

/* False, and why on standard error, if the file cannot be read. */
bool hashes_read(struct sim_hashes *h, const char *name);
/* Is it as it was? If not, standard error has both, and how to renew them. */
bool hashes_same(const struct sim_hashes *h, uint64_t seed, uint64_t hash);
/* The program's lines anew; those of others stay. False, and why on standard error, if that failed. */
bool hashes_write(const struct sim_hashes *h);

#endif
