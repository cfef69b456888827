/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lwip.c - a host of ours and one that runs lwIP (sim_lwip.h): a TCP that others wrote, and applications
 * on it that act after the same plans as ours.
 * timeout: 600 */
#include "tests/sim/sim_main.h"

int main(int argc, char **argv)
{
	return sim_main(argc, argv,
		&(struct sim_program){ .hashes = "lwip",
			.seeds = 300,
			.long_seeds = 30000,
			.other = OTHER_LWIP });
}
