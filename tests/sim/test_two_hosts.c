/* SPDX-License-Identifier: BSD-3-Clause */
/* test_two_hosts.c - whole hosts exchange data in virtual time, over networks that lose, repeat, reorder and
 * spoil. See sim_main.h for arguments, sim_draw.h for what a seed stands for, sim_oracle.h for what must
 * hold.
 * timeout: 600 */
#include "tests/sim/sim_main.h"

int main(int argc, char **argv)
{
	return sim_main(argc, argv,
		&(struct sim_program){ .hashes = "two_hosts", .seeds = 1000, .long_seeds = 100000 });
}
